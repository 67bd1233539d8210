"""Proving a store equal to its sources, by another road than the one that made it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracks2zarr import rows
from tracks2zarr.failure import workers_problem
from tracks2zarr.files import Content, content_of
from tracks2zarr.metadata import ClipRow, Metadata, read_metadata
from tracks2zarr.planning import ClipPlan, VideoPlan
from tracks2zarr.pointers import annex_problem
from tracks2zarr.pool import Table, available_cores, process_pool, report_bytes
from tracks2zarr.problems import Problem, Tracks2ZarrError, shown
from tracks2zarr.receipt import Receipt
from tracks2zarr.root import is_stale
from tracks2zarr.store import State, Store, existing_store

_AGAIN = "Run 'tracks2zarr create' again with --store-mode a."


@dataclass(frozen=True, slots=True)
class VideoVerdict:
    """What was found for one video.

    `state` is ``done`` where all of it was verified, ``failed`` where something differs,
    ``unknown`` where its sources are not there, else how far the video is.
    """

    video: str
    state: State
    problems: tuple[Problem, ...] = ()
    n_boxes: int = 0

    @property
    def ok(self) -> bool:
        """Whether all of the video was verified."""
        return self.state is State.DONE

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict for JSON."""
        return {
            "video": self.video,
            "state": str(self.state),
            "boxes": self.n_boxes,
            "problems": [problem.as_dict() for problem in self.problems],
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found for a store: its videos, sorted by id, and what concerns its root."""

    store: Path
    quick: bool
    videos: tuple[VideoVerdict, ...]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether all of the store was verified."""
        return not self.problems and all(video.ok for video in self.videos)

    def as_dict(self) -> dict[str, Any]:
        """Return the document of ``verify --json``."""
        return {
            "store": str(self.store),
            "quick": self.quick,
            "ok": self.ok,
            "videos": [video.as_dict() for video in self.videos],
            "problems": [problem.as_dict() for problem in self.problems],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What a worker needs to verify one video."""

    store: Path
    plan: VideoPlan
    quick: bool
    tracks_dir: Path | None
    metadata_csv: Path | None


def verify(
    store: str | os.PathLike[str],
    *,
    quick: bool = False,
    tracks_dir: str | os.PathLike[str] | None = None,
    metadata: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    on_video: Callable[[VideoVerdict], None] = lambda _: None,
) -> Verification:
    """Hold every number of a store against its sources, which are read again row by row.

    Parameters
    ----------
    store
        The store.
    quick
        Whether to compare receipts, sizes and content digests only, and read no source.
    tracks_dir
        Where the tracks files lie now; by default where they lay when they were converted.
    metadata
        Where the metadata CSV lies now; by default where it lay.
    workers
        Worker processes; by default one a core.
    on_video
        Called with the verdict on each video as it is known.

    Returns
    -------
    Verification
        Its `ok` tells whether all was verified.

    Raises
    ------
    Tracks2ZarrError
        If there is no store, its plan cannot be read, or `tracks_dir` or `metadata` is not there.
    """
    there = existing_store(store)
    _check_places(tracks_dir, metadata)
    plan = there.read_plan()
    tasks = [
        _Task(
            store=there.path,
            plan=video,
            quick=quick,
            tracks_dir=None if tracks_dir is None else Path(tracks_dir).absolute(),
            metadata_csv=None if metadata is None else Path(metadata).absolute(),
        )
        for video in plan.videos
    ]
    verdicts = {}
    for verdict in _verdicts(tasks, workers):
        on_video(verdict)
        verdicts[verdict.video] = verdict
    for verdict in _unplanned(there, set(verdicts)):
        on_video(verdict)
        verdicts[verdict.video] = verdict
    videos = tuple(verdicts[name] for name in sorted(verdicts))
    return Verification(there.path, quick, videos, tuple(_root_problems(there)))


def _check_places(
    tracks_dir: str | os.PathLike[str] | None, metadata: str | os.PathLike[str] | None
) -> None:
    """Check that what is said to hold the sources is there."""
    if tracks_dir is not None and not Path(tracks_dir).is_dir():
        raise Tracks2ZarrError(
            Problem(
                kind="tracks-dir",
                what="The folder of tracks files cannot be read.",
                file=str(tracks_dir),
                found="a file" if Path(tracks_dir).exists() else "nothing there",
                expected="a folder with one tracks CSV a clip",
                remedy="Check the path.",
            )
        )
    if metadata is not None and not Path(metadata).is_file():
        raise Tracks2ZarrError(read_metadata(Path(metadata)).problems)


def _verdicts(tasks: list[_Task], workers: int | None) -> Iterator[VideoVerdict]:
    count = min(workers or available_cores(), len(tasks))
    if count <= 1 or all(task.quick for task in tasks):
        yield from map(_verify_video, tasks)
        return
    table = Table(1)
    with process_pool(count, table) as pool:
        futures = [pool.submit(_verify_video, task) for task in tasks]
        try:
            for future in futures:
                yield future.result()
        except BrokenExecutor:
            raise Tracks2ZarrError(workers_problem()) from None
        except BaseException:
            table.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _report(count: int) -> None:
    """Note that bytes of a source were read; this is where an interrupted run ends."""
    report_bytes(0, count)


def _unplanned(store: Store, planned: set[str]) -> Iterator[VideoVerdict]:
    for name in store.groups():
        if name in planned:
            continue
        problem = Problem(
            kind="extra-group",
            what="The store holds a group that is in no plan.",
            file=str(store.group(name)),
            found=f"the group '{shown(name)}'",
            expected="only videos of the plan",
            remedy="Move it away, or convert the video with tracks2zarr.",
            video=name,
        )
        yield VideoVerdict(name, State.UNKNOWN, (problem,))


def _root_problems(store: Store) -> Iterator[Problem]:
    """Yield what is wrong with the root: stale metadata, and what does not belong there."""
    if is_stale(store):
        yield Problem(
            kind="stale-metadata",
            what="The consolidated metadata of the root are not those of the finished videos.",
            file=str(store.root_file),
            found="other metadata",
            expected="what 'tracks2zarr finalise' writes",
            remedy=f"Run 'tracks2zarr finalise {store.path}'.",
        )
    known = {"zarr.json", ".tracks2zarr", "logs", "logs_failed", *store.groups()}
    known |= {video.video for video in store.read_plan().videos}
    for name in sorted(entry.name for entry in store.path.iterdir()):
        if name not in known:
            yield Problem(
                kind="extra-file",
                what="Something lies in the store that does not belong there.",
                file=str(store.path / name),
                found=shown(name),
                expected="groups, zarr.json and what tracks2zarr keeps",
                remedy="Move it away.",
            )


def _verify_video(task: _Task) -> VideoVerdict:
    store, video = Store(task.store), task.plan.video
    receipt = store.read_receipt(video)
    problem = _receipt_problem(store, task.plan, receipt)
    if problem is not None or receipt is None:
        state = store.state(task.plan)
        why = (problem,) if problem else ()
        return VideoVerdict(video, State.FAILED if state is State.DONE else state, why)
    problems = tuple(_content_problems(store, receipt))
    if task.quick:
        state = State.FAILED if problems else State.DONE
        return VideoVerdict(video, state, problems, receipt.n_boxes)
    absent: list[Problem] = []
    found = [*problems]
    try:
        found += _source_problems(store, task, receipt, absent)
    except Exception as error:  # a broken group can make any reader raise anything
        found.append(_unreadable(store, video, error))
    state = State.FAILED if found else State.UNKNOWN if absent else State.DONE
    return VideoVerdict(video, state, (*found, *absent), receipt.n_boxes)


def _receipt_problem(store: Store, plan: VideoPlan, receipt: Receipt | None) -> Problem | None:
    if receipt is None:
        there = store.group(plan.video).exists()
        found = "a group without a receipt" if there else "no group"
        failure = store.read_failure(plan.video)
        why = f": {failure[0].what}" if failure else ""
        return _problem(
            store, plan.video, "not-finished", "The video is not finished.", found + why
        )
    if not (store.group(plan.video) / "zarr.json").is_file():
        return _problem(
            store, plan.video, "group-missing", "The video's group is missing.", "no group"
        )
    if not receipt.holds(plan):
        what = "The video was converted from other input or settings than the store's plan says."
        return _problem(store, plan.video, "other-plan", what, "a receipt of another plan")
    return None


def _problem(store: Store, video: str, kind: str, what: str, found: str) -> Problem:
    return Problem(
        kind=kind,
        what=what,
        file=str(store.group(video)),
        found=found,
        expected="a group with a receipt that matches the plan",
        remedy=_AGAIN,
        video=video,
    )


def _content_problems(store: Store, receipt: Receipt) -> Iterator[Problem]:
    video, expected = receipt.plan.video, receipt.content
    found = content_of(store.group(video))
    if found != expected:
        yield Problem(
            kind="content-changed",
            what="The files of the group are not those that were written.",
            file=str(store.group(video)),
            found=_content_text(found),
            expected=_content_text(expected),
            remedy=_AGAIN,
            video=video,
        )


def _content_text(content: Content) -> str:
    return f"{content.files} files, {content.size} bytes, {content.digest[:23]}…"


def _unreadable(store: Store, video: str, error: Exception) -> Problem:
    return Problem(
        kind="group-unreadable",
        what="The group cannot be read.",
        file=str(store.group(video)),
        found=shown(f"{type(error).__name__}: {error}"),
        expected="a group that zarr can read",
        remedy=_AGAIN,
        video=video,
    )


def _source_problems(
    store: Store, task: _Task, receipt: Receipt, absent: list[Problem]
) -> Iterator[Problem]:
    """Yield what differs from the sources; sources that are not there go into `absent`."""
    from tracks2zarr.assemble import VideoArrays
    from tracks2zarr.compare import Comparison

    plan = receipt.plan
    metadata_csv = task.metadata_csv or Path(plan.metadata_csv)
    if _is_there(metadata_csv):
        yield from _metadata_problems(plan, read_metadata(metadata_csv), metadata_csv)
    else:
        absent.append(_absent(plan.video, metadata_csv, "--metadata"))
    paths = [_source_path(task, clip) for clip in plan.clips]
    read: dict[int, rows.ReadClip] = {}
    missing = [path for path in paths if not _is_there(path)]
    if missing:
        absent.append(_absent(plan.video, missing[0], "--tracks-dir", len(missing)))
    for number, (clip, path) in enumerate(zip(plan.clips, paths, strict=True)):
        if path in missing:
            continue
        read[number] = source = rows.read_clip(path, plan.frame_rule(clip), _report)
        yield from _changed(plan.video, clip, path, source, receipt.digest(clip.clip))
        yield from source.problems
    if len(read) < len(plan.clips):
        # without all sources the extents are unknown, but each clip that is there is compared
        tracks = _tracks_in_store(store, plan.video)
    else:
        tracks = [read[number].boxes.track_ids for number in range(len(plan.clips))]
    comparison = Comparison(store.group(plan.video), VideoArrays(plan, tracks))
    yield from comparison.differences()
    for number, source in read.items():
        if not source.problems:
            yield from comparison.clip_differences(number, source.boxes)


def _is_there(path: Path) -> bool:
    """Tell whether the content of a source is there; a git-annex pointer has none."""
    return path.is_file() and annex_problem(path) is None


def _source_path(task: _Task, clip: ClipPlan) -> Path:
    return clip.source_path if task.tracks_dir is None else task.tracks_dir / clip.source


def _tracks_in_store(store: Store, video: str) -> list[Any]:
    from tracks2zarr.read import read_track_ids

    return read_track_ids(store.group(video))


def _absent(video: str, path: Path, option: str, count: int = 1) -> Problem:
    pointer = annex_problem(path)
    found, remedy = "no file", f"Say with {option} where it lies now."
    if pointer is not None:
        found, remedy = pointer.found or found, pointer.remedy or remedy
    return Problem(
        kind="source-absent",
        what="A source is not there, so the store cannot be held against it.",
        file=str(path),
        found=f"{found}, and so {count - 1} more of the video" if count > 1 else found,
        expected="the file that was converted",
        remedy=remedy,
        severity="warning",
        video=video,
    )


def _changed(
    video: str, clip: ClipPlan, path: Path, source: rows.ReadClip, digest: str | None
) -> Iterator[Problem]:
    if source.digest != digest:
        yield Problem(
            kind="source-changed",
            what="A tracks file is not the one that was converted.",
            file=str(path),
            found=f"{source.digest[:23]}…"
            if source.digest
            else "a file that cannot be read to its end",
            expected=f"{(digest or '')[:23]}…",
            remedy="Convert the video again with --group-mode w, or bring the file back.",
            video=video,
            clip=clip.clip,
        )


def _metadata_problems(plan: VideoPlan, metadata: Metadata, path: Path) -> Iterator[Problem]:
    """Yield what the metadata CSV says otherwise than the plan."""
    rows_of = {row.clip: row for row in metadata.rows if row.video == plan.video}
    for clip in plan.clips:
        row = rows_of.get(clip.clip)
        found = "no sound row for the clip" if row is None else _row_text(row)
        expected = (
            f"frames {clip.first_frame} to {clip.last_frame}, escape {clip.escape_frame}"
            f" {clip.escape_type}, {plan.fps!r} fps"
        )
        if found != expected:
            yield Problem(
                kind="metadata-changed",
                what="The metadata CSV says otherwise than when the clip was converted.",
                file=str(path),
                row=None if row is None else row.row,
                found=found,
                expected=expected,
                remedy="Convert the video again with --group-mode w, or bring the file back.",
                video=plan.video,
                clip=clip.clip,
            )


def _row_text(row: ClipRow) -> str:
    return (
        f"frames {row.first_frame} to {row.last_frame}, escape {row.escape_frame}"
        f" {row.escape_type}, {row.fps!r} fps"
    )
