"""``info``: the videos and clips of a store, and how far each is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from tracks2zarr.common.arguments import check_type
from tracks2zarr.common.display import OneLine, Shown, Table
from tracks2zarr.common.documents import fields_of
from tracks2zarr.common.files import file_names
from tracks2zarr.common.names import composed
from tracks2zarr.common.near_names import did_you_mean
from tracks2zarr.common.problems import (
    Problem,
    Tracks2ZarrError,
    comma_list,
    one_line,
)
from tracks2zarr.common.unfetched import unfetched_in
from tracks2zarr.common.words import count_text, size_text
from tracks2zarr.dataset.schema import ABSENT
from tracks2zarr.planning.clip_columns import ColumnValue, cell_value
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.store.additions import additions, arrays_of
from tracks2zarr.store.receipt import Correction, Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.unreadable import UNREADABLE, broken_receipt, unreadable_problem
from tracks2zarr.store.video_state import State, VideoInStore, video_in_store

if TYPE_CHECKING:
    from tracks2zarr.store.published import AnyStore


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClipInfo(OneLine):
    """One clip. Frames are 0-based in the video; numbers of a clip that is not done are None.

    `source` is its tracks file, and `corrections` are those by hand, the last of which counts.
    `escape_type` is None if the dataset has no escapes.
    `columns` are the values of the further columns of the metadata CSV.
    """

    clip: str
    n_frames: int
    first_frame: int
    last_frame: int
    escape_frame: int
    escape_type: str | None
    n_individuals: int | None
    n_boxes: int | None
    source: str
    corrections: tuple[Correction, ...] = ()
    columns: Mapping[str, ColumnValue] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, without what most clips have not."""
        shown = {field.name: getattr(self, field.name) for field in fields(self)}
        corrections, columns = shown.pop("corrections"), shown.pop("columns")
        if corrections:
            shown["corrections"] = [fields_of(one) for one in corrections]
        if columns:
            shown["columns"] = {name: _for_json(one) for name, one in columns.items()}
        return shown

    @property
    def escape(self) -> int | None:
        """The first frame of the escape within the clip; None for a clip without one."""
        return None if self.escape_frame == ABSENT else self.escape_frame - self.first_frame

    def __str__(self) -> str:
        escape = "" if self.escape is None else f", {self.escape_type} at {self.escape}"
        boxes = "" if self.n_boxes is None else f", {self.n_boxes:,} boxes"
        return f"{self.clip}: {count_text(self.n_frames, 'frame')}{escape}{boxes}"


def _for_json(value: ColumnValue) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VideoInfo(Shown):
    """One video: its state, its clips, and its numbers if it is done.

    Parameters
    ----------
    video
        The video's id.
    state
        Its state.
    clips
        Its clips; empty for a group that tracks2zarr did not write.
    fps
        Frames per second.
    most_individuals
        The number of individuals in the clip that has the most.
    n_boxes
        The number of boxes in all clips.
    size
        The size of the group, in bytes.
    why
        Why the last attempt failed, or what is known about a group that another workflow made, in
        one line.
    where
        The file, row and column of the problem.
    """

    video: str
    state: State
    clips: tuple[ClipInfo, ...] = ()
    fps: float | None = None
    most_individuals: int | None = None
    n_boxes: int | None = None
    size: int | None = None
    why: str | None = None
    where: str | None = None

    @property
    def n_frames(self) -> int:
        """The frames of all clips together."""
        return sum(clip.n_frames for clip in self.clips)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return fields_of(self) | {"n_frames": self.n_frames}

    def __str__(self) -> str:
        counts = count_text(len(self.clips), "clip"), count_text(self.n_frames, "frame")
        boxes = [] if self.n_boxes is None else [f"{self.n_boxes:,} boxes"]
        return ", ".join([self.video, str(self.state), *counts, *boxes])

    def _shown_table(self) -> Table:
        """Return the clips."""
        rows = [
            (c.clip, c.escape_type, c.n_frames, c.escape, c.n_individuals, c.n_boxes)
            for c in self.clips
        ]
        head = "clip", "escape", "frames", "escape in clip", "individuals", "boxes"
        return Table(head, rows, left=2)


@dataclass(frozen=True, slots=True, repr=False)
class StoreInfo(Shown):
    """The videos of a store, sorted by id; for a published one, `store` is a str."""

    store: Path | str
    videos: tuple[VideoInfo, ...]

    @property
    def name(self) -> str:
        """The last part of the path or the URL."""
        return PurePath(self.store).name

    def as_dict(self) -> dict[str, Any]:
        """Return the document of ``info --json``."""
        return {
            "store": str(self.store),
            "videos": [video.as_dict() for video in self.videos],
        }

    def __str__(self) -> str:
        n_done = sum(video.state is State.DONE for video in self.videos)
        return f"{self.name}, {n_done:,} of {len(self.videos):,} videos done"

    def _shown_table(self) -> Table:
        """Return the videos."""
        return Table(
            ("video", "state", "clips", "frames", "boxes", "size", "fps"),
            [_shown_row(video) for video in self.videos],
            left=2,
        )


def _shown_row(video: VideoInfo) -> tuple[object, ...]:
    size = None if video.size is None else size_text(video.size)
    fps = None if video.fps is None else f"{video.fps:g}"
    return video.video, str(video.state), len(video.clips), video.n_frames, video.n_boxes, size, fps


def info(store: str | os.PathLike[str], video: str | None = None) -> StoreInfo:
    """Return the contents of a store, from its plan and its receipts, without reading arrays.

    Parameters
    ----------
    store
        The store, or the URL or the archive of a published one.
    video
        The id of one video; by default, all videos.

    Returns
    -------
    StoreInfo

    Raises
    ------
    Tracks2ZarrError
        If there is no store, or no such video.
    """
    check_type("video", video, (str, type(None)), "a str, or None")
    from tracks2zarr.store.published import opened_store

    return info_of(opened_store(store), video)


def info_of(store: AnyStore, video: str | None = None) -> StoreInfo:
    """Return what is in a store that is open, as `info` does."""
    if not isinstance(store, Store):
        from tracks2zarr.store.published_overview import published_info

        return published_info(store, video)
    planned = store.read_plan().by_id
    names = named_videos(str(store.path), [*planned, *store.groups(but=planned)], video)
    infos = (_video_or_error(store, name, planned.get(name)) for name in names)
    return StoreInfo(store.path, tuple(infos))


def named_videos(store: str, names: Iterable[str], video: str | None) -> list[str]:
    """Return the ids of the videos that are asked for: one of them, or all, sorted.

    Raises
    ------
    Tracks2ZarrError
        If there is no such video.
    """
    known = sorted(names)
    if video is None:
        return known
    video = composed(video)
    if video not in known:
        raise Tracks2ZarrError(no_such_video(store, video, known))
    return [video]


def no_such_video(store: Store | str, video: str, names: list[str]) -> Problem:
    """Return the problem of a video that is not in a store, with the nearest name."""
    return Problem(
        kind="no-such-video",
        what="The store has no such video.",
        file=store if isinstance(store, str) else str(store.path),
        found=f"'{one_line(video)}'",
        expected=f"one of {comma_list(names)}" if names else "a store that holds a video",
        remedy=did_you_mean(video, names) or "Correct the video's id.",
    )


def _video_or_error(store: Store, video: str, plan: VideoPlan | None) -> VideoInfo:
    try:
        return _video_info(store, video, plan)
    except UNREADABLE as error:
        problem = unreadable_problem(store, video, error)
        why = f"{problem.what} {problem.found}"
        return VideoInfo(video=video, state=State.UNKNOWN, why=why, where=problem.where())


def _video_info(store: Store, video: str, plan: VideoPlan | None) -> VideoInfo:
    found = video_in_store(store, video, plan)
    note, state = found.note, found.state
    if plan is None:
        why = note.why() if note else "not in the plan of this store"
        return VideoInfo(video=video, state=State.UNKNOWN, why=why)
    receipt = found.receipt if state is State.DONE else None
    failure = store.read_failure(video) if state is State.FAILED else []
    if state is not State.DONE and (broken := broken_receipt(store, video)):
        failure = [broken]
    if state is State.MISSING and (unfetched := unfetched_in(found.group)):
        failure = [unfetched]
    return VideoInfo(
        video=video,
        state=state,
        clips=clip_infos(plan, receipt),
        fps=plan.fps,
        most_individuals=receipt.most_individuals if receipt else None,
        n_boxes=receipt.n_boxes if receipt else None,
        size=receipt.content.size if receipt else None,
        why=failure[0].what if failure else note.why() if note else _remark(found),
        where=failure[0].where() if failure else None,
    )


def _remark(found: VideoInStore) -> str | None:
    remarks = ["listed as it was, until it is replaced"] if found.is_kept else []
    added = found.added
    if found.state is State.MISSING and found.has_group:
        added = additions(file_names(found.group), arrays_of(found.plan))
    if added:
        remarks.append(f"contains data that tracks2zarr did not write: {comma_list(added)}")
    return "; ".join(remarks) or None


def clip_infos(plan: VideoPlan, receipt: Receipt | None) -> tuple[ClipInfo, ...]:
    """Return the clips of a planned video, with the numbers in its receipt if it is done."""
    done = {clip.clip: clip for clip in receipt.clips} if receipt else {}
    return tuple(
        ClipInfo(
            clip=clip.clip,
            n_frames=clip.n_frames,
            first_frame=clip.first_frame,
            last_frame=clip.last_frame,
            escape_frame=clip.escape_frame,
            escape_type=clip.escape_type if plan.has_escapes else None,
            n_individuals=done[clip.clip].n_individuals if clip.clip in done else None,
            n_boxes=done[clip.clip].n_boxes if clip.clip in done else None,
            source=clip.source,
            corrections=done[clip.clip].corrections if clip.clip in done else (),
            columns={
                column.name: cell_value(column.type, cell)
                for column, cell in zip(plan.columns, clip.values, strict=True)
            },
        )
        for clip in plan.clips
    )
