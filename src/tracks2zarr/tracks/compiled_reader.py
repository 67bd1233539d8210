"""The fast reader: compiled code for rows as the lab's tracker writes them.

Text is the same in all such rows, and digits are between. Other rows go to the column reader, a
batch's at once; what that does not recognise either is for the row reader to decide.

Rows are told apart by their line breaks, though a record may have one within quotes. What
is recognised is a record all the same: it begins outside quotes if each line before it has
an even number of them. Recognised lines have: their cells of an image are read as CSV, and
the rest is known. `_other_lines` sees to the others. Where batches are cut is a guess from the
number of quotes; where it is wrong, as after ``a"b``, a batch has an odd line or a quote where CSV
has none, and another reader decides.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracks2zarr.dataset.batches import ImageBatch, Int64s
from tracks2zarr.native import library
from tracks2zarr.parallel.threads import map_in_threads
from tracks2zarr.tracks.formats import OnBytes, ReaderName, ReadFile, TakeBoxes, UnrecognisedError
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.header import BOM, HEADER_BYTES, is_header, split_header
from tracks2zarr.tracks.images import Images
from tracks2zarr.tracks.source_file import SourceFile, open_source

#: Bytes of CSV that are parsed at once: twice as much takes more memory, and no less time.
BATCH_BYTES = 8 * 2**20
#: The content of a byte of a compressed file; where it is more, there are more batches.
_EXPANDED_BYTE = 16
#: Bytes of a line whose cells are all empty; a cell of quotes is for another reader.
_BLANK = b", \t\r\n"
#: The cells of an image: file name, size, attributes.
_N_CELLS = 3


def is_available() -> bool:
    """Tell whether the library was compiled when the package was installed."""
    return library.compiled() is not None


def read_file(path: Path, rule: FrameRule, take: TakeBoxes, on_bytes: OnBytes) -> ReadFile:
    """Read a tracks file; see `tracks2zarr.tracks.formats.TracksReader`.

    Raises
    ------
    UnrecognisedError
        If the library was not compiled, a row is for the row reader to decide, or the file is of
        another style, which the column reader reads in smaller batches.
    OSError
        If the file cannot be read.
    """
    if not is_available():
        raise UnrecognisedError
    images = Images()
    name: ReaderName = "compiled"
    with open_source(path, on_bytes) as source:
        if not is_header(split_header(source.file.readline(HEADER_BYTES))):
            raise UnrecognisedError
        for batch in map_in_threads(_read_batch, _record_batches(source)):
            if batch.by_columns:
                name = "columns"
            take(images.renumbered(batch.found))
            images.n_blank_rows += batch.n_blank
        source.check_end()
    frame_of_image, warnings = images.frames(path, rule)
    return ReadFile(name, source.digest, source.stamp, frame_of_image, warnings)


def _record_batches(source: SourceFile) -> Iterator[memoryview]:
    """Yield the bytes of whole records; a line break within quotes does not end one."""
    rest = b""
    # no more than the file and one byte, to see that it ends: of small files, there are many
    size = source.stamp.size * (_EXPANDED_BYTE if source.is_compressed else 1) + 1
    batch_bytes = min(BATCH_BYTES, size)
    while True:
        data = bytearray(len(rest) + batch_bytes)  # each batch has its own: others are in use
        data[: len(rest)] = rest
        view = memoryview(data)
        read = view[len(rest) : len(rest) + source.file.readinto(view[len(rest) :])]
        if not read:
            break
        size = len(rest) + len(read)
        if has_lone_return(data, size):
            raise UnrecognisedError  # to the csv module, this ends a line
        cut = _last_record_end(data, size)
        if size - cut > 2 * BATCH_BYTES:
            raise UnrecognisedError  # a quote that is never closed
        if cut:
            yield view[:cut]
        rest = bytes(view[cut:size])
    if rest:
        yield memoryview(rest)


def has_lone_return(data: bytes | bytearray, size: int) -> bool:
    """Tell whether there is a carriage return without a line break; the last byte may be one."""
    count = data.count(b"\r", 0, size) if data.find(b"\r", 0, size) >= 0 else 0
    return count > 0 and count != data.count(b"\r\n", 0, size) + data.endswith(b"\r", 0, size)


def _last_record_end(data: bytearray, size: int) -> int:
    """Return the place behind the last line break that is not within quotes; 0 for none."""
    scanner = library.compiled()
    assert scanner is not None
    cut = data.rfind(b"\n", 0, size) + 1
    within_quotes = library.count_byte(memoryview(data)[:cut], ord('"'), scanner) % 2
    while cut and within_quotes:
        before = data.rfind(b"\n", 0, cut - 1) + 1
        within_quotes ^= data.count(b'"', before, cut) % 2
        cut = before
    return cut


@dataclass(frozen=True, slots=True)
class _ReadBatch:
    """The boxes of some records, how many are blank, and whether polars read any."""

    found: ImageBatch
    n_blank: int
    by_columns: bool


def _read_batch(records: memoryview) -> _ReadBatch:
    scanned = scan_records(records)
    if scanned is not None and not scanned.others:
        return _ReadBatch(scanned.found, scanned.n_blank, by_columns=False)
    from tracks2zarr.tracks.column_reader import BATCH_BYTES as FEWER_BYTES
    from tracks2zarr.tracks.column_reader import decode

    is_of_other_style = scanned is None or not scanned.n_recognised
    if is_of_other_style and len(records) > FEWER_BYTES:
        raise UnrecognisedError  # the column reader takes less memory for it
    if scanned is None:
        decoded = decode(bytes(records))
        return _ReadBatch(decoded.boxes, decoded.n_blank, by_columns=True)
    other = decode(scanned.others)
    order = np.concatenate([scanned.rows, scanned.other_rows[other.rows]])
    found = scanned.found.joined(other.boxes, order)
    return _ReadBatch(found, scanned.n_blank + other.n_blank, by_columns=True)


@dataclass(frozen=True, slots=True)
class ScannedRecords:
    """What was found in some records.

    Parameters
    ----------
    found
        The boxes of the rows that were recognised.
    rows
        (n,) int64, which rows these are.
    others
        The lines that were not recognised and are not blank, in order.
    other_rows
        (m,) int64, which rows those are.
    n_recognised
        How many rows were recognised, with a box and without.
    n_blank
        How many lines are blank.
    """

    found: ImageBatch
    rows: Int64s
    others: bytes
    other_rows: Int64s
    n_recognised: int
    n_blank: int


def scan_records(records: bytes | memoryview) -> ScannedRecords | None:
    """Read the rows that are as the tracker writes them.

    Parameters
    ----------
    records
        Whole lines, the last of which may have no line break; no carriage return but
        before one, or at the end.

    Returns
    -------
    ScannedRecords
        None where nothing can be told: a line may be a part of a record.
    """
    scanner = library.compiled()
    if scanner is None or records[: len(BOM)] == BOM:
        return None
    scanned = library.scan_lines(records, scanner)
    if scanned is None:
        return None
    images = _image_cells(scanned.images)
    if images is None:
        return None
    others, unknown = b"", np.flatnonzero(scanned.kind == library.UNKNOWN)
    other_rows = unknown
    if len(unknown):
        lines = _other_lines(bytes(records), len(scanned.kind), unknown)
        if lines is None:
            return None
        is_blank = np.array([not line.strip(_BLANK) for line in lines], np.bool_)
        others = b"".join(line for line in lines if line.strip(_BLANK))
        other_rows = unknown[~is_blank]
    rows = np.flatnonzero(scanned.kind == library.HAS_BOX)
    n_recognised = len(scanned.kind) - len(unknown)
    found = ImageBatch(images, scanned.boxes)
    n_blank = len(unknown) - len(other_rows)
    return ScannedRecords(found, rows, others, other_rows, n_recognised, n_blank)


def _other_lines(records: bytes, n_rows: int, rows: Int64s) -> list[bytes] | None:
    """Return some of the lines; None where one may be a part of a record only."""
    lines = records.split(b"\n")
    if len(lines) - (not lines[-1]) != n_rows:
        return None
    some = [lines[row] + b"\n" for row in rows.tolist()]
    is_whole = all(line.count(b'"') % 2 == 0 for line in some)
    return some if is_whole else None


def _image_cells(cells: list[bytes]) -> list[tuple[str, str]] | None:
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
