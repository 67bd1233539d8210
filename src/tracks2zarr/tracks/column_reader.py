"""Rows of any style from CSV to boxes: polars, for the CSV as for the JSON in its cells.

What is not recognised here is for the slow road (`tracks2zarr.tracks.row_reader`) to decide.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from tracks2zarr.dataset.clip_boxes import Batch, Found, Int32s, Int64s
from tracks2zarr.tracks import via
from tracks2zarr.tracks.scan import UnrecognisedError

_BEFORE_QUOTED, _AFTER_QUOTED = np.zeros((2, 256), np.bool_)
_BEFORE_QUOTED[[*b',\n"']] = True
_AFTER_QUOTED[[*b',\r\n"']] = True

_RAW = dict.fromkeys(via.HEADER, pl.String)
_SHAPE = pl.Struct(dict.fromkeys(("name", "x", "y", "width", "height"), pl.String))
_REGION = pl.Struct(dict.fromkeys(("track", "confidence"), pl.String))
_BOX = ("x", "y", "width", "height")
#: From here on, json_decode may have taken an integer for a float64.
_EXACT_FLOAT = 2**53


def decode(records: bytes) -> tuple[Found, Int64s]:
    """Read some records, each of which must be right.

    Parameters
    ----------
    records
        Whole records, each with its line break.

    Returns
    -------
    found, rows
        The boxes; and (n,) int64, the record of each.

    Raises
    ------
    UnrecognisedError
        If there is a record that is not known to be right.
    """
    if via.BOM in records or not _is_quoted_strictly(records):
        raise UnrecognisedError  # polars would drop that
    try:
        raw = pl.read_csv(records, has_header=False, schema=_RAW)
    except pl.exceptions.PolarsError:
        raise UnrecognisedError from None
    if any(raw[name].has_nulls() for name in _NEEDED):
        raise UnrecognisedError
    image, images = _images(raw)
    is_empty = raw.select(
        (pl.col("region_shape_attributes") == "{}") & (pl.col("region_attributes") == "{}")
    ).to_series()
    _check_empty(raw.filter(is_empty))
    has_box = ~is_empty.to_numpy()
    raw = raw.filter(has_box)
    if (raw["region_count"].str.strip_chars() == "0").any():
        raise UnrecognisedError
    return Found(images, _to_batch(image[has_box], _values(raw))), np.flatnonzero(has_box)


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
        raise UnrecognisedError


def _values(raw: pl.DataFrame) -> pl.DataFrame:
    """Return the values of the two columns of JSON, as text, one column a key."""
    try:
        shape = raw["region_shape_attributes"].str.json_decode(_SHAPE)
        region = raw["region_attributes"].str.json_decode(_REGION)
    except pl.exceptions.PolarsError:
        raise UnrecognisedError from None
    # json_decode drops empty strings: then the rows would no longer belong together
    if not len(shape) == len(region) == len(raw):
        raise UnrecognisedError
    values = pl.concat([shape.struct.unnest(), region.struct.unnest()], how="horizontal")
    if not _is_one_object_a_row(raw, values):
        raise UnrecognisedError
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
        raise UnrecognisedError
    if any(number[name].has_nulls() for name in (*_BOX, "track")):
        raise UnrecognisedError
    edges = number.select(_BOX).to_numpy()
    confidence = number["confidence"].fill_null(np.nan).to_numpy(writable=True)
    sound = (
        (np.abs(edges) < via.MAX_NUMBER).all()  # NaN is not
        and (edges[:, 2:] >= 0).all()
        and not (np.abs(confidence) >= via.MAX_NUMBER).any()
        and (number["track"] >= 0).all()
        and (number["track"] < _EXACT_FLOAT).all()
    )
    if not sound:
        raise UnrecognisedError
    edges = edges.astype(np.float32)
    confidence[np.isnan(confidence)] = np.nan  # which may have had a sign
    track = number["track"].to_numpy()
    return Batch(image, track, edges[:, :2], edges[:, 2:], confidence.astype(np.float32))


def _track() -> pl.Expr:
    """Return the track number; ``7.0`` is one, and so is ``7``."""
    text = pl.col("track")
    integral = text.str.extract(r"^([+-]?[0-9]{1,15})\.0*$", 1)
    numbers = (one.cast(pl.Int64, strict=False) for one in (text, integral))
    return pl.coalesce(*numbers).alias("track")
