"""Writes the group of a video; the only module that writes Zarr arrays."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.dataset import schema
from tracks2zarr.dataset.batches import Float32s
from tracks2zarr.dataset.clip_boxes import ClipBoxes
from tracks2zarr.group.geometry import box_chunks, chunk_shapes, shard_path
from tracks2zarr.group.own_metadata import group_document
from tracks2zarr.group.shard import ShardWriter, compressed, encoded_chunk
from tracks2zarr.group.video_arrays import VideoArrays, escape_state
from tracks2zarr.group.zarr_metadata import metadata_bytes
from tracks2zarr.native.chunks import ChunkRow
from tracks2zarr.parallel.threads import map_in_threads
from tracks2zarr.planning.plan import VideoPlan

#: What readers take where no chunk is stored, by dtype.
_FILL: dict[str, Any] = {
    "float32": np.nan,
    "float64": np.nan,
    "int64": 0,
    "bool": False,
    "fixed_length_utf32": "",
}


_FLOATS = frozenset({"float32", "float64"})


def create_group(path: Path, arrays: VideoArrays) -> None:
    """Write a video's group: all metadata, attributes and coordinates, and no boxes yet.

    zarr-python takes 40 ms for these small arrays, as long as many a small video
    takes in all: their files are written here, and read back through zarr-python.

    Parameters
    ----------
    path
        The folder of the group; it must not exist.
    arrays
        What the group holds.
    """
    path.mkdir()
    values = arrays.coordinates()
    if arrays.plan.has_escapes:
        values[schema.ESCAPE_STATE] = _escape_states(arrays.plan)
    documents = {}
    for variable in arrays.plan.variables:
        name = schema.renamed(variable.name, arrays.plan.settings.individual_dim)
        folder = path / name
        folder.mkdir()
        written = values.get(variable.name)
        dtype = np.dtype(variable.dtype) if written is None else written.dtype
        documents[name] = _array_document(variable, arrays, dtype)
        (folder / "zarr.json").write_bytes(metadata_bytes(documents[name]))
        if written is not None:
            _write_chunks(folder, variable, written, arrays)
    document = group_document(arrays.plan, documents)
    (path / "zarr.json").write_bytes(metadata_bytes(document))


def _escape_states(plan: VideoPlan) -> Float32s:
    """Return (n_clips, n_frames) float32, the escape state of all clips."""
    states = np.empty((len(plan.clips), plan.longest_clip_frames), np.float32)
    for row, clip in zip(states, plan.clips, strict=True):
        row[:] = escape_state(clip, plan.longest_clip_frames)
    return states


def _array_document(
    variable: schema.Variable, arrays: VideoArrays, dtype: np.dtype[Any]
) -> dict[str, Any]:
    """Return the metadata of an array, as zarr-python writes them."""
    inner, shard = chunk_shapes(variable, arrays)
    to_bytes = {"name": "bytes", "configuration": {"endian": "little"}}
    level = arrays.plan.layout.zstd_level
    zstd = {"name": "zstd", "configuration": {"level": level, "checksum": True}}
    codecs: list[dict[str, Any]] = [to_bytes, zstd]
    if shard is not None:
        inside = {
            "chunk_shape": list(inner),
            "codecs": codecs,
            "index_codecs": [to_bytes, {"name": "crc32c"}],
            "index_location": "end",
        }
        codecs = [{"name": "sharding_indexed", "configuration": inside}]
    regular = {"name": "regular", "configuration": {"chunk_shape": list(shard or inner)}}
    return {
        "shape": list(arrays.shape(variable)),
        "data_type": _data_type(dtype),
        "chunk_grid": regular,
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "NaN" if variable.dtype in _FLOATS else _FILL[variable.dtype],
        "codecs": codecs,
        "attributes": dict(arrays.variable_attributes(variable)),
        "dimension_names": arrays.dims(variable),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def _data_type(dtype: np.dtype[Any]) -> str | dict[str, Any]:
    if dtype.kind != "U":
        return dtype.name
    return {"name": "fixed_length_utf32", "configuration": {"length_bytes": dtype.itemsize}}


def _write_chunks(
    folder: Path, variable: schema.Variable, values: NDArray[Any], arrays: VideoArrays
) -> None:
    """Write the chunks of a small array, but for those that hold the fill value only."""
    shape, _ = chunk_shapes(variable, arrays)
    fill = _FILL[variable.dtype]
    for place in np.ndindex(
        *(-(-length // size) for length, size in zip(values.shape, shape, strict=True))
    ):
        start = [number * size for number, size in zip(place, shape, strict=True)]
        block = values[tuple(slice(at, at + size) for at, size in zip(start, shape, strict=True))]
        chunk = np.full(shape, fill, block.dtype)
        chunk[tuple(slice(length) for length in block.shape)] = block
        if (chunk == fill).all() or (chunk != chunk).all():  # noqa: PLR0124 - NaN
            continue
        file = folder.joinpath("c", *map(str, place))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(compressed(chunk.tobytes(), arrays.plan.layout.zstd_level))


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
    extent = arrays.plan.longest_clip_frames, arrays.n_individuals
    along_time, _ = layout.grid(*extent)
    encode = partial(_encoded, boxes, layout.chunks(*extent), layout.zstd_level)
    with ExitStack() as stack:
        shards = {
            name: stack.enter_context(ShardWriter(shard_path(path, name, number), grid))
            for name, (grid, _) in box_chunks(arrays).items()
        }
        for chunks in map_in_threads(encode, range(along_time)):
            for name, place, encoded in chunks:
                shards[name].write(place, encoded)
            boxes.release()


def _encoded(
    boxes: ClipBoxes, shape: tuple[int, int], zstd_level: int, number: int
) -> list[tuple[str, tuple[int, ...], bytes]]:
    """Return the inner chunks of some frames that hold a box: array, place, and bytes."""
    frames, individuals = shape
    block = ChunkRow.from_boxes(boxes, shape, number)
    chunks: list[tuple[str, tuple[int, ...], bytes]] = []
    # one chunk of NaN for all, for new memory takes long to get: what is put in is taken out again
    nothing = np.full(frames * 2 * individuals, np.nan, np.float32)
    for column, rows in block.rows.items():
        for name, values in block.values.items():
            n_sides = values.shape[1]
            size = frames * n_sides * individuals
            chunk = nothing[:size].reshape(frames, n_sides, individuals)
            if block.put(name, rows, chunk):  # boxes need not have a confidence
                place = (number, 0, column) if n_sides > 1 else (number, column)
                chunks.append((name, place, encoded_chunk(chunk, zstd_level)))
            block.clear(rows, chunk)
    return chunks
