"""``tracks2zarr metadata check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.options import (
    columns_option,
    format_option,
    frames_options,
    json_option,
    pattern_option,
)
from tracks2zarr.cli.parameter_types import FOLDER, PATH

if TYPE_CHECKING:
    from tracks2zarr.cli.tables import Rows
    from tracks2zarr.planning.metadata_check import CheckedMetadata


@click.command("check", cls=Command)
@click.argument("metadata_csv", type=PATH)
@click.argument("tracks_dir", type=FOLDER, required=False)
@pattern_option()
@format_option
@frames_options
@columns_option
@click.option(
    "--require-all",
    is_flag=True,
    help="Fail, instead of warning, if a clip in METADATA_CSV has no tracks file.",
)
@json_option
@debug_option
def command(
    metadata_csv: Path,
    tracks_dir: Path | None,
    *,
    pattern: tuple[str, ...] | None,
    format: str | None,
    require_all: bool,
    as_json: bool,
    **settings: Any,
) -> int:
    """Check METADATA_CSV row by row.

    With TRACKS_DIR, the tracks files are matched with the rows, as 'plan' does. Nothing is written.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.planning.clip_columns import columns_text
    from tracks2zarr.planning.metadata_check import check_metadata
    from tracks2zarr.planning.plan import Settings

    checked = check_metadata(
        metadata_csv,
        tracks_dir,
        pattern=pattern,
        format=format,
        settings=Settings(**settings),
        require_all=require_all,
    )
    if as_json:
        show.print_json(checked.as_dict())
    else:
        if checked.rows:
            show.stdout().print(_table(checked))
        if checked.columns:
            listed = f"further columns: {columns_text(checked.columns)}"
            show.stdout().print(listed, markup=False, soft_wrap=True)
        show.print_problems(checked.problems)
        if checked.rows or checked.ok:
            console = show.stdout() if checked.ok else show.stderr()
            console.print(str(checked), markup=False, soft_wrap=True)
    return 0 if checked.ok else 1


def _table(checked: CheckedMetadata) -> Rows:
    """Return one line per row of the file; the last column says what is wrong with it."""
    from tracks2zarr.cli import show

    has_folder = checked.tracks_dir is not None
    columns = ["clip", "state", *(["tracks file"] if has_folder else []), "problem"]
    table = show.table(*columns, "row", "frames", "fps", left=len(columns))
    for row in checked.rows:
        fps = None if row.sound is None else f"{row.sound.fps:g}"
        files = [row.tracks_file] if has_folder else []
        cells = row.state, *files, row.what or None, row.row, row.n_frames, fps
        show.add_row(table, row.clip or None, *cells)
    return table
