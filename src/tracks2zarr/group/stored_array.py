"""Reads an array of a group from its files, without zarr-python.

What is not as `tracks2zarr.group.writer` writes it is refused.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.common.files import read_file, read_json
from tracks2zarr.group.shard import DamagedFileError, ShardReader, decode_chunk, decompressed
from tracks2zarr.parallel.threads import map_in_threads

#: What picks some of an axis: from an array, or from a chunk.
type Picked = slice | NDArray[np.intp]
#: What is called with each file that is not there, where the fill value is taken.
type OnAbsent = Callable[[Path], None]

_DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype("<f4"),
    "int64": np.dtype("<i8"),
    "float64": np.dtype("<f8"),
    "bool": np.dtype("?"),
    "string": np.dtypes.StringDType(),  # in groups of schema 1
}
_UTF32_BYTES = 4
_TO_BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
_TO_TEXT = {"name": "vlen-utf8", "configuration": {}}
_INDEX = {"index_codecs": [_TO_BYTES, {"name": "crc32c"}], "index_location": "end"}
_KEYS = {"name": "default", "configuration": {"separator": "/"}}


class UnknownFormatError(ValueError):
    """An array is not as `tracks2zarr.group.writer` writes it."""


def _ignore(file: Path) -> None:
    """Take the fill value where a file is not there, as Zarr does."""


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array of a group, and how it is cut up.

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
    def open(cls, folder: Path) -> Self:
        """Return the array that lies in a folder.

        Raises
        ------
        UnknownFormatError
            As `from_metadata` does.
        """
        return cls.from_metadata(folder, read_json(read_file(folder / "zarr.json")))

    @classmethod
    def from_metadata(cls, folder: Path, document: Mapping[str, Any]) -> Self:
        """Return what an array's metadata say.

        Raises
        ------
        UnknownFormatError
            If they are not as `tracks2zarr.group.writer` writes them.
        """
        try:
            return cls._parse(folder, document)
        except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
            raise UnknownFormatError(str(error)) from error

    @classmethod
    def _parse(cls, folder: Path, document: Mapping[str, Any]) -> Self:
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
        return cls(folder, tuple(document["shape"]), _dtype_of(dtype), fill_value, chunk, grid)

    def read(self, axes: list[NDArray[np.intp]], on_absent: OnAbsent = _ignore) -> NDArray[Any]:
        """Return the values at all combinations of some places along each dimension.

        Parameters
        ----------
        axes
            The places.
        on_absent
            Called with each file that would be read and is not there; it may raise an error.

        Raises
        ------
        DamagedFileError
            If a file is not as it was written.
        """
        values = np.full([len(axis) for axis in axes], self.fill_value, self.dtype)
        parts = [_by_chunk(axis, size) for axis, size in zip(axes, self.chunk, strict=True)]
        if self.grid is None:
            for place, to, of in _combined(parts):
                chunk = self._chunk(place, on_absent)
                if chunk is not None:
                    values[to] = chunk[of]
        else:
            self._read_shards(self.grid, parts, values, on_absent)
        return values

    def read_all(self, on_absent: OnAbsent = _ignore) -> NDArray[Any]:
        """Return all values, as `read` does; quicker for a small array of one chunk."""
        if self.grid is None and self.chunk == self.shape:
            chunk = self._chunk((0,) * len(self.shape), on_absent)
            if chunk is not None:
                return chunk
        return self.read([np.arange(length) for length in self.shape], on_absent)

    def shard(self, key: tuple[int, ...]) -> ShardReader:
        """Return one shard, by its place in the grid of shards.

        Raises
        ------
        ValueError
            If the array has no shards, or the index is not what its checksum says.
        """
        if self.grid is None:
            raise UnknownFormatError("an array without shards")
        return ShardReader(self.folder.joinpath("c", *map(str, key)), self.grid, self.chunk)

    def _chunk(self, place: tuple[int, ...], on_absent: OnAbsent) -> NDArray[Any] | None:
        """Return a chunk of an array without shards, or None where it is not stored."""
        file = self.folder.joinpath("c", *map(str, place))
        try:
            encoded = read_file(file)
        except FileNotFoundError:
            on_absent(file)
            return None
        try:
            return self._decoded(encoded)
        except ValueError as error:
            raise DamagedFileError(file, str(error)) from None

    def _decoded(self, encoded: bytes) -> NDArray[Any]:
        if self.dtype.kind == "T":
            from numcodecs.vlen import VLenUTF8

            texts = VLenUTF8().decode(decompressed(encoded)).tolist()
            return np.array(texts, self.dtype).reshape(self.chunk)
        values = np.empty(self.chunk, self.dtype)
        decode_chunk(encoded, values)
        return values

    def _read_shards(
        self,
        grid: tuple[int, ...],
        parts: list[list[Part]],
        values: NDArray[Any],
        on_absent: OnAbsent,
    ) -> None:
        shards: dict[tuple[int, ...], ShardReader] = {}
        stored = []
        for place, to, of in _combined(parts):
            key, within = zip(*map(divmod, place, grid), strict=True)
            if key not in shards:
                shards[key] = self.shard(key)
                if not shards[key].exists:
                    on_absent(shards[key].path)
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


def _dtype_of(data_type: Any) -> np.dtype[Any]:
    """Return the numpy dtype of an array of this ``data_type``."""
    if isinstance(data_type, str):
        return _DTYPES[data_type]
    if data_type["name"] != "fixed_length_utf32":
        raise UnknownFormatError("another data type")
    return np.dtype(f"<U{data_type['configuration']['length_bytes'] // _UTF32_BYTES}")


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
