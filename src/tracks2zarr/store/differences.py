"""What differs between plans, in words: why something is not the same input and settings."""

from __future__ import annotations

from collections.abc import Iterator

from tracks2zarr.common.problems import comma_list
from tracks2zarr.planning.plan import Plan, VideoPlan


def differences(then: Plan, now: Plan) -> list[str]:
    """Return what differs between the plan of a store and another one, by video and clip.

    Parameters
    ----------
    then
        The store's plan.
    now
        What is asked for.

    Returns
    -------
    list of str
        Empty if the same input and settings are asked for, wherever the files lie.
    """
    old, new = then.by_id, now.by_id
    found = []
    if lacking := sorted(new.keys() - old.keys()):
        found.append(f"the store lacks {comma_list(lacking, 5)}")
    if more := sorted(old.keys() - new.keys()):
        found.append(f"the store also has {comma_list(more, 5)}")
    for video in sorted(old.keys() & new.keys()):
        if old[video].fingerprint() != new[video].fingerprint():
            what = "; ".join(video_differences(old[video], new[video])) or "something differs"
            found.append(f"{video}: {what}")
    return found


def joining_options(then: Plan, now: Plan) -> list[str]:
    """Return the options of `create` by which a store takes in what another plan asks for.

    Parameters
    ----------
    then
        The store's plan.
    now
        What is asked for.
    """
    old, new = then.by_id, now.by_id
    differing = [v for v in new if v not in old or old[v].fingerprint() != new[v].fingerprint()]
    shared = [(old[video], new[video]) for video in differing if video in old]
    if not shared:
        return ["--store-mode", "a"]
    if not any(_is_changed(*both) for both in shared):
        return ["--store-mode", "a", "--group-mode", "a"]
    if any(then.by_clip.keys() - now.by_clip.keys() for then, now in shared):
        return ["--store-mode", "a"]  # clips would be lost: the video's own problem says what to do
    only = differing if len(differing) < len(new) else []
    named = [word for video in only for word in ("--video", video)]
    return ["--store-mode", "a", "--group-mode", "w", *named]


def _is_changed(then: VideoPlan, now: VideoPlan) -> bool:
    """Tell whether clips that both plans have would be converted otherwise."""
    old, new = then.by_clip, now.by_clip
    return (then.common, then.layout) != (now.common, now.layout) or any(
        old[clip].content() != new[clip].content() for clip in old.keys() & new.keys()
    )


def video_differences(then: VideoPlan, now: VideoPlan) -> Iterator[str]:
    """Yield what differs between the plan of a video in a store and another one.

    Parameters
    ----------
    then
        Of the video in the store.
    now
        What is asked for.
    """
    old, new = then.by_clip, now.by_clip
    if added := sorted(new.keys() - old.keys()):
        yield f"lacks {comma_list(added)}"
    if gone := sorted(old.keys() - new.keys()):
        yield f"also has {comma_list(gone)}"
    both = sorted(new.keys() & old.keys())
    if changed := [clip for clip in both if new[clip].content() != old[clip].content()]:
        yield f"other metadata for {comma_list(changed)}"
    if then.fps != now.fps:
        yield f"{then.fps:g} fps, and not {now.fps:g}"
    if then.format != now.format:
        yield f"tracks files of the format {then.format}, and not {now.format}"
    if (then.columns, then.has_escapes) != (now.columns, now.has_escapes):
        yield "other columns of the metadata CSV"
    if (then.settings.common, then.layout) != (now.settings.common, now.layout):
        yield "other settings"
