"""``tracks2zarr slurm status``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.options import FOLDER, json_option


@click.command("status", cls=Command)
@click.argument("store", type=FOLDER)
@click.option(
    "--watch", is_flag=True, help="Show it again and again, until nothing runs or waits any more."
)
@click.option(
    "--every",
    type=click.FloatRange(min=1),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="With --watch: how long to wait before it is shown again.",
)
@json_option
@debug_option
def command(store: Path, *, watch: bool, every: float, as_json: bool) -> int:
    """Show how far each video is, and what to type next.

    What went wrong is said, too.

    The exit status is 0 if every planned video is done and listed.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.cli.slurm.show import live_status, print_interrupted, print_status
    from tracks2zarr.slurm.status import status

    if as_json and watch:
        raise click.UsageError("--json and --watch do not go together.")
    if watch:
        try:
            with live_status() as show_status:
                while (found := status(store)).is_open:
                    show_status(found)
                    time.sleep(every)
        except KeyboardInterrupt:
            return print_interrupted(store)
    found = status(store)
    if as_json:
        show.print_json(found.as_dict())
    else:
        print_status(found)
    return 0 if found.ok else 1
