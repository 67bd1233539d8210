"""``tracks2zarr slurm cancel``."""

from __future__ import annotations

from pathlib import Path

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.parameter_types import FOLDER
from tracks2zarr.cli.slurm.options import store_at


@click.command("cancel", cls=Command)
@click.argument("store", type=FOLDER)
@debug_option
def command(store: Path) -> int:
    """Cancel all jobs of STORE, and list the finished videos.

    Finished videos are kept. 'slurm rerun' submits the others again.
    """
    from tracks2zarr.cli.slurm.show import print_cancelled, print_status
    from tracks2zarr.slurm.control import cancel

    print_status(cancel(store_at(store), on_cancel=print_cancelled).status)
    return 0
