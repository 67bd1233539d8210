"""``tracks2zarr verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.completion import videos
from tracks2zarr.cli.options import Option, json_option
from tracks2zarr.cli.parameter_types import FOLDER, PATH, STORE
from tracks2zarr.common.words import count_text


@click.command("verify", cls=Command)
@click.argument("store", type=STORE)
@click.argument("video", required=False, nargs=-1, shell_complete=videos)
@click.option(
    "--quick",
    is_flag=True,
    help="Only check whether the files of STORE have changed; do not read the tracks files.",
)
@click.option("--tracks-dir", type=FOLDER, help="Folder of the tracks files, if they were moved.")
@click.option("--metadata", type=PATH, help="The metadata CSV, if it was moved.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    cls=Option,
    show_default="one per core",
    help="How many videos to verify at the same time.",
)
@json_option
@debug_option
def command(store: Path | str, video: tuple[str, ...], *, as_json: bool, **options: Any) -> int:
    """Compare every value in STORE with its source.

    Every source file is re-read with an independent parser. With --quick, STORE may be the URL,
    or the archive, of a published store. The exit status is 0 only if
    everything was verified: all of STORE, or each VIDEO.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.cli.progress import printing_results
    from tracks2zarr.verifying.all_videos import verify
    from tracks2zarr.verifying.one_video import VideoVerdict

    console = show.stdout()

    def on_video(verdict: VideoVerdict) -> None:
        if as_json:
            return
        state = "NOT VERIFIED" if verdict.state == "unknown" else str(verdict.state).upper()
        word = "OK" if verdict.ok else state
        style = "green" if verdict.ok else "red"
        from rich.text import Text

        boxes = f", {count_text(verdict.n_boxes, 'box', 'boxes')}" if verdict.n_boxes else ""
        line = Text.assemble((word, style), f"  {verdict.video}{boxes}")
        console.print(line, soft_wrap=True)
        show.print_problems(verdict.problems)

    with printing_results(on_video) as progress:
        verification = verify(store, video or None, progress=progress, **options)
    if as_json:
        show.print_json(verification.as_dict())
        return 0 if verification.ok else 1
    show.print_problems(verification.problems)
    console.print(str(verification))
    return 0 if verification.ok else 1
