"""The cells of a metadata row: what each column may contain."""

from __future__ import annotations

import math
import re

from tracks2zarr.common.names import RESERVED_NAMES, composed, why_unsafe
from tracks2zarr.common.problems import Problem, one_line
from tracks2zarr.tracks.frames import ExtentColumns

VIDEO = "video_name"
CLIP = "loop_clip_name"
FPS = "fps"
START = "loop_START_frame_ffmpeg"
END = "loop_END_frame_ffmpeg"
ESCAPE = "escape_START_frame_0_based_idx"
ESCAPE_TYPE = "escape_type"

#: The frame of an escape that there is not.
NO_ESCAPE = -1
#: Cells that count as empty.
EMPTY_CELLS = frozenset({"", "nan", "na"})
#: A clip longer than this (19 days at 60 frames per second) is a slip of the pen.
MAX_FRAMES = 100_000_000

#: What videos have as an extension: ``.mov``, ``.mp4``; a date or a number is none.
_EXTENSION = re.compile(r"\.(?=[0-9]*[A-Za-z])[A-Za-z0-9]{2,5}")
_INTEGER = re.compile(r"([+-]?[0-9]{1,18})(?:\.0*)?")
#: Numbers as programs write them, with an exponent as in ``3e1``; spreadsheets write ``3.0E+01``.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+|E-?[0-9]+)?")
#: Numbers as spreadsheets write them, what is wrong with them, and how it is put right.
_SPREADSHEET_NUMBERS = (
    (
        re.compile(r"[+-]?[0-9]{1,3}(?:[.,' \u00a0\u2019\u202f][0-9]{3})+"),
        "has a thousands separator",
        "Correct the column: show it without thousands separators in the spreadsheet, and export it"
        " again.",
    ),
    (
        re.compile(r"[+-]?[0-9]*,[0-9]+"),
        "has a decimal comma",
        "Correct the column: use decimal points, e.g. by exporting the spreadsheet in English.",
    ),
    (
        re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?[eE][+-]?[0-9]+"),
        "is in scientific notation, in which digits may be lost",
        "Correct the column: show all digits in the spreadsheet, and export it again.",
    ),
)


class BadCellError(Exception):
    """A cell that is not what its column holds.

    Parameters
    ----------
    problem
        What is wrong, with the column, and without file, row and what was found.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


def is_empty(cell: str) -> bool:
    """Tell whether a cell counts as empty."""
    return cell.strip().casefold() in EMPTY_CELLS


def video_of(cell: str, video: str, clip_stem: str) -> str:
    """Return the id of a video, which becomes the name of its group.

    Where a clip's name begins with all of `cell`, what follows its last dot is no extension.
    """
    if is_empty(cell):
        raise BadCellError(
            Problem(
                kind="video-name",
                column=VIDEO,
                what=f"{VIDEO} is missing.",
                expected="the file name of a video, e.g. 04.09.2023-01-Right.mov",
                remedy="Fill in the file name of the video.",
            )
        )
    if lacks_extension(cell, video, clip_stem):
        extension = one_line(composed(cell).removeprefix(video))
        raise BadCellError(
            Problem(
                kind="video-name",
                column=VIDEO,
                what=f"The video's name has no extension: '{extension}' was taken for one.",
                expected="the file name of the video, as the clip's name begins with all of this",
                remedy=f"Write the file name, such as {one_line(cell)}.mov",
            )
        )
    reason = why_unsafe(cell if cell in RESERVED_NAMES else video)
    if reason:
        raise BadCellError(
            Problem(
                kind="unsafe-name",
                column=VIDEO,
                what=f"The video's name cannot be the name of a group: {reason}.",
                expected="the file name of a video, such as 04.09.2023-01-Right.mov",
                remedy="Rename the video in the metadata CSV and in its clips' names.",
            )
        )
    return video


def lacks_extension(cell: str, video: str, clip_stem: str) -> bool:
    """Tell whether a video's name stands without its extension, by the name of a clip of it.

    >>> lacks_extension("04.09.2023-Right", "04.09", "04.09.2023-Right-Loop05")
    True
    """
    name = composed(cell)
    is_whole = clip_stem == name or clip_stem.startswith(f"{name}-")
    return name != video and is_whole and not _EXTENSION.fullmatch(name.removeprefix(video))


def clip_of(clip: str, video: str, column: str) -> str:
    """Return the id of a clip: what follows its video's id and a hyphen; empty for none."""
    if not clip:
        raise BadCellError(
            Problem(
                kind="clip-not-of-video",
                column=column,
                what="The clip's name does not begin with its video's name.",
                expected=f"'{one_line(video)}-<clip id>' and an extension",
                remedy=f"Correct {column} or {VIDEO} in this row.",
            )
        )
    reason = why_unsafe(clip, is_group=False)
    if reason:
        raise BadCellError(
            Problem(
                kind="unsafe-name",
                column=column,
                what=f"The clip's id cannot be used as a name: {reason}.",
                expected=f"'{one_line(video)}-<clip id>' and an extension",
                remedy="Rename the clip.",
            )
        )
    return clip


def fps_of(cell: str) -> float:
    """Return frames per second."""
    text = cell.strip()
    if not is_empty(cell) and _NUMBER.fullmatch(text):
        fps = float(text)
        if math.isfinite(fps) and fps > 0:
            return fps
    what = "The frame rate is missing." if is_empty(cell) else "The frame rate is not usable."
    is_number = _NUMBER.fullmatch(text) is not None
    written, remedy = ("", "") if is_number else _as_spreadsheets_write(text, is_integer=False)
    raise BadCellError(
        Problem(
            kind="fps",
            column=FPS,
            what=f"The frame rate {written}." if written else what,
            expected="frames per second, above 0, e.g. 59.94",
            remedy=remedy or "Fill in the video's frame rate.",
        )
    )


def _as_spreadsheets_write(text: str, *, is_integer: bool) -> tuple[str, str]:
    """Return what is wrong with a number that a spreadsheet wrote, and the remedy; else nothing."""
    for pattern, written, remedy in _SPREADSHEET_NUMBERS[0 if is_integer else 1 :]:
        if pattern.fullmatch(text):
            return written, remedy
    return "", ""


def frame_of(cell: str, column: str, least: int = 1) -> int:
    """Return a frame number, `least` or more."""
    match = _INTEGER.fullmatch(cell.strip())
    if match and int(match[1]) >= least:
        return int(match[1])
    what = "A frame number is missing." if is_empty(cell) else "A frame is not a frame number."
    written, remedy = _as_spreadsheets_write(cell.strip(), is_integer=True)
    raise BadCellError(
        Problem(
            kind="frame-number",
            column=column,
            what=f"A frame number {written}." if written else what,
            expected=f"an integer from {least} on",
            remedy=remedy or "Correct the cell.",
        )
    )


def escape_frame_of(cell: str) -> int:
    """Return the first frame of the escape, -1 for a clip without one."""
    return NO_ESCAPE if is_empty(cell) else frame_of(cell, ESCAPE, 0)


def escape_type_of(cell: str, *, has_escape: bool) -> str:
    """Return the type of the escape in lower case; ``none`` for a clip without one."""
    if not has_escape:
        return "none"
    return "unknown" if is_empty(cell) else cell.strip().lower()


def check_extent(first: int, last: int, columns: ExtentColumns) -> int:
    """Return the number of frames from `first` to `last`, both included."""
    if last < first:
        raise BadCellError(
            Problem(
                kind="end-before-start",
                column=columns.last,
                what="The clip ends before it starts.",
                expected=f"{first} or more, {columns.first} of this row",
                remedy="Correct the clip's first or last frame.",
            )
        )
    if last - first >= MAX_FRAMES:
        raise BadCellError(
            Problem(
                kind="clip-too-long",
                column=columns.last,
                what=f"The clip has more than {MAX_FRAMES:,} frames.",
                expected=f"less than {first + MAX_FRAMES}",
                remedy="Correct the clip's first or last frame.",
            )
        )
    return last - first + 1


def check_escape(escape: int | None, first: int, last: int) -> None:
    """Check an escape's frame, 0-based, against the clip's frames, 1-based."""
    if escape is None or escape == NO_ESCAPE or first - 1 <= escape <= last - 1:
        return
    raise BadCellError(
        Problem(
            kind="escape-outside-clip",
            column=ESCAPE,
            what="The escape is outside its clip.",
            expected=f"{first - 1} to {last - 1}, the clip's frames counted from 0 in the video",
            remedy="Correct the escape's frame, or leave it empty for a clip without an escape.",
        )
    )
