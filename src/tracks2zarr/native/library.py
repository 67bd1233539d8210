"""The compiled library, which exists where the package was built with a C compiler.

`hatch_build.py` makes it. Without it, `tracks2zarr.tracks.column_reader` reads all rows, and
`tracks2zarr.native.chunks` does with numpy what `chunks.c` does.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.dataset.batches import Batch

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


@dataclass(frozen=True, slots=True)
class ScannedLines:
    """What was recognised in some lines.

    Parameters
    ----------
    kind
        (n_lines,) uint8: `UNKNOWN`, `HAS_BOX` or `NO_BOX`.
    images
        The cells of the images that recognised lines are in, as bytes; `boxes.image` counts in
        them.
    boxes
        Those of the lines that have one, in order.
    """

    kind: NDArray[np.uint8]
    images: list[bytes]
    boxes: Batch


#: What a line is: not as the tracker writes it, a box, or a frame without boxes.
UNKNOWN, HAS_BOX, NO_BOX = 0, 1, 2


def scan_lines(text: bytes | memoryview, scanner: ctypes.CDLL) -> ScannedLines | None:
    """Read the lines that are as the tracker writes them; another thread may do so, too.

    Parameters
    ----------
    text
        Whole lines.
    scanner
        The `compiled` library.

    Returns
    -------
    ScannedLines
        None where lines are so short that room for a box each would be a waste.
    """
    values = np.frombuffer(text, np.uint8)
    room = count_byte(text, ord("\n"), scanner) + 1
    if room > 1 + len(values) // _LEAST_LINE:
        return None
    kind, counts = np.empty(room, np.uint8), np.empty(2, np.int64)
    images = np.empty((room, 2), np.int64)
    boxes = Batch(
        image=np.empty(room, np.int32),
        track=np.empty(room, np.int64),
        corner=np.empty((room, 2), np.float32),
        size=np.empty((room, 2), np.float32),
        confidence=np.empty(room, np.float32),
    )
    columns = boxes.image, boxes.track, boxes.corner, boxes.size, boxes.confidence
    arrays: list[NDArray[Any]] = [kind, counts, images, *columns]
    outputs = [array.ctypes.data for array in arrays]
    n_lines = scanner.scan_rows(values.ctypes.data, len(values), *outputs)
    n_boxes, n_images = counts.tolist()
    cells = [bytes(text[start:stop]) for start, stop in images[:n_images].tolist()]
    return ScannedLines(kind[:n_lines], cells, boxes.first(n_boxes))
