"""``tracks2zarr slurm rerun``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tracks2zarr.cli.app import debug_option
from tracks2zarr.cli.confirm import confirmed
from tracks2zarr.cli.options import keep_going_option
from tracks2zarr.cli.parameter_types import FOLDER
from tracks2zarr.cli.slurm.options import (
    SbatchCommand,
    finalising_options,
    job_options_from,
    sbatch_options,
    store_at,
)


@click.command("rerun", cls=SbatchCommand)
@click.argument("store", type=FOLDER)
@sbatch_options("as before, or twice that if it ran out", "as before", "as before")
@finalising_options("as before, or twice that if it ran out", verify=None)
@keep_going_option
@click.option(
    "--anyway",
    is_flag=True,
    help="Also submit videos that failed because of their input, even if it has not changed.",
)
@debug_option
def command(store: Path, *, keep_going: bool, anyway: bool, **options: Any) -> int:
    """Submit only the videos that are not finished.

    Jobs request the same resources as before, and twice as much of what they ran out of (memory
    or time), unless you pass something else. Running and waiting tasks are left alone. The logs
    of failed attempts are moved to logs_failed. If only the finalising job failed, it is
    submitted alone.

    A video that failed because of a broken input file is left out until the file is fixed. In a
    terminal, you are asked whether to submit it all the same.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.cli.slurm.show import print_submitted
    from tracks2zarr.slurm.rerun import rerun

    job_options, store = job_options_from(options), store_at(store)
    anyway = anyway or _confirm(store)
    submitted = rerun(store, options=job_options, keep_going=keep_going, anyway=anyway)
    show.print_problems(submitted.problems)
    print_submitted(submitted)
    return show.print_skipped_input(submitted.problems)


def _confirm(store: Path) -> bool:
    """Ask on a terminal whether to submit the videos that would fail again, where there are any."""
    if not sys.stdin.isatty():
        return False
    from tracks2zarr.common.problems import comma_list
    from tracks2zarr.slurm.rerun import left_out

    videos = [problem.video for problem in left_out(store)]
    if not videos:
        return False
    question = (
        f"{comma_list(videos, 3)} failed because of the input, which has not changed since."
        " Submit all the same?"
    )
    return confirmed(question)
