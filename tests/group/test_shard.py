"""Single chunks: what cannot be decoded is an error, and never other values."""

from __future__ import annotations

import numpy as np
import pytest
from numcodecs.zstd import Zstd

from tracks2zarr.group.shard import decode_chunk, encoded_chunk

VALUES = np.linspace(-1, 1, 4000, dtype=np.float32).reshape(20, 200)


@pytest.mark.parametrize("level", [0, 1, 5])
def test_zarrs_own_codec_reads_what_is_encoded_and_the_other_way_round(level: int) -> None:
    assert bytes(Zstd().decode(encoded_chunk(VALUES, level))) == VALUES.tobytes()
    found = np.empty_like(VALUES)
    decode_chunk(bytes(Zstd(level=level).encode(VALUES)), found)
    assert found.tobytes() == VALUES.tobytes()


def test_a_part_of_an_array_is_encoded_in_its_own_order() -> None:
    part = VALUES[::2, 10:50]
    assert bytes(Zstd().decode(encoded_chunk(part, 0))) == part.tobytes()


@pytest.mark.parametrize("size", [0, 3999, 4001, 8000])
def test_a_chunk_of_another_size_is_refused(size: int) -> None:
    encoded = encoded_chunk(np.zeros(size, np.float32), 0)
    with pytest.raises(ValueError, match="another size"):
        decode_chunk(encoded, np.empty_like(VALUES))


@pytest.mark.parametrize("encoded", [b"", b"no frame", encoded_chunk(VALUES, 0)[:-9]])
def test_what_is_no_whole_chunk_is_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match="chunk"):
        decode_chunk(encoded, np.empty_like(VALUES))
