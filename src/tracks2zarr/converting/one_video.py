"""Converts one video: read, write, check, commit."""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from tracks2zarr.common.display import OneLine
from tracks2zarr.common.files import read_content
from tracks2zarr.common.locks import LockedError
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, same_command
from tracks2zarr.common.provenance import Clock, now, peak_memory, versions
from tracks2zarr.common.system_problems import is_panic, unexpected_problem
from tracks2zarr.common.unfetched import annex_problem
from tracks2zarr.common.words import count_text
from tracks2zarr.parallel.processes import Stopped, report_bytes
from tracks2zarr.parallel.threads import importing_in_background
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.store.commit import Attempt, recover
from tracks2zarr.store.corrections import changed_file
from tracks2zarr.store.group_mode import Action, Decision, Mode, decide, problems_of
from tracks2zarr.store.held_folder import FolderId, StoreMovedError
from tracks2zarr.store.moved_sources import note_places
from tracks2zarr.store.planned import agree_on_plan
from tracks2zarr.store.receipt import ClipReceipt, Receipt
from tracks2zarr.store.schemas import not_written
from tracks2zarr.store.store import Store
from tracks2zarr.store.unreadable import unreadable_problem
from tracks2zarr.store.video_state import receipt_if_done

if TYPE_CHECKING:
    from tracks2zarr.tracks.reading import ReadClip

#: What is imported while tracks files are read.
_IMPORTED = ("tracks2zarr.group.writer", "tracks2zarr.group.box_comparison")


class Result(StrEnum):
    """How the conversion of a video ended."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    BUSY = "busy"
    STOPPED = "stopped"


_WORDS = {
    Result.DONE: "done",
    Result.SKIPPED: "was done before",
    Result.FAILED: "FAILED",
    Result.BUSY: "busy",
    Result.STOPPED: "stopped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTask:
    """All that a worker needs to convert a video; it can be sent to another process.

    Parameters
    ----------
    store
        The folder of the store.
    work_root
        The folder in which attempts are made.
    plan
        The video's plan.
    group_mode
        What to do where the video is there.
    since
        When the run began (UTC, ISO 8601).
    decision
        What was decided for the video when its plan was joined; None where nothing was.
    slot
        The place of the first clip in the run's table of progress.
    folder
        The device and the inode of the store's folder, which the run holds on to.
    rehash
        Whether to hash every tracks file, to find out whether the video is done.
    """

    store: Path
    work_root: Path
    plan: VideoPlan
    group_mode: Mode
    since: str
    decision: Decision | None = None
    slot: int = 0
    folder: FolderId | None = None
    rehash: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Outcome(OneLine):
    """How the conversion of a video ended, and its receipt where it is done."""

    video: str
    result: Result
    receipt: Receipt | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def is_news(self) -> bool:
        """Whether this run did anything: not where the video was done before."""
        return self.result is not Result.SKIPPED

    def __str__(self) -> str:
        line = f"{self.video}: {_WORDS[self.result]}"
        if self.receipt is not None:
            line += f", {count_text(len(self.receipt.clips), 'clip')}"
            line += f", {count_text(self.receipt.n_boxes, 'box', 'boxes')}"
        elif self.problems:
            line += f": {self.problems[0].what}"
        return line


def convert_video(task: VideoTask) -> Outcome:
    """Convert a video, unless it is done, or another process is at work on it.

    What fails is recorded in the store and returned, not raised, so that other videos go on.

    Parameters
    ----------
    task
        The video, and where it goes.

    Returns
    -------
    Outcome

    Raises
    ------
    StoreMovedError
        If the store is no longer where it was when the run began.
    """
    store, video = Store(task.store, task.folder), task.plan.video
    try:
        with store.video_lock(video):
            return convert_locked(store, task)
    except LockedError:
        return Outcome(video, Result.BUSY)
    except Stopped:
        return _stopped(store, task)


def _stopped(store: Store, task: VideoTask) -> Outcome:
    """Return the outcome of a video at which the run stopped: it may have been done before."""
    receipt = receipt_if_done(store, task.plan)
    is_to_be_replaced = receipt is not None and task.group_mode == "w"
    if receipt is None or (is_to_be_replaced and receipt.finished < task.since):
        return Outcome(task.plan.video, Result.STOPPED)
    return Outcome(task.plan.video, Result.SKIPPED, receipt=receipt)


def convert_locked(store: Store, task: VideoTask) -> Outcome:
    """Convert a video whose lock this process holds, as `convert_video` does."""
    video = task.plan.video
    about: dict[str, str] = {}
    try:
        report_bytes(task.slot, 0)
        recover(store, video, {task.work_root})
        decision = decide(
            store,
            task.plan,
            task.group_mode,
            since=task.since,
            earlier=task.decision,
            rehash=task.rehash,
        )
        if decision.action is Action.REFUSE:
            raise Tracks2ZarrError(problems_of([decision]))
        if decision.action in {Action.SKIP, Action.NOTE_PLACES}:
            receipt = store.read_receipt(video)
            if receipt is not None and decision.action is Action.NOTE_PLACES:
                receipt = note_places(store, receipt, decision.plan)
            return Outcome(video, Result.SKIPPED, receipt, problems_of([decision]))
        if problem := not_written(store, decision.plan):
            raise Tracks2ZarrError(problem)
        joined = task.decision.plan if task.decision else task.plan
        agree_on_plan(store, decision.plan, joined)
        receipt = _attempt(store, task, decision)
        return Outcome(video, Result.DONE, receipt, (*problems_of([decision]), *receipt.warnings))
    except StoreMovedError:
        raise
    except Tracks2ZarrError as error:
        problems = error.problems
    except OSError as error:
        problems = (unreadable_problem(store, video, error),)
    except BrokenExecutor:
        raise  # a worker was killed: the run says so
    except MemoryError:
        problems = (_memory_problem(task.plan),)
    except BaseException as error:  # a bug, or a library's: the other videos go on
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        problems = (unexpected_problem(error),)
        about["traceback"] = traceback.format_exc()
    problems = tuple(replace(p, video=p.video or video) for p in problems)
    record_failure(store, video, list(problems), about)
    return Outcome(video, Result.FAILED, problems=problems)


def _attempt(store: Store, task: VideoTask, decision: Decision) -> Receipt:
    """Convert the video in an attempt's folder, and commit it."""
    attempt = Attempt.begin(store, task.plan.video, task.work_root)
    clock = Clock()
    try:
        with clock.step("parse"), importing_in_background(*_IMPORTED):
            read_at_ns = store.time_ns(task.plan.video)
            clips = _read_clips(attempt, task, decision)
        receipt = _write(attempt, decision, clips, clock, read_at_ns)
        agree_on_plan(store, decision.plan, decision.plan)
        attempt.commit(receipt)
    finally:
        attempt.end(task.plan.video)
    return receipt


def _read_clips(attempt: Attempt, task: VideoTask, decision: Decision) -> list[ReadClip]:
    """Read the boxes of all clips into folders of columns.

    Raises
    ------
    Tracks2ZarrError
        If rows break the format, or a source changed while it was read; all clips are read first.
    Stopped
        If the run is to stop.
    """
    slots = {clip.clip: task.slot + number for number, clip in enumerate(task.plan.clips)}
    clips: list[ReadClip] = []
    errors: list[Problem] = []
    for number, clip in enumerate(decision.plan.clips):
        folder = attempt.clip_folder(number)
        try:
            kept = decision.kept_clip(clip.clip)
            if decision.kept is not None and kept is not None:
                clips.append(_kept_clip(attempt.store, decision.kept, kept, folder))
            else:
                slot = slots.get(clip.clip, task.slot)
                clips.append(_read_chosen_clip(attempt.store, decision, clip, folder, slot))
        except Tracks2ZarrError as error:
            errors += error.problems
    if errors:
        raise Tracks2ZarrError(errors)
    return clips


def _read_chosen_clip(
    store: Store, decision: Decision, clip: ClipPlan, folder: Path, slot: int
) -> ReadClip:
    """Read a clip from its source, or from the very file that a correction chose."""
    done = decision.corrected.get(clip.clip)
    if done is None:
        return _read_clip(decision.plan, clip, folder, slot)
    found = "nothing there"
    if clip.read_path.exists():
        read = _read_clip(decision.plan, clip, folder, slot)
        if read.digest == done.read_digest:
            return read
        found = f"{read.digest[:23]}…"
    raise Tracks2ZarrError(changed_file(store.path, decision.plan, clip, found))


def _kept_clip(store: Store, kept: Receipt, clip: ClipReceipt, folder: Path) -> ReadClip:
    """Read a clip from the group that holds it already."""
    from tracks2zarr.group.reader import read_boxes
    from tracks2zarr.tracks.reading import ReadClip

    number = [one.clip for one in kept.plan.clips].index(clip.clip)
    read_boxes(store.group(kept.video), number).save(folder)
    return ReadClip(folder, clip.digest, clip.reader, clip.stamp)


def _read_clip(plan: VideoPlan, clip: ClipPlan, folder: Path, slot: int) -> ReadClip:
    """Read a clip from its file."""
    from tracks2zarr.tracks.formats import format_named
    from tracks2zarr.tracks.reading import read_clip

    path = clip.read_path
    pointer = annex_problem(path)
    if pointer is not None:  # its content was dropped since it was planned
        raise Tracks2ZarrError(pointer)
    rule = plan.frame_rule(clip)
    tracks_format = format_named(plan.format)
    return read_clip(tracks_format, path, rule, folder, lambda count: report_bytes(slot, count))


def _write(
    attempt: Attempt, decision: Decision, clips: Sequence[ReadClip], clock: Clock, read_at_ns: int
) -> Receipt:
    """Write the group, read it back, compare it with the boxes, and make its receipt."""
    from tracks2zarr.dataset.clip_boxes import ClipBoxes
    from tracks2zarr.group import writer
    from tracks2zarr.group.box_comparison import clip_differences
    from tracks2zarr.group.comparison import WrittenGroup, metadata_differences
    from tracks2zarr.group.video_arrays import VideoArrays

    plan = _as_read(decision, clips)
    tracks = [ClipBoxes.load(clip.folder).tracks() for clip in clips]
    arrays = VideoArrays(plan, tracks)
    counts = []
    with clock.step("write"):
        writer.create_group(attempt.group, arrays)
        for number, clip in enumerate(clips):
            boxes = ClipBoxes.load(clip.folder)
            writer.write_boxes(attempt.group, number, boxes, arrays)
            counts.append(len(boxes))
    with clock.step("check"):
        written = WrittenGroup.open(attempt.group, arrays)
        problems = list(metadata_differences(written))
        for number, clip in enumerate(clips):
            problems += clip_differences(written, number, ClipBoxes.load(clip.folder))
        if problems:
            raise Tracks2ZarrError(problems)
        content = read_content(attempt.group)
    receipts = tuple(
        replace(
            decision.kept_clip(clip.clip) or _clip_receipt(decision, clip, read, read_at_ns),
            n_individuals=len(of_clip),
            n_boxes=count,
        )
        for clip, read, of_clip, count in zip(plan.clips, clips, tracks, counts, strict=True)
    )
    warnings = tuple(problem for clip in clips for problem in clip.warnings)
    return Receipt(
        plan=plan,
        clips=receipts,
        content=content,
        attempt=attempt.name,
        started=clock.started,
        finished=now(),
        seconds=clock.seconds,
        peak_memory=peak_memory(),
        host=socket.gethostname(),
        versions=versions(),
        warnings=warnings,
    )


def _as_read(decision: Decision, clips: Sequence[ReadClip]) -> VideoPlan:
    """Return the plan with the sizes and times of the tracks files as they were when read."""
    return decision.plan.with_clips(
        clip
        if read.stamp is None
        or decision.kept_clip(clip.clip) is not None
        or clip.clip in decision.corrected
        else replace(clip, size=read.stamp.size, mtime_ns=read.stamp.mtime_ns)
        for clip, read in zip(decision.plan.clips, clips, strict=True)
    )


def _clip_receipt(
    decision: Decision, clip: ClipPlan, read: ReadClip, read_at_ns: int
) -> ClipReceipt:
    """Return the receipt of a clip that was read from a file; nothing is counted yet."""
    if (done := decision.corrected.get(clip.clip)) is not None:
        return replace(done, reader=read.reader)
    return ClipReceipt(
        clip=clip.clip,
        digest=read.digest,
        n_individuals=0,
        n_boxes=0,
        reader=read.reader,
        stamp=read.stamp,
        read_at_ns=read_at_ns,
    )


def _memory_problem(plan: VideoPlan) -> Problem:
    return Problem(
        kind="memory",
        what="There is too little memory for the video.",
        found="an allocation that failed",
        expected=f"about {plan.predicted_memory / 2**20:.0f} MiB",
        remedy=f"With fewer processes, run {same_command('--store-mode', 'a', '--workers', '1')};"
        " or use a machine with more memory.",
    )


def record_failure(
    store: Store, video: str, problems: list[Problem], about: dict[str, str]
) -> None:
    """Leave a record of the failure, where the disk has room for it."""
    about |= {"time": now(), "host": socket.gethostname(), "process": str(os.getpid())}
    try:
        store.write_failure(video, problems, about)
    except OSError:
        return  # the outcome says what failed; a full disk is the usual reason
