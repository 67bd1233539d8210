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
    old, new = then.settings.common, now.settings.common
    for name in [name for name in old if old[name] != new[name]]:
        option = f"--{name.replace('_', '-')}"
        yield f"{option} {_value(old[name])}, and not {_value(new[name])}"
    if then.layout != now.layout:
        yield "other chunks"


def _value(value: object) -> str:
    return "not given" if value is None else str(value)
