"""Checks that a format of tracks files keeps what every format promises.

They are for the tests of whoever adds a format: write a function that writes boxes in the format,
and call `check_format`. The formats of this package pass the same checks.
"""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.dataset.clip_boxes import ClipBoxes, Spill
from tracks2zarr.tracks.files import is_recognised
from tracks2zarr.tracks.formats import (
    ReaderName,
    ReadFile,
    TracksFormat,
    UnrecognisedError,
    reader_named,
)
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.source_folder import digest_of, files_of, stamp_of

_STEM = "04.09.2023-01-Right-Loop05"
_N_FRAMES = 20
_VIDEO_FRAME = 1239
#: Edges are multiples of a pixel's parts such that float32 holds each sum and half of them.
_PARTS = 1024
#: What is put into damaged files.
_INSERTED = (b",", b"\n", b"\r", b"0", b"NaN", b'"', b"-", b".5", b"e-400", b"\xef\xbb\xbf", b" ")
#: So many boxes have a confidence.
_SURE = 0.9


@dataclass(frozen=True, slots=True)
class TrackBox:
    """A box, as it is given to a function that writes it in a format.

    Parameters
    ----------
    frame
        The frame, from 0.
    track
        The track number.
    x, y, width, height
        The top-left corner and the size, pixels; each a number of float32.
    confidence
        None where there is none.
    """

    frame: int
    track: int
    x: float
    y: float
    width: float
    height: float
    confidence: float | None = None


#: Writes the boxes of a clip into a folder, in a file (or folder) with a stem, and returns its
#: path. Boxes that the format cannot hold raise ValueError.
type WriteBoxes = Callable[[Path, str, Sequence[TrackBox]], Path]


def check_format(
    tracks_format: TracksFormat,
    write: WriteBoxes,
    *,
    has_confidence: bool = True,
    seed: int = 0,
    n_mutations: int = 200,
) -> None:
    """Check a format.

    Parameters
    ----------
    tracks_format
        The format.
    write
        Writes boxes in the format.
    has_confidence
        Whether boxes of the format have a confidence.
    seed
        Of the random boxes and mutations.
    n_mutations
        How many damaged copies of a file are read.

    Raises
    ------
    AssertionError
        If the format does not keep a promise; it says which.
    """
    with tempfile.TemporaryDirectory() as folder:
        draw = random.Random(seed)
        checks = _Checks(tracks_format, write, Path(folder), draw, has_confidence)
        checks.names()
        checks.numbers()
        checks.digests()
        checks.frames_of_the_video()
        checks.frames_outside()
        checks.duplicates()
        checks.mutations(n_mutations)


@dataclass
class _Checks:
    """The checks of one format."""

    format: TracksFormat
    write: WriteBoxes
    folder: Path
    random: random.Random
    has_confidence: bool
    n_written: int = 0

    def _written(self, boxes: Sequence[TrackBox]) -> Path:
        """Write boxes into a folder of their own."""
        self.n_written += 1
        folder = self.folder / str(self.n_written)
        folder.mkdir()
        return self.write(folder, _STEM, boxes)

    def _boxes(self, count: int) -> list[TrackBox]:
        """Return random boxes, in the order of frames."""
        places = self.random.sample(range(_N_FRAMES * 12), count)
        return [self._box(*divmod(place, 12)) for place in sorted(places)]

    def _box(self, frame: int, track: int) -> TrackBox:
        x, y = (self.random.randrange(4000 * _PARTS) / _PARTS for _ in "xy")
        width, height = (self.random.randrange(90 * _PARTS) / _PARTS for _ in "wh")
        is_sure = self.has_confidence and self.random.random() < _SURE
        sure = _float32(self.random.random()) if is_sure else None
        return TrackBox(frame, track + 1, x, y, width, height, sure)

    def names(self) -> None:
        """Check that a file is recognised, and the stem of its clip found."""
        path = self._written(self._boxes(30))
        assert is_recognised(path, self.format), f"{path.name} is not recognised"
        stem = self.format.clip_stem_of(path)
        assert stem == _STEM, f"the stem of the clip is {stem!r}, not {_STEM!r}"

    def numbers(self) -> None:
        """Check that each reader hands on the very numbers that were written."""
        for boxes in (self._boxes(100), self._boxes(1), []):
            try:
                path = self._written(boxes)
            except ValueError:
                continue
            for name in self.format.READERS:
                try:
                    found = self._read(name, path).boxes
                except UnrecognisedError:
                    assert name == "compiled", f"reader '{name}' does not know its own format"
                    continue
                _assert_same(found, boxes, name)

    def digests(self) -> None:
        """Check that readers read all bytes, and say of which file."""
        path = self._written(self._boxes(50))
        for name in ("columns", "rows"):
            file = self._read(name, path).file
            assert file.digest == digest_of(path), f"reader '{name}' has another digest"
            assert file.stamp == stamp_of(path), f"reader '{name}' has another stamp"

    def frames_of_the_video(self) -> None:
        """Check that frames can count from the start of the video."""
        boxes = self._boxes(20)
        moved = [_at_frame(box, box.frame + _VIDEO_FRAME) for box in boxes]
        path = self._written(moved)
        rule = FrameRule(_N_FRAMES, _VIDEO_FRAME, "video", None)
        for name in ("columns", "rows"):
            _assert_same(self._read(name, path, rule).boxes, boxes, name)

    def frames_outside(self) -> None:
        """Check that a frame after the clip's last is named, and no reader takes it."""
        path = self._written([*self._boxes(10), self._box(_N_FRAMES, 0)])
        self._assert_named(path, "frame-outside-clip")

    def duplicates(self) -> None:
        """Check that a track with two boxes in one frame is named."""
        boxes = self._boxes(10)
        try:
            path = self._written([*boxes, boxes[0]])
        except ValueError:
            return  # the format cannot say such a thing
        self._assert_named(path, "duplicate-box")

    def _assert_named(self, path: Path, kind: str) -> None:
        problems = self._problems(path)
        assert {one.kind for one in problems} == {kind}, f"{kind} is not named: {problems}"
        assert all(one.file and one.found and one.remedy for one in problems), problems
        try:
            boxes = self._read("columns", path).boxes
        except UnrecognisedError:
            return
        assert boxes.first_duplicate() is not None, f"reader 'columns' takes what is {kind}"

    def mutations(self, count: int) -> None:
        """Check that readers agree on damaged files, and name what is wrong without a crash."""
        path = self._written(self._boxes(40))
        files = [file for file in files_of(path) if file.stat().st_size]
        whole = {file: file.read_bytes() for file in files}
        for _ in range(count):
            file = self.random.choice(files)
            file.write_bytes(self._mutated(whole[file]))
            self._assert_agree(path)
            file.write_bytes(whole[file])

    def _mutated(self, content: bytes) -> bytes:
        place, made = self.random.randrange(len(content)), bytearray(content)
        match self.random.randrange(4):
            case 0:
                made[place] = self.random.choice(b'0123456789.,-+e"{}[]: \n\0\xff')
            case 1:
                del made[place : place + self.random.randrange(1, 9)]
            case 2:
                made[place:place] = self.random.choice(
                    [b",", b"\n", b"0", b"NaN", b'"', b"-", b"."]
                )
            case _:
                del made[place:]
        return bytes(made)

    def _assert_agree(self, path: Path) -> None:
        try:
            fast = self._read("columns", path).boxes
        except (UnrecognisedError, Tracks2ZarrError):
            return
        if fast.first_duplicate() is not None:
            return  # the row reader decides then
        slow = self._read("rows", path).boxes
        for name in ("frame", "track", "box", "confidence"):
            same = np.array_equal(_column(fast, name), _column(slow, name), equal_nan=True)
            assert same, f"readers differ in {name}"

    def _problems(self, path: Path) -> tuple[Problem, ...]:
        try:
            self._read("rows", path)
        except Tracks2ZarrError as error:
            return error.problems
        return ()

    def _read(self, name: ReaderName, path: Path, rule: FrameRule | None = None) -> _Read:
        rule = rule or FrameRule(_N_FRAMES, 0, "clip", None)
        read = reader_named(self.format, name)
        with tempfile.TemporaryDirectory() as folder:
            with Spill(Path(folder)) as spill:
                file = read(path, rule, spill.append, lambda _: None)
            boxes = spill.boxes(file.frame_of_image)
            columns = ("frame", "track", "box", "confidence", "track_ids")
            return _Read(ClipBoxes(*(getattr(boxes, one).copy() for one in columns)), file)


@dataclass(frozen=True)
class _Read:
    boxes: ClipBoxes
    file: ReadFile


def _float32(number: float) -> float:
    return float(np.float32(number))


def _at_frame(box: TrackBox, frame: int) -> TrackBox:
    return TrackBox(frame, box.track, box.x, box.y, box.width, box.height, box.confidence)


def _column(boxes: ClipBoxes, name: str) -> NDArray[Any]:
    """Return a column in the order of frames, then of tracks."""
    column: NDArray[Any] = getattr(boxes, name)[np.lexsort((boxes.track, boxes.frame))]
    return column


def _assert_same(found: ClipBoxes, boxes: Sequence[TrackBox], reader: str) -> None:
    ordered = sorted(boxes, key=lambda box: (box.frame, box.track))
    size = np.array([(box.width, box.height) for box in ordered], np.float32).reshape(-1, 2)
    corner = np.array([(box.x, box.y) for box in ordered], np.float32).reshape(-1, 2)
    sure = [math.nan if box.confidence is None else box.confidence for box in ordered]
    expected: dict[str, NDArray[Any]] = {
        "frame": np.array([box.frame for box in ordered], np.int32),
        "track": np.array([box.track for box in ordered], np.int64),
        "box": np.concatenate([corner + size / np.float32(2), size], axis=1),
        "confidence": np.array(sure, np.float32),
    }
    for name, column in expected.items():
        same = np.array_equal(_column(found, name), column, equal_nan=True)
        assert same, f"reader '{reader}' reads another {name} than was written"
