"""What a reader has read row by row, and which of the rows are wrong together."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tracks2zarr.common.problems import Problem
from tracks2zarr.dataset.batches import Batch, Int32s, is_in_order
from tracks2zarr.tracks.formats import TakeBoxes
from tracks2zarr.tracks.row_problems import RowProblems

# the module's own limit, 128 KiB, is less than other readers take: up to four of their batches
MOST_LETTERS = 64 * 2**20
csv.field_size_limit(MOST_LETTERS)
#: Boxes that are handed on at once.
_BATCH_BOXES = 1 << 18


@dataclass(slots=True)
class RowsRead[Image: Hashable]:
    """The rows of a clip's files: where each row and each box stands, and boxes not yet handed on.

    Parameters
    ----------
    take
        Called with each batch of boxes.
    files
        The files, in the order in which they are read.
    """

    take: TakeBoxes
    files: Sequence[Path]
    #: The number of each image that was met; of a format without images, of each frame.
    number_of: dict[Image, int] = field(default_factory=dict)
    problems: list[RowProblems] = field(init=False)
    row_line: array[int] = field(default_factory=lambda: array("q"))
    row_image: array[int] = field(default_factory=lambda: array("i"))
    row_file: array[int] = field(default_factory=lambda: array("i"))
    #: The row of each box, counted over all files.
    row: array[int] = field(default_factory=lambda: array("q"))
    track: array[int] = field(default_factory=lambda: array("q"))
    # to each of them Python gives the nearest float32
    box: array[float] = field(default_factory=lambda: array("f"))
    confidence: array[float] = field(default_factory=lambda: array("f"))
    n_blank: int = 0

    def __post_init__(self) -> None:
        self.problems = [RowProblems(file) for file in self.files]

    def add_row(self, line: int, image: Image, file: int = 0) -> None:
        """Add a row of an image, on a line of a file."""
        self.row_line.append(line)
        self.row_image.append(self.number_of.setdefault(image, len(self.number_of)))
        self.row_file.append(file)

    def add_box(self, track: int, box: Sequence[float], confidence: float) -> None:
        """Add the box of the last row: x, y, width and height in pixels."""
        self.row.append(len(self.row_line) - 1)
        self.track.append(track)
        self.box.extend(box)
        self.confidence.append(confidence)
        if len(self.confidence) == _BATCH_BOXES:
            self.hand_on()

    def hand_on(self) -> None:
        """Hand on the boxes that were not yet."""
        count = len(self.confidence)
        if not count:
            return
        box = np.array(self.box, np.float32).reshape(-1, 4)
        rows = np.array(self.row[-count:], np.int64)
        self.take(
            Batch(
                image=np.frombuffer(self.row_image, np.int32)[rows],
                track=np.array(self.track[-count:], np.int64),
                corner=box[:, :2],
                size=box[:, 2:],
                confidence=np.array(self.confidence, np.float32),
            )
        )
        self.box, self.confidence = array("f"), array("f")

    def add_problem(self, row: int, problem: Problem) -> None:
        """Add what is wrong with a row, counted over all files."""
        self.problems[self.row_file[row]].add(self.row_line[row], problem)

    def name_bad_images(self, bad: Mapping[int, Problem]) -> None:
        """Add the problem of each row whose image has one."""
        for row, image in enumerate(self.row_image) if bad else ():
            if image in bad:
                self.add_problem(row, bad[image])

    def name_duplicates(self, frame_of_image: Int32s, column: str) -> None:
        """Add the problem of each row whose frame and track another row before it has."""
        if not self.row:
            return
        image = np.array(self.row_image, np.int32)[np.asarray(self.row, np.int64)]
        frame, track = frame_of_image[image], np.asarray(self.track, np.int64)
        if is_in_order(frame, track):
            return
        order = np.lexsort((track, frame))
        same = (frame[order][1:] == frame[order][:-1]) & (track[order][1:] == track[order][:-1])
        for position in np.flatnonzero(same):
            before, after = int(order[position]), int(order[position + 1])
            self.add_problem(
                self.row[after],
                Problem(
                    kind="duplicate-box",
                    what="A track has two boxes in one frame.",
                    column=column,
                    found=f"track {track[after]} in frame {frame[after]},"
                    f" as in {self._place(self.row[before], self.row[after])}",
                    expected="one box per track and frame",
                ),
            )

    def _place(self, row: int, other: int) -> str:
        """Return where a row is, as seen from another one."""
        place = f"row {self.row_line[row]}"
        file = self.row_file[row]
        return place if file == self.row_file[other] else f"{place} of {self.files[file].name}"

    def all_problems(self) -> list[Problem]:
        """Return the problems of all files."""
        return [problem for of_file in self.problems for problem in of_file.all()]
