"""The fast road from a tracks CSV to boxes, batch by batch.

It recognises rows that are right, and nothing else. At the first row that it does not
recognise, the whole file goes the slow road (`tracks2zarr.tracks.row_reader`), which decides: it
names each offending row, or finds that all is well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path

import numpy as np

from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.dataset.clip_boxes import ClipBoxes, Found, Spill
from tracks2zarr.parallel.threads import map_in_threads
from tracks2zarr.tracks import row_reader, via
from tracks2zarr.tracks.files import named_digest
from tracks2zarr.tracks.row_problems import mixed_frames
from tracks2zarr.tracks.scan import UnrecognisedError, count_byte, scan

#: Bytes of CSV that are parsed at once: twice as much takes more memory, and no less time.
BATCH_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class ParsedClip:
    """Where the columns of a clip's boxes lie, and the digest of the bytes that they come from."""

    folder: Path
    digest: str
    warnings: tuple[Problem, ...] = ()

    @property
    def boxes(self) -> ClipBoxes:
        """The boxes, read from the folder as they are used."""
        return ClipBoxes.load(self.folder)


def parse_clip(
    path: Path,
    rule: via.FrameRule,
    folder: Path,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> ParsedClip:
    """Read the boxes of a clip from its tracks file, and check every row.

    Parameters
    ----------
    path
        The tracks CSV.
    rule
        How frames are found, and which there are.
    folder
        An empty folder for the columns; the boxes are read from there as long as they are used.
    on_bytes
        Called with the number of bytes that were read since the last call.

    Returns
    -------
    ParsedClip
        Boxes in ascending order of frame.

    Raises
    ------
    Tracks2ZarrError
        If any row breaks the format; the first rows of each kind of problem are named.
    OSError
        If the file cannot be read or the columns cannot be written.
    """
    try:
        return _parse_fast(path, rule, folder, on_bytes)
    except UnrecognisedError:
        return _parse_slow(path, rule, folder, on_bytes)


def _parse_slow(
    path: Path, rule: via.FrameRule, folder: Path, on_bytes: Callable[[int], None]
) -> ParsedClip:
    # these bytes were counted before, as far as the fast road came: only stopping matters
    slow = row_reader.read_clip(path, rule, lambda _: on_bytes(0))
    if slow.problems:
        raise Tracks2ZarrError(slow.problems)
    slow.boxes.save(folder)
    return ParsedClip(folder, slow.digest, slow.warnings)


def _parse_fast(
    path: Path, rule: via.FrameRule, folder: Path, on_bytes: Callable[[int], None]
) -> ParsedClip:
    hasher = hashlib.sha256()
    number_of: dict[tuple[str, str], int] = {}
    same: dict[str, str] = {}  # attributes that images have in common are kept once
    with path.open("rb") as file, Spill(folder) as spill:
        header = file.readline()
        hasher.update(header)
        on_bytes(len(header))
        if not via.is_header(via.split_header(header)):
            raise UnrecognisedError
        for size, found in map_in_threads(_find_boxes, _record_batches(file, hasher)):
            images = ((name, same.setdefault(text, text)) for name, text in found.images)
            numbers = [number_of.setdefault(image, len(number_of)) for image in images]
            if len(found.batch.image):
                image = np.array(numbers, np.int32)[found.batch.image]
                spill.append(replace(found.batch, image=image))
            on_bytes(size)
    frames = via.frames_of([via.Image(*pair) for pair in number_of], rule)
    if frames.bad:
        raise UnrecognisedError
    boxes = spill.boxes(np.array(frames.of_image, np.int32))
    if boxes.first_duplicate() is not None:
        raise UnrecognisedError
    warnings = (mixed_frames(path),) if frames.mixed else ()
    return ParsedClip(folder, named_digest(hasher), warnings)


def _record_batches(file: BufferedReader, hasher: hashlib._Hash) -> Iterator[memoryview]:
    """Yield the bytes of whole records; a line break within quotes does not end one."""
    rest = b""
    while True:
        data = bytearray(len(rest) + BATCH_BYTES)  # each batch has its own: others are in use
        data[: len(rest)] = rest
        view = memoryview(data)
        read = view[len(rest) : len(rest) + file.readinto(view[len(rest) :])]
        if not read:
            break
        hasher.update(read)
        size = len(rest) + len(read)
        if _has_lone_return(data, size):
            raise UnrecognisedError  # to the csv module, this ends a line
        cut = _last_record_end(data, size)
        if size - cut > 2 * BATCH_BYTES:
            raise UnrecognisedError  # a quote that is never closed
        if cut:
            yield view[:cut]
        rest = bytes(view[cut:size])
    if rest:
        yield memoryview(rest)


def _has_lone_return(data: bytearray, size: int) -> bool:
    """Tell whether there is a carriage return without a line break; the last byte may be one."""
    count = data.count(b"\r", 0, size) if data.find(b"\r", 0, size) >= 0 else 0
    return count > 0 and count != data.count(b"\r\n", 0, size) + data.endswith(b"\r", 0, size)


def _last_record_end(data: bytearray, size: int) -> int:
    """Return the place behind the last line break that is not within quotes; 0 for none."""
    cut = data.rfind(b"\n", 0, size) + 1
    within_quotes = count_byte(memoryview(data)[:cut], ord('"')) % 2
    while cut and within_quotes:
        before = data.rfind(b"\n", 0, cut - 1) + 1
        within_quotes ^= data.count(b'"', before, cut) % 2
        cut = before
    return cut


def _find_boxes(records: memoryview) -> tuple[int, Found]:
    """Return the number of bytes, and the boxes of some records."""
    scanned = scan(records)
    if scanned is not None and not scanned.others:
        return len(records), scanned.found
    from tracks2zarr.tracks.column_reader import decode

    if scanned is None:
        return len(records), decode(bytes(records))[0]
    other, rows_of = decode(scanned.others)
    order = np.concatenate([scanned.rows, scanned.other_rows[rows_of]])
    return len(records), scanned.found.joined(other, order)
