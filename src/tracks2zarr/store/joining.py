"""How a store takes in what another plan asks for, in words: what is added, and what replaced."""

from __future__ import annotations

from tracks2zarr.common.problems import comma_list, same_command
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.store.corrections import corrected_in
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import video_in_store

_ADD = "to add to it"
#: So many videos, and so many clips, are named.
_NAMED = 5


def joining(store: Store, then: Plan, now: Plan) -> tuple[str, bool]:
    """Return how a store takes in what another plan asks for, as a part of a remedy.

    Parameters
    ----------
    store
        The store.
    then
        The store's plan.
    now
        What is asked for.

    Returns
    -------
    str
        The purpose, and the command.
    bool
        Whether that replaces finished videos.
    """
    old, new = then.by_id, now.by_id
    differing = [v for v in new if v not in old or old[v].fingerprint() != new[v].fingerprint()]
    there = [video for video in differing if video in old and _is_there(store, old[video])]
    shared = [(old[video], new[video]) for video in there]
    aim, options = _ADD, ["--store-mode", "a"]
    if shared and not any(_is_changed(*both) for both in shared):
        options += ["--group-mode", "a"]
    # where clips would be lost, the video's own problem says what to do
    elif shared and not any(then.by_clip.keys() - now.by_clip.keys() for then, now in shared):
        aim = _replacing(store, there)
        only = differing if len(differing) < len(new) else []
        options += ["--group-mode", "w", *(word for video in only for word in ("--video", video))]
    return f"{aim}, run {same_command(*options)}", aim != _ADD


def _is_there(store: Store, plan: VideoPlan) -> bool:
    """Tell whether a store has a video that is not converted again without being asked."""
    found = video_in_store(store, plan.video, plan)
    return found.is_intact or found.note is not None


def _is_changed(then: VideoPlan, now: VideoPlan) -> bool:
    """Tell whether clips that both plans have would be converted otherwise."""
    old, new = then.by_clip, now.by_clip
    return (then.common, then.layout) != (now.common, now.layout) or any(
        old[clip].content() != new[clip].content() for clip in old.keys() & new.keys()
    )


def _replacing(store: Store, videos: list[str]) -> str:
    """Return the purpose of a command that replaces videos of a store."""
    others = " and keep the others" if set(store.groups()) - set(videos) else ""
    corrected = corrected_in(store, videos)
    lost = f", without the corrections of {comma_list(corrected, _NAMED)}" if corrected else ""
    return f"to replace the videos that differ ({comma_list(videos, _NAMED)}){others}{lost}"
