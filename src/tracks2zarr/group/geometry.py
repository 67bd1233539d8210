"""How the arrays of a group are cut into chunks and shards, and which files hold them."""

from __future__ import annotations

from pathlib import Path

from tracks2zarr.dataset import schema
from tracks2zarr.group.video_arrays import VideoArrays

#: One-dimensional arrays longer than this are cut, so that no chunk is large.
_MAX_CHUNK = 1 << 20


def chunk_shapes(
    variable: schema.Variable, arrays: VideoArrays
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Return the shapes of an inner chunk and of a shard, which holds a whole clip."""
    if variable.name not in schema.BOX_VARIABLES:
        chunks = tuple(max(1, min(length, _MAX_CHUNK)) for length in arrays.shape(variable))
        return (1, *chunks[1:]) if variable.name == schema.ESCAPE_STATE else chunks, None
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


def box_chunks(arrays: VideoArrays) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the grid and the shape of the inner chunks of one clip, by array of boxes."""
    cut = {}
    for variable in arrays.plan.variables:
        inner, shard = chunk_shapes(variable, arrays)
        if shard is not None:
            grid = tuple(whole // part for whole, part in zip(shard, inner, strict=True))
            cut[variable.name] = grid[1:], inner[1:]
    return cut


def shard_path(path: Path, name: str, number: int) -> Path:
    """Return the file of the shard that holds a clip's part of an array of boxes."""
    key = f"{number}/0/0" if name == schema.CONFIDENCE else f"{number}/0/0/0"
    return path / name / "c" / key
