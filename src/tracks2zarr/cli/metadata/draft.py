"""``tracks2zarr metadata draft``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.options import Option, format_option, frames_options, pattern_option
from tracks2zarr.cli.parameter_types import FOLDER, PATH

if TYPE_CHECKING:
    from tracks2zarr.drafting.draft import DraftedMetadata

#: What stands behind the name of a column that is to be filled in.
_EXAMPLES = {"video_name": " (a file name, e.g. 04.09.2023-01-Right.mov)"}


@click.command("draft", cls=Command)
@click.argument("tracks_dir", type=FOLDER)
@click.option(
    "--output",
    "-o",
    type=PATH,
    metavar="FILE",
    default="metadata.csv",
    show_default=True,
    help="File to write. It must not exist.",
)
@click.option(
    "--fps", type=float, metavar="F", help="Frames per second, if it is the same for all videos."
)
@click.option(
    "--layout",
    type=click.Choice(["plain", "guide"]),
    default="plain",
    show_default=True,
    help="Columns to write: those that every experiment needs (plain), or those of an experiment"
    " with escapes (guide).",
)
@pattern_option()
@format_option
@frames_options
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    cls=Option,
    show_default="one per core",
    help="How many tracks files to read at the same time.",
)
@debug_option
def command(tracks_dir: Path, *, output: Path, **options: Any) -> None:
    """Write a metadata CSV with one row per tracks file in TRACKS_DIR.

    Clip names, first frames and last frames are filled in; the rest is left to you. The tracks
    files do not tell where in its video a clip starts, so the draft starts every clip at frame 0 of
    its video (1 with --layout guide), unless you pass --frames video. No file is ever replaced.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.common.progress_shown import shown_progress
    from tracks2zarr.drafting.draft import draft_metadata

    with shown_progress(has_lines=False) as bar:
        drafted = draft_metadata(tracks_dir, output, progress=bar, **options)
    show.print_problems(drafted.problems)
    console = show.stdout()
    table = show.table("clip", "first frame", "last frame")
    for clip in drafted.clips:
        show.add_row(table, clip.clip, clip.first_frame, clip.last_frame)
    console.print(table)
    correct = _left_to_correct(drafted, **{name: options[name] for name in ("layout", "frames")})
    for line in _next_steps(drafted, tracks_dir, correct, _words_of(options)):
        console.print(line, markup=False, soft_wrap=True)


def _words_of(options: dict[str, Any]) -> list[str]:
    """Return the options that every command that reads these tracks files needs."""
    words = [word for one in options["pattern"] or () for word in ("--pattern", one)]
    if options["format"] is not None:
        words += ["--format", options["format"]]
    if options["frames"] != "clip":
        words += ["--frames", options["frames"]]
    if options["frame_regexp"] is not None:
        words += ["--frame-regexp", options["frame_regexp"]]
    return words


def _left_to_correct(drafted: DraftedMetadata, *, layout: str, frames: str) -> str:
    """Return which frames of the draft may be wrong, and when."""
    first, last = drafted.to_check
    if frames == "video":
        return f"{first} and {last}, if a clip has frames beyond those in its tracks file"
    number = 1 if layout == "guide" else 0
    start = f"the draft starts every clip at {number}"
    return f"{first} and {last}, the clip's place in its video; {start}"


def _next_steps(
    drafted: DraftedMetadata, tracks_dir: Path, correct: str, words: list[str]
) -> list[str]:
    """Return what is left to do, in lines of text."""
    from tracks2zarr.cli import show

    file = show.path_text(drafted.metadata_csv)
    to_fill = [name + _EXAMPLES.get(name, "") for name in drafted.to_fill]
    checking = shlex.join(["tracks2zarr", "metadata", "check", file, str(tracks_dir), *words])
    lines = [
        f"drafted {file}",
        f"to fill in: {', '.join(to_fill)}" if to_fill else "nothing to fill in",
        f"to correct: {correct}",
        f"then run: {checking}",
    ]
    return [*lines, f"'create' needs these options, too: {shlex.join(words)}"] if words else lines
