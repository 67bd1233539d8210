"""A plan joined to that of its store, before any work is done by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.planning.plan import Plan
from tracks2zarr.store.group_mode import Action, Decision, Mode, decide
from tracks2zarr.store.store import Store


@dataclass(frozen=True, slots=True)
class Joined:
    """What is to be done for each video of a plan, given what the store holds of it.

    Parameters
    ----------
    decisions
        By video; those that a living process is at work on are not among them.
    """

    decisions: Mapping[str, Decision]

    def videos_to_write(self) -> list[str]:
        """Return the videos that there is work to do for, sorted."""
        return sorted(v for v, d in self.decisions.items() if d.action is Action.WRITE)

    def refused(self) -> list[Problem]:
        """Return why videos are refused."""
        refused = [d for d in self.decisions.values() if d.action is Action.REFUSE]
        return [decision.problem for decision in refused if decision.problem]


def join(store: Store, plan: Plan, mode: Mode, *, since: str, keep_going: bool = False) -> Joined:
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

    Returns
    -------
    Joined

    Raises
    ------
    Tracks2ZarrError
        If any video is refused, unless `keep_going`; the plan is not joined then.
    """
    with store.root_lock():
        joined = Joined(
            {
                video.video: decide(store, video, mode, since=since)
                for video in plan.videos
                if not store.is_running(video.video)
            }
        )
        if joined.refused() and not keep_going:
            raise Tracks2ZarrError(joined.refused())
        decided = joined.decisions
        effective = [
            decided[video.video].plan if video.video in decided else video
            for video in plan.videos
            if video.video not in decided or decided[video.video].action is not Action.REFUSE
        ]
        store.write_plan(store.read_plan().joined(Plan(tuple(effective))))
    return joined
