"""Rows as the tracker writes them, recognised with polars where `scan.c` is not compiled.

A row is cut at its commas, whatever stands in quotes, and each piece must be exactly its
part of the tracker's text around a number. That takes half the time of reading a row as
CSV and JSON.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from tracks2zarr.dataset.clip_boxes import Batch, Recognised
from tracks2zarr.tracks import via

#: The pieces between the commas of a row: names, and the text around those with a number.
_PIECES = dict.fromkeys(
    (
        *("filename", "file_size", "file_attributes", "region_count", "region_id", "name"),
        *("x", "y", "width", "height", "track", "confidence"),
    ),
    pl.String,
)
_NAME = '"{""name"":""rect""'
_AROUND = {
    "x": ('""x"":', ""),
    "y": ('""y"":', ""),
    "width": ('""width"":', ""),
    "height": ('""height"":', '}"'),
    "track": ('"{""track"":""', '""'),
    "confidence": (' ""confidence"":""', '""}"'),
}
_IMAGE = ("filename", "file_size", "file_attributes")
#: What JSON has for a number, but for exponents.
_DECIMAL = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$"
_MAX_TRACK = 2**53
_BOX = ("x", "y", "width", "height")
_NUMBERS = {
    **dict.fromkeys(("x", "y", "confidence"), pl.Float64()),
    **dict.fromkeys(("width", "height"), pl.Int32()),
    "track": pl.Int64(),
}


def _text(name: str) -> pl.Expr:
    """Return the text of a number, where the text around it is what it must be."""
    before, after = _AROUND[name]
    text = pl.col(name).str.slice(len(before))  # quicker than to strip it
    return text.str.strip_suffix(after) if after else text


def _is_framed() -> pl.Expr:
    """Tell whether all of a row but its image and its numbers is the text that it must be."""
    return pl.all_horizontal(
        pl.col("name") == _NAME,
        *(pl.col(name).str.starts_with(before) for name, (before, _) in _AROUND.items()),
        *(pl.col(name).str.ends_with(after) for name, (_, after) in _AROUND.items() if after),
        pl.col("region_count").cast(pl.UInt32, strict=False) > 0,
        pl.col("region_id").cast(pl.UInt32, strict=False) >= 0,
    )


def _is_json() -> pl.Expr:
    """Tell whether the numbers that stand in JSON as such are written as JSON wants them."""
    return pl.all_horizontal(
        *(pl.col(name).str.contains(_DECIMAL) for name in ("x", "y")),
        # of what is read as an integer, that excludes signs, and zeros before other digits
        *(pl.col(name) >= "1" for name in ("width", "height")),
    )


def _is_sound() -> pl.Expr:
    """Tell whether all numbers are there, and as large as they may be; NaN is not."""
    return pl.all_horizontal(
        "is_known",
        *(pl.col(name).abs() < via.MAX_NUMBER for name in ("x", "y", "confidence")),
        *(pl.col(name) >= 0 for name in ("width", "height")),
        pl.col("track").is_between(0, _MAX_TRACK, closed="left"),
    ).fill_null(value=False)


# What is asked of the pieces; made once, for that takes as long as many a batch.
_TEXTS = (_is_framed().alias("is_framed"), *map(_text, _AROUND))
_VALUES = (
    *(pl.col(name).cast(dtype, strict=False) for name, dtype in _NUMBERS.items()),
    (pl.col("is_framed") & _is_json()).alias("is_known"),
)
_BOXES = (
    pl.col(*_BOX, "confidence").cast(pl.Float32),
    pl.col("track"),
    _is_sound().alias("is_sound"),
)
_IMAGES = [pl.col(name).fill_null("") for name in _IMAGE]
_IS_NEW = pl.any_horizontal(name != name.shift() for name in _IMAGES).fill_null(value=True)


def recognise(records: bytes) -> Recognised | None:
    """Read the rows that are as the tracker writes them.

    Parameters
    ----------
    records
        Whole lines, with no byte-order mark before them.

    Returns
    -------
    Recognised
        None where nothing can be told: a line has more commas.
    """
    try:
        pieces = pl.read_csv(records, has_header=False, schema=_PIECES, quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    plan = pieces.lazy().with_columns(_TEXTS).select(_VALUES).select(_BOXES)
    values = plan.collect(optimizations=pl.QueryOptFlags.none())
    is_known = values["is_sound"].to_numpy()
    if not is_known.all():
        pieces, values = pieces.filter(is_known), values.filter(is_known)
    is_new = pieces.select(_IS_NEW).to_series()
    texts = pieces.select(_IMAGES).filter(is_new).rows()
    edges = values.select(_BOX).to_numpy()
    return Recognised(
        is_known,
        [",".join(cells).encode() for cells in texts],
        Batch(
            image=np.cumsum(is_new.to_numpy(), dtype=np.int32) - 1,
            track=values["track"].to_numpy(),
            corner=edges[:, :2],
            size=edges[:, 2:],
            confidence=values["confidence"].to_numpy(),
        ),
    )
