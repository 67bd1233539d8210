"""``tracks2zarr slurm wait``."""

from __future__ import annotations

from pathlib import Path

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.options import FOLDER, quiet_option


@click.command("wait", cls=Command)
@click.argument("store", type=FOLDER)
@quiet_option
@debug_option
def command(store: Path, *, quiet: bool) -> int:
    """Wait until all jobs of STORE have ended.

    The exit status is that of 'slurm status' then: 0 if every planned video is done and listed.
    """
    from tracks2zarr.cli.slurm.show import CountsPrinter, print_interrupted, print_status
    from tracks2zarr.slurm.control import wait

    printer = CountsPrinter(quiet=quiet)
    try:
        found = wait(store, on_status=printer.show)
    except KeyboardInterrupt:
        return print_interrupted(store)
    if not quiet:
        print_status(found)
    return 0 if found.ok else 1
