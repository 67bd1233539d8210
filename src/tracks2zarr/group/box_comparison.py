"""Compares the boxes in a new group with those that it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import zarr

from tracks2zarr.common.problems import ROWS_NAMED, Problem
from tracks2zarr.dataset import schema
from tracks2zarr.dataset.batches import Float32s, Int64s
from tracks2zarr.dataset.clip_boxes import ClipBoxes
from tracks2zarr.group.comparison import WrittenGroup
from tracks2zarr.group.geometry import box_chunks, shard_path
from tracks2zarr.group.shard import ShardReader
from tracks2zarr.group.video_arrays import escape_state
from tracks2zarr.native.chunks import ChunkRow, differs
from tracks2zarr.parallel.threads import map_in_threads

#: Array, frame and individual, value, expected value.
type Difference = tuple[str, tuple[int, int], str, str]


def clip_differences(written: WrittenGroup, number: int, boxes: ClipBoxes) -> Iterator[Problem]:
    """Yield what differs in the boxes and the escape of one clip.

    Parameters
    ----------
    written
        The group.
    number
        The clip's place in the video.
    boxes
        Its boxes, from its source.
    """
    variables = [one for one in written.arrays.plan.variables if not one.is_coordinate]
    arrays = {variable.name: written.nodes.get(variable.name) for variable in variables}
    for variable in variables:
        array = arrays[variable.name]
        if not isinstance(array, zarr.Array) or array.shape != written.arrays.shape(variable):
            return  # `metadata_differences` says so
    if written.arrays.plan.has_escapes:
        yield from _escape_differences(written, number, arrays[schema.ESCAPE_STATE])
    shards = {
        name: ShardReader(shard_path(written.path, name, number), *cut)
        for name, cut in box_chunks(written.arrays).items()
    }
    for name, shard in shards.items():
        yield from _zarr_differences(written, number, name, shard, arrays[name])
    yield from _box_differences(written, number, boxes, shards)


def _escape_differences(written: WrittenGroup, number: int, array: Any) -> Iterator[Problem]:
    plan = written.arrays.plan
    clip = plan.clips[number]
    expected = escape_state(clip, plan.longest_clip_frames)
    found = np.asarray(array[number])
    frames = np.flatnonzero(differs(found, expected))
    if len(frames):
        frame = int(frames[0])
        what = f"The escape state of clip {clip.clip} from frame {frame} on."
        yield written.difference(what, found[frame], expected[frame], clip.clip)


def _zarr_differences(
    written: WrittenGroup, number: int, name: str, shard: ShardReader, array: Any
) -> Iterator[Problem]:
    """Yield where zarr reads another first chunk of an array than is compared here."""
    for place in shard.stored()[:1]:
        own = shard.read(place)
        start, left = place[0] * own.shape[0], place[-1] * own.shape[-1]
        one_chunk = slice(start, start + own.shape[0]), ..., slice(left, left + own.shape[-1])
        found = np.asarray(array[(number, *one_chunk)])
        if differs(found, own[: found.shape[0], ..., : found.shape[-1]]).any():
            clip = written.arrays.plan.clips[number].clip
            what = f"The {name} from frame {start} on, as zarr reads it."
            yield written.difference(what, "other values", "what is stored", clip)


def _box_differences(
    written: WrittenGroup, number: int, boxes: ClipBoxes, shards: Mapping[str, ShardReader]
) -> Iterator[Problem]:
    """Yield differing boxes, the first ones in full, then how many there are."""
    plan, clip = written.arrays.plan, written.arrays.plan.clips[number].clip
    extent = plan.longest_clip_frames, written.arrays.n_individuals
    n_rows, _ = plan.layout.grid(*extent)
    differences = partial(_row_differences, boxes, plan.layout.chunks(*extent), shards)
    count = 0
    for found in map_in_threads(differences, range(n_rows)):
        boxes.release()
        for name, (frame, individual), is_, should in found:
            count += 1
            if count <= ROWS_NAMED:
                track = _track(boxes, individual)
                what = f"The {name} of {track} in frame {frame} of clip {clip}."
                yield written.difference(what, is_, should, clip)
    if count > ROWS_NAMED:
        what = f"The boxes of clip {clip}, in all."
        yield written.difference(what, f"{count} values differ", "none", clip)


def _track(boxes: ClipBoxes, individual: int) -> str:
    if individual < boxes.n_individuals:
        return f"track {boxes.track_ids[individual]}"
    return f"individual {individual}, which the clip does not have,"


def _row_differences(
    boxes: ClipBoxes, shape: tuple[int, int], shards: Mapping[str, ShardReader], number: int
) -> list[Difference]:
    """Return what differs in the inner chunks of some frames, those that should not be, too."""
    frames, individuals = shape
    row = ChunkRow.from_boxes(boxes, shape, number)
    no_rows = np.empty(0, np.int64)
    differences: list[Difference] = []
    memory = np.empty(frames * 2 * individuals, np.float32)
    for name, shard in shards.items():
        n_sides = row.values[name].shape[1]
        chunk = memory[: frames * n_sides * individuals]
        stored = {place[-1]: place for place in shard.stored_along(number)}
        for column in sorted(row.rows.keys() | stored.keys()):
            place = stored.get(column)
            if place is None:
                chunk[:] = np.nan
            else:
                shard.read(place, chunk)
            found = chunk.reshape(frames, n_sides, individuals)
            rows = row.rows.get(column, no_rows)
            if row.matches(name, rows, found):
                continue
            differences += (
                (name, (number * frames + at[0], column * individuals + at[1]), is_, should)
                for at, is_, should in _chunk_differences(row, name, rows, found)
            )
    return differences


def _chunk_differences(
    row: ChunkRow, name: str, rows: Int64s, found: Float32s
) -> Iterator[tuple[tuple[int, int], str, str]]:
    """Yield (frame, individual), value and expected value, where a chunk differs.

    Parameters
    ----------
    row, name, rows
        The boxes that the chunk of an array must hold.
    found
        (n_frames, n_values, n_individuals) float32, a chunk of the store.
    """
    frame, individual = row.frame[rows], row.individual[rows]
    there, expected = row.take(rows, found), row.values[name][rows]
    for at in np.flatnonzero(differs(there, expected).any(axis=1)):
        place = int(frame[at]), int(individual[at])
        yield place, _text(there[at]), _text(expected[at])
    present = ~np.isnan(found).all(axis=1)
    present[frame, individual] = False
    for at_frame, at_individual in np.argwhere(present).tolist():
        value = found[at_frame, :, at_individual]
        yield (at_frame, at_individual), _text(value), "NaN, as there is no such box"


def _text(value: Any) -> str:
    return ", ".join(repr(float(number)) for number in np.atleast_1d(value))
