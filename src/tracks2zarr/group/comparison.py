"""Holding a group against what it must be: every box, every NaN, coordinate and attribute."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

from tracks2zarr.common.files import read_json
from tracks2zarr.common.problems import ROWS_NAMED, Problem, one_line
from tracks2zarr.dataset import schema
from tracks2zarr.dataset.batches import Float32s, Int64s
from tracks2zarr.dataset.clip_boxes import ClipBoxes
from tracks2zarr.group.shard import ShardReader
from tracks2zarr.group.video_arrays import VideoArrays, escape_state
from tracks2zarr.group.writer import box_shards, chunk_shapes
from tracks2zarr.native.chunks import Block, differs
from tracks2zarr.parallel.threads import map_in_threads

#: Array, frame and individual, value, expected value.
type Difference = tuple[str, tuple[int, int], str, str]

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
        self._group = zarr.open_group(LocalStore(path, read_only=True), mode="r", zarr_format=3)
        self._nodes = dict(self._group.members())

    def differences(self) -> Iterator[Problem]:
        """Yield what differs in names, attributes, shapes, dtypes and coordinates."""
        yield from self._of_attributes()
        expected = {schema.renamed(variable.name, self._dim) for variable in schema.VARIABLES}
        for name in sorted(expected ^ self._nodes.keys()):
            found, wanted = (
                ("there", "not there") if name in self._nodes else ("not there", "there")
            )
            yield self._problem(f"The array '{one_line(name)}'.", found, wanted)
        yield from self._of_listing()
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
            found=one_line(found),
            expected=one_line(expected),
            remedy=_REMEDY,
            video=self._arrays.plan.video,
            clip=clip,
        )

    def _of_attributes(self) -> Iterator[Problem]:
        found, expected = dict(self._group.attrs), self._arrays.attributes()
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name) != expected.get(name):
                what = f"The attribute '{one_line(name)}' of the group."
                yield self._problem(what, found.get(name), expected.get(name))

    def _of_listing(self) -> Iterator[Problem]:
        """Yield where the metadata in the group, from which arrays are opened, are not theirs."""
        document = read_json((self._path / "zarr.json").read_bytes())
        listed_ = (document.get("consolidated_metadata") or {}).get("metadata")
        if listed_ is None:
            return  # zarr has read those of the arrays
        own = {
            file.parent.name: read_json(file.read_bytes())
            for file in self._path.glob("*/zarr.json")
        }
        for name in sorted(own.keys() | listed_.keys()):
            if own.get(name) != listed_.get(name):
                what = f"The metadata of the array '{one_line(name)}' in the group."
                yield self._problem(what, "other metadata", "those of the array")

    def _of_array(self, variable: schema.Variable, array: zarr.Array[Any]) -> Iterator[Problem]:
        dtype = "string" if variable.dtype == "string" else np.dtype(variable.dtype)
        found_dtype = "string" if array.dtype.kind == "T" else array.dtype
        checks = (
            ("shape", array.shape, self._arrays.shape(variable)),
            ("chunks", (array.chunks, array.shards), chunk_shapes(variable, self._arrays)),
            ("dtype", found_dtype, dtype),
            ("dims", list(array.metadata.dimension_names or ()), self._arrays.dims(variable)),  # type: ignore[union-attr]
            ("attributes", dict(array.attrs), self._arrays.variable_attributes(variable)),
        )
        for aspect, found, expected in checks:
            if found != expected:
                what = f"The {aspect} of the array '{one_line(array.basename)}'."
                yield self._problem(what, found, expected)

    def _of_values(
        self, name: str, array: zarr.Array[Any], expected: NDArray[Any]
    ) -> Iterator[Problem]:
        found = np.asarray(array[...])
        if expected.dtype == np.object_:
            found = found.astype(object)
        differs = np.argwhere(found != expected)
        for place in differs[:ROWS_NAMED]:
            where = tuple(int(index) for index in place)
            what = f"The coordinate '{one_line(name)}' at {list(where)}."
            yield self._problem(what, found[where], expected[where], self._clip_at(array, where))
        if len(differs) > ROWS_NAMED:
            what = f"The coordinate '{one_line(name)}', in all."
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
        frames = np.flatnonzero(differs(found, expected))
        if len(frames):
            frame = int(frames[0])
            what = f"The escape state from frame {frame} on."
            yield self._problem(what, found[frame], expected[frame], clip.clip)

    def _of_boxes(self, number: int, boxes: ClipBoxes, arrays: list[Any]) -> Iterator[Problem]:
        """Yield differing boxes, the first ones in full, then how many there are."""
        clip = self._arrays.plan.clips[number].clip
        plan = self._arrays.plan
        extent = plan.n_frames, self._arrays.n_individuals
        shards = box_shards(self._path, number, plan.layout, *extent)
        yield from self._of_samples(number, shards, arrays)
        count = 0
        differences = partial(_block_differences, boxes, self._chunk_shape, shards)
        for found in map_in_threads(differences, range(self._grid[0])):
            boxes.release()
            for name, (frame, individual), is_, should in found:
                count += 1
                if count <= ROWS_NAMED:
                    what = f"The {name} of {self._track(boxes, individual)} in frame {frame}."
                    yield self._problem(what, is_, should, clip)
        if count > ROWS_NAMED:
            yield self._problem("Boxes, in all.", f"{count} values differ", "none", clip)

    @property
    def _chunk_shape(self) -> tuple[int, int]:
        plan = self._arrays.plan
        return plan.layout.chunks(plan.n_frames, self._arrays.n_individuals)

    @property
    def _grid(self) -> tuple[int, int]:
        plan = self._arrays.plan
        return plan.layout.grid(plan.n_frames, self._arrays.n_individuals)

    def _of_samples(
        self, number: int, shards: dict[str, ShardReader], arrays: list[Any]
    ) -> Iterator[Problem]:
        """Yield where zarr reads another first chunk of an array than is compared here."""
        frames, individuals = self._chunk_shape
        for array, (name, shard) in zip(arrays, shards.items(), strict=True):
            for place in sorted(shard.stored())[:1]:
                start, left = place[0] * frames, place[-1] * individuals
                one_chunk = slice(start, start + frames), ..., slice(left, left + individuals)
                found = np.asarray(array[(number, *one_chunk)])
                own = shard.read(place)[: found.shape[0], ..., : found.shape[-1]]
                if differs(found, own).any():
                    clip = self._arrays.plan.clips[number].clip
                    what = f"The {name} from frame {start} on, as zarr reads it."
                    yield self._problem(what, "other values", "what is stored", clip)

    @staticmethod
    def _track(boxes: ClipBoxes, individual: int) -> str:
        if individual < boxes.n_individuals:
            return f"track {boxes.track_ids[individual]}"
        return f"individual {individual}, which the clip does not have,"


def _block_differences(
    boxes: ClipBoxes, shape: tuple[int, int], shards: dict[str, ShardReader], number: int
) -> list[Difference]:
    """Return what differs in the inner chunks of some frames, those that should not be, too."""
    frames, individuals = shape
    block = Block.of(boxes, shape, number)
    no_rows = np.empty(0, np.int64)
    differences: list[Difference] = []
    memory = np.empty(frames * 2 * individuals, np.float32)
    for name, shard in shards.items():
        n_sides = block.values[name].shape[1]
        chunk = memory[: frames * n_sides * individuals]
        stored = {place[-1]: place for place in shard.stored_along(number)}
        for column in sorted(block.rows.keys() | stored.keys()):
            place = stored.get(column)
            if place is None:
                chunk[:] = np.nan
            else:
                shard.read(place, chunk)
            found = chunk.reshape(frames, n_sides, individuals)
            rows = block.rows.get(column, no_rows)
            if block.is_in(name, rows, found):
                continue
            differences += (
                (name, (number * frames + at[0], column * individuals + at[1]), is_, should)
                for at, is_, should in _box_differences(block, name, rows, found)
            )
    return differences


def _box_differences(
    block: Block, name: str, rows: Int64s, found: Float32s
) -> Iterator[tuple[tuple[int, int], str, str]]:
    """Yield (frame, individual), value and expected value, where a chunk differs.

    Parameters
    ----------
    block, name, rows
        The boxes that the chunk of an array must hold.
    found
        (n_frames, n_values, n_individuals) float32, a chunk of the store.
    """
    frame, individual = block.frame[rows], block.individual[rows]
    there, expected = block.taken(rows, found), block.values[name][rows]
    for row in np.flatnonzero(differs(there, expected).any(axis=1)):
        place = int(frame[row]), int(individual[row])
        yield place, _text(there[row]), _text(expected[row])
    present = ~np.isnan(found).all(axis=1)
    present[frame, individual] = False
    for at_frame, at_individual in np.argwhere(present).tolist():
        value = found[at_frame, :, at_individual]
        yield (at_frame, at_individual), _text(value), "NaN, as there is no such box"


def _text(value: Any) -> str:
    return ", ".join(repr(float(number)) for number in np.atleast_1d(value))
