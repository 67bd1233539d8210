"""A shard of a Zarr array, written chunk by chunk.

zarr-python writes a shard whole, so that its dense size must fit into memory: 14 GB for
the longest clip. Here only the chunk at hand is in memory. The format is that of the
codec ``sharding_indexed``, index at the end, with the index codecs bytes and crc32c:
https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html
"""

from __future__ import annotations

import math
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import google_crc32c
import numpy as np
from numcodecs.zstd import Zstd
from numpy.typing import NDArray

#: Offset and length in the index of a chunk that is not stored.
_ABSENT = 2**64 - 1


class ShardWriter:
    """Writes the inner chunks of one shard, in any order, and its index when it is closed.

    A shard without any chunk is not written at all: readers take the fill value then.

    Parameters
    ----------
    path
        The file of the shard; its folder is made with the first chunk.
    grid
        The number of inner chunks along each dimension.
    zstd_level
        Compression level of Zstandard.
    """

    def __init__(self, path: Path, grid: tuple[int, ...], zstd_level: int) -> None:
        self._path = path
        self._grid = grid
        self._codec = Zstd(level=zstd_level)
        self._index = np.full((math.prod(grid), 2), _ABSENT, "<u8")
        self._file: BinaryIO | None = None
        self._offset = 0

    def write(self, position: tuple[int, ...], chunk: NDArray[Any]) -> None:
        """Write one inner chunk, in C order and little endian.

        Parameters
        ----------
        position
            Its place in the grid.
        chunk
            Its values, of the full shape of an inner chunk.
        """
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        encoded = self._codec.encode(np.ascontiguousarray(chunk))
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
