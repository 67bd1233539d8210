"""The group of a video: the one module that writes Zarr arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec
from zarr.core.dtype import VariableLengthUTF8
from zarr.storage import LocalStore

from tracks2zarr import schema
from tracks2zarr.assemble import VideoArrays, escape_state
from tracks2zarr.boxes import ClipBoxes, Float32s, Int64s
from tracks2zarr.consolidated import inline_metadata, metadata_bytes
from tracks2zarr.shard import ShardWriter

#: One-dimensional arrays longer than this are cut, so that no chunk is large.
_MAX_CHUNK = 1 << 20


def create_group(path: Path, arrays: VideoArrays) -> None:
    """Write a video's group: all metadata, attributes and coordinates, and no boxes yet.

    Parameters
    ----------
    path
        The folder of the group; it must not exist.
    arrays
        What the group holds.
    """
    # not the path as text, which zarr takes for an address: a name may hold any character
    store = LocalStore(path)
    group = zarr.create_group(store, zarr_format=3, attributes=arrays.attributes())
    coordinates = arrays.coordinates()
    for variable in schema.VARIABLES:
        array = _create_array(group, variable, arrays)
        if variable.is_coordinate:
            array[...] = coordinates[variable.name]
        elif variable.name == schema.ESCAPE_STATE:
            for number, clip in enumerate(arrays.plan.clips):
                array[number] = escape_state(clip, arrays.plan.n_frames)


def _create_array(
    group: zarr.Group, variable: schema.Variable, arrays: VideoArrays
) -> zarr.Array[Any]:
    shape = arrays.shape(variable)
    layout = arrays.plan.layout
    dtype: Any = VariableLengthUTF8() if variable.dtype == "string" else variable.dtype
    if variable.name in schema.BOX_VARIABLES:
        chunks, shards = _box_chunks(variable, arrays)
    else:
        chunks = tuple(max(1, min(length, _MAX_CHUNK)) for length in shape)
        chunks = (1, *chunks[1:]) if variable.name == schema.ESCAPE_STATE else chunks
        shards = None
    return group.create_array(
        schema.renamed(variable.name, arrays.plan.settings.individual_dim),
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        shards=shards,
        compressors=ZstdCodec(level=layout.zstd_level),
        fill_value=np.nan if variable.dtype == "float32" else None,
        dimension_names=arrays.dims(variable),
        attributes=dict(arrays.variable_attributes(variable)),
    )


def _box_chunks(
    variable: schema.Variable, arrays: VideoArrays
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of an inner chunk and of a shard, which holds a whole clip."""
    layout, sizes = arrays.plan.layout, arrays.sizes
    extent = sizes[schema.TIME], sizes[schema.INDIVIDUAL]
    (frames, individuals), (along_time, across) = layout.chunks(*extent), layout.grid(*extent)
    inner = {
        schema.CLIP_ID: 1,
        schema.TIME: frames,
        schema.SPACE: 2,
        schema.INDIVIDUAL: individuals,
    }
    shard = inner | {schema.TIME: frames * along_time, schema.INDIVIDUAL: individuals * across}
    return tuple(inner[dim] for dim in variable.dims), tuple(shard[dim] for dim in variable.dims)


def write_boxes(path: Path, number: int, boxes: ClipBoxes, arrays: VideoArrays) -> None:
    """Write the boxes of one clip into a group that `create_group` made.

    Parameters
    ----------
    path
        The folder of the group.
    number
        The clip's place in the video.
    boxes
        Its boxes.
    arrays
        What the group holds.
    """
    layout = arrays.plan.layout
    extent = arrays.plan.n_frames, arrays.n_individuals
    along_time, across = layout.grid(*extent)
    shape = layout.chunks(*extent)
    with ExitStack() as stack:
        shards = {
            name: stack.enter_context(ShardWriter(path / name / "c" / key, grid, layout.zstd_level))
            for name, key, grid in (
                (schema.POSITION, f"{number}/0/0/0", (along_time, 1, across)),
                (schema.SHAPE, f"{number}/0/0/0", (along_time, 1, across)),
                (schema.CONFIDENCE, f"{number}/0/0", (along_time, across)),
            )
        }
        for block, column, position, size, confidence in _chunks(boxes, along_time, shape):
            shards[schema.POSITION].write((block, 0, column), position)
            shards[schema.SHAPE].write((block, 0, column), size)
            if not np.isnan(confidence).all():  # boxes need not have one
                shards[schema.CONFIDENCE].write((block, column), confidence)


def _chunks(
    boxes: ClipBoxes, along_time: int, shape: tuple[int, int]
) -> Iterator[tuple[int, int, Float32s, Float32s, Float32s]]:
    """Yield the inner chunks that hold a box: place, position, shape, confidence."""
    frames, individuals = shape
    for block in range(along_time):
        rows = boxes.rows(block * frames, (block + 1) * frames)
        if rows.start == rows.stop:
            continue
        frame = boxes.frame[rows].astype(np.int64) - block * frames
        individual = boxes.individual(rows)
        box, confidence = boxes.box[rows], boxes.confidence[rows]
        columns: Int64s = np.unique(individual // individuals)
        for column in columns.tolist():
            here = individual // individuals == column
            at = frame[here], individual[here] - column * individuals
            position, size = _full(frames, 2, individuals), _full(frames, 2, individuals)
            position[at[0], :, at[1]] = box[here, :2]
            size[at[0], :, at[1]] = box[here, 2:]
            score = _full(frames, individuals)
            score[at] = confidence[here]
            yield block, column, position, size, score


def _full(*shape: int) -> Float32s:
    return np.full(shape, np.nan, np.float32)


def consolidate(path: Path) -> None:
    """Write the metadata of a group's arrays into the group's own metadata, too.

    Readers that open the group by itself need one request then, and xarray does not warn.

    Parameters
    ----------
    path
        The folder of the group.
    """
    document = json.loads((path / "zarr.json").read_bytes())
    document["consolidated_metadata"] = inline_metadata(
        {child.parent.name: json.loads(child.read_bytes()) for child in path.glob("*/zarr.json")}
    )
    (path / "zarr.json").write_bytes(metadata_bytes(document))
