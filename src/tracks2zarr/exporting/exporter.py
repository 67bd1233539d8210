"""Writes the files of an export, records them, and knows those that earlier exports left."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tracks2zarr.common.durable import sync, sync_file
from tracks2zarr.common.files import ABSENT, is_same_file, make_folder
from tracks2zarr.common.posix import is_alive
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.exporting import problems
from tracks2zarr.exporting.corners import n_rounded
from tracks2zarr.exporting.earlier_files import clips_gone, other_columns
from tracks2zarr.exporting.exported_files import ExportedFile, ExportResult
from tracks2zarr.exporting.formats import ExportFormat, FormatName, format_named
from tracks2zarr.exporting.record import ExportRecord, record_path, records_in, stamp_of
from tracks2zarr.exporting.stored_clip import StoredClip
from tracks2zarr.store.store import Store

#: The formats that have corners and no centroids.
_WITH_CORNERS = frozenset({"via", "mot", "coco"})
#: The formats whose files are one table, and so have the same columns.
TABLES = frozenset({"parquet"})
#: Begins the names of files that are being written.
_TEMPORARY = ".tracks2zarr-"


@dataclass(frozen=True, slots=True)
class Exporter:
    """Writes clips into a folder, and records what it wrote."""

    out: Path
    name: FormatName
    format: ExportFormat
    images: str
    records: Mapping[str, ExportRecord | None]

    @classmethod
    def of(cls, out: Path, name: FormatName, images: str, clips: Iterable[StoredClip]) -> Exporter:
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
        if self.name in TABLES and clips:
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
