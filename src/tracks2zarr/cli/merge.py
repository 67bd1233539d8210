"""``tracks2zarr merge``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.parameter_types import FOLDER
from tracks2zarr.common.problems import one_line
from tracks2zarr.common.words import count_text

if TYPE_CHECKING:
    from tracks2zarr.merging.merge import Merged
    from tracks2zarr.merging.one_video import MergedVideo


@click.command("merge", cls=Command)
@click.argument("target", type=FOLDER)
@click.argument("sources", metavar="SOURCE...", type=FOLDER, nargs=-1, required=True)
@click.option("--copy", is_flag=True, help="Leave the sources as they are.")
@click.option(
    "--on-conflict",
    type=click.Choice(["error", "skip", "replace"]),
    default="error",
    show_default=True,
    help="What to do if two stores have different versions of a video.",
)
@click.option(
    "--individual-dim",
    type=click.Choice(["individual", "individuals"]),
    help="Rename the dimension of individuals in groups that the older workflow"
    " (create-zarr-dataset before tracks2zarr) made.",
)
@debug_option
def command(target: Path, sources: tuple[Path, ...], **options: Any) -> int:
    """Move the finished videos of other stores into TARGET.

    Their logs and receipts (the records of how each was converted and checked) move with them.
    You can stop it at any moment and run it again. TARGET may be an empty folder.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.cli.progress import printing_results
    from tracks2zarr.merging.merge import merge

    console = show.stdout()

    def print_result(one: MergedVideo) -> None:
        console.print(str(one), markup=False, soft_wrap=True)
        show.print_problems([one.problem] if one.problem else [])

    with printing_results(print_result) as progress:
        merged = merge(target, sources, progress=progress, **options)
    show.print_problems([*merged.problems, *merged.finalised.problems])
    for line in _summary(merged):
        console.print(line, markup=False, soft_wrap=True)
    return 0 if merged.ok else 1


def _summary(merged: Merged) -> list[str]:
    from tracks2zarr.cli import show

    logs = [f"{count_text(merged.n_logs, 'log')} brought along"] if merged.n_logs else []
    empty = [
        f"{one_line(path)} holds no video any more; it can be removed" for path in merged.emptied
    ]
    return [*logs, *empty, *show.finalised_lines(merged.finalised)]
