"""``tracks2zarr slurm finish``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.parameter_types import FOLDER
from tracks2zarr.cli.slurm.options import store_at, verify_option


@click.command("finish", cls=Command)
@click.argument("store", type=FOLDER)
@verify_option()
@debug_option
def command(store: Path, *, verify: Any) -> int:
    """List and verify the finished videos, and sort the logs.

    It also writes a summary into the logs, and the report beside STORE.

    The finalising job calls this. You can also run it yourself, at any time and repeatedly.
    """
    from tracks2zarr.cli.slurm.show import print_finished
    from tracks2zarr.slurm.finish import finish
    from tracks2zarr.slurm.finish_record import job_of_process, recorded_finish

    store = store_at(store)
    cpus = os.environ.get("SLURM_CPUS_PER_TASK", "")
    workers = int(cpus) if cpus.isdecimal() else None
    with recorded_finish(store, verify, job_of_process()) as record:
        finished = finish(store, check=verify, workers=workers)
        record(finished)
        print_finished(finished)
        _draw(store, workers)
    return 0 if finished.ok else 1


def _draw(store: Path, workers: int | None) -> None:
    """Write the report; a dataset is no worse where that fails."""
    from tracks2zarr.cli import show
    from tracks2zarr.cli.report import write_report
    from tracks2zarr.common.problems import Tracks2ZarrError
    from tracks2zarr.common.system_problems import os_problem

    try:
        write_report(store, workers=workers)
    except Tracks2ZarrError as error:
        show.print_problems(problem.as_warning() for problem in error.problems)
    except OSError as error:
        show.print_problems([os_problem(error).as_warning()])
