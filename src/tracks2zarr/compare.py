"""Holding a group against what it must be: every box, every NaN, coordinate and attribute."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

from tracks2zarr import schema
from tracks2zarr.assemble import VideoArrays, escape_state
from tracks2zarr.boxes import ClipBoxes, Float32s, Int64s
from tracks2zarr.problems import ROWS_NAMED, Problem, shown

_REMEDY = "Convert the video again: 'tracks2zarr create ... --store-mode a --group-mode w'."


class Comparison:
    """A group beside what it must hold.

    Parameters
    ----------
    path
        The folder of the group.
    arrays
        What the group must hold, boxes apart.
    """

    def __init__(self, path: Path, arrays: VideoArrays) -> None:
        self._path = path
        self._arrays = arrays
        self._dim = arrays.plan.settings.individual_dim
        self._group = zarr.open_group(
            LocalStore(path, read_only=True), mode="r", zarr_format=3, use_consolidated=False
        )
        self._nodes = dict(self._group.members())

    def differences(self) -> Iterator[Problem]:
        """Yield what differs in names, attributes, shapes, dtypes and coordinates."""
        yield from self._of_attributes()
        expected = {schema.renamed(variable.name, self._dim) for variable in schema.VARIABLES}
        for name in sorted(expected ^ self._nodes.keys()):
            found, wanted = (
                ("there", "not there") if name in self._nodes else ("not there", "there")
            )
            yield self._problem(f"The array '{shown(name)}'.", found, wanted)
        coordinates = self._arrays.coordinates()
        for variable in schema.VARIABLES:
            name = schema.renamed(variable.name, self._dim)
            array = self._nodes.get(name)
            if isinstance(array, zarr.Array):
                yield from self._of_array(variable, array)
                if variable.is_coordinate and array.shape == self._arrays.shape(variable):
                    yield from self._of_values(name, array, coordinates[variable.name])

    def clip_differences(self, number: int, boxes: ClipBoxes) -> Iterator[Problem]:
        """Yield what differs in the boxes and the escape of one clip.

        Parameters
        ----------
        number
            The clip's place in the video.
        boxes
            Its boxes, from its source.
        """
        arrays = [self._nodes.get(name) for name in (*schema.BOX_VARIABLES, schema.ESCAPE_STATE)]
        variables = [v for v in schema.VARIABLES if not v.is_coordinate]
        for variable, array in zip(variables, arrays, strict=True):
            if not isinstance(array, zarr.Array) or array.shape != self._arrays.shape(variable):
                return  # `differences` has said so
        yield from self._of_escape(number, arrays[-1])
        yield from self._of_boxes(number, boxes, arrays[:-1])

    def _problem(
        self, what: str, found: object, expected: object, clip: str | None = None
    ) -> Problem:
        return Problem(
            kind="store-differs",
            what=f"The store differs from its source. {what}",
            file=str(self._path),
            found=shown(found),
            expected=shown(expected),
            remedy=_REMEDY,
            video=self._arrays.plan.video,
            clip=clip,
        )

    def _of_attributes(self) -> Iterator[Problem]:
        found, expected = dict(self._group.attrs), self._arrays.attributes()
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name) != expected.get(name):
                what = f"The attribute '{shown(name)}' of the group."
                yield self._problem(what, found.get(name), expected.get(name))

    def _of_array(self, variable: schema.Variable, array: zarr.Array[Any]) -> Iterator[Problem]:
        dtype = "string" if variable.dtype == "string" else np.dtype(variable.dtype)
        found_dtype = "string" if array.dtype.kind == "T" else array.dtype
        checks = (
            ("shape", array.shape, self._arrays.shape(variable)),
            ("dtype", found_dtype, dtype),
            ("dims", list(array.metadata.dimension_names or ()), self._arrays.dims(variable)),  # type: ignore[union-attr]
            ("attributes", dict(array.attrs), self._arrays.variable_attributes(variable)),
        )
        for aspect, found, expected in checks:
            if found != expected:
                what = f"The {aspect} of the array '{shown(array.basename)}'."
                yield self._problem(what, found, expected)

    def _of_values(
        self, name: str, array: zarr.Array[Any], expected: NDArray[Any]
    ) -> Iterator[Problem]:
        found = np.asarray(array[...])
        differs = np.argwhere(found.astype(object) != expected.astype(object))
        for place in differs[:ROWS_NAMED]:
            where = tuple(int(index) for index in place)
            what = f"The coordinate '{shown(name)}' at {list(where)}."
            yield self._problem(what, found[where], expected[where], self._clip_at(array, where))
        if len(differs) > ROWS_NAMED:
            what = f"The coordinate '{shown(name)}', in all."
            yield self._problem(what, f"{len(differs)} values differ", "none")

    def _clip_at(self, array: zarr.Array[Any], where: tuple[int, ...]) -> str | None:
        names = array.metadata.dimension_names or ()  # type: ignore[union-attr]
        if where and names and names[0] == schema.CLIP_ID:
            return self._arrays.plan.clips[where[0]].clip
        return None

    def _of_escape(self, number: int, array: Any) -> Iterator[Problem]:
        clip = self._arrays.plan.clips[number]
        expected = escape_state(clip, self._arrays.plan.n_frames)
        found = np.asarray(array[number])
        differs = np.flatnonzero(_differs(found, expected))
        if len(differs):
            frame = int(differs[0])
            what = f"The escape state from frame {frame} on."
            yield self._problem(what, found[frame], expected[frame], clip.clip)

    def _of_boxes(self, number: int, boxes: ClipBoxes, arrays: list[Any]) -> Iterator[Problem]:
        """Yield differing boxes, the first ones in full, then how many there are."""
        clip = self._arrays.plan.clips[number].clip
        step = self._arrays.plan.layout.chunk_frames
        count = 0
        for start in range(0, self._arrays.plan.n_frames, step):
            rows = boxes.rows(start, start + step)
            frame = boxes.frame[rows].astype(np.int64) - start
            individual = boxes.individual(rows)
            columns = {
                schema.POSITION: boxes.box[rows, :2],
                schema.SHAPE: boxes.box[rows, 2:],
                schema.CONFIDENCE: boxes.confidence[rows],
            }
            for array, (name, expected) in zip(arrays, columns.items(), strict=True):
                found = np.asarray(array[number, start : start + step])
                for place, is_, should in _box_differences(found, frame, individual, expected):
                    count += 1
                    if count <= ROWS_NAMED:
                        track = self._track(boxes, place[1])
                        what = f"The {name} of {track} in frame {start + place[0]}."
                        yield self._problem(what, is_, should, clip)
        if count > ROWS_NAMED:
            yield self._problem("Boxes, in all.", f"{count} values differ", "none", clip)

    @staticmethod
    def _track(boxes: ClipBoxes, individual: int) -> str:
        if individual < boxes.n_individuals:
            return f"track {boxes.track_ids[individual]}"
        return f"individual {individual}, which the clip does not have,"


def _differs(found: NDArray[Any], expected: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell where float32 values differ; NaN equals NaN, and -0.0 is not 0.0."""
    same = (found == expected) & (np.signbit(found) == np.signbit(expected))
    same |= np.isnan(found) & np.isnan(expected)
    return ~np.asarray(same)


def _box_differences(
    found: Float32s, frame: Int64s, individual: Int64s, expected: Float32s
) -> Iterator[tuple[tuple[int, int], str, str]]:
    """Yield (frame, individual), value and expected value, where a block differs.

    Parameters
    ----------
    found
        (n_frames, [2,] n_individuals) float32, a block of the store.
    frame, individual
        (n,) int64, the places of the boxes in the block.
    expected
        (n, [2]) float32, the values of the boxes.
    """
    by_individual = np.moveaxis(found, -1, 1)  # (n_frames, n_individuals[, 2])
    there = by_individual[frame, individual]
    differs = _differs(there, expected)
    if differs.ndim == 2:
        differs = differs.any(axis=1)
    for row in np.flatnonzero(differs):
        place = int(frame[row]), int(individual[row])
        yield place, _text(there[row]), _text(expected[row])
    present = ~np.isnan(by_individual)
    if present.ndim == 3:
        present = present.any(axis=2)
    if np.count_nonzero(present) > np.count_nonzero(present[frame, individual]):
        present[frame, individual] = False
        for at_frame, at_individual in np.argwhere(present).tolist():
            where = at_frame, at_individual
            yield where, _text(by_individual[where]), "NaN, as there is no such box"


def _text(value: Any) -> str:
    return ", ".join(repr(float(number)) for number in np.atleast_1d(value))
