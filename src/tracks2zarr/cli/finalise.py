"""``tracks2zarr finalise``."""

from __future__ import annotations

from pathlib import Path

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.parameter_types import FOLDER


@click.command("finalise", cls=Command)
@click.argument("store", type=FOLDER)
@debug_option
def command(store: Path) -> int:
    """List the finished videos in the root of STORE.

    Readers of STORE then see exactly these videos. Planned videos that are missing are named. You
    can run it at any time, repeatedly.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.store.root import finalise

    finalised = finalise(store)
    show.print_problems(finalised.problems)
    for line in show.finalised_lines(finalised):
        show.stdout().print(line, markup=False, soft_wrap=True)
    return 1 if finalised.missing or finalised.unlisted or finalised.problems else 0
