"""Proving one video equal to its sources, by another road than the one that made it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracks2zarr.common.files import FolderContent, read_content
from tracks2zarr.common.problems import Problem, one_line
from tracks2zarr.common.unfetched import annex_problem
from tracks2zarr.parallel.processes import report_bytes
from tracks2zarr.planning.metadata_csv import ClipRow, Metadata, read_metadata
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import State, Store
from tracks2zarr.store.unverified import Unverified
from tracks2zarr.tracks import row_reader
from tracks2zarr.tracks.via import FrameRule

_AGAIN = (
    "Run 'tracks2zarr create' again with --store-mode a; on a cluster, 'tracks2zarr slurm rerun'."
)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofTask:
    """What a worker needs to verify one video."""

    store: Path
    plan: VideoPlan
    quick: bool
    tracks_dir: Path | None
    metadata_csv: Path | None


#: A tracks file, and how its frames are found.
type Source = tuple[Path, FrameRule]


def read_source(source: Source) -> row_reader.ReadClip:
    """Read a tracks file row by row; this is where an interrupted run ends."""
    return row_reader.read_clip(*source, lambda count: report_bytes(0, count))


def read_one_by_one(sources: Sequence[Source]) -> Iterator[row_reader.ReadClip]:
    """Read tracks files in this process."""
    return map(read_source, sources)


def prove_video(
    task: ProofTask,
    read: Callable[[Sequence[Source]], Iterator[row_reader.ReadClip]] = read_one_by_one,
) -> VideoVerdict:
    """Hold a video against its receipt, and against its sources where that is asked for.

    Parameters
    ----------
    task
        The video, and where its sources lie.
    read
        Reads the tracks files, and returns them in order.

    Returns
    -------
    VideoVerdict
        Whatever is wrong is in it.

    Raises
    ------
    concurrent.futures.BrokenExecutor
        If `read` does, because a worker of its was killed.
    """
    store, video = Store(task.store), task.plan.video
    note = store.unverified(video)
    if note is not None and store.state(task.plan) is State.UNKNOWN:
        return unverified_verdict(store, note)
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
        found += _source_problems(store, task, receipt, absent, read)
    except BrokenExecutor:
        raise
    except Exception as error:  # a broken group can make any reader raise anything
        found.append(_unreadable(store, video, error))
    state = State.FAILED if found else State.UNKNOWN if absent else State.DONE
    return VideoVerdict(video, state, (*found, *absent), receipt.n_boxes)


def unverified_verdict(store: Store, note: Unverified) -> VideoVerdict:
    """Return what is found of a group that another workflow made; it has no proof.

    Parameters
    ----------
    store
        The store.
    note
        What is known of the group.
    """
    changes = tuple(_content_problems(store, note))
    problem = Problem(
        kind="unverified",
        what="A video was made by another workflow, so it cannot be verified.",
        file=str(store.group(note.video)),
        found=note.why(),
        expected="a video that tracks2zarr made",
        remedy="Convert it: 'tracks2zarr create' with --store-mode a and --group-mode w.",
        video=note.video,
    )
    state = State.FAILED if changes else State.UNKNOWN
    return VideoVerdict(note.video, state, (*changes, problem))


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


def _content_problems(store: Store, proof: Receipt | Unverified) -> Iterator[Problem]:
    video, expected = proof.video, proof.content
    try:
        found = read_content(store.group(video))
    except OSError as error:
        yield _unreadable(store, video, error)
        return
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


def _content_text(content: FolderContent) -> str:
    return f"{content.files} files, {content.size} bytes, {content.digest[:23]}…"


def _unreadable(store: Store, video: str, error: Exception) -> Problem:
    return Problem(
        kind="group-unreadable",
        what="The group cannot be read.",
        file=str(store.group(video)),
        found=one_line(f"{type(error).__name__}: {error}"),
        expected="a group that zarr can read",
        remedy=_AGAIN,
        video=video,
    )


def _source_problems(
    store: Store,
    task: ProofTask,
    receipt: Receipt,
    absent: list[Problem],
    read: Callable[[Sequence[Source]], Iterator[row_reader.ReadClip]],
) -> Iterator[Problem]:
    """Yield what differs from the sources; sources that are not there go into `absent`."""
    from tracks2zarr.group.box_comparison import clip_differences
    from tracks2zarr.group.comparison import WrittenGroup, metadata_differences
    from tracks2zarr.group.video_arrays import VideoArrays

    plan = receipt.plan
    metadata_csv = task.metadata_csv or Path(plan.metadata_csv)
    if _is_there(metadata_csv):
        yield from _metadata_problems(plan, read_metadata(metadata_csv), metadata_csv)
    else:
        absent.append(_absent(plan.video, metadata_csv, "--metadata"))
    paths = [_source_path(task, clip) for clip in plan.clips]
    missing = [path for path in paths if not _is_there(path)]
    if missing:
        absent.append(_absent(plan.video, missing[0], "--tracks-dir", len(missing)))
    there = [number for number, path in enumerate(paths) if path not in missing]
    sources = read([(paths[number], plan.frame_rule(plan.clips[number])) for number in there])
    sound: dict[int, row_reader.ReadClip] = {}
    for number, source in zip(there, sources, strict=True):
        clip = plan.clips[number]
        yield from _changed(plan.video, clip, paths[number], source, receipt.digest(clip.clip))
        yield from source.problems
        if not source.problems:
            sound[number] = source
    if len(sound) < len(plan.clips):
        # without all sources the extents are unknown, but each clip that is there is compared
        tracks = _tracks_in_store(store, plan.video)
    else:
        tracks = [sound[number].boxes.track_ids for number in range(len(plan.clips))]
    written = WrittenGroup.open(store.group(plan.video), VideoArrays(plan, tracks))
    yield from metadata_differences(written)
    for number, source in sound.items():
        yield from clip_differences(written, number, source.boxes)


def _is_there(path: Path) -> bool:
    """Tell whether the content of a source is there; a git-annex pointer has none."""
    return path.is_file() and annex_problem(path) is None


def _source_path(task: ProofTask, clip: ClipPlan) -> Path:
    return clip.source_path if task.tracks_dir is None else task.tracks_dir / clip.source


def _tracks_in_store(store: Store, video: str) -> list[Any]:
    from tracks2zarr.group.reader import read_track_ids

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
    video: str, clip: ClipPlan, path: Path, source: row_reader.ReadClip, digest: str | None
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
