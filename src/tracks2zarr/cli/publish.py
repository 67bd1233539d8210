"""``tracks2zarr publish``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.parameter_types import FOLDER
from tracks2zarr.common.problems import one_line
from tracks2zarr.common.words import count_text

if TYPE_CHECKING:
    from tracks2zarr.publishing.results import VideoPublished


@click.command("publish", cls=Command)
@click.argument("store", type=FOLDER)
@click.argument("url")
@click.option(
    "--replace", is_flag=True, help="Replace videos that were published there from another store."
)
@debug_option
def command(store: Path, url: str, *, replace: bool) -> None:
    """Copy the finished videos in STORE to a URL, or to a ZIP file.

    URL is e.g. s3://bucket/CrabTracks.zarr, gs://... or az://..., or
    file:///full/path/CrabTracks.zarr for a folder. For an archive, pass instead a path that ends
    in .zip, e.g. CrabTracks.zarr.zip.

    You can stop the command at any moment and run it again. It then sends only what has changed,
    and replaces an archive if the store has changed.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.cli.progress import continued_by_same_command, printing_results
    from tracks2zarr.publishing.publish import publish

    console = show.stdout()

    def print_result(one: VideoPublished) -> None:
        console.print(str(one), markup=False, soft_wrap=True)

    with continued_by_same_command(), printing_results(print_result) as progress:
        videos = publish(store, url, replace=replace, progress=progress)
    text = f"{count_text(len(videos), 'video')} at {one_line(url)}"
    for line in [text, *_opening(url)]:
        console.print(line, markup=False, soft_wrap=True)


def _opening(url: str) -> list[str]:
    """Return how to open what was published, as lines of text."""
    from tracks2zarr.common.archive import archive_path, is_archive

    place = one_line(archive_path(url) if is_archive(url) else url)
    return [
        "To open it:",
        "  import xarray as xr",
        f'  dt = xr.open_datatree("{place}", engine="tracks2zarr")',
    ]
