"""The command ``tracks2zarr`` and what all commands share: errors, signals, exit status."""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import click

from tracks2zarr.cli.streams import discard_stdout, prepare_streams
from tracks2zarr.cli.whole_command import note_command

#: Those of the command lines of this package.
CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_INTERRUPTED = 128 + signal.SIGINT
_TERMINATED = 128 + signal.SIGTERM

#: A line that drops ends a run as well; Windows has no such signal.
_TERMINATING = {"SIGTERM", "SIGHUP"}

#: Set by the option --debug.
_debug = False
#: The command line, with the name of the program.
_given: list[str] = []
#: Set when SIGTERM, and not SIGINT, interrupts a run.
_terminated = False


def debug_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option ``--debug`` to a command."""

    def note(_context: click.Context, _option: click.Parameter, value: bool) -> None:
        global _debug  # noqa: PLW0603 - the command line is one a process
        _debug = _debug or value

    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=note,
        help="Show full tracebacks.",
    )(command)


class Command(click.Command):
    """A command that refuses an option that is given twice, unless it is one to repeat."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line."""
        given = list(args)  # parsing takes them away
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:  # as where the Tab key asks
            self._check_repeated(ctx, given)
            note_command(self, _given)
        return rest

    def _check_repeated(self, ctx: click.Context, args: list[str]) -> None:
        parser = self.make_parser(ctx)
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        single = [one for one in options if not (one.multiple or one.is_flag or one.count)]
        for option in single:  # in place of the parser's own, of which the last value counts
            parser.add_option(option, option.opts, option.name, action="append")
        values, _, _ = parser.parse_args(args)
        for option in single:
            given = values.get(option.name)
            if isinstance(given, list) and len(given) > 1:
                times = "twice" if len(given) == 2 else f"{len(given)} times"
                listed = f"{', '.join(given[:-1])} and {given[-1]}"
                ctx.fail(f"{max(option.opts, key=len)} is given {times}: {listed}.")


class SuggestingGroup(click.Group):
    """A group of commands that suggests the nearest one for a mistyped name.

    The module of a command is imported when the command is asked for.

    Parameters
    ----------
    modules
        The module of each command below `tracks2zarr.cli`, in the order of the help.
    **settings
        Those of `click.Group`.
    """

    def __init__(self, modules: Mapping[str, str], **settings: Any) -> None:
        super().__init__(**settings)
        self.modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command."""
        if cmd_name not in self.modules:
            return None
        import importlib

        module = importlib.import_module(f"tracks2zarr.cli.{self.modules[cmd_name]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest the nearest one."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self.modules:
            from tracks2zarr.common.near_names import did_you_mean

            hint = did_you_mean(name, self._full_names(ctx))
            ctx.fail(f"No such command '{name}'." + (f" {hint}" if hint else ""))
        return super().resolve_command(ctx, args)

    def _full_names(self, ctx: click.Context) -> Iterator[str]:
        """Yield the names of all commands, those of groups with the group's name before them."""
        for name in self.modules:
            yield name
            command = self.get_command(ctx, name)
            if isinstance(command, SuggestingGroup):
                yield from (f"{name} {below}" for below in command.modules)


_FIRST_RUN = """\b
A first run:
  tracks2zarr plan   TRACKS_DIR METADATA_CSV
  tracks2zarr create TRACKS_DIR METADATA_CSV CrabTracks.zarr
  tracks2zarr verify CrabTracks.zarr
"""


@click.group(
    cls=SuggestingGroup,
    modules={
        "plan": "plan",
        "create": "create",
        "verify": "verify",
        "info": "info",
        "report": "report",
        "plot": "plot",
        "merge": "merge",
        "export": "export",
        "correct": "correct",
        "publish": "publish",
        "finalise": "finalise",
        "metadata": "metadata",
        "slurm": "slurm",
        "completion": "completion",
    },
    epilog=_FIRST_RUN,
    context_settings=CONTEXT_SETTINGS,
)
@click.version_option(package_name="tracks2zarr", prog_name="tracks2zarr")
@debug_option
def app() -> None:
    """Turn the tracks of a whole experiment into one checked Zarr dataset."""


def main() -> NoReturn:
    """Run ``tracks2zarr`` and exit."""
    run(app, "tracks2zarr")


def run(command: click.Command, name: str, args: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its status; no traceback reaches a user.

    Parameters
    ----------
    command
        The command. It returns its exit status, or None for 0.
    name
        Its name.
    args
        Its arguments; by default those of the process.
    """
    _given[:] = [name, *(sys.argv[1:] if args is None else args)]
    prepare_streams()
    # numpy's threads for linear algebra, of which there is none here, spin a tenth of a second
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for number in [one for one in signal.Signals if one.name in _TERMINATING]:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, _on_sigterm)
    try:
        status = _status(command, name, args)
    except BrokenPipeError:  # whoever read our output has gone, as `head` does
        discard_stdout()
        status = 1
    gc.freeze()  # to look for cycles in all modules once more would take a tenth of a second
    sys.exit(status)


def _on_sigterm(_number: int, _frame: object) -> None:
    global _terminated  # noqa: PLW0603 - signals are one a process
    _terminated = True
    raise KeyboardInterrupt


def _status(command: click.Command, name: str, args: Sequence[str] | None) -> int:
    from tracks2zarr.common.problems import Tracks2ZarrError
    from tracks2zarr.common.system_problems import is_panic

    try:
        returned = command.main(args, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
        return returned if isinstance(returned, int) else 0
    except click.ClickException as error:
        _with_one_suggestion(error).show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        _print_message(" ".join(["Interrupted.", *map(str, error.args)]))
        return interrupted_status()
    except Tracks2ZarrError as error:
        _show_traceback()
        from tracks2zarr.cli.show import print_problems

        if any(problem.kind == "stdout" for problem in error.problems):
            discard_stdout()
        print_problems(error.problems)
        return 1
    except BrokenPipeError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        return _unexpected(error)


def _with_one_suggestion(error: click.ClickException) -> click.ClickException:
    """Return an error of the command line that suggests the nearest option only."""
    if not isinstance(error, click.NoSuchOption) or not error.possibilities:
        return error
    near = error.possibilities[0]  # the best one is the first
    return click.UsageError(f"{error.message} Did you mean '{near}'?", error.ctx)


def interrupted_status() -> int:
    """Return the exit status after a signal."""
    return _TERMINATED if _terminated else _INTERRUPTED


def _unexpected(error: BaseException) -> int:
    from tracks2zarr.cli.show import print_problems
    from tracks2zarr.common.system_problems import unexpected_problem

    _show_traceback()
    print_problems([unexpected_problem(error)])
    return 1


def _show_traceback() -> None:
    if _debug:
        traceback.print_exc()


def _print_message(line: str) -> None:
    print(line, file=sys.stderr)
