"""``tracks2zarr slurm``: the whole experiment as an array job on a cluster."""

from __future__ import annotations

import click

from tracks2zarr.cli.app import SuggestingGroup, debug_option

_FIRST_RUN = """\b
A first run, on the cluster's login node:
  tracks2zarr slurm submit TRACKS_DIR METADATA_CSV
  tracks2zarr slurm status STORE
  tracks2zarr slurm rerun  STORE      (if something failed)
"""


@click.group(
    "slurm",
    cls=SuggestingGroup,
    modules={
        "submit": "slurm.submit",
        "status": "slurm.status",
        "rerun": "slurm.rerun",
        "wait": "slurm.wait",
        "cancel": "slurm.cancel",
        "script": "slurm.script",
        "task": "slurm.task",
        "finish": "slurm.finish",
    },
    epilog=_FIRST_RUN,
)
@debug_option
def command() -> None:
    """Run the whole experiment as an array job on a cluster.

    Each video is converted by one array task. A finalising job then lists and verifies the
    videos, and writes a summary. There is nothing to edit, and one command reruns whatever failed.
    """
