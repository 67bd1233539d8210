"""``load_clip``: one clip of a store as a `movement` dataset."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.common.arguments import backwards, check_text
from tracks2zarr.common.names import clip_id_of, composed
from tracks2zarr.common.near_names import did_you_mean
from tracks2zarr.common.problems import (
    Problem,
    Tracks2ZarrError,
    comma_list,
    one_line,
)
from tracks2zarr.common.words import count_text
from tracks2zarr.dataset.schema import (
    ABSENT,
    CLIP_ID,
    INDIVIDUAL,
    TIME,
    TRACK_FIRST_FRAME,
    TRACK_LAST_FRAME,
)
from tracks2zarr.loading.open_store import open_video
from tracks2zarr.store.commands import converting
from tracks2zarr.store.corrections import are_lost
from tracks2zarr.store.overview import no_such_video
from tracks2zarr.store.ownership import foreign_problem
from tracks2zarr.store.published import AnyStore, opened_store
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import state_of

if TYPE_CHECKING:
    import xarray as xr


def load_clip(
    store: str | os.PathLike[str],
    video: str,
    clip: str | int,
    *,
    seconds: bool = False,
    zero: Literal["escape"] | None = None,
    frames: slice | None = None,
    chunks: dict[Any, Any] | None = None,
) -> xr.Dataset:
    """Return one clip as a `movement` bounding-boxes dataset of its own frames and individuals.

    Only coordinates are read at once; arrays are read when they are used.

    Parameters
    ----------
    store
        The store, as for `open_store`.
    video
        The video's id.
    clip
        The clip's id, or its position among the clips of the video, from 0.
    seconds
        Whether the coordinate `time` is in seconds; by default it is in frames. A time is a whole
        number of frames divided by fps, so the times of clips with the same fps coincide exactly.
    zero
        With ``"escape"``, `time` counts from the first frame of the escape, and is negative before
        it; by default, it counts from the first frame of the clip.
    frames
        Frames within the clip, from 0: ``slice(a, b)`` loads frames ``a`` to ``b - 1``, and only
        the individuals whose track overlaps them. (In stores of schema 1: all individuals.)
    chunks
        As in `xarray.open_zarr`: None for numpy arrays that are read when they are used,
        ``{}`` for dask arrays in the store's chunks.

    Returns
    -------
    xarray.Dataset
        With ``position`` and ``shape`` (time, space, individual) float32 in pixels,
        ``confidence`` (time, individual) and ``escape_state`` (time) float32; `video`, `clip_id`
        and everything else that is known about the clip are scalar coordinates.

    Raises
    ------
    Tracks2ZarrError
        If there is no such store, video or clip, the video is not finished, or the clip has no
        escape to count from or none of the frames.
    """
    check_text("video", video)
    check_arguments(clip, zero, frames)
    asked = ClipAsked(seconds=seconds, zero=zero, frames=frames)
    there, video = opened_store(store), composed(video)
    return clip_in(there, finished_video(there, video, chunks), clip, asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipAsked:
    """What of a clip is to be loaded: options of `load_clip`."""

    seconds: bool
    zero: Literal["escape"] | None
    frames: slice | None


def finished_video(there: AnyStore, video: str, chunks: dict[Any, Any] | None) -> xr.Dataset:
    """Return the dataset of a finished video of a store that is open."""
    if isinstance(there, Store):
        _warn_of_additions(there, video)
    return open_video(there, video, chunks)


def clip_in(there: AnyStore, dataset: xr.Dataset, clip: str | int, asked: ClipAsked) -> xr.Dataset:
    """Return one clip of the dataset of a video, as `load_clip` does."""
    video, frames, zero = dataset.attrs["video_id"], asked.frames, asked.zero
    clip = composed(clip) if isinstance(clip, str) else clip
    number = clip_number(there, video, clip, dataset[CLIP_ID].values.tolist())
    loaded = _own_extent(dataset.isel({CLIP_ID: number}))
    # the attributes are those of the dataset, which may be used again
    loaded.attrs = dataset.attrs | {"source_file": dataset.attrs["source_file"][number]}
    if frames is not None:
        loaded = _window(there, loaded, frames)
    start = _escape_frame(there, loaded) if zero == "escape" else 0
    if asked.seconds or zero is not None:
        name = "time within the clip" if zero is None else "time from the escape's first frame"
        loaded = _with_time(loaded, start, name, seconds=asked.seconds)
    return loaded.assign_coords(video=((), video, {"long_name": "video"}))


def _warn_of_additions(store: Store, video: str) -> None:
    """Check that a video is finished, and warn of what others added to it."""
    _, added = check_finished(store, video)
    if added:
        text = (
            f"{one_line(video)} contains data that tracks2zarr did not write: {comma_list(added)}"
        )
        warnings.warn(text, stacklevel=4)


def check_arguments(clip: object, zero: object, frames: object) -> None:
    """Check the types of what chooses a clip and a part of it.

    Raises
    ------
    TypeError, ValueError
        If one is of another type, or has a value that is never right.
    """
    if isinstance(clip, bool) or not isinstance(clip, str | int | np.integer):
        raise TypeError(f"clip is a {type(clip).__name__}; expected the clip's id or its position")
    if zero not in ("escape", None):
        raise ValueError(f"zero is {zero!r}; expected 'escape' or None")
    if frames is None:
        return
    if not isinstance(frames, slice):
        raise TypeError(f"frames is a {type(frames).__name__}; expected a slice, as slice(0, 100)")
    if frames.step not in (None, 1):
        raise ValueError(f"frames has a step of {frames.step!r}; expected every frame")
    if (wrong := backwards(frames)) is not None:
        raise ValueError(f"frames is {frames!r}, which {wrong}")


def clip_number(store: AnyStore, video: str, clip: str | int, clips: list[str]) -> int:
    """Return the position of a clip among those of its video.

    Raises
    ------
    Tracks2ZarrError
        If there is no such clip.
    """
    if not isinstance(clip, str):
        if -len(clips) <= clip < len(clips):
            return int(clip)
        raise Tracks2ZarrError(no_such_clip(store, video, str(clip), clips))
    if clip not in clips:
        raise Tracks2ZarrError(no_such_clip(store, video, clip, clips))
    return clips.index(clip)


def _individual_dim(clip: xr.Dataset) -> str:
    return INDIVIDUAL if INDIVIDUAL in clip.dims else "individuals"


def _own_extent(clip: xr.Dataset) -> xr.Dataset:
    """Return a clip without what pads it to the extent of the video's longest clip."""
    extent = {
        TIME: slice(int(clip["clip_n_frames"])),
        _individual_dim(clip): slice(int(clip["clip_n_individuals"])),
    }
    return clip.isel(extent)


def _window(store: AnyStore, clip: xr.Dataset, frames: slice) -> xr.Dataset:
    """Return some frames of a clip, with the individuals whose track overlaps them."""
    n_frames = clip.sizes[TIME]
    start, stop, _ = frames.indices(n_frames)
    if start >= stop:
        group, names = store.group(clip.attrs["video_id"]), [str(clip[CLIP_ID].values)]
        raise Tracks2ZarrError(no_such_frames(group, names, frames, n_frames))
    window = clip.isel({TIME: slice(start, stop)})
    if TRACK_FIRST_FRAME not in clip:
        return window
    first, last = clip[TRACK_FIRST_FRAME].values, clip[TRACK_LAST_FRAME].values
    (alive,) = np.nonzero((first < stop) & (last >= start))
    return window.isel({_individual_dim(clip): _as_slice(alive)})


def _as_slice(places: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return a slice for places that follow each other, which is read quicker."""
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def _escape_frame(store: AnyStore, clip: xr.Dataset) -> int:
    """Return the first frame of the escape within the clip."""
    first_in_video = int(clip.get("clip_escape_first_frame_0idx", ABSENT))
    if first_in_video == ABSENT:
        video, one = clip.attrs["video_id"], str(clip[CLIP_ID].values)
        has_escapes = "clip_escape_first_frame_0idx" in clip
        raise Tracks2ZarrError(no_escape(store, [(video, one)], has_escapes=has_escapes))
    return first_in_video - int(clip["clip_first_frame_0idx"])


def _with_time(clip: xr.Dataset, start: int, long_name: str, *, seconds: bool) -> xr.Dataset:
    """Return a clip whose `time` counts from a frame of it, in frames or in seconds."""
    frames = clip[TIME].values - start
    time = frames / clip.attrs["fps"] if seconds else frames
    # xarray before 2026 reads a coordinate in "seconds" from a file as timedeltas, in "s" as it is
    attributes = {"long_name": long_name, "units": "s" if seconds else "frames"}
    clip = clip.assign_coords({TIME: (TIME, time, attributes)})
    clip.attrs["time_unit"] = "seconds" if seconds else "frames"
    return clip


def check_finished(store: Store, video: str) -> tuple[Receipt, tuple[str, ...]]:
    """Check that a video is finished.

    Returns
    -------
    tuple
        Its receipt, and what others added to its group, such as arrays.

    Raises
    ------
    Tracks2ZarrError
        If it is not, if another workflow made it, or if there is no such video.
    """
    receipt = store.read_receipt(video)
    if receipt is not None and (added := store.added_to(receipt, read=False)) is not None:
        return receipt, added
    names = store.groups()
    planned = {plan.video: plan for plan in store.read_plan().videos}
    if video not in names and video not in planned:
        raise Tracks2ZarrError(no_such_video(store, video, sorted({*names, *planned})))
    if store.is_from_tracks2zarr(video):
        state = state_of(store, planned[video]) if video in planned else "a group without a receipt"
        is_damaged = receipt is not None and store.has_group(video)
        if is_damaged:
            state = "files that are not those that were written"
        foreign = foreign_problem(store, video)
        is_anew = receipt is not None and are_lost(receipt)
        beside = f", with data that tracks2zarr did not write: {foreign.found}" if foreign else ""
        raise Tracks2ZarrError(
            Problem(
                kind="video-unfinished",
                what=f"The video is {'damaged' if is_damaged else 'not finished'}.",
                file=str(store.group(video)),
                found=f"{state}{beside}",
                expected="a video with a valid receipt",
                remedy=f"Run: {converting(store, video, replace=is_anew)}",
                video=video,
            )
        )
    raise Tracks2ZarrError(_not_ours(store, video))


def _not_ours(store: Store, video: str) -> Problem:
    note = store.unverified(video)
    return Problem(
        kind="unverified",
        what="A video was made by another workflow, so load_clip cannot read it.",
        file=str(store.group(video)),
        found=note.why() if note else "a group that tracks2zarr did not write",
        expected="a video that tracks2zarr made",
        remedy="Open the group with xarray, or convert the video:"
        f" {converting(store, video, replace=True)}",
        video=video,
    )


def no_such_clip(store: AnyStore, video: str, clip: str, clips: list[str]) -> Problem:
    """Return the problem of a clip that a video does not have."""
    return Problem(
        kind="no-such-clip",
        what="The video has no such clip.",
        file=str(store.group(video)),
        found=f"'{one_line(clip)}'",
        expected=f"one of {comma_list(clips)}",
        remedy=did_you_mean(_without_video(clip, video, clips), clips) or "Correct the clip's id.",
        video=video,
    )


def _without_video(clip: str, video: str, clips: list[str]) -> str:
    """Return a clip's id, where its whole name or the name of its file was given."""
    own = clip_id_of(clip, video) or clip
    return own if own in clips else own.partition(".")[0].removesuffix("_tracks")


def no_escape(store: AnyStore, clips: Sequence[tuple[str, str]], *, has_escapes: bool) -> Problem:
    """Return the problem of clips whose time cannot be counted from an escape.

    Parameters
    ----------
    store
        The store.
    clips
        The ids of their videos, and their own.
    has_escapes
        Whether the dataset of one of them has escapes.
    """
    names = [f"{video}, {clip}" for video, clip in clips]
    return Problem(
        kind="no-escape",
        what="Time cannot be counted from the escape, because there is none."
        if has_escapes
        else "Time cannot be counted from the escape, because the dataset has no escapes.",
        file=str(store.path),
        found=f"{count_text(len(names), 'clip')} without an escape: {comma_list(names)}",
        expected="clips with an escape",
        remedy="Leave out zero='escape', or choose clips whose escape_frame is not missing."
        if has_escapes
        else "Leave out zero='escape'. Escapes come from the metadata CSV, which has none here.",
    )


def no_such_frames(
    place: Path | str, clips: Sequence[str], frames: slice, n_frames: int
) -> Problem:
    """Return the problem of clips that have none of the frames that are asked for.

    Parameters
    ----------
    place
        Where the group or the store lies.
    clips
        The names of the clips.
    frames
        What was asked for.
    n_frames
        The number of frames of the longest of them.
    """
    first, last = frames.start or 0, "the end" if frames.stop is None else frames.stop - 1
    return Problem(
        kind="no-such-frames",
        what="The clip has none of these frames."
        if len(clips) == 1
        else f"{len(clips)} clips have none of these frames.",
        file=str(place),
        found=f"frames {first} to {last} of {comma_list(clips)}",
        expected=f"some of the frames 0 to {n_frames - 1}",
        remedy="Count the frames within the clip, from 0.",
    )
