"""Finds the frame of each image in a tracks file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tracks2zarr.common.problems import Problem
from tracks2zarr.tracks.values import loads, to_integer

#: Stands for file attributes that are no JSON object.
_NO_OBJECT = object()
_LAST_DIGITS = re.compile(r"(?s:.*)(?<![0-9])([0-9]+)")


@dataclass(frozen=True, slots=True)
class Image:
    """The two columns that say which frame an image is; one per distinct pair in a file."""

    filename: str
    file_attributes: str


class ExtentColumns(NamedTuple):
    """The names of the columns with the first and the last frame of a clip in its video.

    Parameters
    ----------
    first, last
        Their names.
    first_number
        The number that they give to the video's first frame.
    """

    first: str
    last: str
    first_number: int


#: Those of the guide, in which frames count as ffmpeg counts them.
GUIDE_EXTENT = ExtentColumns("loop_START_frame_ffmpeg", "loop_END_frame_ffmpeg", 1)
#: Those of a metadata CSV without escapes.
PLAIN_EXTENT = ExtentColumns("first_frame", "last_frame", 0)


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
    extent
        The columns of the metadata that say which frames the clip has; None where there are no
        metadata, and a clip has as many frames as the program allows.
    first_number
        The number that the format gives to the first of all frames.
    """

    n_frames: int
    first_frame: int
    counts_from: str
    regexp: str | None
    extent: ExtentColumns | None = GUIDE_EXTENT
    first_number: int = 0

    @property
    def offset(self) -> int:
        """The number in the file of the clip's first frame."""
        return self.first_number + (self.first_frame if self.counts_from == "video" else 0)

    def has(self, frame: int) -> bool:
        """Tell whether a frame, as it is counted in the file, is one of the clip's."""
        return self.offset <= frame < self.offset + self.n_frames


@dataclass(frozen=True, slots=True)
class Frames:
    """The frame within the clip of each image, or what is wrong with some of them.

    A problem names neither file nor row: an image may be in many rows.
    """

    of_image: list[int]
    bad: dict[int, Problem]
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
        return frame_in_name(images[index].filename, rule.regexp)

    given = [to_integer(value_of(index)) for index in range(len(images))]
    known = [frame for frame in given if frame is not None]
    extremes = (min(known), max(known)) if known else ()
    if len(known) < len(given) or not all(map(rule.has, extremes)):
        column = "file_attributes" if by_attribute else "filename"
        outside = Outside.of(known, rule, column)
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
) -> tuple[list[object], dict[int, Problem]]:
    """Return ``file_attributes.frame`` of each image, None where there is none."""
    known: dict[str, object] = {}
    frames: list[object] = []
    bad: dict[int, Problem] = {}
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
            bad[index] = Problem(
                kind="file-attributes",
                what="The file attributes are not a JSON object.",
                column="file_attributes",
                found=text or "an empty cell",
                expected='a JSON object, such as {"clip":123}',
                remedy="Export the tracks again.",
            )
    return frames, bad


def frame_in_name(filename: str, regexp: str | None) -> str | None:
    """Return the digits of the frame in an image's file name; None where there are none."""
    if regexp is not None:
        match = re.search(regexp, filename)
        return match[1] if match else None
    name = filename.replace("\\", "/").rpartition("/")[2]
    base = name.rpartition(".")[0] or name
    match = _LAST_DIGITS.match(base)
    return match[1] if match else None


def _no_frame(image: Image, value: object, rule: FrameRule, *, by_attribute: bool) -> Problem:
    if by_attribute:
        return Problem(
            kind="frame-not-integer",
            what="The frame is not an integer.",
            column="file_attributes",
            found=str(value),
            expected="an integer 'frame'",
            remedy="Correct the file, or pass --frame-regexp to take the frame from the file name.",
        )
    return Problem(
        kind="no-frame",
        what="The image's name contains no frame number.",
        column="filename",
        found=image.filename,
        expected="digits before the extension, such as frame_00000012.png"
        if rule.regexp is None
        else f"an integer where group 1 of {rule.regexp!r} matches",
        remedy="Pass --frame-regexp with a group that matches the frame's digits.",
    )


@dataclass(frozen=True, slots=True)
class Outside:
    """What to say of frames that a clip does not have: the metadata that would fit the file."""

    column: str
    expected: str
    too_high: str
    too_low: str
    last: int

    @classmethod
    def of(cls, frames: Sequence[int], rule: FrameRule, column: str) -> Outside:
        """Look at all frames of a file, as they are counted in it."""
        first, last_name, metadata_from = rule.extent or PLAIN_EXTENT
        to_metadata = metadata_from - rule.first_number
        if rule.counts_from == "clip":
            to_metadata += rule.first_frame
        highest, lowest = max(frames, default=0), min(frames, default=0)
        last = rule.offset + rule.n_frames - 1
        too_high = (
            f"Correct the row; or, if the metadata are wrong, {last_name} would have to be"
            f" {highest + to_metadata} or more"
        )
        if rule.counts_from == "clip" and 0 < rule.first_frame <= lowest - rule.first_number:
            too_high += (
                "; or the file counts from the video's first frame: then pass --frames video"
            )
        too_low = "Correct the frame"
        if 0 <= lowest < rule.first_number:
            too_low = (
                f"Frames of this format count from {rule.first_number}: if the file counts from"
                f" {lowest}, add {rule.first_number - lowest} to each"
            )
        if rule.counts_from == "video" and lowest >= rule.first_number:
            too_low = (
                f"Correct the row; or, if the metadata are wrong, {first} would have"
                f" to be {lowest + to_metadata} or less"
            )
            if highest - rule.first_number < rule.n_frames:
                too_low += "; or leave --frames video out, if the file counts from the clip's start"
        expected = f"{rule.offset} to {last}, the frames that the metadata give the clip"
        if rule.extent is None:
            expected = f"{rule.offset} to {last}: no clip has more than {rule.n_frames:,} frames"
            too_high = "Correct the frame; there may be an extra digit"
        return cls(column, expected, f"{too_high}.", f"{too_low}.", last)

    def problem(self, frame: int) -> Problem:
        """Return the problem of one frame."""
        return Problem(
            kind="frame-outside-clip",
            what="A frame is outside its clip.",
            column=self.column,
            found=f"frame {frame}",
            expected=self.expected,
            remedy=self.too_high if frame > self.last else self.too_low,
        )


def _check_one_to_one(
    images: Sequence[Image], frames: Sequence[int], bad: dict[int, Problem]
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
        bad[index] = Problem(
            kind="image-frame",
            what="Image names and frames do not match one to one.",
            column="filename",
            found=found,
            expected="one image file name for one frame",
            remedy="Correct the file, or pass --frame-regexp with a group that matches the frame.",
        )
