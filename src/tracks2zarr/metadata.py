"""The metadata CSV: one row a clip, with its place in the video and its escape."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tracks2zarr.names import clip_id_of, stem, why_unsafe
from tracks2zarr.pointers import annex_problem
from tracks2zarr.problems import Problem, shown

VIDEO = "video_name"
CLIP = "loop_clip_name"
FPS = "fps"
START = "loop_START_frame_ffmpeg"
END = "loop_END_frame_ffmpeg"
ESCAPE = "escape_START_frame_0_based_idx"
ESCAPE_TYPE = "escape_type"
COLUMNS = (VIDEO, CLIP, FPS, START, END, ESCAPE, ESCAPE_TYPE)

#: Cells that count as empty.
EMPTY_CELLS = frozenset({"", "nan", "na"})
#: A clip longer than this (19 days at 60 frames a second) is a slip of the pen.
MAX_FRAMES = 100_000_000

_INTEGER = re.compile(r"([+-]?[0-9]+)(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRow:
    """One row of the metadata CSV. Frames are 0-based frames of the video.

    `escape_frame` is -1 and `escape_type` is ``none`` for a clip without an escape.
    """

    row: int
    video: str
    clip: str
    clip_stem: str
    fps: float
    first_frame: int
    last_frame: int
    escape_frame: int
    escape_type: str


@dataclass(frozen=True, slots=True)
class Named:
    """The names in a row, sound or not: enough to tell which video a problem concerns."""

    video: str
    clip_stem: str


@dataclass(slots=True)
class Metadata:
    """What a metadata CSV says: its sound rows, the names of all rows, and its problems."""

    rows: list[ClipRow] = field(default_factory=list)
    names: dict[int, Named] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def videos_of(self, clip_stems: set[str]) -> set[str]:
        """Return the ids of the videos that have a row for any of these clips."""
        return {name.video for name in self.names.values() if name.clip_stem in clip_stems}


class _BadCell(Exception):
    """A cell that is not what its column holds."""

    def __init__(self, kind: str, column: str, what: str, expected: str, remedy: str) -> None:
        super().__init__(what)
        self.kind, self.column, self.what = kind, column, what
        self.expected, self.remedy = expected, remedy


def read_metadata(path: Path) -> Metadata:
    """Read and check a metadata CSV; every problem is collected, none is raised.

    Parameters
    ----------
    path
        The metadata CSV (UTF-8, with or without a byte-order mark).

    Returns
    -------
    Metadata
        The sound rows in the order of the file, and all problems, those of rows with
        the id of the video that they concern.
    """
    metadata = Metadata()
    text = _read_text(path, metadata.problems)
    if text is None:
        return metadata
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if _check_header(path, header, metadata.problems):
            for row, cells in _cells(path, reader, header, metadata.problems):
                _read_row(path, row, cells, metadata)
    except csv.Error as error:
        metadata.problems.append(
            Problem(
                kind="metadata-unreadable",
                what="The metadata CSV cannot be read as CSV.",
                file=str(path),
                row=reader.line_num,
                found=str(error),
                expected="comma-separated values, quotes closed",
                remedy="Export the spreadsheet as CSV again.",
            )
        )
        return metadata
    _check_duplicates(path, metadata)
    _check_fps(path, metadata)
    return metadata


def _read_text(path: Path, problems: list[Problem]) -> str | None:
    """Return the text of the file; where there is none to read, add the problem."""

    def problem(kind: str, what: str, found: str, remedy: str, row: int | None = None) -> None:
        problems.append(
            Problem(
                kind=kind,
                what=what,
                file=str(path),
                row=row,
                found=found,
                expected="a metadata CSV, one row a clip",
                remedy=remedy,
            )
        )

    pointer = annex_problem(path)
    if pointer is not None:
        problems.append(pointer)
        return None
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        problem(
            "metadata-unreadable", "The metadata CSV cannot be read.", reason, "Check the path."
        )
        return None
    if not raw.strip():
        problem("metadata-empty", "The metadata CSV is empty.", "no rows", "Fetch the file again.")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem(
            "metadata-not-utf8",
            "The metadata CSV is not UTF-8.",
            f"byte 0x{raw[error.start]:02x} at offset {error.start}",
            "Save it as CSV with UTF-8 encoding.",
            row=raw.count(b"\n", 0, error.start) + 1,
        )
        return None


def _check_header(path: Path, header: list[str], problems: list[Problem]) -> bool:
    """Add a problem for each column that is missing or there twice; return whether all are sound."""
    before = len(problems)
    others = [name for name in header if name not in COLUMNS]
    for column in COLUMNS:
        count = header.count(column)
        if count == 1:
            continue
        folded = {name.strip().casefold(): name for name in others}
        close = difflib.get_close_matches(column.casefold(), list(folded), n=1, cutoff=0.75)
        found = (
            f"{count} columns of this name"
            if count
            else f"'{shown(folded[close[0]])}'"
            if close
            else f"the columns {', '.join(shown(name) for name in header)}"
        )
        remedy = (
            f"Rename '{shown(folded[close[0]])}' to '{column}'."
            if close and not count
            else f"Keep one column '{column}'."
            if count
            else "Add the column, or pass another metadata CSV."
        )
        problems.append(
            Problem(
                kind="metadata-column",
                what=f"The metadata CSV has {'two' if count else 'no'} columns '{column}'."
                if count
                else f"The metadata CSV has no column '{column}'.",
                file=str(path),
                row=1,
                column=column,
                found=found,
                expected=f"one column named exactly '{column}'",
                remedy=remedy,
            )
        )
    return len(problems) == before


def _cells(
    path: Path, reader: Iterator[list[str]], header: list[str], problems: list[Problem]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the row number and the needed cells of each row that has as many as the header."""
    for fields in reader:
        row = reader.line_num  # type: ignore[attr-defined]
        if not any(cell.strip() for cell in fields):
            continue
        if len(fields) != len(header):
            named = dict(zip(header, fields, strict=False))
            problems.append(
                Problem(
                    kind="metadata-row",
                    what="A row of the metadata CSV has another number of cells than the header.",
                    file=str(path),
                    row=row,
                    found=f"{len(fields)} cells",
                    expected=f"{len(header)} cells",
                    remedy="Look for a missing comma, or one too many, in this row.",
                    video=stem(named.get(VIDEO, "")) or None,
                    clip=stem(named.get(CLIP, "")) or None,
                )
            )
            continue
        cells = dict(zip(header, fields, strict=True))
        yield row, {column: cells[column] for column in COLUMNS}


def _read_row(path: Path, row: int, cells: dict[str, str], metadata: Metadata) -> None:
    """Add a row to `metadata`, or the problems that it has."""
    video, clip_stem = stem(cells[VIDEO]), stem(cells[CLIP])
    metadata.names[row] = Named(video, clip_stem)
    values: dict[str, object] = {}
    sound = True
    steps = (
        lambda: values.update(video=_video(cells[VIDEO], video)),
        lambda: values.update(clip=_clip(clip_stem, video)),
        lambda: values.update(fps=_fps(cells[FPS])),
        lambda: values.update(first=_frame(cells[START], START, least=1) - 1),
        lambda: values.update(last=_frame(cells[END], END, least=1) - 1),
        lambda: values.update(escape=_escape_frame(cells[ESCAPE])),
        lambda: _check_extent(values),
        lambda: _check_escape(values),
    )
    for step in steps:
        try:
            step()
        except _BadCell as bad:
            sound = False
            metadata.problems.append(_row_problem(path, row, cells, bad, video, clip_stem))
    if not sound:
        return
    escape = values["escape"]
    clip_row = ClipRow(
        row=row,
        video=video,
        clip=str(values["clip"]),
        clip_stem=clip_stem,
        fps=values["fps"],  # type: ignore[arg-type]
        first_frame=values["first"],  # type: ignore[arg-type]
        last_frame=values["last"],  # type: ignore[arg-type]
        escape_frame=escape,  # type: ignore[arg-type]
        escape_type=_escape_type(cells[ESCAPE_TYPE], has_escape=escape != -1),
    )
    metadata.rows.append(clip_row)


def _row_problem(
    path: Path, row: int, cells: dict[str, str], bad: _BadCell, video: str, clip_stem: str
) -> Problem:
    return Problem(
        kind=bad.kind,
        what=bad.what,
        file=str(path),
        row=row,
        column=bad.column,
        found=f"'{shown(cells[bad.column])}'",
        expected=bad.expected,
        remedy=bad.remedy,
        video=video or None,
        clip=clip_stem or None,
    )


def _is_empty(cell: str) -> bool:
    return cell.strip().casefold() in EMPTY_CELLS


def _video(cell: str, video: str) -> str:
    reason = why_unsafe(cell) or why_unsafe(video)
    if reason:
        raise _BadCell(
            "unsafe-name",
            VIDEO,
            f"The video's name cannot be the name of a group: {reason}.",
            "the file name of a video, such as 04.09.2023-01-Right.mov",
            "Rename the video in the metadata CSV and in its clips' names.",
        )
    return video


def _clip(clip_stem: str, video: str) -> str:
    clip = clip_id_of(clip_stem, video)
    if not clip:
        raise _BadCell(
            "clip-not-of-video",
            CLIP,
            "The clip's name does not begin with its video's name.",
            f"'{shown(video)}-<clip id>' and an extension",
            f"Correct {CLIP} or {VIDEO} in this row.",
        )
    reason = why_unsafe(clip)
    if reason:
        raise _BadCell(
            "unsafe-name",
            CLIP,
            f"The clip's id cannot be used as a name: {reason}.",
            f"'{shown(video)}-<clip id>' and an extension",
            "Rename the clip.",
        )
    return clip


def _fps(cell: str) -> float:
    text = cell.strip()
    if not _is_empty(cell) and _NUMBER.fullmatch(text):
        fps = float(text)
        if math.isfinite(fps) and fps > 0:
            return fps
    what = "The frame rate is missing." if _is_empty(cell) else "The frame rate is not usable."
    raise _BadCell("fps", FPS, what, "frames a second, above 0", "Fill in the video's frame rate.")


def _frame(cell: str, column: str, *, least: int) -> int:
    match = _INTEGER.fullmatch(cell.strip())
    if match and int(match[1]) >= least:
        return int(match[1])
    what = "A frame number is missing." if _is_empty(cell) else "A frame is not a frame number."
    raise _BadCell("frame-number", column, what, f"an integer from {least} on", "Correct the cell.")


def _escape_frame(cell: str) -> int:
    return -1 if _is_empty(cell) else _frame(cell, ESCAPE, least=0)


def _escape_type(cell: str, *, has_escape: bool) -> str:
    if not has_escape:
        return "none"
    return "unknown" if _is_empty(cell) else cell.strip().lower()


def _check_extent(values: dict[str, object]) -> None:
    first, last = values.get("first"), values.get("last")
    if not (isinstance(first, int) and isinstance(last, int)):
        return
    if last < first:
        raise _BadCell(
            "end-before-start",
            END,
            "The clip ends before it starts.",
            f"{first + 1} or more, {START} of this row",
            "Correct the clip's first or last frame.",
        )
    if last - first >= MAX_FRAMES:
        raise _BadCell(
            "clip-too-long",
            END,
            f"The clip has more than {MAX_FRAMES:,} frames.",
            f"less than {first + 1 + MAX_FRAMES}",
            "Correct the clip's first or last frame.",
        )


def _check_escape(values: dict[str, object]) -> None:
    first, last, escape = values.get("first"), values.get("last"), values.get("escape")
    if not (isinstance(first, int) and isinstance(last, int) and isinstance(escape, int)):
        return
    if escape != -1 and first <= last and not first <= escape <= last:
        raise _BadCell(
            "escape-outside-clip",
            ESCAPE,
            "The escape is outside its clip.",
            f"{first} to {last}, the clip's frames counted from 0 in the video",
            "Correct the escape's frame, or leave it empty for a clip without an escape.",
        )


def _check_duplicates(path: Path, metadata: Metadata) -> None:
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, name in metadata.names.items():
        rows_of[name.clip_stem].append(row)
    for clip_stem, rows in rows_of.items():
        for row in rows[1:]:
            metadata.problems.append(
                Problem(
                    kind="duplicate-clip-row",
                    what="A clip has two rows in the metadata CSV.",
                    file=str(path),
                    row=row,
                    column=CLIP,
                    found=f"'{shown(clip_stem)}', as in row {rows[0]}",
                    expected="one row a clip",
                    remedy="Remove one of the two rows.",
                    video=metadata.names[row].video,
                    clip=clip_stem,
                )
            )


def _check_fps(path: Path, metadata: Metadata) -> None:
    first_of: dict[str, ClipRow] = {}
    for row in metadata.rows:
        first = first_of.setdefault(row.video, row)
        if row.fps != first.fps:
            metadata.problems.append(
                Problem(
                    kind="fps-differs",
                    what="A video has two frame rates.",
                    file=str(path),
                    row=row.row,
                    column=FPS,
                    found=f"{row.fps!r}",
                    expected=f"{first.fps!r}, as in row {first.row} of the same video",
                    remedy="Correct one of the two rows.",
                    video=row.video,
                    clip=row.clip_stem,
                )
            )
