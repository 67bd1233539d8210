"""Which videos failed because of their input, and would fail again because it is unchanged."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import datetime

from tracks2zarr.common.problems import Problem, one_line
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.slurm.status_values import VideoStatus
from tracks2zarr.store.planned import is_same_work
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import read_record


def unchanged_input(
    store: Store, videos: Iterable[VideoStatus], before: Plan, now: Plan
) -> list[Problem]:
    """Return the problems of videos that failed because of their input, which is unchanged.

    Parameters
    ----------
    store
        The store.
    videos
        The videos that are not finished.
    before, now
        Their plans: as they were converted, and as their input is now.
    """
    planned, again = before.by_id, now.by_id
    return [
        _unchanged(store, video)
        for video in videos
        if video.input_problems
        and video.video in again
        and is_same_work(planned[video.video], again[video.video])
        and not _was_written_since(store, again[video.video])
    ]


def _was_written_since(store: Store, plan: VideoPlan) -> bool:
    """Tell whether a tracks file was written after the last attempt at a video began.

    The plan of the store has the file as it is now where a submission since was refused.
    """
    record = read_record(store, plan.video)
    if record is None:
        return False
    began = datetime.fromisoformat(record.last.started).timestamp()
    return any(clip.mtime_ns / 1e9 > began for clip in plan.clips)


def _unchanged(store: Store, video: VideoStatus) -> Problem:
    first = video.input_problems[0]
    return Problem(
        kind="input-unchanged",
        what="A video failed because of its input, which has not changed since.",
        file=first.file,
        row=first.row,
        column=first.column,
        found=one_line(first.what),
        expected="a tracks file, or a row of the metadata CSV, that was fixed since",
        remedy="Fix it. Or, to submit the video all the same, run:"
        f" tracks2zarr slurm rerun {shlex.quote(str(store.path))} --anyway",
        video=video.video,
    )
