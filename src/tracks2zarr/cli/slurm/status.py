"""``tracks2zarr slurm status``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.options import json_option
from tracks2zarr.cli.parameter_types import FOLDER
from tracks2zarr.cli.slurm.options import store_at
from tracks2zarr.store.video_state import State


@click.command("status", cls=Command)
@click.argument("store", type=FOLDER)
@click.option(
    "--watch", is_flag=True, help="Refresh the table until no task is running or waiting."
)
@click.option(
    "--every",
    type=click.FloatRange(min=1),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="With --watch: time between refreshes.",
)
@click.option(
    "--failed",
    is_flag=True,
    help="Show only videos that need attention: failed, cancelled, missing, unknown.",
)
@click.option(
    "--state",
    "states",
    type=click.Choice([str(state) for state in State]),
    multiple=True,
    help="Show only videos in this state; may be repeated.",
)
@click.option(
    "--all",
    "shows_all",
    is_flag=True,
    help="Show a row for each video, even if there are more than 50.",
)
@json_option
@debug_option
def command(
    store: Path,
    *,
    watch: bool,
    every: float,
    failed: bool,
    states: tuple[str, ...],
    shows_all: bool,
    as_json: bool,
) -> int:
    """Show the state of each video, why, and the command to run next.

    STORE is the folder of the store, or the id of one of its jobs, such as 64 or 64_3. Of more
    than 50 videos, only the counts, the reasons, and some of those that failed are shown.

    The exit status is 0 if every planned video is done and listed.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.cli.slurm.show import (
        FAILED_STATES,
        live_status,
        print_interrupted,
        print_status,
    )
    from tracks2zarr.slurm.status import status

    if as_json and watch:
        raise click.UsageError("--json and --watch do not go together.")
    if shows_all and (failed or states):
        raise click.UsageError("--all does not go with --failed or --state.")
    wanted = {*map(State, states), *(FAILED_STATES if failed else ())}
    store = store_at(store)
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
        show.print_json(found.as_dict(wanted))
    else:
        print_status(found, wanted, shows_all=shows_all)
    return 0 if found.ok else 1
