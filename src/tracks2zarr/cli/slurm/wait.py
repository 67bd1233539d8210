"""``tracks2zarr slurm wait``."""

from __future__ import annotations

from pathlib import Path

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.options import quiet_option
from tracks2zarr.cli.parameter_types import FOLDER
from tracks2zarr.cli.slurm.options import store_at


@click.command("wait", cls=Command)
@click.argument("store", type=FOLDER)
@quiet_option
@debug_option
def command(store: Path, *, quiet: bool) -> int:
    """Wait until all jobs of STORE have ended, whoever submitted them.

    The exit status is then that of 'slurm status': 0 if every planned video is done and listed, and
    the finalising job found nothing wrong. If SLURM does not answer for two minutes, the command
    stops waiting.
    """
    from tracks2zarr.cli.slurm import show
    from tracks2zarr.slurm.control import wait

    store = store_at(store)
    printer = show.CountsPrinter(quiet=quiet)
    try:
        found = wait(store, on_status=printer.show)
    except KeyboardInterrupt:
        return show.print_interrupted(store)
    if found.is_unreachable:
        show.print_gave_up()
    if quiet:
        show.print_failures(found)
    else:
        show.print_status(found)
    return 0 if found.ok else 1
