"""``correct``: replaces frames of a clip with hand-corrected tracks."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tracks2zarr.common.arguments import check_optional_path, check_path
from tracks2zarr.common.display import Shown, Table
from tracks2zarr.common.documents import fields_of
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.progress import Progress, showing
from tracks2zarr.common.provenance import login_name, now
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.correcting import problems
from tracks2zarr.correcting.byte_count import begin_counting, size_of
from tracks2zarr.correcting.changes import Changes, changes_between
from tracks2zarr.correcting.clip_in_store import ClipInStore
from tracks2zarr.correcting.corrected_file import CorrectedBoxes, folder_problem, write_corrected
from tracks2zarr.correcting.image_names import frame_rule
from tracks2zarr.correcting.inputs import check_unchanged, read_both
from tracks2zarr.correcting.replacing import NewClip, replace_clip
from tracks2zarr.dataset.batches import Int64s
from tracks2zarr.exporting.past_end import frames_past_end
from tracks2zarr.loading.load_clip import check_arguments, no_such_frames
from tracks2zarr.parallel.processes import ProgressTable, reporting_to
from tracks2zarr.planning.plan import CountsFrom
from tracks2zarr.store.corrections import path_from
from tracks2zarr.store.receipt import Correction

#: Of so many boxes, one or another is usually left as it is.
_MANY = 10


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Corrected(Shown):
    """What a correction changes, or has changed.

    Parameters
    ----------
    store
        The folder of the store.
    video, clip
        The clip.
    changes
        What changes.
    correction
        The correction in the store; None if nothing was changed.
    file
        The corrected tracks file; None if nothing was changed.
    problems
        Warnings.
    """

    store: Path
    video: str
    clip: str
    changes: Changes
    correction: Correction | None = None
    file: Path | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether the store has the correction."""
        return self.correction is not None

    def as_dict(self) -> dict[str, Any]:
        """Return the document of ``correct --json``."""
        return {
            "store": str(self.store),
            "video": self.video,
            "clip": self.clip,
            "changes": self.changes.as_dict(),
            "corrected": self.is_done,
            "file": None if self.file is None else str(self.file),
            "correction": None if self.correction is None else fields_of(self.correction),
        }

    def __str__(self) -> str:
        done = "corrected" if self.is_done else "not changed"
        return f"{self.video}, {self.clip}, {done}: {self.changes}"

    def _shown_table(self) -> Table:
        """Return what changes."""
        return self.changes._shown_table()

    def _shown_problems(self) -> tuple[Problem, ...]:
        """Return warnings."""
        return self.problems


@dataclass(frozen=True, slots=True)
class PreparedCorrection:
    """A correction that was read and compared; nothing was changed yet.

    Parameters
    ----------
    there
        The clip in its store.
    boxes
        The boxes that the clip gets.
    changes
        What changes.
    folder
        Where the corrected tracks file goes.
    table
        Where the bytes that are read and written are reported.
    problems
        Warnings.
    """

    there: ClipInStore
    boxes: CorrectedBoxes
    changes: Changes
    folder: Path
    table: ProgressTable
    problems: tuple[Problem, ...] = ()

    def unchanged(self) -> Corrected:
        """Return what would change."""
        return Corrected(
            store=self.there.store.path,
            video=self.there.receipt.video,
            clip=self.there.clip.clip,
            changes=self.changes,
            problems=self.problems,
        )

    def apply(self, note: str | None = None) -> Corrected:
        """Write the corrected tracks file, and convert the video again.

        Parameters
        ----------
        note
            What the receipt says about it.

        Raises
        ------
        Tracks2ZarrError
            If the file cannot be written, or another run is at work on the video, or has replaced
            it; the video is as it was then.
        """
        with reporting_to(self.table):
            return self._applied(note)

    def _applied(self, note: str | None) -> Corrected:
        there, clip = self.there, self.there.clip
        new, warnings = replace_clip(
            there.store, there.receipt, clip.clip, lambda: self._new_clip(note)
        )
        (done,) = (one for one in new.clips if one.clip == clip.clip)
        return replace(
            self.unchanged(),
            correction=done.corrections[-1],
            file=self.folder / new.plan.by_clip[clip.clip].read_path.name,
            problems=(*self.problems, *warnings),
        )

    def _new_clip(self, note: str | None) -> NewClip:
        """Write the corrected tracks file, and return what the clip becomes."""
        check_unchanged(self.there, self.boxes.before)
        try:
            path, digest = write_corrected(self.folder, self.there.stem, self.boxes)
        except OSError as error:
            raise Tracks2ZarrError(os_problem(error, self.folder)) from error
        correction, done = self._correction(path, digest, note), self.there.done
        clip = replace(self.there.clip, corrected=correction.file)
        return clip, replace(done, corrections=(*done.corrections, correction))

    def _correction(self, path: Path, digest: str, note: str | None) -> Correction:
        return Correction(
            file=path_from(self.there.clip.tracks_dir, path),
            digest=digest,
            who=login_name() or "unknown",
            when=now(),
            first_frame=self.changes.first_frame,
            last_frame=self.changes.last_frame,
            counts=self.changes.counts,
            note=note or None,
        )


def correct(
    store: str | os.PathLike[str],
    video: str,
    clip: str | int,
    corrected: str | os.PathLike[str],
    *,
    frames: slice | None = None,
    frame_regexp: str | None = None,
    counts_from: CountsFrom | None = None,
    note: str | None = None,
    to: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
    progress: bool | Progress = False,
) -> Corrected:
    """Replace frames of a clip with hand-corrected tracks, without asking.

    The boxes of the clip, with the corrected frames, are written to a new tracks file beside the
    original, which is not changed. The video is converted again from the new file.

    Parameters
    ----------
    store
        The store.
    video, clip
        The video's id, and the id or the position of one of its clips.
    corrected
        The corrected VIA tracks CSV.
    frames
        The frames to replace, within the clip, from 0, such as ``slice(100, 200)``; frames without
        a row lose their boxes. By default, the frames that have a row.
    frame_regexp
        Regular expression whose group 1 is the frame in the file name of an image. By default, the
        names must be those that `export` wrote, or follow the rule for tracks files.
    counts_from
        Whether these frames count from the start of the ``clip`` or of the ``video``.
    note
        A note about the correction, for the receipt.
    to
        The folder of the corrected tracks file; by default, that of the original.
    dry_run
        Whether to change nothing.
    progress
        Whether to show a bar, or what to tell how far the correction is instead.

    Returns
    -------
    Corrected
        What changes, and whether the change was made.

    Raises
    ------
    Tracks2ZarrError
        If the clip cannot be corrected, rows break the format, or frames are outside the clip or
        `frames`; all problems are reported together, before anything is changed. If another run is
        working on the video.
    ValueError
        If `frames` or `counts_from` is invalid.
    """
    with showing(progress) as shown:
        prepared = prepare_correction(
            store,
            video,
            clip,
            corrected,
            frames=frames,
            frame_regexp=frame_regexp,
            counts_from=counts_from,
            to=to,
            dry_run=dry_run,
            progress=shown,
        )
        is_dry = dry_run or not prepared.changes
        result = prepared.unchanged() if is_dry else prepared.apply(note)
        shown.ended(result.video, result)
    return result


def prepare_correction(
    store: str | os.PathLike[str],
    video: str,
    clip: str | int,
    corrected: str | os.PathLike[str],
    *,
    frames: slice | None = None,
    frame_regexp: str | None = None,
    counts_from: CountsFrom | None = None,
    to: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
    progress: Progress,
) -> PreparedCorrection:
    """Read a corrected file, and compare it with the clip, which is not changed yet.

    The parameters and errors are those of `correct`. The progress counts what `apply` does, too.
    """
    check_path("corrected", corrected)
    check_optional_path("to", to)
    check_arguments(clip, None, frames)
    if counts_from not in {None, "clip", "video"}:
        raise ValueError(f"counts_from is {counts_from!r}; expected 'clip' or 'video'")
    there = ClipInStore.find(store, video, clip, dry_run=dry_run)
    folder = there.clip.source_path.parent if to is None else Path(to)
    given = Path(corrected).absolute()
    if (no_folder := folder_problem(folder)) is not None and not dry_run:
        raise Tracks2ZarrError(no_folder)
    rule = frame_rule(given, there.plan, there.clip, frame_regexp, counts_from)
    table = begin_counting(progress, there.plan, _n_bytes(there, given, dry_run=dry_run))
    with reporting_to(table):
        before, after = read_both(there, given, rule)
    stretch = _stretch(there, given, frames, after.frames)
    is_replaced = np.isin(before.frame, stretch)
    replaced = before.rows(np.flatnonzero(is_replaced))
    new = after.rows(slice(None))
    changes = changes_between(replaced, new, stretch, np.unique(before.track[~is_replaced]))
    boxes = CorrectedBoxes(there.clip.n_frames, before, stretch, new)
    warnings = *_past_end(there, frames), *_warnings(given, changes)
    if no_folder is not None:
        warnings += (replace(no_folder, severity="warning"),)
    return PreparedCorrection(there, boxes, changes, folder, table, warnings)


def _n_bytes(there: ClipInStore, given: Path, *, dry_run: bool) -> int:
    """Return about how many bytes are read; and written, and read again."""
    corrected = 0 if dry_run else there.clip.content_size
    return size_of(there.clip.read_path) + size_of(given) + 2 * corrected


def _past_end(there: ClipInStore, frames: slice | None) -> tuple[Problem, ...]:
    """Return the warning that the clip ends before the frames that are asked for."""
    group, video = there.store.group(there.receipt.video), there.receipt.video
    warning = frames_past_end(group, video, {there.clip.clip: there.clip.n_frames}, frames)
    return () if warning is None else (warning,)


def _warnings(given: Path, changes: Changes) -> tuple[Problem, ...]:
    """Return what a person should know before the clip is changed."""
    is_odd = changes.n_boxes_after and changes.n_boxes_before >= _MANY and not changes.n_in_place
    return (problems.nothing_in_place(given, changes.n_boxes_before),) if is_odd else ()


def _stretch(there: ClipInStore, given: Path, frames: slice | None, have_row: Int64s) -> Int64s:
    """Return the frames that are replaced, ascending."""
    clip, video = there.clip, there.receipt.video
    if frames is None:
        if not len(have_row):
            raise Tracks2ZarrError(problems.no_frames(given, clip, video))
        return have_row
    stretch = range(clip.n_frames)[frames]
    if not stretch:
        group = there.store.group(video)
        raise Tracks2ZarrError(no_such_frames(group, [clip.clip], frames, clip.n_frames))
    outside = [frame for frame in have_row.tolist() if frame not in stretch]
    if outside:
        raise Tracks2ZarrError(problems.outside_stretch(given, outside, stretch))
    return np.arange(stretch.start, stretch.stop)
