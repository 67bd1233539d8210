"""Splits a CSV file into whole records, within whose quotes lines may break, and checks quotes."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader
from typing import Any

import numpy as np

from tracks2zarr.tracks.formats import UnrecognisedError

#: Records with more bytes than this are not looked for.
_MOST_BYTES = 32 * 2**20

_BEFORE_QUOTED, _AFTER_QUOTED = np.zeros((2, 256), np.bool_)
_BEFORE_QUOTED[[*b',\n"']] = True
_AFTER_QUOTED[[*b',\r\n"']] = True


def whole_records(file: BufferedReader[Any], rest: bytes, size: int) -> Iterator[bytes]:
    """Yield `rest` and what follows, as many whole records at once as `size` bytes hold.

    Parameters
    ----------
    file
        The file, after its header.
    rest
        What was read after the header: where there is a rest of its line, lines end with carriage
        returns alone.
    size
        So many bytes are read at once; the last record may have more.

    Raises
    ------
    UnrecognisedError
        If a record has more than 32 MiB, such as where a quote is never closed.
    """
    end = b"\r" if rest and not rest.endswith(b"\n") else b"\n"
    block = rest
    while more := file.read(size):
        block += more + _line(file, end)
        if _n_quotes(block) % 2:
            block += b"".join(_lines_to_next_quote(file, end))
        yield block
        block = b""
    if block:
        yield block


def _line(file: BufferedReader[Any], end: bytes) -> bytes:
    """Return what comes next up to the end of a line."""
    line = file.readline(_MOST_BYTES) if end == b"\n" else _to_return(file)
    if len(line) >= _MOST_BYTES:
        raise UnrecognisedError  # no row has so many
    return line


def _to_return(file: BufferedReader[Any]) -> bytes:
    """Return what comes next up to a carriage return, and a line feed that follows it."""
    parts: list[bytes] = []
    size = 0
    while size < _MOST_BYTES and (buffered := file.peek()):
        place = buffered.find(b"\r") + 1
        parts.append(file.read(place or len(buffered)))
        size += len(parts[-1])
        if place:
            if file.peek(1)[:1] == b"\n":
                parts.append(file.read(1))
            break
    return b"".join(parts)


def _lines_to_next_quote(file: BufferedReader[Any], end: bytes) -> Iterator[bytes]:
    """Yield lines up to the one that closes an open quote; those have an even number of them."""
    size = 0
    while line := _line(file, end):
        yield line
        size += len(line)
        if size > _MOST_BYTES:
            raise UnrecognisedError  # a quote that is never closed
        if line.count(b'"') % 2:
            return


def _n_quotes(block: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord('"')))


def is_quoted_strictly(records: bytes) -> bool:
    """Tell whether quotes stand around whole cells, and twice within them, and nowhere else.

    polars takes others, too, and drops some. Counted from the first, each second quote ends
    what is quoted: where a quote within a cell is twice, one ends it and the next begins it.
    """
    text = np.frombuffer(records, np.uint8)
    quotes = np.flatnonzero(text == ord('"'))
    if len(quotes) % 2:
        return False
    first, last = quotes[::2], quotes[1::2]
    before = text[first[first > 0] - 1]
    after = text[last[last + 1 < len(text)] + 1]
    return bool(_BEFORE_QUOTED[before].all() and _AFTER_QUOTED[after].all())
