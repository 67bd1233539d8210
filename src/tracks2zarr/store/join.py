"""Adds the plan of a run to that of its store, and refuses what the group mode forbids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.store.group_mode import Action, Decision, Mode, decide
from tracks2zarr.store.planned import busy_problem
from tracks2zarr.store.schemas import mixed_with
from tracks2zarr.store.store import Store


def join(
    store: Store,
    plan: Plan,
    mode: Mode,
    *,
    since: str,
    keep_going: bool = False,
    rehash: bool = False,
) -> dict[str, Decision]:
    """Add a plan to its store's; refuse what the group mode forbids, all of it at once.

    Parameters
    ----------
    store
        The store.
    plan
        What is to be done.
    mode
        What to do where a video is there.
    since
        When the run began (UTC, ISO 8601).
    keep_going
        Whether to join the other videos although some are refused; for those, the store's
        plan stays as it is.
    rehash
        As for `decide`.

    Returns
    -------
    dict
        The decisions, by video; those that a living process is at work on are not among them.

    Raises
    ------
    Tracks2ZarrError
        If any video is refused, unless `keep_going`, or the store is of another schema; the plan is
        not joined then.
    """
    # groups are read before the lock is taken, since other runs wait for it
    decide_one = partial(decide, store, mode=mode, since=since, rehash=rehash)
    decisions = _decide_all(store, plan, decide_one, {})
    with store.root_lock():
        there = store.read_plan()
        if problem := mixed_with(store, there, plan):
            raise Tracks2ZarrError(problem)
        decisions = _decide_all(store, plan, decide_one, decisions)
        busy = [video for video in plan.videos if video.video not in decisions]
        decisions |= _refused_as_busy(store, busy, mode)
        refused = {v: d.problem for v, d in decisions.items() if d.action is Action.REFUSE}
        if refused and not keep_going:
            raise Tracks2ZarrError(problem for problem in refused.values() if problem)
        planned = there.by_id
        wanted = {video.video: planned.get(video.video, video) for video in busy}
        wanted |= {v: d.plan for v, d in decisions.items()}
        added = tuple(video for name, video in wanted.items() if name not in refused)
        store.write_plan(there.joined(Plan(added)))
    return decisions


def _decide_all(
    store: Store,
    plan: Plan,
    decide_one: Callable[..., Decision],
    earlier: Mapping[str, Decision],
) -> dict[str, Decision]:
    """Decide for the videos of a plan that no living process is at work on.

    Nothing is decided for one that cannot be read: whoever converts it meets the error.
    """
    decisions = {}
    for video in plan.videos:
        name = video.video
        with suppress(OSError):
            if not store.is_running(name):
                decisions[name] = decide_one(plan=video, earlier=earlier.get(name))
    return decisions


def _refused_as_busy(store: Store, busy: list[VideoPlan], mode: Mode) -> dict[str, Decision]:
    """Refuse the videos that another run is converting by another plan."""
    return {
        video.video: Decision.refused(video, problem)
        for video in busy
        if (problem := busy_problem(store, video, adds=mode == "a"))
    }
