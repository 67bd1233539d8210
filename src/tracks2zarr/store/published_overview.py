"""``info`` of a published store: its videos and clips, by what was published."""

from __future__ import annotations

from collections.abc import Mapping

from tracks2zarr.common.documents import DocumentError
from tracks2zarr.common.objects import StoredObject
from tracks2zarr.common.problems import one_line
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.store.additions import arrays_of, has_our_name
from tracks2zarr.store.overview import StoreInfo, VideoInfo, clip_infos, named_videos
from tracks2zarr.store.published import PublishedStore, by_video
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.video_state import State


def published_info(store: PublishedStore, video: str | None) -> StoreInfo:
    """Return what is in a published store, as `info` does.

    A video is done if the root lists it, and it has as many objects, of as many bytes, as its
    receipt says; it is pending if it is planned only.
    """
    planned = store.read_plan().by_id
    names = named_videos(store.path, {*planned, *store.videos}, video)
    receipts = store.read_receipts(name for name in names if name in store.videos)
    prefix = "" if video is None else f"{names[0]}/"
    objects = by_video(store.objects.list(prefix))
    infos = (
        _listed_info(name, receipts[name], objects.get(name, {}))
        if name in receipts
        else _planned_info(planned[name])
        for name in names
    )
    return StoreInfo(store.path, tuple(infos))


def _planned_info(plan: VideoPlan) -> VideoInfo:
    return VideoInfo(
        video=plan.video,
        state=State.PENDING,
        clips=clip_infos(plan, None),
        fps=plan.fps,
        why="not published",
    )


def _listed_info(
    video: str, receipt: Receipt | DocumentError | None, objects: Mapping[str, StoredObject]
) -> VideoInfo:
    if not isinstance(receipt, Receipt):
        why = "no receipt" if receipt is None else f"a broken receipt: {one_line(receipt)}"
        return VideoInfo(video=video, state=State.UNKNOWN, why=why)
    is_whole = counted(receipt.plan, objects) == (receipt.content.files, receipt.content.size)
    return VideoInfo(
        video=video,
        state=State.DONE if is_whole else State.MISSING,
        clips=clip_infos(receipt.plan, receipt if is_whole else None),
        fps=receipt.plan.fps,
        most_individuals=receipt.most_individuals if is_whole else None,
        n_boxes=receipt.n_boxes if is_whole else None,
        size=receipt.content.size if is_whole else None,
        why=None if is_whole else "objects are missing, or not those of the receipt",
    )


def counted(plan: VideoPlan, objects: Mapping[str, StoredObject]) -> tuple[int, int]:
    """Return how many of a video's objects are ours, and their size in bytes."""
    start, arrays = len(plan.video) + 1, arrays_of(plan)
    sizes = [one.size for path, one in objects.items() if has_our_name(path[start:], arrays)]
    return len(sizes), sum(sizes)
