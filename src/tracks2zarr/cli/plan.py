"""``tracks2zarr plan``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracks2zarr.cli.app import Command, debug_option
from tracks2zarr.cli.options import individual_dim_option, json_option, plan_options
from tracks2zarr.cli.parameter_types import FOLDER
from tracks2zarr.common.words import count_text, size_text
from tracks2zarr.tracks.formats import DEFAULT_FORMAT

if TYPE_CHECKING:
    from tracks2zarr.planning.plan import Plan


@click.command("plan", cls=Command)
@plan_options()
@individual_dim_option
@click.option(
    "--into",
    type=FOLDER,
    metavar="STORE",
    help="Also write the plan into STORE. 'slurm task' can then convert its videos one by one, on"
    " this machine or with any scheduler.",
)
@json_option
@debug_option
def command(
    tracks_dir: Path,
    metadata_csv: Path | None,
    *,
    into: Path | None,
    as_json: bool,
    require_all: bool,
    **settings: Any,
) -> int:
    """Show the work to be done, and all problems.

    Nothing is written, unless --into names a store. TRACKS_DIR holds one tracks file per clip,
    METADATA_CSV has one row per clip.
    """
    from tracks2zarr.cli import show
    from tracks2zarr.common.problems import errors_of
    from tracks2zarr.planning.make_plan import draft
    from tracks2zarr.planning.plan import Settings

    plan = draft(
        tracks_dir,
        metadata_csv,
        **{name: settings.pop(name) for name in ("pattern", "format", "videos")},
        settings=Settings(**settings),
        require_all=require_all,
    )
    errors = errors_of(plan.problems)
    if as_json:
        show.print_json(_document(plan))
    else:
        _print_table(plan)
        show.print_problems(plan.problems)
        if plan.problems:
            show.stderr().print(show.count_problems(plan.problems))
    if into is not None and not errors:
        from tracks2zarr.converting.creation import prepare

        show.print_problems(prepare(plan, into))
    return 1 if errors else 0


def _document(plan: Plan) -> dict[str, Any]:
    """Return the plan for JSON, with the state of each video, and those with errors."""
    from tracks2zarr.common.problems import errors_of
    from tracks2zarr.planning.escape_types import escape_types

    document: dict[str, Any] = json.loads(plan.to_json())
    document["escape_types"] = escape_types(plan)
    for video in document["videos"]:
        video["state"] = "pending"
    failed = sorted({problem.video for problem in errors_of(plan.problems) if problem.video})
    document["videos"] += [{"video": video, "state": "failed"} for video in failed]
    document["videos"].sort(key=lambda video: video["video"])
    return document


def _print_table(plan: Plan) -> None:
    from tracks2zarr.cli import show

    if not plan.videos:
        return
    table = show.table("video", "clips", "frames", "size", "memory")
    for video in plan.videos:
        frames = sum(clip.n_frames for clip in video.clips)
        cells = size_text(video.size), size_text(video.predicted_memory)
        show.add_row(table, video.video, len(video.clips), frames, *cells)
    if len(plan.videos) > 1:
        show.add_row(
            table,
            count_text(len(plan.videos), "video"),
            sum(len(video.clips) for video in plan.videos),
            sum(clip.n_frames for video in plan.videos for clip in video.clips),
            size_text(sum(video.size for video in plan.videos)),
            size_text(max(video.predicted_memory for video in plan.videos)),
            bold=True,
        )
    show.stdout().print(table)
    for line in _lines_below(plan):
        show.stdout().print(line, markup=False, soft_wrap=True)


def _lines_below(plan: Plan) -> Iterator[str]:
    """Yield what the table does not show: format, escapes, and further columns."""
    from tracks2zarr.common.problems import one_line
    from tracks2zarr.planning.clip_columns import columns_text
    from tracks2zarr.planning.escape_types import escape_types

    names = sorted({video.format for video in plan.videos} - {DEFAULT_FORMAT})
    if names:
        yield f"format of the tracks files: {', '.join(names)}"
    if any(video.has_escapes for video in plan.videos):
        counts = (f"{one_line(name)} {n:,}" for name, n in escape_types(plan).items())
        yield f"escape types, in clips: {', '.join(counts)}"
    columns = {column: None for video in plan.videos for column in video.columns}
    if columns:
        yield f"further columns: {columns_text(columns)}"
