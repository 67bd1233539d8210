"""Options that several ``slurm`` commands share."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import Command
from tracks2zarr.cli.options import (
    Decorator,
    Option,
    add_options,
    format_option,
    frames_options,
    individual_dim_option,
    mode_options,
    pattern_option,
    videos_options,
)
from tracks2zarr.cli.parameter_types import PATH

if TYPE_CHECKING:
    from tracks2zarr.slurm.queueing import JobOptions

_MEMORY = re.compile(r"([0-9]+)([KMGT]?)B?", re.IGNORECASE)
_MIB = {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024**2}
_CLOCK = re.compile(r"(?:(?P<days>[0-9]+)-)?(?P<rest>[0-9]+(?::[0-9]+){0,2})")

#: Options of sbatch that are passed on as they are, with what they say.
_PASSED_ON = {
    "partition": ("NAME", "Partition to run in."),
    "account": ("NAME", "Account to charge."),
    "qos": ("NAME", "Quality of service to run under."),
    "reservation": ("NAME", "Reservation to run in."),
    "constraint": ("FEATURES", "Features that a node must have."),
    "nodelist": ("NODES", "Nodes to run on, e.g. node[1-4]."),
    "exclude": ("NODES", "Nodes not to run on."),
    "gres": ("LIST", "Other resources of a node for each task, e.g. tmp:20G."),
    "mail-type": ("EVENTS", "When to send mail, e.g. END,FAIL."),
    "mail-user": ("ADDRESS", "Where to send mail."),
}


#: Options of sbatch that would break what this tool submits.
_RESERVED = frozenset(
    {
        *("array", "chdir", "clusters", "error", "hold", "open-mode", "output", "parsable"),
        *("test-only", "wait", "wrap"),
    }
)
#: Options of these commands by what sbatch calls them.
_OWN = {"mem": "--mem", "time": "--time", "cpus-per-task": "--cpus"} | {
    name: f"--{name}" for name in _PASSED_ON
}


class SbatchCommand(Command):
    """A command with `sbatch_options`: it knows the other options of sbatch, too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            hint = _sbatch_hint(error.option_name, given)
            if hint is None:
                raise
            raise click.UsageError(f"{error.message} {hint}", ctx) from None


def _sbatch_hint(option: str, args: list[str]) -> str | None:
    """Return how to pass an option of sbatch that a command does not have; None for no such one."""
    from tracks2zarr.slurm.sbatch_names import long_name, needs_value

    is_long = option.startswith("--")
    words = [arg.partition("=")[0] if is_long else arg[:2] for arg in args]
    name = long_name(option)
    if name is None or option not in words or (is_long and name != option[2:]):
        return None
    place = words.index(option)
    if name in _RESERVED:
        return _would_break(name)
    if name in _OWN:
        return f"Did you mean '{_OWN[name]}'?"
    value = args[place][len(option) :].removeprefix("=")  # behind the name, or the next word
    if not value and needs_value(name):
        value = next((arg for arg in args[place + 1 :][:1] if not arg.startswith("-")), "...")
    passed_on = f"--sbatch=--{name}" + (f"={value}" if value else "")
    return f"Pass it on to sbatch: {shlex.quote(passed_on)}"


def _would_break(name: str) -> str:
    """Return why an option of sbatch is refused."""
    text = f"sbatch's --{name} would break what tracks2zarr submits."
    if name == "array":
        text += " To submit some of the videos only, name them with --video or --videos-from."
    return text


class SlurmMemory(click.ParamType[int]):
    """Memory as SLURM has it: a number of MiB, or with a unit, such as ``4G``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of MiB, rounded up."""
        if isinstance(value, int):
            return value
        match = _MEMORY.fullmatch(str(value).strip())
        mib = -int(-int(match[1]) * _MIB[match[2].upper()] // 1) if match else 0
        if mib < 1:
            self.fail(f"'{value}' is not an amount of memory; expected e.g. 4G, or 4096 (MiB).")
        return mib


class SlurmTime(click.ParamType[int]):
    """A time limit as SLURM has it: minutes, h:mm:ss, or days-hours."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of minutes, rounded up."""
        if isinstance(value, int):
            return value
        match = _CLOCK.fullmatch(str(value).strip())
        minutes = _minutes(match) if match else 0
        if minutes < 1:
            self.fail(
                f"'{value}' is not a time limit; expected minutes, h:mm:ss, or days-hours, as for"
                " sbatch."
            )
        return minutes


def _minutes(match: re.Match[str]) -> int:
    """Return minutes, by the rules of sbatch(1) for ``--time``."""
    numbers = [int(number) for number in match["rest"].split(":")]
    if match["days"] is not None:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
        hours += 24 * int(match["days"])
    elif len(numbers) < 3:
        hours, (minutes, seconds) = 0, (*numbers, 0)[:2]
    else:
        hours, minutes, seconds = numbers
    return -(-(3600 * hours + 60 * minutes + seconds) // 60)


def sbatch_options(
    default: str = "what the plan predicts",
    cpus: str = "1",
    max_tasks: str = "9",
) -> Decorator:
    """Return what adds the options that say what to request of the cluster.

    Parameters
    ----------
    default, cpus, max_tasks
        What memory and time, cores, and tasks at a time are by default, for people.
    """
    options = [
        *_task_options(default, cpus, max_tasks),
        *(
            click.option(f"--{name}", metavar=metavar, help=text)
            for name, (metavar, text) in _PASSED_ON.items()
        ),
        click.option(
            "--sbatch",
            multiple=True,
            metavar="OPTION",
            help="Any other option of sbatch, e.g. --sbatch=--licenses=a. May be repeated.",
        ),
        click.option(
            "--prelude",
            type=PATH,
            metavar="FILE",
            help="File with shell commands that each job runs first, e.g. 'module load ...'.",
        ),
    ]
    return functools.partial(add_options, options)


def _task_options(memory_and_time: str, cpus: str, max_tasks: str) -> list[Decorator]:
    """Return the options for what a task gets, with their defaults for people."""
    return [
        click.option(
            "--mem",
            type=SlurmMemory(),
            metavar="SIZE",
            cls=Option,
            show_default=memory_and_time,
            help="Memory for each task, e.g. 4G.",
        ),
        click.option(
            "--time",
            type=SlurmTime(),
            metavar="LIMIT",
            cls=Option,
            show_default=memory_and_time,
            help="Time limit of each task, e.g. 2:00:00.",
        ),
        click.option(
            "--cpus",
            type=click.IntRange(min=1),
            metavar="N",
            cls=Option,
            show_default=cpus,
            help="Cores for each task.",
        ),
        click.option(
            "--max-tasks",
            type=click.IntRange(min=1),
            metavar="M",
            cls=Option,
            show_default=max_tasks,
            help="How many tasks may run at the same time.",
        ),
    ]


def script_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of ``slurm task`` that the script of ``slurm script`` sets."""
    options = (
        pattern_option(),
        format_option,
        videos_options,
        frames_options,
        individual_dim_option,
        mode_options("a"),
    )
    return add_options(options, command)


def verify_option(default: str | None = "quick") -> Decorator:
    """Return the option ``--verify``; its default may be what was verified before."""
    return click.option(
        "--verify",
        type=click.Choice(["quick", "full", "none"]),
        default=default,
        cls=Option,
        show_default=default or "as before",
        help="What the finalising job verifies: that no file has changed (quick), also that every"
        " value matches the tracks files (full), or nothing (none).",
    )


def finalising_options(
    default: str = "what the plan predicts", verify: str | None = "quick"
) -> Decorator:
    """Return what adds the options that say what the finalising job does, and what it requests.

    Parameters
    ----------
    default
        What its memory and time are by default, for people.
    verify
        What it verifies by default; None for what it verified before.
    """
    options = [
        verify_option(verify),
        click.option(
            "--finalise-mem",
            type=SlurmMemory(),
            metavar="SIZE",
            cls=Option,
            show_default=default,
            help="Memory for the finalising job.",
        ),
        click.option(
            "--finalise-time",
            type=SlurmTime(),
            metavar="LIMIT",
            cls=Option,
            show_default=default,
            help="Time limit of the finalising job.",
        ),
    ]
    return functools.partial(add_options, options)


def job_options_from(options: dict[str, Any]) -> JobOptions:
    """Take the options of `sbatch_options` out of all options, and return what they request."""
    from tracks2zarr.slurm.queueing import JobOptions

    passed_on = {name: options.pop(name.replace("-", "_")) for name in _PASSED_ON}
    own = [f"--{name}={value}" for name, value in passed_on.items() if value is not None]
    further = _checked_sbatch_options(options.pop("sbatch"), own)
    return JobOptions(
        memory=options.pop("mem"),
        minutes=options.pop("time"),
        cpus=options.pop("cpus"),
        max_tasks=options.pop("max_tasks"),
        options=(*own, *further),
        prelude=_prelude(options.pop("prelude")),
        verify=options.pop("verify", "quick"),
        finalising_memory=options.pop("finalise_mem", None),
        finalising_minutes=options.pop("finalise_time", None),
    )


def _checked_sbatch_options(texts: Sequence[str], own: Sequence[str]) -> list[str]:
    """Check the values of ``--sbatch``, beside the options of sbatch that have their own name.

    They are returned with long names.
    """
    from tracks2zarr.slurm.sbatch_names import long_name, with_long_name

    given = {long_name(text): text for text in own}
    for text in texts:
        name = long_name(text)
        if not text.startswith("-") or "\n" in text:
            raise click.UsageError(
                f"--sbatch takes an option of sbatch, such as --licenses=a: '{text}'."
            )
        if name in _RESERVED:
            raise click.UsageError(_would_break(name))
        if name is not None and name in given:
            raise click.UsageError(f"--{name} is given twice: '{given[name]}' and '{text}'.")
        if name in {"mem", "time", "cpus-per-task"}:
            raise click.UsageError(f"Use {_OWN[name]} in place of --sbatch={text}.")
        given[name] = text
    return [with_long_name(text) for text in texts]


def _prelude(path: Path | None) -> str:
    from tracks2zarr.common.problems import Problem, Tracks2ZarrError

    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Tracks2ZarrError(
            Problem(
                kind="prelude",
                what="The prelude file cannot be read.",
                file=str(path),
                found=str(error),
                expected="a text file with lines of shell",
                remedy="Correct --prelude.",
            )
        ) from None


def store_at(given: Path) -> Path:
    """Return the store at a path, or that of the job whose id was given."""
    from tracks2zarr.slurm.store_of_job import job_in, store_of_job

    job = None if given.exists() else job_in(str(given))
    return given if job is None else store_of_job(job)
