"""Numbers the images of a tracks file that is read in batches, and counts its blank rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tracks2zarr.common.problems import Problem
from tracks2zarr.dataset.batches import Batch, ImageBatch, Int32s
from tracks2zarr.tracks.formats import UnrecognisedError
from tracks2zarr.tracks.frames import FrameRule, Image, frames_of
from tracks2zarr.tracks.row_problems import file_warnings


@dataclass(slots=True)
class Images:
    """The images that were met so far, each with its number."""

    _number_of: dict[tuple[str, str], int] = field(default_factory=dict)
    #: Attributes that images have in common are kept once.
    _same: dict[str, str] = field(default_factory=dict)
    #: Rows without an image, without anything.
    n_blank_rows: int = 0

    def renumbered(self, batch: ImageBatch) -> Batch:
        """Return boxes whose `image` counts in the images of the whole file."""
        numbers = [self._number((name, attributes)) for name, attributes in batch.images]
        if not len(batch.boxes.image):
            return batch.boxes
        return replace(batch.boxes, image=np.array(numbers, np.int32)[batch.boxes.image])

    def _number(self, image: tuple[str, str]) -> int:
        number = self._number_of.get(image)
        if number is None:
            name, attributes = image
            if name.startswith("\ufeff"):
                raise UnrecognisedError  # another file may have been joined to this one
            number = len(self._number_of)
            self._number_of[name, self._same.setdefault(attributes, attributes)] = number
        return number

    def frames(self, path: Path, rule: FrameRule) -> tuple[Int32s, tuple[Problem, ...]]:
        """Return (n_images,) int32, the frame within the clip of each image, and warnings.

        Raises
        ------
        UnrecognisedError
            If the frame of an image cannot be told, or is not one of the clip's.
        """
        frames = frames_of([Image(*pair) for pair in self._number_of], rule)
        if frames.bad:
            raise UnrecognisedError
        warnings = file_warnings(path, is_mixed=frames.mixed, n_blank_rows=self.n_blank_rows)
        return np.array(frames.of_image, np.int32), warnings
