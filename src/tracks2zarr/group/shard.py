"""Reads and writes a shard of a Zarr array chunk by chunk.

zarr-python writes a shard whole, so that its dense size must fit into memory: 14 GB for
the longest clip. Here only the chunk at hand is in memory. zarr-python reads the index
anew for each chunk, and fills what is not stored; here that is skipped. The format is that of the
codec ``sharding_indexed``, index at the end, with the index codecs bytes and crc32c:
https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import google_crc32c
import numpy as np
import zstandard
from numpy.typing import NDArray

from tracks2zarr.common.files import open_file

#: Offset and length in the index of a chunk that is not stored.
_ABSENT = 2**64 - 1
#: Bytes of a block's header and of a checksum, and the block that repeats one byte, in Zstandard.
_BLOCK_HEADER, _CHECKSUM, _RUN_LENGTH = 3, 4, 1
#: What level 0 stands for.
_DEFAULT_LEVEL = 3


def encoded_chunk(chunk: NDArray[Any], zstd_level: int) -> bytes:
    """Return the bytes of an inner chunk of full shape, in C order and little endian."""
    return compressed(np.ascontiguousarray(chunk).data, zstd_level)


def compressed(content: bytes | memoryview, zstd_level: int) -> bytes:
    """Return content as Zstandard compresses it, with a checksum: then no bit flips unnoticed."""
    # not that of numcodecs, which holds Python's lock, so that one thread at a time can encode
    compressor = zstandard.ZstdCompressor(level=zstd_level or _DEFAULT_LEVEL, write_checksum=True)
    # what it returns keeps the memory of the longest possible result
    return bytes(memoryview(compressor.compress(content)))


def decode_chunk(encoded: bytes, into: NDArray[Any]) -> None:
    """Decode the bytes of a chunk into an array of its shape.

    Raises
    ------
    ValueError
        If they are not those of such a chunk.
    """
    try:
        _check_frame(encoded, into.nbytes)
        with zstandard.ZstdDecompressor().stream_reader(encoded) as reader:
            size = reader.readinto(memoryview(into).cast("B"))
            too_many = size == into.nbytes and reader.read(1)
    except zstandard.ZstdError as error:
        raise ValueError(f"a chunk cannot be decoded: {error}") from None
    if size != into.nbytes or too_many:
        raise ValueError("a chunk is of another size than its array says")


def _check_frame(encoded: bytes, size: int) -> None:
    """Check that bytes are one whole frame of Zstandard, of so many bytes when decompressed.

    A stream that is decompressed piece by piece may end early, before the checksum is reached:
    https://github.com/facebook/zstd/blob/dev/doc/zstd_compression_format.md#blocks
    """
    frame = zstandard.get_frame_parameters(encoded)
    at, is_last = zstandard.frame_header_size(encoded), False
    while not is_last and at < len(encoded):
        header = int.from_bytes(encoded[at : at + _BLOCK_HEADER], "little")
        is_last, kind, length = bool(header & 1), header >> 1 & 3, header >> 3
        at += _BLOCK_HEADER + (1 if kind == _RUN_LENGTH else length)
    at += _CHECKSUM if frame.has_checksum else 0
    if frame.content_size != size or not is_last or at != len(encoded):
        raise ValueError("a chunk is of another size than its array says")


class ShardWriter:
    """Writes the inner chunks of one shard, in any order, and its index when it is closed.

    A shard without any chunk is not written at all: readers take the fill value then.

    Parameters
    ----------
    path
        The file of the shard; its folder is made with the first chunk.
    grid
        The number of inner chunks along each dimension.
    """

    def __init__(self, path: Path, grid: tuple[int, ...]) -> None:
        self._path = path
        self._grid = grid
        self._index = np.full((math.prod(grid), 2), _ABSENT, "<u8")
        self._file: BinaryIO | None = None
        self._offset = 0

    def write(self, position: tuple[int, ...], encoded: bytes) -> None:
        """Write one inner chunk.

        Parameters
        ----------
        position
            Its place in the grid.
        encoded
            Its values as `encoded_chunk` returns them.
        """
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        self._file.write(encoded)
        number = int(np.ravel_multi_index(position, self._grid))
        self._index[number] = self._offset, len(encoded)
        self._offset += len(encoded)

    def close(self) -> None:
        """Write the index behind the chunks."""
        if self._file is None:
            return
        index = self._index.tobytes()
        checksum = google_crc32c.value(index)
        with self._file:
            self._file.write(index + checksum.to_bytes(4, "little"))
        self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        elif self._file is not None:
            self._file.close()


class ShardReader:
    """Reads the inner chunks of one shard that are stored.

    Parameters
    ----------
    path
        The file of the shard; where there is none, no chunk is stored.
    grid
        The number of inner chunks along each dimension.
    shape
        The shape of an inner chunk, of float32.

    Raises
    ------
    ValueError
        If the index is not what its checksum says.
    """

    def __init__(self, path: Path, grid: tuple[int, ...], shape: tuple[int, ...]) -> None:
        self._path, self._grid, self._shape = path, grid, shape
        self._index = _index_at(path, grid)

    def stored(self) -> list[tuple[int, ...]]:
        """Return the places of the chunks that are stored, in order."""
        return [place for first in range(self._grid[0]) for place in self.stored_along(first)]

    def stored_along(self, first: int) -> list[tuple[int, ...]]:
        """Return the places of the chunks that are stored, at one place of the first dimension."""
        each = math.prod(self._grid[1:])
        row = self._index[first * each : (first + 1) * each, 1]
        numbers = np.flatnonzero(row != _ABSENT) + first * each
        return list(
            zip(*(axis.tolist() for axis in np.unravel_index(numbers, self._grid)), strict=True)
        )

    def has(self, position: tuple[int, ...]) -> bool:
        """Tell whether an inner chunk is stored."""
        return bool(self._index[int(np.ravel_multi_index(position, self._grid)), 1] != _ABSENT)

    def read(
        self, position: tuple[int, ...], into: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return one inner chunk that is stored; another thread may read at the same time.

        Parameters
        ----------
        position
            Its place in the grid.
        into
            An array of as many float32 that is used for the values; new memory takes longer
            to get than most chunks take to decode.
        """
        offset, length = self._index[int(np.ravel_multi_index(position, self._grid))].tolist()
        with open_file(self._path) as file:
            file.seek(offset)
            encoded = file.read(length)
        values = np.empty(self._shape, "<f4") if into is None else into.reshape(self._shape)
        decode_chunk(encoded, values)
        return values


def _index_at(path: Path, grid: tuple[int, ...]) -> NDArray[np.uint64]:
    n_chunks = math.prod(grid)
    if not path.exists():
        return np.full((n_chunks, 2), _ABSENT, "<u8")
    size = 16 * n_chunks + 4
    with open_file(path) as file:
        file.seek(-size, os.SEEK_END)
        data = file.read(size)
    if google_crc32c.value(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise ValueError(f"the index of {path.name} is not what its checksum says")
    return np.frombuffer(data[:-4], "<u8").reshape(n_chunks, 2)
