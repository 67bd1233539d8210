"""``tracks2zarr export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.completion import videos
from tracks2zarr.cli.parameter_types import FOLDER, FrameSlice
from tracks2zarr.common.problems import Tracks2ZarrError, one_line
from tracks2zarr.common.words import count_text

if TYPE_CHECKING:
    from tracks2zarr.exporting.exported_files import ExportedVideo


@click.command("export", cls=Command)
@click.argument("store", type=FOLDER)
@click.argument("out", type=FOLDER)
@click.option(
    "--format",
    type=click.Choice(["via", "movement", "parquet", "mot", "coco"]),
    default="via",
    show_default=True,
    help="VIA tracks CSV, movement netCDF, Parquet, MOTChallenge text, or COCO JSON.",
)
@click.option("--video", metavar="ID", shell_complete=videos, help="Export one video only.")
@click.option("--clip", metavar="ID", help="Export one clip of --video only.")
@click.option(
    "--frames",
    type=FrameSlice(),
    help="Export frames A to B-1 of each clip, counted from 0 within the clip; :B from the"
    " first frame, A: to the last.",
)
@click.option(
    "--images",
    metavar="TEMPLATE",
    help="Names of images in VIA and COCO files. Fields: {frame}, {video_frame}, {video}, {clip}."
    " By default, frame_{frame:08d}.png.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace files that were changed since they were exported."
)
@debug_option
def command(store: Path, out: Path, **options: Any) -> None:
    """Export the clips in STORE to files in the folder OUT.

    Each clip becomes one file. If you run the command again, it writes only the files that are
    missing or differ.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.cli.progress import continued_by_same_command, printing_results
    from tracks2zarr.exporting.export import export

    if options["clip"] is not None and options["video"] is None:
        raise click.UsageError("--clip needs --video.")
    console = show.stdout()

    def print_result(one: ExportedVideo) -> None:
        console.print(str(one), markup=False, soft_wrap=True)
        show.print_problems(one.problems)

    try:
        with continued_by_same_command(), printing_results(print_result) as progress:
            videos = export(store, out, progress=progress, **options)
    except Tracks2ZarrError:
        raise
    except ValueError as error:
        text = f"{error}"
        raise click.UsageError(f"--{text}" if text.startswith("images") else text) from error
    n_files = sum(len(video.files) for video in videos)
    text = f"{count_text(n_files, 'file')} in {one_line(out)}"
    console.print(text, markup=False, soft_wrap=True)
