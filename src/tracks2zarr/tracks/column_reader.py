"""The reader for rows of any style: polars, for the CSV and the JSON in its cells.

It proves what the compiled reader read, and reads everything where nothing was compiled. What
polars is not known to read as it is meant goes through the csv and json modules, a batch of
records at once. A record that is not right is for the row reader, which names it.
"""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tracks2zarr.dataset.batches import Batch, ImageBatch, Int32s, Int64s
from tracks2zarr.parallel.threads import map_in_threads
from tracks2zarr.tracks import values
from tracks2zarr.tracks.csv_records import is_quoted_strictly, whole_records
from tracks2zarr.tracks.formats import OnBytes, ReadFile, TakeBoxes, UnrecognisedError
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.header import (
    BOM,
    HEADER,
    HEADER_BYTES,
    is_blank,
    is_header,
    split_at_return,
    split_header,
)
from tracks2zarr.tracks.images import Images
from tracks2zarr.tracks.source_file import open_source

#: Bytes of CSV that are parsed at once; the JSON of more does not fit into a core's cache.
BATCH_BYTES = 2 * 2**20

_RAW = dict.fromkeys(HEADER, pl.String)
_SHAPE = pl.Struct(dict.fromkeys(("name", "x", "y", "width", "height"), pl.String))
_SHAPE_OF_NUMBERS = pl.Struct(
    {"name": pl.String, **dict.fromkeys(("x", "y", "width", "height"), pl.Float64)}
)
_REGION = pl.Struct(dict.fromkeys(("track", "confidence"), pl.String))
_BOX = ("x", "y", "width", "height")
_KEYS = {"region_shape_attributes": ("name", *_BOX), "region_attributes": ("track", "confidence")}
#: From here on, json_decode may have taken an integer for a float64.
_EXACT_FLOAT = 2**53


def read_file(
    path: Path,
    rule: FrameRule,
    take: TakeBoxes,
    on_bytes: OnBytes,
    *,
    rows_are_sound: bool = False,
) -> ReadFile:
    """Read a tracks file; see `tracks2zarr.tracks.formats.TracksReader`.

    Parameters
    ----------
    path, rule, take, on_bytes
        As there.
    rows_are_sound
        Whether another reader has seen to it that each row is a record of CSV, with numbers in one
        JSON object a cell; what guards against other rows is left out then.

    Raises
    ------
    UnrecognisedError
        If a row is for the row reader to decide.
    OSError
        If the file cannot be read.
    """
    images = Images()
    with open_source(path, on_bytes) as source:
        header, rest = split_at_return(source.file.readline(HEADER_BYTES))
        if not is_header(split_header(header)):
            raise UnrecognisedError
        read = partial(decode, rows_are_sound=rows_are_sound)
        for decoded in map_in_threads(read, whole_records(source.file, rest, BATCH_BYTES)):
            take(images.renumbered(decoded.boxes))
            images.n_blank_rows += decoded.n_blank
        source.check_end()
    frame_of_image, warnings = images.frames(path, rule)
    return ReadFile("columns", source.digest, source.stamp, frame_of_image, warnings)


class Decoded(NamedTuple):
    """What some records have.

    Parameters
    ----------
    boxes
        The boxes, with their images.
    rows
        (n,) int64, the record of each box, blank ones not counted.
    n_blank
        How many records are blank.
    """

    boxes: ImageBatch
    rows: Int64s
    n_blank: int


def decode(records: bytes, *, rows_are_sound: bool = False) -> Decoded:
    """Read some records, each of which must be right.

    Parameters
    ----------
    records
        Whole records, each with its line break; the last may have none.
    rows_are_sound
        As for `read_file`.

    Raises
    ------
    UnrecognisedError
        If there is a record that is not known to be right.
    """
    raw, n_blank = _cells(records, rows_are_sound=rows_are_sound)
    image, images = _images(raw)
    has_box = _has_box(raw)
    if not has_box.all():
        raw, image = raw.filter(has_box), image[has_box]
    try:
        boxes = _to_batch(image, _numbers(_decoded(raw, rows_are_sound=rows_are_sound)))
    except UnrecognisedError:
        boxes = _to_batch(image, _decoded_one_by_one(raw), are_exact=True)
    return Decoded(ImageBatch(images, boxes), np.flatnonzero(has_box), n_blank)


# ---- from text to cells


def _cells(records: bytes, *, rows_are_sound: bool) -> tuple[pl.DataFrame, int]:
    """Return the seven cells of each record, as text, and how many other records are blank."""
    try:
        if not rows_are_sound and not is_quoted_strictly(records):
            raise UnrecognisedError
        if b"\xef" in records and BOM in records:
            raise UnrecognisedError  # polars would drop that
        if b"\r" in records and records.count(b"\r") != records.count(b"\r\n"):
            raise UnrecognisedError  # to the csv module, this ends a line
        raw = pl.read_csv(records, has_header=False, schema=_RAW)
        if any(raw[name].has_nulls() for name in _NEEDED):
            raise UnrecognisedError
        if raw["region_shape_attributes"].str.len_bytes().min() in {0, 1}:
            raise UnrecognisedError  # the row may be blank
    except (pl.exceptions.PolarsError, UnrecognisedError):
        return _cells_by_csv(records)
    return raw, 0


_NEEDED = (
    "filename",
    "file_attributes",
    "region_count",
    "region_shape_attributes",
    "region_attributes",
)


def _cells_by_csv(records: bytes) -> tuple[pl.DataFrame, int]:
    """Return the same by the csv module, which takes what polars would drop or refuse."""
    try:
        text = io.StringIO(records.decode(), newline="")
        records_found = list(csv.reader(text, strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise UnrecognisedError from None
    rows = [fields for fields in records_found if not is_blank(fields)]
    if any(len(fields) != len(HEADER) for fields in rows):
        raise UnrecognisedError
    return pl.DataFrame(rows, schema=_RAW, orient="row"), len(records_found) - len(rows)


def _images(raw: pl.DataFrame) -> tuple[Int32s, list[tuple[str, str]]]:
    """Return (n,) int32, the number of the image of each row; and one image per run of rows."""
    cells = raw.select("filename", "file_attributes")
    is_new = cells.select(
        pl.any_horizontal(pl.all() != pl.all().shift()).fill_null(value=True)
    ).to_series()
    return np.cumsum(is_new.to_numpy(), dtype=np.int32) - 1, cells.filter(is_new).rows()


def _has_box(raw: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return (n,) bool, which rows have a box; the others are frames without boxes."""
    cells = pl.col("region_shape_attributes", "region_attributes")
    # where there is a quote, there is a key; only cells without one are looked at closely
    is_empty = raw.select(pl.all_horizontal(~cells.str.contains('"', literal=True))).to_series()
    if is_empty.any():
        is_empty = raw.select(pl.all_horizontal(cells.str.strip_chars() == "{}")).to_series()
    counts = raw["region_count"].str.strip_chars()
    if (counts.filter(~is_empty) == "0").any():
        raise UnrecognisedError
    if any(values.to_integer(count) != 0 for count in counts.filter(is_empty).unique()):
        raise UnrecognisedError
    return ~is_empty.to_numpy()


# ---- from cells to values


def _decoded(raw: pl.DataFrame, *, rows_are_sound: bool) -> pl.DataFrame:
    """Return the values of both columns of JSON, one column per key; text, or numbers of a box."""
    shape_type = _SHAPE_OF_NUMBERS if rows_are_sound else _SHAPE
    try:
        shape = raw["region_shape_attributes"].str.json_decode(shape_type)
        region = raw["region_attributes"].str.json_decode(_REGION)
    except pl.exceptions.PolarsError:
        raise UnrecognisedError from None
    # json_decode drops empty strings: then the rows would no longer belong together
    if not len(shape) == len(region) == len(raw):
        raise UnrecognisedError
    found = pl.concat([shape.struct.unnest(), region.struct.unnest()], how="horizontal")
    if not (rows_are_sound or _is_one_object_a_row(raw, found)):
        raise UnrecognisedError
    return found


def _is_one_object_a_row(raw: pl.DataFrame, found: pl.DataFrame) -> bool:
    """Tell whether each row has one object, in which no key that counts is twice.

    json_decode reads all rows as one text, so that an object may begin in one row and end in
    another; and of a key that is twice it takes the first, where others take the last. Where
    a row has as many colons as values were found, all is well; else it is looked at closely.
    """
    with_confidence = not found["confidence"].has_nulls()
    for column, keys, n_values in (
        ("region_shape_attributes", ("name", *_BOX), len(_BOX) + 1),
        ("region_attributes", ("track",), 2 if with_confidence else 0),
    ):
        text = raw[column]
        if not (text.str.starts_with("{") & text.str.ends_with("}")).all():
            return False
        if (text.str.count_matches(":", literal=True) == n_values).all():
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


def _decoded_one_by_one(raw: pl.DataFrame) -> pl.DataFrame:
    """Return the same values by the json module: numbers, and NaN where there is no confidence."""
    rows = [
        _object(shape, "region_shape_attributes") | _object(region, "region_attributes")
        for shape, region in raw.select(*_KEYS).iter_rows()
    ]
    if any(row.get("name") != "rect" for row in rows):
        raise UnrecognisedError
    columns: dict[str, list[Any]] = {
        name: [values.to_number(row.get(name)) for row in rows] for name in _BOX
    }
    columns["track"] = [values.to_integer(row.get("track")) for row in rows]
    columns["confidence"] = [values.to_confidence(row.get("confidence")) for row in rows]
    if any(None in column for column in columns.values()):
        raise UnrecognisedError
    if any(not 0 <= track < values.MAX_TRACK for track in columns["track"]):
        raise UnrecognisedError
    types = dict.fromkeys((*_BOX, "confidence"), pl.Float64()) | {"track": pl.Int64()}
    return pl.DataFrame(columns, schema=types)


def _object(text: str, column: str) -> dict[str, Any]:
    """Return the values of the keys that count, each of which may be there once."""
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        raise UnrecognisedError from None
    if not isinstance(pairs, _Pairs):
        raise UnrecognisedError
    known = [(key, value) for key, value in pairs if key in _ALL_KEYS]
    if len({key for key, _ in known}) < len(known):
        raise UnrecognisedError
    return {key: value for key, value in known if key in _KEYS[column]}


class _Pairs(list[tuple[str, Any]]):
    """The keys and values of a JSON object."""


_ALL_KEYS = {key for keys in _KEYS.values() for key in keys}


def _to_batch(image: Int32s, number: pl.DataFrame, *, are_exact: bool = False) -> Batch:
    """Return boxes from numbers; `are_exact` tells that no track number was a float64."""
    edges = number.select(_BOX).to_numpy()
    confidence = number["confidence"].fill_null(np.nan).to_numpy(writable=True)
    is_sound = (
        (np.abs(edges) < values.MAX_NUMBER).all()  # NaN is not
        and (edges[:, 2:] >= 0).all()
        and not (np.abs(confidence) >= values.MAX_NUMBER).any()
        and (number["track"] >= 0).all()
        and (are_exact or (number["track"] < _EXACT_FLOAT).all())
    )
    if not is_sound:
        raise UnrecognisedError
    edges = edges.astype(np.float32)
    confidence[np.isnan(confidence)] = np.nan  # which may have had a sign
    track = number["track"].to_numpy()
    return Batch(image, track, edges[:, :2], edges[:, 2:], confidence.astype(np.float32))


def _numbers(found: pl.DataFrame) -> pl.DataFrame:
    """Return the numbers that stand as text in columns; null where there is no confidence."""
    number = found.select(
        pl.col(*_BOX, "confidence").cast(pl.Float64, strict=False),
        _track(),
        is_rect=pl.col("name").eq_missing("rect").all(),
    )
    if not number["is_rect"].all():
        raise UnrecognisedError
    if number["confidence"].null_count() != found["confidence"].null_count():
        raise UnrecognisedError  # a confidence that is no number
    if any(number[name].has_nulls() for name in (*_BOX, "track")):
        raise UnrecognisedError
    return number


def _track() -> pl.Expr:
    """Return the track number; ``7.0`` is one, and so is ``7``."""
    text = pl.col("track")
    integral = text.str.extract(r"^([+-]?[0-9]{1,15})\.0*$", 1)
    numbers = (one.cast(pl.Int64, strict=False) for one in (text, integral))
    return pl.coalesce(*numbers).alias("track")
