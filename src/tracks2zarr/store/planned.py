"""The plan of a video as the store has it now, read again only where it has changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.store.store import Store


def planned_video(store: Store, video: str) -> VideoPlan | None:
    """Return the store's plan of a video, or None where it has none now.

    Raises
    ------
    Tracks2ZarrError
        If the plan is of another version, or no plan.
    """
    try:
        found = store.plan_file.stat()
    except FileNotFoundError:
        return None
    stamp = found.st_ino, found.st_size, found.st_mtime_ns
    return _plans_by_id(store.path, stamp).get(video)


# the stores of a merge, or the one of a run; the stamp makes a changed plan another entry
@lru_cache(maxsize=4)
def _plans_by_id(store: Path, stamp: tuple[int, int, int]) -> Mapping[str, VideoPlan]:
    del stamp
    return Store(store).read_plan().by_id


def agree_on_plan(store: Store, plan: VideoPlan, joined: VideoPlan) -> None:
    """Make a plan of a video the store's, unless another run has planned it otherwise since.

    Parameters
    ----------
    store
        The store; the caller holds the video's lock.
    plan
        The plan by which this run converts the video.
    joined
        The plan as this run joined it to the store's; what the store held may have changed since,
        as where a dead attempt was rolled back.

    Raises
    ------
    Tracks2ZarrError
        If another run has planned the video otherwise.
    """
    there = planned_video(store, plan.video)
    if there is None or is_same_work(there, plan):
        return
    if not is_same_work(there, joined):
        raise Tracks2ZarrError(planned_otherwise(store, plan))
    with store.root_lock():
        store.write_plan(store.read_plan().joined(Plan((plan,))))


def planned_otherwise(store: Store, plan: VideoPlan) -> Problem:
    """Return the problem of a video that the store plans otherwise than a run does."""
    return Problem(
        kind="planned-otherwise",
        what="Another run has since planned the video from different input or settings.",
        file=str(store.plan_file),
        found="another plan of the video",
        expected="the plan of this run",
        remedy="Nothing, if the other run is the right one; otherwise, wait until it has ended,"
        " then run the same command again.",
        video=plan.video,
    )


def busy_problem(store: Store, plan: VideoPlan, *, adds: bool) -> Problem | None:
    """Return the problem of a video that another run converts by another plan, or None.

    Parameters
    ----------
    store
        The store.
    plan
        The plan of a video that another run is at work on.
    adds
        Whether this run only adds clips: the other run may convert more of them, then.
    """
    there = planned_video(store, plan.video)
    if there is not None and adds:
        wanted = plan.by_clip.keys()
        there = there.with_clips(clip for clip in there.clips if clip.clip in wanted)
    if there is None or is_same_work(there, plan):
        return None
    return Problem(
        kind="video-busy",
        what="Another run is converting the video from different input or settings.",
        file=str(store.group(plan.video)),
        found="a run that has not ended",
        expected="no other run, or one of the same input and settings",
        remedy="Wait until it has ended, then run the same command again.",
        video=plan.video,
    )


def is_same_work(plan: VideoPlan, other: VideoPlan) -> bool:
    """Tell whether two plans of a video make the same group, as far as can be seen unread."""
    if plan.fingerprint() != other.fingerprint():
        return False
    sources = ([(clip.size, clip.mtime_ns) for clip in one.clips] for one in (plan, other))
    return next(sources) == next(sources)
