"""The VIA tracks CSV format: its header, its values, and which frame an image is.

All readers hold their rows against what stands here. The format is that of the VGG Image
Annotator, version 2, https://www.robots.ox.ac.uk/~vgg/software/via/docs/face_track_annotation.html,
as `movement` reads it.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

HEADER = (
    "filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    "region_shape_attributes",
    "region_attributes",
)
BOM = b"\xef\xbb\xbf"
#: Track numbers are below this.
MAX_TRACK = 2**63
#: Numbers are below this, half the largest float32: the sum of two of them is finite.
MAX_NUMBER = 2.0**127
#: The tracker puts this between a clip's name and ``.csv``.
SUFFIX = "_tracks"

_INTEGER = re.compile(r"([+-]?[0-9]{1,99})(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
#: Stands for file attributes that are no JSON object.
_NO_OBJECT = object()
_NAN = re.compile(r"[+-]?nan", re.IGNORECASE)
_LAST_DIGITS = re.compile(r"(?s:.*)(?<![0-9])([0-9]+)")


def is_header(fields: Sequence[str]) -> bool:
    """Tell whether these are the seven column names; VIA 1 wrote ``#filename``."""
    return len(fields) == len(HEADER) and (fields[0].removeprefix("#"), *fields[1:]) == HEADER


def split_header(line: bytes) -> list[str]:
    """Return the column names in the first line of a file, with or without a byte-order mark."""
    text = line.removeprefix(BOM).decode("utf-8", errors="replace")
    text = text.removesuffix("\n").removesuffix("\r")
    if "\r" in text:  # to the csv module, this ends a line
        return [text]
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        return [text]


def clip_stem_of(file_name: str) -> str:
    """Return the stem of the clip that a tracks file belongs to.

    >>> clip_stem_of("04.09.2023-01-Right-Loop05_tracks.csv")
    '04.09.2023-01-Right-Loop05'
    """
    return file_name.rpartition(".")[0].removesuffix(SUFFIX)


def loads(text: str) -> dict[str, Any]:
    """Return a JSON object; also one with the literal ``NaN``, which Python's json writes.

    Raises
    ------
    ValueError
        If the text is no JSON object.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(text)
        except RecursionError:
            raise ValueError("too deep") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def to_integer(value: object) -> int | None:
    """Return an integer, or a string of one, as int; None where it is neither.

    >>> to_integer("7.0"), to_integer(7), to_integer("7.5"), to_integer(True)
    (7, 7, None, None)
    """
    if type(value) is str and value.isascii() and value.isdecimal() and len(value) < 99:
        return int(value)  # as nearly all of them are
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if match := _INTEGER.fullmatch(text):
        return int(match[1])
    if _NUMBER.fullmatch(text) and abs(float(text)) < float(MAX_TRACK):
        try:
            number = Decimal(text)
            return int(number) if number == number.to_integral_value() else None
        except ArithmeticError:  # an exponent that nobody means
            return None
    return None


def to_number(value: object) -> float | None:
    """Return a finite number, or a string of one, as float; None where it is neither.

    >>> to_number("1e3"), to_number(2), to_number("nan"), to_number("")
    (1000.0, 2.0, None, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            return None
        value = float(text)
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def to_confidence(value: object) -> float | None:
    """Return a confidence as float, NaN where there is none; None where it is no number."""
    if type(value) is str and _NUMBER.fullmatch(value):  # as nearly all of them are
        number = float(value)
        return number if math.isfinite(number) else None
    if value is None:
        return math.nan
    if isinstance(value, str) and _NAN.fullmatch(value.strip()):
        return math.nan
    if isinstance(value, float) and math.isnan(value):
        return math.nan
    return to_number(value)


@dataclass(frozen=True, slots=True)
class Image:
    """The two columns that say which frame an image is; one a distinct pair in a file."""

    filename: str
    file_attributes: str


@dataclass(frozen=True, slots=True)
class BadImage:
    """An image whose frame cannot be told, or is not one of the clip's."""

    kind: str
    what: str
    column: str
    found: str
    expected: str
    remedy: str


@dataclass(frozen=True, slots=True)
class FrameRule:
    """How the frame of an image is found, and which frames a clip has.

    Parameters
    ----------
    n_frames
        The clip's number of frames, from the metadata.
    first_frame
        The clip's first frame in the video, 0-based.
    counts_from
        ``clip``: files count frames from the clip's first; ``video``: from the video's.
    regexp
        Group 1 of this, searched in the file name, is the frame; None for the format's own rule.
    """

    n_frames: int
    first_frame: int
    counts_from: str
    regexp: str | None

    @property
    def offset(self) -> int:
        """The number in the file of the clip's first frame."""
        return self.first_frame if self.counts_from == "video" else 0

    def has(self, frame: int) -> bool:
        """Tell whether a frame, as it is counted in the file, is one of the clip's."""
        return self.offset <= frame < self.offset + self.n_frames


@dataclass(frozen=True, slots=True)
class Frames:
    """The frame within the clip of each image, or what is wrong with some of them."""

    of_image: list[int]
    bad: dict[int, BadImage]
    #: Some images have ``file_attributes.frame`` and others do not.
    mixed: bool


def frames_of(images: Sequence[Image], rule: FrameRule) -> Frames:
    """Return the frame within the clip of each image.

    ``file_attributes.frame`` counts where every image has it, else the last run of digits
    in the file name before its extension. A regular expression overrides both.

    Parameters
    ----------
    images
        The distinct pairs of file name and file attributes of one file.
    rule
        How to find the frame, and which frames there are.
    """
    in_attributes, bad = _frames_in_attributes(images)
    have = len(in_attributes) - in_attributes.count(None)
    by_attribute = rule.regexp is None and have == len(images) > 0

    def value_of(index: int) -> object:
        if by_attribute:
            return in_attributes[index]
        return _frame_in_name(images[index].filename, rule.regexp)

    given = [to_integer(value_of(index)) for index in range(len(images))]
    known = [frame for frame in given if frame is not None]
    extremes = (min(known), max(known)) if known else ()
    if len(known) < len(given) or not all(map(rule.has, extremes)):
        column = "file_attributes" if by_attribute else "filename"
        outside = _Outside.of(known, rule, column)
        for index, (image, frame) in enumerate(zip(images, given, strict=True)):
            if frame is None:
                why = _no_frame(image, value_of(index), rule, by_attribute=by_attribute)
                bad.setdefault(index, why)
            elif not rule.has(frame):
                bad.setdefault(index, outside.problem(frame))
    frames = [-1 if frame is None else frame - rule.offset for frame in given]
    _check_one_to_one(images, frames, bad)
    mixed = rule.regexp is None and 0 < have < len(images)
    return Frames(frames, bad, mixed)


def _frames_in_attributes(
    images: Sequence[Image],
) -> tuple[list[object], dict[int, BadImage]]:
    """Return ``file_attributes.frame`` of each image, None where there is none."""
    known: dict[str, object] = {}
    frames: list[object] = []
    bad: dict[int, BadImage] = {}
    for index, image in enumerate(images):
        text = image.file_attributes
        if text not in known:
            try:
                known[text] = loads(text).get("frame")
            except ValueError:
                known[text] = _NO_OBJECT
        frame = known[text]
        frames.append(None if frame is _NO_OBJECT else frame)
        if frame is _NO_OBJECT:
            bad[index] = BadImage(
                "file-attributes",
                "The file attributes are no JSON object.",
                "file_attributes",
                text or "an empty cell",
                'a JSON object, such as {"clip":123}',
                "Export the tracks again.",
            )
    return frames, bad


def _frame_in_name(filename: str, regexp: str | None) -> str | None:
    if regexp is not None:
        match = re.search(regexp, filename)
        return match[1] if match else None
    name = filename.replace("\\", "/").rpartition("/")[2]
    base = name.rpartition(".")[0] or name
    match = _LAST_DIGITS.match(base)
    return match[1] if match else None


def _no_frame(image: Image, value: object, rule: FrameRule, *, by_attribute: bool) -> BadImage:
    if by_attribute:
        return BadImage(
            "frame-not-integer",
            "The frame is not an integer.",
            "file_attributes",
            str(value),
            "an integer 'frame'",
            "Correct the file, or pass --frame-regexp to take the frame from the file name.",
        )
    return BadImage(
        "no-frame",
        "The image's name gives no frame.",
        "filename",
        image.filename,
        "digits before the extension, such as frame_00000012.png"
        if rule.regexp is None
        else f"an integer where group 1 of {rule.regexp!r} matches",
        "Pass --frame-regexp with a group that matches the frame's digits.",
    )


@dataclass(frozen=True, slots=True)
class _Outside:
    """What to say of frames that a clip does not have: the metadata that would fit the file."""

    column: str
    expected: str
    too_high: str
    too_low: str
    last: int

    @classmethod
    def of(cls, frames: Sequence[int], rule: FrameRule, column: str) -> _Outside:
        """Look at all frames of a file, as they are counted in it."""
        to_video = 0 if rule.counts_from == "video" else rule.first_frame
        highest, lowest = max(frames, default=0), min(frames, default=0)
        last = rule.offset + rule.n_frames - 1
        too_high = (
            "Correct the row; or, if the metadata are wrong, loop_END_frame_ffmpeg would have to be"
            f" {highest + to_video + 1} or more"
        )
        if rule.counts_from == "clip" and 0 < rule.first_frame <= lowest:
            too_high += (
                "; or the file counts from the video's first frame: then pass --frames video"
            )
        too_low = "Correct the frame"
        if rule.counts_from == "video" and lowest >= 0:
            too_low = (
                "Correct the row; or, if the metadata are wrong, loop_START_frame_ffmpeg would have"
                f" to be {lowest + 1} or less"
            )
            if highest < rule.n_frames:
                too_low += "; or leave --frames video out, if the file counts from the clip's start"
        expected = f"{rule.offset} to {last}, the frames that the metadata give the clip"
        return cls(column, expected, f"{too_high}.", f"{too_low}.", last)

    def problem(self, frame: int) -> BadImage:
        """Return the problem of one frame."""
        return BadImage(
            "frame-outside-clip",
            "A frame is not one of the clip's.",
            self.column,
            f"frame {frame}",
            self.expected,
            self.too_high if frame > self.last else self.too_low,
        )


def _check_one_to_one(
    images: Sequence[Image], frames: Sequence[int], bad: dict[int, BadImage]
) -> None:
    """Add a problem for each file name of two frames, and each frame of two file names."""
    if len(images) == len(set(frames)) == len({image.filename for image in images}):
        return
    frame_of: dict[str, int] = {}
    name_of: dict[int, str] = {}
    for index, (image, frame) in enumerate(zip(images, frames, strict=True)):
        if index in bad:
            continue
        known_frame = frame_of.setdefault(image.filename, frame)
        known_name = name_of.setdefault(frame, image.filename)
        if known_frame != frame:
            found = f"{image.filename} as frame {known_frame} and as frame {frame}"
        elif known_name != image.filename:
            found = f"{known_name} and {image.filename} as frame {frame}"
        else:
            continue
        bad[index] = BadImage(
            "image-frame",
            "Images and frames are not one to one.",
            "filename",
            found,
            "one image file name for one frame",
            "Correct the file, or pass --frame-regexp with a group that matches the frame.",
        )


def read_header(path: Path) -> list[str]:
    """Return the column names in the first line of a file; an empty list for an empty file."""
    with path.open("rb") as file:
        line = file.readline(1 << 16)
    return split_header(line) if line.strip() else []
