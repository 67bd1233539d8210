"""A group as an xarray dataset, read from its files as it is used, without zarr-python.

zarr-python takes most of the time in which a group is opened and a little of it is read.
What is not as `tracks2zarr.group.writer` writes it is refused, and left to zarr-python.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zstandard
from numcodecs.vlen import VLenUTF8
from numpy.typing import NDArray
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from tracks2zarr.common.files import read_json
from tracks2zarr.group.shard import ShardReader
from tracks2zarr.parallel.threads import map_in_threads

#: What picks some of an axis: from an array, or from a chunk.
type Picked = slice | NDArray[np.intp]

_DTYPES: dict[str, Any] = {
    "float32": np.dtype("<f4"),
    "int64": np.dtype("<i8"),
    "string": np.dtypes.StringDType(),
}
_TO_BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
_TO_TEXT = {"name": "vlen-utf8", "configuration": {}}
_INDEX = {"index_codecs": [_TO_BYTES, {"name": "crc32c"}], "index_location": "end"}
_KEYS = {"name": "default", "configuration": {"separator": "/"}}


class UnknownFormatError(Exception):
    """A group is not as it is written today."""


@dataclass(frozen=True, slots=True)
class Chunked:
    """Where an array lies and how it is cut up.

    Parameters
    ----------
    folder
        Its folder.
    shape, dtype, fill_value
        Of the array.
    chunk
        The shape of a chunk; where there are shards, of an inner one.
    grid
        The number of chunks of a shard along each dimension; None where there are no shards.
    """

    folder: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fill_value: Any
    chunk: tuple[int, ...]
    grid: tuple[int, ...] | None

    @classmethod
    def of(cls, folder: Path, document: Mapping[str, Any]) -> Chunked:
        """Return what an array's metadata say.

        Raises
        ------
        UnknownFormatError
            If they are not as `tracks2zarr.group.writer` writes them.
        """
        try:
            return cls._of(folder, document)
        except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
            raise UnknownFormatError(str(error)) from error

    @classmethod
    def _of(cls, folder: Path, document: Mapping[str, Any]) -> Chunked:
        codecs, dtype = document["codecs"], document["data_type"]
        outer = tuple(document["chunk_grid"]["configuration"]["chunk_shape"])
        chunk, grid = outer, None
        if codecs[0]["name"] == "sharding_indexed":
            (shard,) = (codec["configuration"] for codec in codecs)
            chunk, codecs = tuple(shard["chunk_shape"]), shard["codecs"]
            grid = tuple(length // size for length, size in zip(outer, chunk, strict=True))
            if dtype != "float32" or {key: shard[key] for key in _INDEX} != _INDEX:
                raise UnknownFormatError("another kind of shard")
        to_bytes, compressor = codecs
        known = (
            to_bytes == (_TO_TEXT if dtype == "string" else _TO_BYTES)
            and compressor["name"] == "zstd"
            and document["chunk_key_encoding"] == _KEYS
            and document["chunk_grid"]["name"] == "regular"
            and len(document["shape"]) == len(chunk)
            and not document.get("storage_transformers")
        )
        if not known:
            raise UnknownFormatError("other codecs")
        fill_value = math.nan if document["fill_value"] == "NaN" else document["fill_value"]
        return cls(folder, tuple(document["shape"]), _DTYPES[dtype], fill_value, chunk, grid)

    def read(self, axes: list[NDArray[np.intp]]) -> NDArray[Any]:
        """Return the values at all combinations of some places along each dimension."""
        values = np.full([len(axis) for axis in axes], self.fill_value, self.dtype)
        parts = [_by_chunk(axis, size) for axis, size in zip(axes, self.chunk, strict=True)]
        if self.grid is None:
            for place, to, of in _combined(parts):
                path = self.folder.joinpath("c", *map(str, place))
                if path.exists():
                    values[to] = self._decoded(path.read_bytes())[of]
        else:
            self._read_shards(self.grid, parts, values)
        return values

    def _decoded(self, encoded: bytes) -> NDArray[Any]:
        content = zstandard.ZstdDecompressor().decompress(encoded)
        if self.dtype.kind == "T":
            return np.array(VLenUTF8().decode(content).tolist(), self.dtype).reshape(self.chunk)
        return np.frombuffer(content, self.dtype).reshape(self.chunk)

    def _read_shards(
        self, grid: tuple[int, ...], parts: list[list[Part]], values: NDArray[Any]
    ) -> None:
        shards: dict[tuple[int, ...], ShardReader] = {}
        stored = []
        for place, to, of in _combined(parts):
            key, within = zip(*map(divmod, place, grid), strict=True)
            if key not in shards:
                path = self.folder.joinpath("c", *map(str, key))
                shards[key] = ShardReader(path, grid, self.chunk)
            if shards[key].has(within):
                stored.append((shards[key], within, to, of))
        memory = threading.local()  # new memory takes longer to get than a chunk to decode

        def read_one(one: tuple[ShardReader, tuple[int, ...], Any, Any]) -> None:
            shard, within, to, of = one
            if not hasattr(memory, "chunk"):
                memory.chunk = np.empty(self.chunk, np.float32)
            values[to] = shard.read(within, memory.chunk)[of]

        for _ in map_in_threads(read_one, stored):
            pass


#: The number of a chunk along an axis; what is picked of the result, and of the chunk.
type Part = tuple[int, Picked, Picked]


def _by_chunk(places: NDArray[np.intp], size: int) -> list[Part]:
    """Return how places along an axis are spread over its chunks."""
    numbers = places // size
    parts: list[Part] = []
    for number in np.unique(numbers).tolist():
        at = np.flatnonzero(numbers == number)
        parts.append((number, _run(at), _run(places[at] - number * size)))
    return parts


def _run(places: NDArray[np.intp]) -> Picked:
    """Return a slice for places that follow each other."""
    if (np.diff(places) == 1).all():
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def _combined(parts: list[list[Part]]) -> Iterable[tuple[tuple[int, ...], Any, Any]]:
    """Yield for each chunk its place, and what picks from the result and from the chunk."""
    for axes in itertools.product(*parts):
        place, to, of = zip(*axes, strict=True) if axes else ((), (), ())
        yield place, _orthogonal(to), _orthogonal(of)


def _orthogonal(picked: tuple[Picked, ...]) -> tuple[Any, ...]:
    """Return an index for numpy that picks along each axis apart from the others."""
    if sum(isinstance(one, np.ndarray) for one in picked) < 2:
        return picked
    return np.ix_(
        *(np.arange(one.start, one.stop) if isinstance(one, slice) else one for one in picked)
    )


class LazyArray(BackendArray):
    """An array of a group, for xarray; nothing is read before it is indexed."""

    def __init__(self, array: Chunked) -> None:
        self._array = array
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        if not isinstance(key, indexing.VectorizedIndexer):
            return self._read(key.tuple)
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> Any:
        axes = [np.atleast_1d(np.arange(n)[one]) for n, one in zip(self.shape, key, strict=True)]
        values = self._array.read(axes)
        dropped = (isinstance(one, int | np.integer) for one in key)
        return values[tuple(0 if is_dropped else slice(None) for is_dropped in dropped)]


class GroupBackend(BackendEntrypoint):
    """Opens the group of a video for `xarray.open_dataset`."""

    description = "The group of a video that tracks2zarr made"

    def open_dataset(  # type: ignore[override]
        self, filename_or_obj: Path, *, drop_variables: str | Iterable[str] | None = None
    ) -> xr.Dataset:
        """Open a group; its small arrays are lazy, too.

        Raises
        ------
        UnknownFormatError
            If it is not as `tracks2zarr.group.writer` writes it.
        """
        document = read_json((filename_or_obj / "zarr.json").read_bytes())
        listed = (document.get("consolidated_metadata") or {}).get("metadata")
        if listed is None:
            raise UnknownFormatError("the group does not list its arrays")
        dropped = {drop_variables} if isinstance(drop_variables, str) else {*(drop_variables or ())}
        names = sorted(listed.keys() - dropped)
        variables = {name: _variable(filename_or_obj / name, listed[name]) for name in names}
        coordinates = {name for name, one in variables.items() if one.dims == (name,)}
        for one in variables.values():
            coordinates |= {*one.encoding.get("coordinates", "").split()} & variables.keys()
        return xr.Dataset(
            {name: one for name, one in variables.items() if name not in coordinates},
            coords=xr.Coordinates(
                {name: one for name, one in variables.items() if name in coordinates}, indexes={}
            ),
            attrs=document["attributes"],
        )


def _variable(folder: Path, document: Mapping[str, Any]) -> xr.Variable:
    array = Chunked.of(folder, document)
    dims = document["dimension_names"]
    attributes = dict(document["attributes"])
    encoding: dict[str, Any] = {"preferred_chunks": dict(zip(dims, array.chunk, strict=True))}
    if "coordinates" in attributes:  # xarray's own backends put it there, too
        encoding["coordinates"] = attributes.pop("coordinates")
    data = indexing.LazilyIndexedArray(LazyArray(array))
    return xr.Variable(dims, data, attributes, encoding)
