"""``tracks2zarr report``, and what it shares with ``create --report``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.options import Option, quiet_option
from tracks2zarr.cli.parameter_types import FOLDER, PATH
from tracks2zarr.common.words import size_text

if TYPE_CHECKING:
    from tracks2zarr.common.problems import Problem


@click.command("report", cls=Command)
@click.argument("store", type=FOLDER)
@click.option(
    "--output",
    "-o",
    type=PATH,
    metavar="FILE",
    cls=Option,
    show_default="STORE-report.html, beside STORE",
    help="The HTML file to write or replace.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    cls=Option,
    show_default="one per core",
    help="How many videos to draw at the same time.",
)
@quiet_option
@debug_option
def command(store: Path, *, output: Path | None, workers: int | None, quiet: bool) -> int:
    """Write an HTML report of STORE, with pictures of all clips.

    The report is one file. It opens in any browser, even offline, and can be sent to a colleague.
    """
    return 0 if write_report(store, output, workers=workers, quiet=quiet) else 1


def write_report(
    store: Path,
    output: Path | None = None,
    *,
    workers: int | None = None,
    quiet: bool = False,
    input_errors: Sequence[Problem] = (),
) -> bool:
    """Write the report of a store, and show how far it is.

    Parameters
    ----------
    store
        The store.
    output
        The file; by default the one beside the store.
    workers
        Worker processes; by default one per core.
    quiet
        Whether to print nothing but problems.
    input_errors
        Errors of the input, for which something was left out of the plan.

    Returns
    -------
    bool
        Whether all finished videos could be drawn.

    Raises
    ------
    Tracks2ZarrError
        Those of `tracks2zarr.report`.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.cli.progress import printing_results
    from tracks2zarr.reporting.report import report

    problems: list[Problem] = []

    def note_problem(problem: Problem | None) -> None:
        if problem is not None:
            problems.append(problem)

    with nullcontext(False) if quiet else printing_results(note_problem) as progress:
        file = report(store, output, workers=workers, progress=progress, input_errors=input_errors)
    show.print_problems(problems)
    if not quiet:
        text = f"The report is in {show.path_text(file)}, {size_text(file.stat().st_size)}."
        show.stdout().print(text, markup=False, soft_wrap=True)
    return not problems
