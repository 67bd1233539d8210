"""Options and arguments that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from tracks2zarr.cli.completion import videos_in_metadata
from tracks2zarr.cli.parameter_types import FOLDER, PATH, FrameRegexp
from tracks2zarr.common.problems import Problem, Tracks2ZarrError

if TYPE_CHECKING:
    from click.types import OptionHelpExtra

#: Adds an option or argument to a command.
type Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Option(click.Option):
    """An option whose default is given in words, shown like any other: without parentheses."""

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Return what stands in brackets behind the help."""
        extra = super().get_help_extra(ctx)
        if isinstance(self.show_default, str):
            extra["default"] = self.show_default
        return extra


#: The default of --pattern, in words.
_PATTERNS = "that of the format; *.csv, *.csv.gz and *.csv.zst for VIA"


def pattern_option(
    name: str = "--pattern", folder: str = "TRACKS_DIR", *, multiple: bool = True
) -> Decorator:
    """Return the option for the names of tracks files.

    Parameters
    ----------
    name
        What the command calls it.
    folder
        What its help calls the folder of the tracks files.
    multiple
        Whether it may be repeated.
    """
    return click.option(
        name,
        "pattern",
        multiple=multiple,
        default=None if multiple else "*.csv",
        show_default=_PATTERNS if multiple else True,
        cls=Option,
        metavar="GLOB",
        callback=(lambda _context, _option, given: given or None) if multiple else None,
        help=f"Pattern that the names of the tracks files in {folder} match, in quotes."
        + (" May be repeated." if multiple else ""),
    )


#: The formats of this package; those of others are found where one of them is asked for.
FORMAT_NAMES = ("via", "octron", "mot", "coco", "movement")


def format_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option for the format of the tracks files."""
    return click.option(
        "--format",
        metavar=f"[{'|'.join(FORMAT_NAMES)}|...]",
        help="Format of the tracks files: VIA tracks CSV, OCTRON folders, MOTChallenge text, COCO"
        " JSON, movement netCDF, or one that another package adds. By default, it is recognised.",
    )(command)


def videos_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name videos; the command gets ``videos``, which is None for all."""

    @functools.wraps(command)
    def with_videos(
        *args: Any, videos: Sequence[str], videos_from: Path | None, **rest: Any
    ) -> Any:
        listed = [] if videos_from is None else _listed_videos(videos_from)
        named = tuple(dict.fromkeys([*videos, *listed]))
        return command(*args, videos=named or None, **rest)

    options = (
        click.option(
            "--video",
            "videos",
            multiple=True,
            metavar="ID",
            shell_complete=videos_in_metadata,
            help="Use only this video. May be repeated.",
        ),
        click.option(
            "--videos-from",
            type=PATH,
            metavar="FILE",
            help="Use only the videos whose ids are in FILE, one per line; lines that start with"
            " # are ignored.",
        ),
    )
    return add_options(options, with_videos)


def _listed_videos(path: Path) -> list[str]:
    """Return the ids in a file with one per line."""
    from tracks2zarr.common.system_problems import found_instead
    from tracks2zarr.common.unfetched import annex_problem

    if unfetched := annex_problem(path):
        raise Tracks2ZarrError(unfetched)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
        ids = [line for line in lines if line and not line.startswith("#")]
        found = "no id"
    except (OSError, UnicodeDecodeError) as error:
        ids = []
        found = found_instead(error) if isinstance(error, OSError) else "a file that is not UTF-8"
    if ids:
        return ids
    raise Tracks2ZarrError(
        Problem(
            kind="videos-from",
            what="The file with ids of videos cannot be read, or names no video.",
            file=str(path),
            found=found,
            expected="a text file with one id per line",
            remedy="Correct --videos-from.",
        )
    )


def frames_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how frames are numbered."""
    options = (
        click.option(
            "--frames",
            type=click.Choice(["clip", "video"]),
            default="clip",
            show_default=True,
            help="Whether frame numbers in the tracks files count from the start of the clip,"
            " or of the video.",
        ),
        click.option(
            "--frame-regexp",
            type=FrameRegexp(),
            metavar="R",
            help="Regular expression that finds the frame number in the file name of an image."
            " Its first pair of parentheses must enclose the number, as in '_([0-9]+)[.]png$'.",
        ),
    )
    return add_options(options, command)


def columns_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that names further columns of the metadata CSV."""
    return click.option(
        "--columns",
        metavar="A,B,...",
        callback=lambda _context, _option, given: None if given is None else _listed(given),
        help="Further columns of METADATA_CSV that become coordinates of the clips. By default,"
        " all, if the CSV has the five plain columns; none, if it has the columns for escapes"
        " (loop_clip_name, ...).",
    )(command)


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name for name in map(str.strip, names.split(",")) if name)


def plan_options(*, store: Literal["required", "optional"] | None = None) -> Decorator:
    """Return what adds the arguments and options that make a plan.

    Parameters
    ----------
    store
        Whether STORE is an argument behind these, and must be given.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_places(**given: Any) -> Any:
            return command(**_placed(given, needs_store=store == "required"))

        places = [
            click.argument("tracks_dir", type=FOLDER),
            click.argument("metadata_csv", type=PATH, required=False, metavar="METADATA_CSV"),
        ]
        if store is not None:
            metavar = "STORE" if store == "required" else "[STORE]"
            places.append(click.argument("store", type=FOLDER, required=False, metavar=metavar))
        return add_options((*places, *_PLAN_OPTIONS), with_places)

    return decorate


def _placed(given: dict[str, Any], *, needs_store: bool) -> dict[str, Any]:
    """Return the arguments, of which METADATA_CSV is left out where there is --fps."""
    if given["fps"] is not None and given["columns"] is not None:
        raise click.UsageError("--columns needs METADATA_CSV, whose place --fps takes.")
    if given["fps"] is not None and "store" in given and given["store"] is None:
        given |= {"metadata_csv": None, "store": given["metadata_csv"]}
    elif given["fps"] is None and given["metadata_csv"] is None:
        raise click.UsageError("Missing argument 'METADATA_CSV'.")
    if needs_store and given["store"] is None:
        raise click.UsageError(
            "Missing argument 'STORE'. METADATA_CSV is left out only with --fps."
        )
    return given


_PLAN_OPTIONS = (
    pattern_option(),
    format_option,
    videos_options,
    frames_options,
    columns_option,
    click.option(
        "--fps",
        type=float,
        metavar="F",
        help="Frames per second, in place of METADATA_CSV, if each tracks file covers a whole"
        " video.",
    ),
    click.option(
        "--require-all",
        is_flag=True,
        help="Fail, instead of warning, if a clip in METADATA_CSV has no tracks file.",
    ),
)


def mode_options(
    store_mode: str = "w-",
    names: tuple[str, str] = ("--store-mode", "--group-mode"),
    store: str = "STORE",
) -> Decorator:
    """Return what adds the options that say what happens to what exists already.

    Parameters
    ----------
    store_mode
        The default of the mode for the store.
    names
        What the command calls the options for the store and for its videos.
    store
        What their help calls the store.
    """
    modes = click.Choice(["w-", "w", "a"])
    options = (
        click.option(
            names[0],
            "store_mode",
            type=modes,
            default=store_mode,
            show_default=True,
            help=f"What to do if {store} already exists. w- (write, never replace): fail, unless it"
            " is from the same input and settings; w (write): replace it; a (add): add to it.",
        ),
        click.option(
            names[1],
            "group_mode",
            type=modes,
            default="w-",
            show_default=True,
            help=f"What to do if {store} already has a video from different input. w- (write, never"
            " replace): fail; w (write): replace it, and also videos from the same input, and drop"
            " corrections made by hand; a (add): add the clips that it lacks.",
        ),
    )
    return functools.partial(add_options, options)


def keep_going_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option ``--keep-going``."""
    return click.option(
        "--keep-going",
        is_flag=True,
        help="Convert the videos that have no errors even if others do.",
    )(command)


def rehash_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option ``--rehash``."""
    return click.option(
        "--rehash",
        is_flag=True,
        help="Compare the content of every tracks file of a finished video, not only of those"
        " whose size or times have changed.",
    )(command)


def yes_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option ``--yes``."""
    return click.option(
        "--yes", is_flag=True, help="With --store-mode w: replace STORE without asking."
    )(command)


def quiet_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option ``--quiet``."""
    return click.option("--quiet", "-q", is_flag=True, help="Print nothing but problems.")(command)


def add_options(options: Sequence[Decorator], command: Callable[..., Any]) -> Callable[..., Any]:
    """Add several options to a command, in the order of its help."""
    for option in reversed(options):
        command = option(command)
    return command


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option ``--json``."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print a single JSON document, for programs, instead of text.",
    )(command)


def individual_dim_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option ``--individual-dim``."""
    return click.option(
        "--individual-dim",
        type=click.Choice(["individual", "individuals"]),
        default="individual",
        show_default=True,
        help="Name of the dimension of individuals; use the plural for movement before 0.17.",
    )(command)
