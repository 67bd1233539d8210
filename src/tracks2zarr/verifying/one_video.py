"""Verifies one video: its receipt, its files, and its sources."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tracks2zarr.common.display import OneLine
from tracks2zarr.common.files import FolderContent, holds_files_alone, read_content
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.common.unfetched import unfetched_in
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.store.commands import converting, create_command
from tracks2zarr.store.corrections import are_lost
from tracks2zarr.store.ownership import additions_warning
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.unreadable import UNREADABLE, broken_receipt, unreadable_problem
from tracks2zarr.store.unverified import Unverified
from tracks2zarr.store.video_state import State, state_of

#: So many differences of a group are named whose files have changed: they are one fault.
_DIFFERENCES_NAMED = 3
#: How a command that converts a video is run on a cluster.
_SUBMITTED = "on a cluster, 'slurm submit' in place of 'create'"


@dataclass(frozen=True, slots=True, repr=False)
class VideoVerdict(OneLine):
    """What was found for one video.

    `state` is ``done`` if everything was verified, ``failed`` if something differs, ``unknown`` if
    its sources are missing, and otherwise the state of the video.
    """

    video: str
    state: State
    problems: tuple[Problem, ...] = ()
    n_boxes: int = 0

    @property
    def ok(self) -> bool:
        """Whether all of the video was verified."""
        return self.state is State.DONE

    def __str__(self) -> str:
        boxes = f", {self.n_boxes:,} boxes" if self.n_boxes else ""
        return f"{self.video}: {'verified' if self.ok else self.state}{boxes}"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict for JSON."""
        return {
            "video": self.video,
            "state": str(self.state),
            "boxes": self.n_boxes,
            "problems": [problem.as_dict() for problem in self.problems],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoToVerify:
    """What a worker needs to verify one video."""

    store: Path
    plan: VideoPlan
    quick: bool
    tracks_dir: Path | None
    metadata_csv: Path | None


def verify_video(task: VideoToVerify) -> VideoVerdict:
    """Compare a video with its receipt, and with its sources where that is asked for.

    Parameters
    ----------
    task
        The video, and where its sources lie.

    Returns
    -------
    VideoVerdict
        Whatever is wrong is in it.
    """
    store, video = Store(task.store), task.plan.video
    try:
        return _verdict(store, task)
    except UNREADABLE as error:
        return VideoVerdict(video, State.FAILED, (unreadable_problem(store, video, error),))


def _verdict(store: Store, task: VideoToVerify) -> VideoVerdict:
    video = task.plan.video
    note = store.unverified(video)
    if note is not None and state_of(store, task.plan) is State.UNKNOWN:
        return unverified_verdict(store, note)
    receipt = store.read_receipt(video)
    problem = _receipt_problem(store, task.plan, receipt)
    if problem is not None or receipt is None:
        state = state_of(store, task.plan)
        why = (problem,) if problem else ()
        return VideoVerdict(video, State.FAILED if state is State.DONE else state, why)
    added = store.added_to(receipt, read=True)
    beside = [additions_warning(store, video, added)] if added else []
    if added is None:
        again = _again_though_done(task, receipt)
    else:  # only the metadata of the group can differ
        again = f"To restore the metadata of the group, run: {_finalising(store)}"
    is_readable = holds_files_alone(store.group(video))  # zarr would wait for a pipe
    is_added_to = added and is_readable
    problems = [] if is_added_to else list(_content_problems(store, receipt, again))
    if not task.quick and is_readable:
        of_others = added or (("zarr.json",) if problems and added is not None else ())
        found = _source_problems(store, task, receipt, of_others, is_damaged=added is None)
        problems += _of_one_fault(found, again) if problems else found
    if any(problem.is_error for problem in problems):
        state = State.FAILED
    else:
        state = State.UNKNOWN if problems else State.DONE
    return VideoVerdict(video, state, (*problems, *beside), receipt.n_boxes)


def unverified_verdict(store: Store, note: Unverified) -> VideoVerdict:
    """Return what is found of a group that another workflow made; it has no proof.

    Parameters
    ----------
    store
        The store.
    note
        What is known of the group.
    """
    remedy = "Merge it again from the store that it was made in."
    changes = tuple(_content_problems(store, note, remedy))
    problem = Problem(
        kind="unverified",
        what="A video was made by another workflow, so it cannot be verified.",
        file=str(store.group(note.video)),
        found=note.why(),
        expected="a video that tracks2zarr made",
        remedy=f"Convert it: {converting(store, note.video, replace=True)}",
        video=note.video,
    )
    state = State.FAILED if changes else State.UNKNOWN
    return VideoVerdict(note.video, state, (*changes, problem))


def _receipt_problem(store: Store, plan: VideoPlan, receipt: Receipt | None) -> Problem | None:
    if receipt is None:
        there = store.group(plan.video).exists()
        found = "a group without a receipt" if there else "no group"
        failure = store.read_failure(plan.video)
        if broken := broken_receipt(store, plan.video):
            failure = [broken]
        why = f": {failure[0].what}" if failure else ""
        what = "The video is not finished."
        return _problem(store, plan, "not-finished", what, found + why)
    if not (store.group(plan.video) / "zarr.json").is_file():
        what = "The video's group is missing."
        return _unfetched(store, plan.video) or _problem(
            store, plan, "group-missing", what, "no group", replace=are_lost(receipt)
        )
    if not receipt.holds(plan):
        what = "The video was converted from different input or settings than the store's plan has."
        return _problem(store, plan, "other-plan", what, "a receipt of another plan", replace=True)
    return None


def _again(store: Store, plan: VideoPlan, *, replace: bool = False) -> str:
    """Return the commands that convert a video again: on this machine, or on a cluster."""
    command = create_command(store.path, plan, replace=replace)
    if replace:  # a rerun keeps the modes that were asked for
        return f"Run: {command}; {_SUBMITTED}"
    rerun = shlex.join(["tracks2zarr", "slurm", "rerun", str(store.path)])
    return f"Run: {command}; on a cluster: {rerun}"


def _again_though_done(task: VideoToVerify, receipt: Receipt) -> str:
    """Return the commands that convert a video again whose receipt says that it is done."""
    command = create_command(
        task.store,
        task.plan,
        task.tracks_dir,
        task.metadata_csv,
        replace=are_lost(receipt, task.tracks_dir),
    )
    return f"Run: {command}; {_SUBMITTED}"


def _finalising(store: Store) -> str:
    return shlex.join(["tracks2zarr", "finalise", str(store.path)])


def _problem(
    store: Store, plan: VideoPlan, kind: str, what: str, found: str, *, replace: bool = False
) -> Problem:
    return Problem(
        kind=kind,
        what=what,
        file=str(store.group(plan.video)),
        found=found,
        expected="a group with a receipt that matches the plan",
        remedy=_again(store, plan, replace=replace),
        video=plan.video,
    )


def _content_problems(store: Store, proof: Receipt | Unverified, remedy: str) -> Iterator[Problem]:
    video, expected = proof.video, proof.content
    try:
        found = read_content(store.group(video))
    except OSError as error:
        yield _unfetched(store, video) or unreadable_problem(store, video, error)
        return
    if found != expected:
        yield _unfetched(store, video) or Problem(
            kind="content-changed",
            what="The files of the group are not those that were written.",
            file=str(store.group(video)),
            found=_content_text(found),
            expected=_content_text(expected),
            remedy=remedy,
            video=video,
        )


def _unfetched(store: Store, video: str) -> Problem | None:
    """Return the problem of a group of which content was not fetched, or None."""
    problem = unfetched_in(store.group(video))
    return None if problem is None else replace(problem, video=video)


def _content_text(content: FolderContent) -> str:
    return f"{content.files} files, {content.size} bytes, {content.digest[:23]}…"


def _of_one_fault(found: list[Problem], remedy: str) -> list[Problem]:
    """Return some differences of a group whose files have changed, all with the one remedy."""
    differing = [problem for problem in found if problem.kind == "store-differs"]
    others = [problem for problem in found if problem.kind != "store-differs"]
    named = [replace(problem, remedy=remedy) for problem in differing[:_DIFFERENCES_NAMED]]
    if len(differing) > len(named):
        in_all = replace(
            named[0],
            what="The store differs from its source. All differences together.",
            found=f"{len(differing)} differences",
            expected="none",
            clip=None,
        )
        named.append(in_all)
    return named + others


def _unreadable(store: Store, video: str, error: Exception, remedy: str) -> Problem:
    return Problem(
        kind="group-unreadable",
        what="The group cannot be read.",
        file=str(store.group(video)),
        found=one_line(f"{type(error).__name__}: {error}"),
        expected="a group that zarr can read",
        remedy=remedy,
        video=video,
    )


def _source_problems(
    store: Store,
    task: VideoToVerify,
    receipt: Receipt,
    added: Collection[str],
    *,
    is_damaged: bool,
) -> list[Problem]:
    """Return what differs from the sources, errors first; those that are absent are warnings."""
    from tracks2zarr.verifying.sources import VideoSources

    group = store.group(receipt.video)
    sources = VideoSources(
        group, receipt, task.tracks_dir, task.metadata_csv, added, can_undo=not is_damaged
    )
    problems: list[Problem] = []
    try:
        problems += sources.problems()
    except Tracks2ZarrError as error:  # such as a format whose package is not installed
        problems += (replace(one, video=one.video or receipt.video) for one in error.problems)
    except Exception as error:  # a broken group can make any reader raise anything
        problems.append(_unreadable(store, receipt.video, error, _again(store, receipt.plan)))
    return sorted(problems, key=lambda problem: not problem.is_error)
