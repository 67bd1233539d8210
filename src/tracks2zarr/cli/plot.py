"""``tracks2zarr plot``."""

from __future__ import annotations

from pathlib import Path

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.completion import clips, videos
from tracks2zarr.cli.options import Option
from tracks2zarr.cli.parameter_types import FOLDER, PATH
from tracks2zarr.reporting import PANEL_NAMES


@click.command("plot", cls=Command)
@click.argument("store", type=FOLDER)
@click.argument("video", shell_complete=videos)
@click.argument("clip", shell_complete=clips)
@click.option(
    "--output",
    "-o",
    type=PATH,
    required=True,
    metavar="FILE",
    help="The picture to write or replace: .png, .pdf, .svg or another format.",
)
@click.option(
    "--panel",
    "panels",
    type=click.Choice(PANEL_NAMES),
    multiple=True,
    cls=Option,
    show_default="all",
    help="Draw this panel only. May be repeated.",
)
@click.option(
    "--title",
    metavar="TEXT",
    cls=Option,
    show_default="VIDEO, CLIP",
    help="The title; '' for none.",
)
@click.option(
    "--dpi",
    type=click.IntRange(min=20, max=2400),
    default=300,
    show_default=True,
    metavar="N",
    help="Dots per inch, for PNG and other bitmap formats.",
)
@debug_option
def command(
    store: Path,
    video: str,
    clip: str,
    *,
    output: Path,
    panels: tuple[str, ...],
    title: str | None,
    dpi: int,
) -> None:
    """Draw one CLIP of a VIDEO for a paper or a talk."""
    from tracks2zarr.cli import show
    from tracks2zarr.reporting.plot import plot

    file = plot(store, video, clip, output, panels=panels or PANEL_NAMES, title=title, dpi=dpi)
    show.stdout().print(f"The picture is in {show.path_text(file)}.", markup=False, soft_wrap=True)
