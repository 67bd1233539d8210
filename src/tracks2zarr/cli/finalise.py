"""``tracks2zarr finalise``."""

from __future__ import annotations

from pathlib import Path

import click

from tracks2zarr.cli.app import debug_option
from tracks2zarr.cli.options import PATH


@click.command("finalise")
@click.argument("store", type=PATH)
@debug_option
def command(store: Path) -> int:
    """List exactly the finished videos in STORE's root.

    Those missing are named. It can be run at any moment, and again.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.root import finalise

    finalised = finalise(store)
    console = show.out()
    planned = len(finalised.done) + len(finalised.missing)
    console.print(f"{len(finalised.done)} of {show.counted(planned, 'video')} listed")
    for name in finalised.others:
        console.print(f"also listed: {name} (not written by tracks2zarr)", markup=False)
    for name in finalised.unlisted:
        console.print(f"not listed: {name} (in no plan of this store)", markup=False)
    for video, state in finalised.missing.items():
        console.print(f"missing: {video} ({state})", markup=False)
    return 1 if finalised.missing or finalised.unlisted else 0
