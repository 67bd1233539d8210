"""Compares a group with the tracks files and the metadata CSV that it was made from."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tracks2zarr.common.names import found_in
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.common.unfetched import annex_problem
from tracks2zarr.dataset.schema import ClipColumn
from tracks2zarr.parallel.processes import report_bytes
from tracks2zarr.planning.metadata import ClipRow, concerns
from tracks2zarr.planning.metadata_csv import read_metadata
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.store.commands import create_command
from tracks2zarr.store.corrections import changed_file, correct_command
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.tracks.formats import UnrecognisedError, format_named
from tracks2zarr.tracks.source_folder import digest_of, files_of
from tracks2zarr.verifying.expected import TracksOfClip
from tracks2zarr.verifying.source_boxes import (
    Source,
    SourceBoxes,
    read_source,
    read_source_by_rows,
)
from tracks2zarr.verifying.stored_group import StoredGroup


@dataclass(frozen=True, slots=True)
class VideoSources:
    """Where the sources of a finished video lie now, and the group that was made from them.

    Parameters
    ----------
    group
        The folder of the group.
    receipt
        The video's receipt.
    tracks_dir, metadata_csv
        Where the sources lie; None for where they lay when they were converted.
    added
        What others added to the group, which counts for nothing.
    can_undo
        Whether a correction can be undone, because the group is whole.
    """

    group: Path
    receipt: Receipt
    tracks_dir: Path | None
    metadata_csv: Path | None
    added: Collection[str] = ()
    can_undo: bool = True

    @property
    def plan(self) -> VideoPlan:
        """The plan by which the video was converted."""
        return self.receipt.plan

    def metadata(self, clip: ClipPlan) -> Path | None:
        """Return the metadata CSV of a clip; None where there is none."""
        planned = self.plan.metadata_of(clip)
        return (self.metadata_csv or Path(planned)) if planned else None

    def path(self, clip: ClipPlan) -> Path:
        """Return the file that a clip was read from: its tracks file, or a corrected one."""
        return found_in(self.tracks_dir or Path(clip.tracks_dir), clip.read_source)

    def original_path(self, clip: ClipPlan) -> Path:
        """Return the tracks file of a clip, also where a corrected one was read."""
        return found_in(self.tracks_dir or Path(clip.tracks_dir), clip.source)

    def command(self) -> str:
        """Return the whole command that converts the video again."""
        store, places = self.group.parent, (self.tracks_dir, self.metadata_csv)
        return create_command(store, self.plan, *places, replace=True)

    def problems(self) -> Iterator[Problem]:
        """Yield what the group has otherwise than its sources; absent sources are warnings."""
        yield from self._metadata_problems()
        missing = [path for path in map(self.path, self.plan.clips) if not _is_there(path)]
        if missing:
            yield self._absent_tracks(missing)
        remedy = f"Convert the video again: {self.command()}"
        stored = StoredGroup(self.group, self.plan, remedy, self.added)
        tracks: dict[int, TracksOfClip] = {}
        for number, clip in enumerate(self.plan.clips):
            if self.path(clip) not in missing:
                compared = self._compare_clip(stored, number)
                yield from compared.problems
                if compared.tracks is not None:
                    tracks[number] = compared.tracks
        yield from self._originals()
        yield from stored.differences(tracks)

    # ---- tracks files

    def _absent_tracks(self, missing: list[Path]) -> Problem:
        """Return the problem of absent tracks files, with the folder that has them, if it is near.

        Often --tracks-dir names the folder above that of the tracks files.
        """
        problem = self._or_undo(_absent(self.plan.video, missing[0], "--tracks-dir", len(missing)))
        if self.tracks_dir is None or annex_problem(missing[0]) is not None:
            return problem
        sources = (clip.read_source for clip in self.plan.clips if self.path(clip) == missing[0])
        remedy = f"Check --tracks-dir: {self.tracks_dir} does not contain the file."
        if (folder := _subfolder_with(self.tracks_dir, next(sources))) is not None:
            remedy = f"The file is in {folder}: pass --tracks-dir {shlex.quote(str(folder))}."
        return replace(problem, remedy=remedy)

    def _or_undo(self, problem: Problem) -> Problem:
        """Return the problem of an absent source with the way back, where it is a corrected one."""
        gone = [clip for clip in self.plan.clips if clip.corrected is not None]
        clip = next((one for one in gone if str(self.path(one)) == problem.file), None)
        if clip is None:
            return problem
        way = f"To convert the original tracks files, without corrections, run: {self.command()}"
        if self.can_undo:
            undo = correct_command(self.group.parent, self.plan.video, clip.clip, "--undo")
            way = f"To go back to the file before the correction, run: {undo}"
        remedy = f"{problem.remedy} {way}"
        return replace(problem, remedy=remedy, clip=clip.clip)

    def _compare_clip(self, stored: StoredGroup, number: int) -> _ComparedClip:
        """Read a clip's source by another reader than the one that made the group, and compare.

        Where the column reader does not know a row or finds a difference, the row reader
        decides: it names the row.
        """
        clip, read_by = self.plan.clips[number], self.receipt.clips[number].reader
        path, rule = self.path(clip), self.plan.frame_rule(clip)
        tracks_format = format_named(self.plan.format)
        by_rows = partial(read_source_by_rows, tracks_format, path, rule, _report)
        by_another = partial(read_source, tracks_format, path, rule, read_by, _report)
        try:
            found = self._compared(stored, number, by_another)
        except UnrecognisedError:
            if read_by == "rows":
                return _ComparedClip((_one_reader_only(self.plan, clip, path),))
            return self._compared(stored, number, by_rows)
        if found.problems and found.reader == "columns" and read_by != "rows":
            return self._compared(stored, number, by_rows)
        return found

    def _compared(
        self, stored: StoredGroup, number: int, read: Callable[[], Source]
    ) -> _ComparedClip:
        try:
            source = read()
        except Tracks2ZarrError as error:
            return _ComparedClip((*self._changed_since(number), *error.problems))
        with source.boxes as boxes:
            differences = stored.clip_differences(number, boxes)
            problems = (*self._changed(number, source.digest), *differences)
            if source.digest == self.receipt.clips[number].read_digest:
                problems += (*self._miscounted(number, boxes),)
            return _ComparedClip(problems, source.reader, boxes.tracks())

    def _changed_since(self, number: int) -> Iterator[Problem]:
        """Yield whether a source that cannot be read is the one that was converted."""
        try:
            digest = digest_of(self.path(self.plan.clips[number]))
        except Tracks2ZarrError:
            return  # it changes just now, as its reader has found
        yield from self._changed(number, digest)

    def _changed(self, number: int, digest: str) -> Iterator[Problem]:
        clip, expected = self.plan.clips[number], self.receipt.clips[number].read_digest
        if digest != expected and clip.corrected is not None:
            store, found = self.group.parent, f"{digest[:23]}…"
            problem = changed_file(store, self.plan, clip, found, can_undo=self.can_undo)
            yield replace(problem, file=str(self.path(clip)))
        elif digest != expected:
            yield Problem(
                kind="source-changed",
                what="A tracks file is not the one that was converted.",
                file=str(self.path(clip)),
                found=f"{digest[:23]}…",
                expected=f"{expected[:23]}…",
                remedy=f"Bring the file back, or convert the video again: {self.command()}",
                video=self.plan.video,
                clip=clip.clip,
            )

    def _originals(self) -> Iterator[Problem]:
        """Yield which original tracks files of corrected clips are absent, or others now."""
        for clip, done in zip(self.plan.clips, self.receipt.clips, strict=True):
            if clip.corrected is None:
                continue
            path = self.original_path(clip)
            if not _is_there(path):
                yield replace(_absent(self.plan.video, path, "--tracks-dir"), clip=clip.clip)
            elif (digest := digest_of(path)) != done.digest:
                yield Problem(
                    kind="source-changed",
                    what="The original tracks file of a corrected clip has changed.",
                    file=str(path),
                    found=f"{digest[:23]}…",
                    expected=f"{done.digest[:23]}…",
                    remedy="Bring the file back; or, to convert the new file without the"
                    f" corrections, run: {self.command()}",
                    video=self.plan.video,
                    clip=clip.clip,
                )

    def _miscounted(self, number: int, boxes: SourceBoxes) -> Iterator[Problem]:
        clip, receipt = self.plan.clips[number], self.receipt.clips[number]
        found = _count_text(receipt.n_boxes, receipt.n_individuals)
        expected = _count_text(len(boxes), len(boxes.track_ids))
        if found != expected:
            yield Problem(
                kind="receipt-differs",
                what="The counts in the receipt of a video are not those of its tracks file.",
                file=str(self.path(clip)),
                found=found,
                expected=expected,
                remedy=f"Convert the video again: {self.command()}",
                video=self.plan.video,
                clip=clip.clip,
            )

    # ---- the metadata CSV

    def _metadata_problems(self) -> Iterator[Problem]:
        """Yield what the metadata of each clip say otherwise than the plan."""
        clips_of: dict[Path, list[ClipPlan]] = defaultdict(list)
        for clip in self.plan.clips:
            if (path := self.metadata(clip)) is not None:
                clips_of[path].append(clip)
        for path, clips in clips_of.items():
            if _is_there(path):
                yield from self._differing_rows(path, clips)
            else:
                yield _absent(self.plan.video, path, "--metadata")

    def _differing_rows(self, path: Path, clips: list[ClipPlan]) -> Iterator[Problem]:
        """Yield what is wrong with the rows of some clips, as `create` would find it, too."""
        video = self.plan.video
        metadata = read_metadata(path, self.plan.settings.columns)
        stem_of = format_named(self.plan.format).clip_stem_of
        stems = {stem_of(self.original_path(clip)) for clip in clips}
        for problem in metadata.problems:
            if problem.is_error and concerns(problem, {video}, stems):
                yield replace(problem, video=video)
        row_of = {row.clip: row for row in metadata.rows if row.video == video}
        for clip in clips:
            row = row_of.get(clip.clip)
            found = "no sound row for the clip"
            if row is not None:
                found = _row_text(row, row.fps, metadata.columns)
            expected = _row_text(clip, self.plan.fps, self.plan.columns)
            if found != expected:
                yield Problem(
                    kind="metadata-changed",
                    what="The metadata CSV has changed since the clip was converted.",
                    file=str(path),
                    row=None if row is None else row.row,
                    found=found,
                    expected=expected,
                    remedy=f"Bring the file back, or convert the video again: {self.command()}",
                    video=self.plan.video,
                    clip=clip.clip,
                )


@dataclass(frozen=True, slots=True)
class _ComparedClip:
    """What was found of a clip; reader and tracks where its source could be read."""

    problems: tuple[Problem, ...]
    reader: str | None = None
    tracks: TracksOfClip | None = None


def _report(count: int) -> None:
    """Report bytes that were read; this is where an interrupted run ends."""
    report_bytes(0, count)


def _is_there(path: Path) -> bool:
    """Tell whether the content of a source is there; a git-annex pointer has none."""
    return path.exists() and all(
        file.is_file() and annex_problem(file) is None for file in files_of(path)
    )


def _subfolder_with(folder: Path, name: str) -> Path | None:
    """Return the first folder in a folder that has a file, or None where none has it."""
    below = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return next((path for path in below if _is_there(found_in(path, name))), None)


def _absent(video: str, path: Path, option: str, count: int = 1) -> Problem:
    pointer = annex_problem(path)
    found, remedy = "no file", f"Pass its present place with {option}."
    if pointer is not None:
        found, remedy = pointer.found or found, pointer.remedy or remedy
    return Problem(
        kind="source-absent",
        what="A source is missing, so the store cannot be compared with it.",
        file=str(path),
        found=f"{found}; {count - 1} more of the video likewise" if count > 1 else found,
        expected="the file that was converted",
        remedy=remedy,
        severity="warning",
        video=video,
    )


def _one_reader_only(plan: VideoPlan, clip: ClipPlan, path: Path) -> Problem:
    return Problem(
        kind="one-reader-only",
        what="Only one reader can read a tracks file, so its clip cannot be verified.",
        file=str(path),
        found="rows that the other readers do not recognise",
        expected="rows that two readers can read",
        remedy="Export the tracks again, and convert the video again.",
        severity="warning",
        video=plan.video,
        clip=clip.clip,
    )


def _count_text(n_boxes: int, n_individuals: int) -> str:
    return f"boxes: {n_boxes}, individuals: {n_individuals}"


def _row_text(clip: ClipPlan | ClipRow, fps: float, columns: Sequence[ClipColumn]) -> str:
    further = [
        f", {one_line(column.name)} {one_line(value)!r} ({column.type})"
        for column, value in zip(columns, clip.values, strict=True)
    ]
    return (
        f"frames {clip.first_frame} to {clip.last_frame}, escape {clip.escape_frame}"
        f" {clip.escape_type}, {fps!r} fps{''.join(further)}"
    )
