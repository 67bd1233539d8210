"""The fast road from a tracks CSV to boxes: polars, batch by batch.

It recognises rows that are right, and nothing else. At the first row that it does not
recognise, the whole file goes the slow road (`tracks2zarr.rows`), which decides: it
names each offending row, or finds that all is well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from tracks2zarr import rows, via
from tracks2zarr.boxes import Batch, ClipBoxes, Found, Int32s, Int64s, Spill
from tracks2zarr.problems import Problem, Tracks2ZarrError
from tracks2zarr.row_problems import mixed_frames
from tracks2zarr.scan import scan
from tracks2zarr.sources import named_digest
from tracks2zarr.threads import mapped

#: Bytes of CSV that are parsed at once: twice as much takes more memory, and no less time.
BATCH_BYTES = 8 * 2**20

_CACHED = 1 << 18
_BEFORE_QUOTED, _AFTER_QUOTED = np.zeros((2, 256), np.bool_)
_BEFORE_QUOTED[[*b',\n"']] = True
_AFTER_QUOTED[[*b',\r\n"']] = True

_RAW = dict.fromkeys(via.HEADER, pl.String)
_SHAPE = pl.Struct(dict.fromkeys(("name", "x", "y", "width", "height"), pl.String))
_REGION = pl.Struct(dict.fromkeys(("track", "confidence"), pl.String))
_BOX = ("x", "y", "width", "height")
#: From here on, json_decode may have taken an integer for a float64.
_EXACT_FLOAT = 2**53


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


class _UnrecognisedError(Exception):
    """There is a row that the fast road does not know to be right."""


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
    except _UnrecognisedError:
        return _parse_slow(path, rule, folder, on_bytes)


def _parse_slow(
    path: Path, rule: via.FrameRule, folder: Path, on_bytes: Callable[[int], None]
) -> ParsedClip:
    # these bytes were counted before, as far as the fast road came: only stopping matters
    slow = rows.read_clip(path, rule, lambda _: on_bytes(0))
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
            raise _UnrecognisedError
        for size, found in mapped(_find_boxes, _record_batches(file, hasher)):
            images = ((name, same.setdefault(text, text)) for name, text in found.images)
            numbers = [number_of.setdefault(image, len(number_of)) for image in images]
            if len(found.batch.image):
                image = np.array(numbers, np.int32)[found.batch.image]
                spill.append(replace(found.batch, image=image))
            on_bytes(size)
    frames = via.frames_of([via.Image(*pair) for pair in number_of], rule)
    if frames.bad:
        raise _UnrecognisedError
    boxes = spill.boxes(np.array(frames.of_image, np.int32))
    if boxes.first_duplicate() is not None:
        raise _UnrecognisedError
    warnings = (mixed_frames(path),) if frames.mixed else ()
    return ParsedClip(folder, named_digest(hasher), warnings)


def _record_batches(file: BinaryIO, hasher: hashlib._Hash) -> Iterator[bytes]:
    """Yield the bytes of whole records; a line break within quotes does not end one."""
    rest = b""
    while data := file.read(BATCH_BYTES):
        hasher.update(data)
        data = rest + data
        if b"\r" in data and data.count(b"\r") != data.count(b"\r\n") + data.endswith(b"\r"):
            raise _UnrecognisedError  # to the csv module, this ends a line
        cut = _last_record_end(data)
        if len(data) - cut > 2 * BATCH_BYTES:
            raise _UnrecognisedError  # a quote that is never closed
        if cut:
            yield data[:cut]
        rest = data[cut:]
    if rest:
        yield rest


def _last_record_end(data: bytes) -> int:
    """Return the place behind the last line break that is not within quotes; 0 for none."""
    cut = data.rfind(b"\n") + 1
    within_quotes = _n_quotes(data, cut) % 2
    while cut and within_quotes:
        before = data.rfind(b"\n", 0, cut - 1) + 1
        within_quotes ^= data.count(b'"', before, cut) % 2
        cut = before
    return cut


def _n_quotes(data: bytes, stop: int) -> int:
    """Return the number of quotes before a place; where they are frequent, `count` is slow."""
    all_bytes = np.frombuffer(data, np.uint8)[:stop]
    return sum(
        int(np.count_nonzero(all_bytes[start : start + _CACHED] == ord('"')))
        for start in range(0, stop, _CACHED)
    )


def _find_boxes(records: bytes) -> tuple[int, Found]:
    """Return the number of bytes, and the boxes of some records."""
    scanned = scan(records)
    if scanned is None:
        return len(records), _decode_records(records)[0]
    found, places = scanned.found, scanned.rows
    if scanned.others:
        other, rows_of = _decode_records(scanned.others)
        found = found.joined(other, np.concatenate([places, scanned.other_rows[rows_of]]))
    return len(records), found


def _decode_records(records: bytes) -> tuple[Found, Int64s]:
    """Return the boxes of any records, and (n,) int64, the record of each."""
    if via.BOM in records or not _is_quoted_strictly(records):
        raise _UnrecognisedError  # polars would drop that
    try:
        raw = pl.read_csv(records, has_header=False, schema=_RAW)
    except pl.exceptions.PolarsError:
        raise _UnrecognisedError from None
    if any(raw[name].has_nulls() for name in _NEEDED):
        raise _UnrecognisedError
    image, images = _images(raw)
    is_empty = raw.select(
        (pl.col("region_shape_attributes") == "{}") & (pl.col("region_attributes") == "{}")
    ).to_series()
    _check_empty(raw.filter(is_empty))
    has_box = ~is_empty.to_numpy()
    raw = raw.filter(has_box)
    if (raw["region_count"].str.strip_chars() == "0").any():
        raise _UnrecognisedError
    return Found(images, _to_batch(image[has_box], _decode(raw))), np.flatnonzero(has_box)


def _is_quoted_strictly(records: bytes) -> bool:
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


def _images(raw: pl.DataFrame) -> tuple[Int32s, list[tuple[str, str]]]:
    """Return (n,) int32, the number of the image of each row, and the distinct images."""
    keys = ["filename", "file_attributes"]
    distinct = raw.select(keys).unique(maintain_order=True).with_row_index("image")
    joined = raw.select(keys).join(distinct, on=keys, how="left", maintain_order="left")
    return joined["image"].cast(pl.Int32).to_numpy(), list(distinct.select(keys).iter_rows())


_NEEDED = (
    "filename",
    "file_attributes",
    "region_count",
    "region_shape_attributes",
    "region_attributes",
)


def _check_empty(raw: pl.DataFrame) -> None:
    if (raw["region_count"] != "0").any():
        raise _UnrecognisedError


def _decode(raw: pl.DataFrame) -> pl.DataFrame:
    """Return the values of the two columns of JSON, as text, one column a key."""
    try:
        shape = raw["region_shape_attributes"].str.json_decode(_SHAPE)
        region = raw["region_attributes"].str.json_decode(_REGION)
    except pl.exceptions.PolarsError:
        raise _UnrecognisedError from None
    # json_decode drops empty strings: then the rows would no longer belong together
    if not len(shape) == len(region) == len(raw):
        raise _UnrecognisedError
    values = pl.concat([shape.struct.unnest(), region.struct.unnest()], how="horizontal")
    if not _is_one_object_a_row(raw, values):
        raise _UnrecognisedError
    return values


def _is_one_object_a_row(raw: pl.DataFrame, values: pl.DataFrame) -> bool:
    """Tell whether each row has one object, in which no key that counts is twice.

    json_decode reads all rows as one text, so that an object may begin in one row and end in
    another; and of a key that is twice it takes the first, where others take the last. Where
    a row has as many colons as values were found, all is well; else it is looked at closely.
    """
    with_confidence = not values["confidence"].has_nulls()
    for column, keys, found in (
        ("region_shape_attributes", ("name", *_BOX), len(_BOX) + 1),
        ("region_attributes", ("track",), 2 if with_confidence else 0),
    ):
        text = raw[column]
        if not (text.str.starts_with("{") & text.str.ends_with("}")).all():
            return False
        if (text.str.count_matches(":", literal=True) == found).all():
            continue
        if text.str.contains_any(["\\", "["]).any():
            return False  # a key may be written with escapes, a list may go on in another row
        opened, closed = (text.str.count_matches(brace, literal=True) for brace in "{}")
        if (opened != closed).any():
            return False
        for key in keys:
            if (text.str.count_matches(f'"{key}"', literal=True) != 1).any():
                return False
        if (text.str.count_matches('"confidence"', literal=True) > 1).any():
            return False
    return True


def _to_batch(image: Int32s, values: pl.DataFrame) -> Batch:
    number = values.select(
        *(pl.col(name).cast(pl.Float64, strict=False) for name in _BOX),
        pl.col("confidence").cast(pl.Float64, strict=False),
        _track(),
        is_rect=pl.col("name").eq_missing("rect").all(),
        confidence_lost=(
            pl.col("confidence").is_not_null()
            & pl.col("confidence").cast(pl.Float64, strict=False).is_null()
        ).any(),
    )
    if not number["is_rect"].all() or number["confidence_lost"].any():
        raise _UnrecognisedError
    if any(number[name].has_nulls() for name in (*_BOX, "track")):
        raise _UnrecognisedError
    edges = number.select(_BOX).to_numpy()
    confidence = number["confidence"].fill_null(np.nan).to_numpy()
    sound = (
        (np.abs(edges) < via.MAX_NUMBER).all()  # NaN is not
        and (edges[:, 2:] >= 0).all()
        and not (np.abs(confidence) >= via.MAX_NUMBER).any()
        and (number["track"] >= 0).all()
        and (number["track"] < _EXACT_FLOAT).all()
    )
    if not sound:
        raise _UnrecognisedError
    edges = edges.astype(np.float32)
    track = number["track"].to_numpy()
    return Batch(image, track, edges[:, :2], edges[:, 2:], confidence.astype(np.float32))


def _track() -> pl.Expr:
    """Return the track number; ``7.0`` is one, and so is ``7``."""
    text = pl.col("track")
    integral = text.str.extract(r"^([+-]?[0-9]{1,15})\.0*$", 1)
    numbers = (one.cast(pl.Int64, strict=False) for one in (text, integral))
    return pl.coalesce(*numbers).alias("track")
