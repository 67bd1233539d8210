"""``tracks2zarr metadata draft``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.options import (
    FOLDER,
    PATH,
    Option,
    format_option,
    frames_options,
    pattern_option,
)

if TYPE_CHECKING:
    from tracks2zarr.drafting.draft import DraftedMetadata


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

    Clip names and frames are filled in, the rest is left for you. No file is ever replaced.
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
    for line in _next_steps(drafted, tracks_dir):
        console.print(line, markup=False, soft_wrap=True)


def _next_steps(drafted: DraftedMetadata, tracks_dir: Path) -> list[str]:
    """Return what is left to do, in lines of text."""
    from tracks2zarr.cli import show

    file = show.path_text(drafted.metadata_csv)
    first, last = drafted.to_check
    checking = shlex.join(["tracks2zarr", "metadata", "check", file, str(tracks_dir)])
    return [
        f"drafted {file}",
        f"to fill in: {', '.join(drafted.to_fill)}" if drafted.to_fill else "nothing to fill in",
        f"to correct: {first} and {last}, if a clip has frames beyond those in its tracks file",
        f"then run: {checking}",
    ]
