"""The compiled library; it is there where a C compiler was found when the package was made.

`hatch_build.py` makes it. Without it, `tracks2zarr.tracks.column_reader` reads all rows, and
`tracks2zarr.native.chunks` does with numpy what `chunks.c` does.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.dataset.clip_boxes import Batch, Recognised

SOURCES = sorted(Path(__file__).parent.glob("*.c"))
LIBRARY = Path(__file__).with_name("libtracks2zarr.so")
#: Bytes in a line, on average; a row of the tracker without a box has some fifty.
_LEAST_LINE = 25


@functools.cache
def compiled() -> ctypes.CDLL | None:
    """Return the library; None where there is none that was made of the sources as they are."""
    try:
        found = ctypes.CDLL(str(LIBRARY))
        made_of = ctypes.c_char.in_dll(found, "sources_digest")
        digest = hashlib.sha256(b"".join(file.read_bytes() for file in SOURCES)).hexdigest()
    except (OSError, ValueError):
        return None
    if ctypes.string_at(ctypes.addressof(made_of)) != digest.encode():
        return None
    found.scan_rows.restype = ctypes.c_int64
    found.scan_rows.argtypes = [ctypes.c_void_p, ctypes.c_int64, *[ctypes.c_void_p] * 8]
    found.count_byte.restype = ctypes.c_int64
    found.count_byte.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint8]
    places: list[Any] = [*[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    found.put_values.restype = found.holds_values.restype = ctypes.c_int64
    found.put_values.argtypes = [ctypes.c_void_p, ctypes.c_int64, *places]
    found.holds_values.argtypes = [*found.put_values.argtypes, ctypes.c_int64]
    found.clear_values.restype = None
    found.clear_values.argtypes = places
    return found


def count_byte(text: bytes | memoryview, byte: int, scanner: ctypes.CDLL) -> int:
    """Return how often a byte is there, by the `library`."""
    values = np.frombuffer(text, np.uint8)
    return int(scanner.count_byte(values.ctypes.data, len(values), byte))


def recognise(records: bytes | memoryview, scanner: ctypes.CDLL) -> Recognised | None:
    """Read the rows that are as the tracker writes them; another thread may do so, too.

    Parameters
    ----------
    records
        Whole lines.
    scanner
        The `library`.

    Returns
    -------
    Recognised
        None where lines are so short that room for a box each would be a waste.
    """
    text = np.frombuffer(records, np.uint8)
    room = count_byte(records, ord("\n"), scanner) + 1
    if room > 1 + len(text) // _LEAST_LINE:
        return None
    is_known, counts = np.empty(room, np.bool_), np.empty(2, np.int64)
    images = np.empty((room, 2), np.int64)
    batch = Batch(
        image=np.empty(room, np.int32),
        track=np.empty(room, np.int64),
        corner=np.empty((room, 2), np.float32),
        size=np.empty((room, 2), np.float32),
        confidence=np.empty(room, np.float32),
    )
    columns: list[NDArray[Any]] = [
        batch.image,
        batch.track,
        batch.corner,
        batch.size,
        batch.confidence,
    ]
    outputs = [column.ctypes.data for column in (is_known, counts, images, *columns)]
    n_lines = scanner.scan_rows(text.ctypes.data, len(text), *outputs)
    n_rows, n_images = counts.tolist()
    cells = [bytes(records[start:stop]) for start, stop in images[:n_images].tolist()]
    return Recognised(is_known[:n_lines], cells, Batch(*(column[:n_rows] for column in columns)))
