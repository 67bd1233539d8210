"""``create-zarr-dataset``: the options of the older workflow, the code of ``create``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from tracks2zarr.cli.app import CONTEXT_SETTINGS, Command, debug_option, run
from tracks2zarr.cli.options import Option, mode_options, pattern_option
from tracks2zarr.cli.parameter_types import FOLDER, PATH

if TYPE_CHECKING:
    from tracks2zarr.store.group_mode import Mode

#: The names in this command of options of ``tracks2zarr create``.
NAMES = {
    "--store-mode": "--zarr_mode_store",
    "--group-mode": "--zarr_mode_group",
    "--pattern": "--via_tracks_glob_pattern",
}


@click.command("create-zarr-dataset", cls=Command, context_settings=CONTEXT_SETTINGS)
@click.option(
    "--via_tracks_dir",
    type=FOLDER,
    required=True,
    help="Folder with the VIA tracks files, one CSV per clip.",
)
@click.option(
    "--metadata_csv", type=PATH, required=True, help="The metadata CSV, one row per clip."
)
@click.option("--zarr_store", type=FOLDER, required=True, help="Folder of the Zarr store.")
@click.option(
    "--temp_zarr_store",
    type=FOLDER,
    cls=Option,
    show_default="<store>.temp",
    help="Folder for work in progress.",
)
@mode_options(names=(NAMES["--store-mode"], NAMES["--group-mode"]), store="the store")
@pattern_option(NAMES["--pattern"], "the folder", multiple=False)
@click.version_option(package_name="tracks2zarr", prog_name="create-zarr-dataset")
@debug_option
def command(
    *,
    via_tracks_dir: Path,
    metadata_csv: Path,
    zarr_store: Path,
    temp_zarr_store: Path | None,
    store_mode: Mode,
    group_mode: Mode,
    pattern: str,
) -> int:
    """Create a Zarr dataset from VIA tracks files, one group per video.

    This is 'tracks2zarr create' with the option names of the older workflow, the version of
    create-zarr-dataset before tracks2zarr. With --zarr_mode_store w, it replaces a store without
    asking.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.cli.create import convert
    from tracks2zarr.cli.whole_command import note_equivalent
    from tracks2zarr.common.problems import Tracks2ZarrError
    from tracks2zarr.planning.make_plan import plan as make_plan
    from tracks2zarr.store.store import Store
    from tracks2zarr.store.store_mode import finished_problem

    show.rename_options({**NAMES, "--video": "'tracks2zarr create' and --video"})
    places = map(str, (via_tracks_dir, metadata_csv, zarr_store))
    note_equivalent(["tracks2zarr", "create", *places, "--pattern", pattern], NAMES)
    plan = make_plan(via_tracks_dir, metadata_csv, pattern=pattern)
    finished = finished_problem(Store.at(zarr_store), plan) if store_mode == "w-" else None
    if finished is not None:
        raise Tracks2ZarrError(finished)
    return convert(
        plan,
        zarr_store,
        quiet=False,
        store_mode=store_mode,
        group_mode=group_mode,
        temp=temp_zarr_store,
    )


def main() -> NoReturn:
    """Run ``create-zarr-dataset`` and exit."""
    run(command, "create-zarr-dataset")
