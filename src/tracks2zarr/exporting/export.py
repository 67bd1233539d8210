"""``export``: clips of a store written as files of another format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from tracks2zarr.common.arguments import check_path
from tracks2zarr.common.names import composed
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.progress import Progress, showing
from tracks2zarr.exporting import problems
from tracks2zarr.exporting.exported_files import ExportedVideo
from tracks2zarr.exporting.exporter import TABLES, Exporter
from tracks2zarr.exporting.formats import FORMAT_NAMES, FormatName
from tracks2zarr.exporting.losses import losses
from tracks2zarr.exporting.past_end import frames_past_end
from tracks2zarr.exporting.stored_clip import StoredClip, clips_of, image_name
from tracks2zarr.exporting.table_columns import TableColumns
from tracks2zarr.loading.load_clip import (
    check_arguments,
    check_finished,
    clip_number,
    no_such_frames,
)
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.store.existing import enclosing_group, existing_store
from tracks2zarr.store.listing import listed_in
from tracks2zarr.store.store import Store

#: The formats that name images.
_WITH_IMAGES = frozenset({"via", "coco"})
#: How the images of frames are called by default.
IMAGES = "frame_{frame:08d}.png"
_FIELDS = "expected no other fields than {frame}, {video_frame}, {video} and {clip}"
#: Of which no two digits are the same in another base, or with separators.
_FRAMES_TRIED = (10, 12_345_678)


def export(
    store: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    format: FormatName = "via",
    video: str | None = None,
    clip: str | int | None = None,
    frames: slice | None = None,
    images: str | None = None,
    overwrite: bool = False,
    progress: bool | Progress = False,
) -> tuple[ExportedVideo, ...]:
    """Write clips of finished videos as files of another format, one file per clip.

    Each file appears complete or not at all. If you run it again, only files that are missing or
    differ are written.

    Parameters
    ----------
    store
        The store.
    out
        The folder of the files, which is created if it is missing.
    format
        ``via`` (VIA tracks CSV), ``movement`` (netCDF), ``parquet``, ``mot`` (MOTChallenge text)
        or ``coco`` (JSON).
    video, clip
        The id of one video, and the id or the position of one of its clips; by default, all.
    frames
        Frames within each clip, from 0, such as ``slice(0, 100)``; by default, all.
    images
        The names of the images in VIA and COCO files: a template with the fields
        ``{frame}`` (within the clip, from 0), ``{video_frame}``, ``{video}`` and ``{clip}``.
        By default, ``frame_{frame:08d}.png``.
    overwrite
        Whether to replace files that were changed after they were exported, or that are not from
        an export of this store.
    progress
        Whether to show a progress bar, or an object that is told about the progress instead.

    Returns
    -------
    tuple[ExportedVideo, ...]
        The files of each video, sorted by video and clip.

    Raises
    ------
    Tracks2ZarrError
        If there is no such store, video or clip; a video is not finished; or files are in the way.
        Everything is checked before anything is written.
    ValueError
        If `format`, `frames` or `images` is invalid, or the format names no images.
    """
    if format not in FORMAT_NAMES:
        raise ValueError(f"format is {format!r}; expected one of {FORMAT_NAMES}")
    if clip is not None and video is None:
        raise ValueError("clip needs video")
    if images is not None and format not in _WITH_IMAGES:
        raise ValueError(f"images is for the formats via and coco; {format} has no names of images")
    images = IMAGES if images is None else images
    check_arguments(0 if clip is None else clip, None, frames)
    check_path("out", out)
    there = existing_store(store)
    clips = _chosen(there, video, clip, frames)
    noticed: list[Problem] = []
    if format in TABLES:
        clips = _of_one_table(there, clips, noticed)
    folder = Path(out).absolute()
    _check_folder(folder)
    exporter = Exporter.of(folder, format, images, clips)
    _check_names(clips, images)
    exporter.check(there, clips, overwrite=overwrite)
    noticed += exporter.left_behind(there, clips)
    by_video = {name: list(some) for name, some in groupby(clips, lambda one: one.video)}
    done: list[ExportedVideo] = []
    with showing(progress) as told:
        told.begin(list(by_video), None)
        for name, some in by_video.items():
            files = tuple(map(exporter.export, some))
            warnings = *_cut_short(there, some, frames), *losses(some, format, exporter.out)
            of_store = () if done else noticed
            done.append(ExportedVideo(video=name, files=files, problems=(*of_store, *warnings)))
            told.ended(name, done[-1])
    return tuple(done)


def _chosen(
    store: Store, video: str | None, clip: str | int | None, frames: slice | None
) -> list[StoredClip]:
    """Return the clips to export, with the frames that are asked for."""
    chosen: list[StoredClip] = []
    for name in [composed(video)] if video is not None else sorted(listed_in(store)):
        receipt, _ = check_finished(store, name)
        of_video = list(clips_of(store.path, store.group(name), receipt))
        if clip is not None:
            ids = [one.clip for one in of_video]
            of_video = [of_video[clip_number(store, name, clip, ids)]]
        chosen += of_video
    if frames is None:
        return chosen
    windows = [one.window(frames) for one in chosen]
    if without := [one for one in windows if not one.frames]:
        longest = max(one.plan.n_frames for one in without)
        names = [one.stem for one in without]
        raise Tracks2ZarrError(no_such_frames(store.path, names, frames, longest))
    return windows


def _of_one_table(
    store: Store, clips: list[StoredClip], noticed: list[Problem]
) -> list[StoredClip]:
    """Return clips with the columns of all videos, so that any export of the store fits."""
    found = TableColumns.of(_all_plans(store, clips))
    noticed += found.warnings(store.path)
    return [replace(one, table_columns=found.columns) for one in clips]


def _all_plans(store: Store, clips: list[StoredClip]) -> Iterator[VideoPlan]:
    """Yield the plans of all finished videos, sorted by id; those of some clips are known."""
    known = {one.video: one.video_plan for one in clips}
    for name in sorted(listed_in(store) | known.keys()):
        if name in known:
            yield known[name]
        elif (receipt := store.read_receipt(name)) is not None:
            yield receipt.plan


def _cut_short(store: Store, clips: list[StoredClip], frames: slice | None) -> tuple[Problem, ...]:
    """Return the warning that clips of a video end before the frames that are asked for."""
    ends = {one.clip: one.plan.n_frames for one in clips}
    warning = frames_past_end(store.group(clips[0].video), clips[0].video, ends, frames)
    return () if warning is None else (warning,)


def _check_folder(out: Path) -> None:
    """Check that files can be written to a folder, which may be missing."""
    there = next(path for path in (out, *out.parents) if os.path.lexists(path))
    if not there.is_dir():
        found = "a file" if there == out else f"a file above it, {there}"
        raise Tracks2ZarrError(problems.no_folder(out, found))
    if (inside := enclosing_group(out / "file")) is not None:
        raise Tracks2ZarrError(problems.no_folder(out, f"a folder inside the store {inside}"))


def _check_names(clips: list[StoredClip], images: str) -> None:
    """Check that images can be named so, and that the names have a frame in decimal digits."""
    for clip in clips[:1]:
        try:
            names = {frame: image_name(clip, frame, images) for frame in _FRAMES_TRIED}
        except KeyError as error:
            raise ValueError(
                f"images is {images!r}, which has the unknown field {{{error.args[0]}}}; {_FIELDS}"
            ) from None
        except (LookupError, ValueError, AttributeError) as error:
            raise ValueError(f"images is {images!r}: {error}; {_FIELDS}") from None
        first = clip.plan.first_frame
        if not all(str(n) in name or str(n + first) in name for n, name in names.items()):
            raise ValueError(
                f"images is {images!r}, from which no frame can be read; expected a template with"
                " {frame} or {video_frame} in decimal digits"
            )
