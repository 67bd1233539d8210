"""``export``: clips of a store written as files of another format."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from tracks2zarr.common.arguments import check_path
from tracks2zarr.common.durable import sync, sync_file
from tracks2zarr.common.files import ABSENT, is_same_file, make_folder
from tracks2zarr.common.names import composed
from tracks2zarr.common.posix import is_alive
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.common.progress import Progress, showing
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.common.words import count_text, size_text
from tracks2zarr.exporting import problems
from tracks2zarr.exporting.corners import n_rounded
from tracks2zarr.exporting.earlier_files import clips_gone, other_columns
from tracks2zarr.exporting.formats import FORMAT_NAMES, ExportFormat, FormatName, format_named
from tracks2zarr.exporting.losses import losses
from tracks2zarr.exporting.past_end import frames_past_end
from tracks2zarr.exporting.record import ExportRecord, record_path, records_in, stamp_of
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

#: The formats that have corners and no centroids.
_WITH_CORNERS = frozenset({"via", "mot", "coco"})
#: The formats that name images.
_WITH_IMAGES = frozenset({"via", "coco"})
#: The formats whose files are one table, and so have the same columns.
_TABLES = frozenset({"parquet"})
#: Begins the names of files that are being written.
_TEMPORARY = ".tracks2zarr-"
#: How the images of frames are called by default.
IMAGES = "frame_{frame:08d}.png"
_FIELDS = "expected no other fields than {frame}, {video_frame}, {video} and {clip}"
#: Of which no two digits are the same in another base, or with separators.
_FRAMES_TRIED = (10, 12_345_678)


class ExportResult(StrEnum):
    """What became of a file."""

    WRITTEN = "written"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """One file of an export.

    Parameters
    ----------
    path
        The file.
    video, clip
        The clip in it.
    result
        Whether it was written, or already there from the same clip.
    size
        Its size in bytes.
    n_rounded
        The number of boxes whose centroid differs in the last digit when it is computed from the
        corner in the file. This happens only in a dataset made from centroids.
    """

    path: Path
    video: str
    clip: str
    result: ExportResult
    size: int
    n_rounded: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedVideo:
    """The exported files of one video.

    Parameters
    ----------
    video
        The video's id.
    files
        One per clip, sorted by clip.
    problems
        Warnings; the first video has those of the whole export.
    """

    video: str
    files: tuple[ExportedFile, ...]
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        size = size_text(sum(file.size for file in self.files))
        n_same = sum(file.result is ExportResult.SAME for file in self.files)
        same = f"; {n_same} of the files were there already" if n_same else ""
        n_rounded = sum(file.n_rounded for file in self.files)
        rounded = f"; {count_text(n_rounded, 'box', 'boxes')} rounded" if n_rounded else ""
        files = count_text(len(self.files), "file")
        return one_line(f"{self.video}: {files}, {size}{same}{rounded}")


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
    if format in _TABLES:
        clips = _of_one_table(there, clips, noticed)
    folder = Path(out).absolute()
    _check_folder(folder)
    exporter = _Exporter.of(folder, format, images, clips)
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


@dataclass(frozen=True, slots=True)
class _Exporter:
    """Writes clips into a folder, and records what it wrote."""

    out: Path
    name: FormatName
    format: ExportFormat
    images: str
    records: Mapping[str, ExportRecord | None]

    @classmethod
    def of(cls, out: Path, name: FormatName, images: str, clips: Iterable[StoredClip]) -> _Exporter:
        """Return what exports clips, and has read the records of their files."""
        found = format_named(name)
        files = map(found.name_of, clips)
        records = {file: ExportRecord.read(record_path(out, file)) for file in files}
        return cls(out, name, found, images, records)

    def check(self, store: Store, clips: list[StoredClip], *, overwrite: bool) -> None:
        """Check that nothing is in the way.

        Raises
        ------
        Tracks2ZarrError
            If files are not as an export left them, or two clips would have the same.
        """
        paths = Counter(map(self.path_of, clips))
        if twice := [path for path, count in paths.items() if count > 1]:
            raise Tracks2ZarrError(problems.same_name(self.out, twice))
        if any(map(self._is_source, clips)):
            raise Tracks2ZarrError(
                problems.no_folder(self.out, "the tracks files that the store is from")
            )
        if overwrite:
            return
        in_the_way = [self.path_of(clip) for clip in clips if self._is_in_the_way(clip)]
        if in_the_way:
            raise Tracks2ZarrError(self._in_the_way(in_the_way))

    def _in_the_way(self, paths: Iterable[Path]) -> Iterator[Problem]:
        """Yield a problem for each store that files were exported from, and one for the others."""
        by_store: dict[str | None, list[Path]] = {}
        for path in paths:
            record = self._record_of(path)
            by_store.setdefault(None if record is None else record.store, []).append(path)
        for store, some in by_store.items():
            yield problems.in_the_way(self.out, some, store)

    def left_behind(self, store: Store, clips: list[StoredClip]) -> Iterator[Problem]:
        """Yield the warnings about files of other clips, which earlier exports left."""
        records = sorted(self._records_of_others(clips), key=lambda record: record.file)
        if gone := clips_gone(store, records):
            yield problems.clips_are_gone(self.out, sorted(record.file for record in gone))
        if other := [record.file for record in records if record.format != self.name]:
            yield problems.other_formats(self.out, other, self.name)
        if self.name in _TABLES and clips:
            kept = (record for record in records if record not in gone)
            if unlike := other_columns(kept, self.name, clips[0].table_columns):
                yield problems.other_columns(self.out, [record.file for record in unlike])

    def _records_of_others(self, clips: list[StoredClip]) -> Iterator[ExportRecord]:
        """Yield the records of files that are there, and that this export does not write."""
        ours = set(map(self.format.name_of, clips))
        for record in records_in(self.out):
            if record.file not in ours and (self.out / record.file).exists():
                yield record

    def path_of(self, clip: StoredClip) -> Path:
        """Return the file of a clip."""
        return self.out / self.format.name_of(clip)

    def export(self, clip: StoredClip) -> ExportedFile:
        """Write the file of a clip, unless it is there."""
        path = self.path_of(clip)
        record = self._record_of(path)
        result = ExportResult.SAME
        if record is None or not self._is_of(record, clip):
            self._write(clip, path)
            result = ExportResult.WRITTEN
        return ExportedFile(
            path=path,
            video=clip.video,
            clip=clip.clip,
            result=result,
            size=path.stat().st_size,
            n_rounded=n_rounded(clip) if self.name in _WITH_CORNERS else 0,
        )

    def _is_source(self, clip: StoredClip) -> bool:
        """Tell whether the file of a clip would take the place of one that it was made from."""
        path = self.path_of(clip)
        return any(is_same_file(path, one) for one in (clip.plan.source_path, clip.plan.read_path))

    def _is_in_the_way(self, clip: StoredClip) -> bool:
        path = self.path_of(clip)
        return os.path.lexists(path) and not self._is_ours(path, str(clip.store))

    def _is_ours(self, path: Path, store: str) -> bool:
        """Tell whether a file is as an export of a store left it, a killed one included."""
        record = self.records[self._below(path)]
        return record is not None and record.store == store and record.knows(path)

    def _record_of(self, path: Path) -> ExportRecord | None:
        """Return the record of a file that is as it was exported; None for any other."""
        record = self.records[self._below(path)]
        try:
            return record if record is not None and record.describes(path) else None
        except ABSENT:
            return None

    def _below(self, path: Path) -> str:
        return path.relative_to(self.out).as_posix()

    def _is_of(self, record: ExportRecord, clip: StoredClip) -> bool:
        return replace(record, replaced=None) == self._record(clip, record.size, record.mtime_ns)

    def _record(self, clip: StoredClip, size: int, mtime_ns: int) -> ExportRecord:
        return ExportRecord(
            file=self.format.name_of(clip),
            store=str(clip.store),
            format=self.name,
            video=clip.video,
            clip=clip.clip,
            content=clip.content,
            first_frame=clip.frames.start,
            n_frames=len(clip.frames),
            images=self.images,
            is_stretch=clip.is_stretch,
            columns=clip.table_columns,
            size=size,
            mtime_ns=mtime_ns,
        )

    def _write(self, clip: StoredClip, path: Path) -> None:
        """Write a file under another name, record it, and let it take its own name."""
        record_file = record_path(self.out, self._below(path))
        temporary = path.with_name(f"{_TEMPORARY}{record_file.stem[:12]}.{os.getpid()}")
        try:
            make_folder(path.parent)
            _remove_left_over(temporary)
            self.format.write(clip, temporary, self.images)
            with temporary.open("rb") as file:
                sync_file(file.fileno())
            found = temporary.stat()
            record = self._record(clip, found.st_size, found.st_mtime_ns)
            make_folder(record_file.parent)
            replace(record, replaced=_stamp(path)).write(record_file)
            temporary.replace(path)
            sync(path.parent)
        except Tracks2ZarrError:
            raise
        except OSError as error:
            raise Tracks2ZarrError(os_problem(error, path)) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _stamp(path: Path) -> str | None:
    """Return size and time of a file; None where there is none."""
    try:
        return stamp_of(path)
    except ABSENT:
        return None


def _remove_left_over(temporary: Path) -> None:
    """Remove what killed processes of this machine left of the same file."""
    for path in temporary.parent.glob(f"{temporary.stem}.*"):
        if path == temporary or not is_alive(int(path.suffix[1:])):
            path.unlink(missing_ok=True)
