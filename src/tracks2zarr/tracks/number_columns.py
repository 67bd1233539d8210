"""Turns columns of text into numbers, for readers of CSV files with polars."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tracks2zarr.common.encodings import UTF8_MARK
from tracks2zarr.dataset.batches import Int64s
from tracks2zarr.tracks.formats import UnrecognisedError

_WHOLE = r"^[+-]?[0-9]{1,19}(?:\.0*)?$"
_FRACTION = r"\.0*$"
_RETURN = re.compile(rb"\r\n?")


def with_line_feeds(text: bytes) -> bytes:
    """Return a text without its byte-order mark, whose lines all end with a line feed.

    Raises
    ------
    UnrecognisedError
        If there is a second mark, which polars would drop.
    """
    text = text.removeprefix(UTF8_MARK)
    if text.startswith(UTF8_MARK):
        raise UnrecognisedError
    return _RETURN.sub(b"\n", text) if b"\r" in text else text


def whole_numbers(column: pl.Series) -> Int64s:
    """Return (n,) int64 from integers as text, such as ``7`` and ``7.0``.

    Raises
    ------
    UnrecognisedError
        If any cell is written otherwise, or does not fit.
    """
    text = column.str.strip_chars()
    if text.has_nulls() or not text.str.contains(_WHOLE).all():
        raise UnrecognisedError
    try:
        return text.str.replace(_FRACTION, "").cast(pl.Int64).to_numpy()
    except pl.exceptions.PolarsError:
        raise UnrecognisedError from None


def numbers(columns: pl.DataFrame) -> NDArray[np.float64]:
    """Return (n, n_columns) float64 from numbers as text.

    Raises
    ------
    UnrecognisedError
        If any cell is none.
    """
    try:
        found = columns.select(pl.all().str.strip_chars().cast(pl.Float64))
    except pl.exceptions.PolarsError:
        raise UnrecognisedError from None
    if any(column.has_nulls() for column in found):
        raise UnrecognisedError
    return found.to_numpy()
