"""``tracks2zarr slurm rerun``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tracks2zarr.cli.app import debug_option
from tracks2zarr.cli.options import FOLDER, keep_going_option
from tracks2zarr.cli.slurm.options import (
    SbatchCommand,
    job_options_from,
    sbatch_options,
    verify_option,
)


@click.command("rerun", cls=SbatchCommand)
@click.argument("store", type=FOLDER)
@sbatch_options("as before, or twice that if it ran out", "as before", "as before")
@verify_option
@keep_going_option
@debug_option
def command(store: Path, *, keep_going: bool, **options: Any) -> int:
    """Submit what is not finished, and nothing else.

    Tasks ask for what they asked for before, unless you say otherwise; those that ran out of
    memory or time ask for twice as much of it. What runs or waits is left alone. The logs of
    failed attempts are moved to logs_failed.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.cli.slurm.show import print_submitted
    from tracks2zarr.slurm.rerun import rerun

    submitted = rerun(store, options=job_options_from(options), keep_going=keep_going)
    show.print_problems(submitted.problems)
    print_submitted(submitted)
    return show.print_skipped_input(submitted.problems)
