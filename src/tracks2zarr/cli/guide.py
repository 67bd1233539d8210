"""``create-zarr-dataset``: the options of the guide, the engine of ``tracks2zarr create``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from tracks2zarr.cli.app import debug_option, run
from tracks2zarr.cli.options import FOLDER, PATH

if TYPE_CHECKING:
    from tracks2zarr.store.group_mode import Mode

#: What this command calls the options of ``tracks2zarr create``.
_NAMES = {
    "--store-mode": "--zarr_mode_store",
    "--group-mode": "--zarr_mode_group",
    "--pattern": "--via_tracks_glob_pattern",
}
_MODES = click.Choice(["w-", "w", "a"])


@click.command(
    "create-zarr-dataset",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--via_tracks_dir",
    type=FOLDER,
    required=True,
    help="Folder with the VIA tracks files, one CSV a clip.",
)
@click.option("--metadata_csv", type=PATH, required=True, help="The metadata CSV, one row a clip.")
@click.option("--zarr_store", type=FOLDER, required=True, help="Folder of the Zarr store.")
@click.option(
    "--temp_zarr_store", type=FOLDER, help="Folder for work in progress.  [default: <store>.temp]"
)
@click.option(
    "--zarr_mode_store",
    type=_MODES,
    default="w-",
    show_default=True,
    help="If the store exists: w- stops, unless the same run left it unfinished;"
    " w replaces it; a adds to it.",
)
@click.option(
    "--zarr_mode_group",
    type=_MODES,
    default="w-",
    show_default=True,
    help="If a video is in the store, from other input: w- stops; w replaces it;"
    " a adds the clips that it lacks.",
)
@click.option(
    "--via_tracks_glob_pattern",
    default="*.csv",
    show_default=True,
    metavar="GLOB",
    help="Names of the tracks files in the folder; put it in quotes.",
)
@click.version_option(package_name="tracks2zarr", prog_name="create-zarr-dataset")
@debug_option
def command(
    *,
    via_tracks_dir: Path,
    metadata_csv: Path,
    zarr_store: Path,
    temp_zarr_store: Path | None,
    zarr_mode_store: Mode,
    zarr_mode_group: Mode,
    via_tracks_glob_pattern: str,
) -> int:
    """Create a Zarr dataset from VIA tracks files, one group a video.

    It is 'tracks2zarr create' with the names of the older workflow; a store is replaced
    without a question where --zarr_mode_store is w.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.cli.create import convert
    from tracks2zarr.planning.matching import plan as make_plan

    show.rename_options(_NAMES)
    plan = make_plan(via_tracks_dir, metadata_csv, pattern=via_tracks_glob_pattern)
    return convert(
        plan,
        zarr_store,
        quiet=False,
        store_mode=zarr_mode_store,
        group_mode=zarr_mode_group,
        temp=temp_zarr_store,
    )


def main() -> NoReturn:
    """Run ``create-zarr-dataset`` and exit."""
    run(command, "create-zarr-dataset")
