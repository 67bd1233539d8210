"""Columns as text; numbers lose nothing."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray


def as_text(values: NDArray[np.float32]) -> pl.Series:
    """Return numbers as the shortest decimals from which readers get them back.

    Readers parse a decimal as float64 and round that to float32. Where the shortest decimal of a
    float32 would then give its neighbour, all digits of the float64 are written.

    Parameters
    ----------
    values
        (n,) float32.

    Returns
    -------
    polars.Series
        (n,) String; ``NaN`` for NaN.
    """
    numbers = pl.Series("value", np.ascontiguousarray(values))
    shortest = numbers.cast(pl.String)
    read = shortest.cast(pl.Float64).cast(pl.Float32)
    is_same = read.eq_missing(numbers)
    if is_same.all():
        return shortest
    exact = numbers.cast(pl.Float64).cast(pl.String)
    return pl.select(pl.when(is_same).then(shortest).otherwise(exact).alias("value")).to_series()


def joined(parts: Sequence[str | pl.Series]) -> pl.Series:
    """Return texts and columns of texts, joined row by row."""
    return pl.select(pl.concat_str([pl.lit(part) for part in parts])).to_series()


def write_rows(table: pl.DataFrame, file: BinaryIO) -> None:
    """Write rows as CSV without a header; polars' own writing loses the number of an error."""
    text = io.BytesIO()
    table.write_csv(text, include_header=False)
    file.write(text.getbuffer())
