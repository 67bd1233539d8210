"""The schemas of the groups in a store: all are of one schema."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from tracks2zarr.common.problems import Problem, comma_list
from tracks2zarr.dataset.schema import SCHEMA_VERSION
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.store.store import Store


def mixed_with(store: Store, there: Plan, plan: Plan) -> Problem | None:
    """Return the problem of a plan that would bring another schema into a store, or None.

    Parameters
    ----------
    store
        The store.
    there
        The plan that it has.
    plan
        What is to be done in it.
    """
    schemas = _schemas_of(there)
    if not plan.videos or not schemas or schemas == _schemas_of(plan):
        return None
    again = converting_again(store, there)
    return Problem(
        kind="schema-mixed",
        what="The store has a different schema than this version of tracks2zarr writes.",
        file=str(store.path),
        found=_schema_text(schemas),
        expected=f"schema {SCHEMA_VERSION}, or no store",
        remedy=f"Convert its videos again: {again}. Or pass another path for the store.",
    )


def mixed_stores(stores: Sequence[Store]) -> Iterator[Problem]:
    """Yield the problems of stores that cannot become one, since their schemas differ."""
    plans = [(store, store.read_plan()) for store in stores]
    with_videos = [(store, plan) for store, plan in plans if plan.videos]
    for two in pairwise(with_videos):
        (older, plan), (newer, newer_plan) = sorted(two, key=lambda one: min(_schemas_of(one[1])))
        if _schemas_of(plan) == _schemas_of(newer_plan):
            continue
        again = converting_again(older, plan)
        yield Problem(
            kind="schema-mixed",
            what="Stores of different schemas cannot be merged.",
            file=str(older.path),
            found=_schema_text(_schemas_of(plan)),
            expected=f"{_schema_text(_schemas_of(newer_plan))}, as {newer.path}",
            remedy=f"Convert the videos of the older store again: {again}. Then merge again.",
        )


def not_written(store: Store, plan: VideoPlan) -> Problem | None:
    """Return the problem of a video that another version of tracks2zarr planned, or None."""
    if plan.schema == SCHEMA_VERSION:
        return None
    return Problem(
        kind="schema-mixed",
        what="The video was planned by another version of tracks2zarr, which writes a"
        " different schema.",
        file=str(store.plan_file),
        found=_schema_text({plan.schema}),
        expected=f"schema {SCHEMA_VERSION}",
        remedy="Use that version, or convert all videos of the store again:"
        f" {converting_again(store, store.read_plan())}.",
        video=plan.video,
    )


def _schemas_of(plan: Plan) -> set[int]:
    return {video.schema for video in plan.videos}


def _schema_text(schemas: set[int]) -> str:
    return f"schema {comma_list([str(schema) for schema in sorted(schemas)])}"


def converting_again(
    store: Store, plan: Plan, tracks_dir: Path | None = None, metadata_csv: Path | None = None
) -> str:
    """Return the command that replaces a store by its videos converted again.

    It is several, where the videos were planned from several folders.

    Parameters
    ----------
    store
        The store.
    plan
        The plan that it has.
    tracks_dir, metadata_csv
        Where the sources lie; None for where they lay when they were planned.
    """
    inputs = {
        (str(tracks_dir or clip.tracks_dir), str(metadata_csv or csv), video.settings): None
        for video in plan.videos
        for clip in video.clips
        for csv in [video.metadata_of(clip)]
    }
    commands: list[str] = []
    for folder, csv, settings in inputs:
        mode = "a" if commands else "w"
        words = ["tracks2zarr", "create", folder, *([csv] if csv else []), str(store.path)]
        commands.append(shlex.join([*words, *settings.options(), "--store-mode", mode]))
    return " && ".join(commands)
