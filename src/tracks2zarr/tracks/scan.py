"""Rows as the lab's tracker writes them: text that is the same in all, and digits between.

They are recognised in one pass (`tracks2zarr.native.library`), or with polars where that was not
built (`tracks2zarr.tracks.pieces`). All other rows are handed on as they are, for the road that
reads any row (`tracks2zarr.tracks.column_reader`).

Rows are told apart by their line breaks, though a record may have one within quotes. What
is recognised is a record all the same: it begins outside quotes if each line before it has
an even number of them. Recognised lines have: their cells of an image are read as CSV, and
the rest is known. `_lines` sees to the others. Where batches are cut is a guess from the
number of quotes; where it is wrong, as after ``a"b``, a batch has an odd line or a quote where CSV
has none, and the slow road decides.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass

import numpy as np

from tracks2zarr.dataset.clip_boxes import Found, Int64s, Recognised
from tracks2zarr.native import library
from tracks2zarr.tracks import via

#: The cells of an image: file name, size, attributes.
_N_CELLS = 3
_CACHED = 1 << 18


class UnrecognisedError(Exception):
    """There is a row that the fast road does not know to be right."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found in some records.

    Parameters
    ----------
    found
        The boxes of the rows that were recognised.
    rows
        (n,) int64, which rows these are.
    others
        The lines that were not recognised, in order.
    other_rows
        (m,) int64, which rows those are.
    """

    found: Found
    rows: Int64s
    others: bytes
    other_rows: Int64s


def scan(records: bytes | memoryview) -> Scan | None:
    """Read the rows that are as the tracker writes them.

    Parameters
    ----------
    records
        Whole lines, the last of which may have no line break; no carriage return but
        before one, or at the end.

    Returns
    -------
    Scan
        None where nothing can be told: a line has more commas, or may be a part of a record.
    """
    if records[: len(via.BOM)] == via.BOM:
        return None  # polars would drop it
    recognised = _recognised(records)
    if recognised is None:
        return None
    is_known = recognised.is_known
    images = _images(recognised.images)
    if images is None:
        return None
    others, other_rows = b"", np.flatnonzero(~is_known)
    if len(other_rows):
        lines = _lines(bytes(records), len(is_known), other_rows)
        if lines is None:
            return None
        others = b"".join(lines)
    found = Found(images, recognised.batch)
    return Scan(found, np.flatnonzero(is_known), others, other_rows)


def _recognised(records: bytes | memoryview) -> Recognised | None:
    scanner = library.compiled()
    if scanner is not None:
        return library.recognise(records, scanner)
    from tracks2zarr.tracks import pieces

    return pieces.recognise(bytes(records))


def count_byte(text: bytes | memoryview, byte: int) -> int:
    """Return how often a byte is there; where it is frequent, `bytes.count` is slow."""
    scanner = library.compiled()
    if scanner is not None:
        return library.count_byte(text, byte, scanner)
    values = np.frombuffer(text, np.uint8)
    starts = range(0, len(values), _CACHED)
    return sum(int(np.count_nonzero(values[at : at + _CACHED] == byte)) for at in starts)


def _lines(records: bytes, n_rows: int, rows: Int64s) -> list[bytes] | None:
    """Return some of the lines; None where one may be a part of a record only."""
    lines = records.split(b"\n")
    if len(lines) - (not lines[-1]) != n_rows:
        return None  # a line is empty
    some = [lines[row] + b"\n" for row in rows.tolist()]
    is_whole = all(line.strip() and line.count(b'"') % 2 == 0 for line in some)
    return some if is_whole else None


def _images(cells: list[bytes]) -> list[tuple[str, str]] | None:
    """Return names and attributes from the first three fields of rows; None where one has others.

    A quote that is not closed makes one record of several texts: then their number differs.
    """
    try:
        texts = [text.decode() for text in cells]
    except UnicodeDecodeError:
        return None
    if any("\r" in text or "\ufeff" in text for text in texts):
        return None
    try:
        records = list(csv.reader(texts, strict=True))
    except csv.Error:
        return None
    if len(records) != len(texts) or any(len(fields) != _N_CELLS for fields in records):
        return None
    return [(name, attributes) for name, _, attributes in records]
