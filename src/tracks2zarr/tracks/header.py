"""The header of a VIA tracks file, its seven column names; and rows that are none."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from tracks2zarr.common.encodings import UTF8_MARK

BOM = UTF8_MARK
HEADER = (
    "filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    "region_shape_attributes",
    "region_attributes",
)
#: No header is longer; in a file whose lines end otherwise, a line may be all of it.
HEADER_BYTES = 1 << 16
HEADER_TEXT = ",".join(HEADER)


def is_header(fields: Sequence[str]) -> bool:
    """Tell whether these are the seven column names, perhaps with blanks around them.

    VIA 1 wrote ``#filename``.
    """
    names = [_bare(field) for field in fields]
    return len(names) == len(HEADER) and (names[0].removeprefix("#"), *names[1:]) == HEADER


def _bare(name: str) -> str:
    """Return a name without blanks around it; where blanks stand before quotes, CSV keeps them."""
    return name.strip().removeprefix('"').removesuffix('"').strip()


def is_blank(fields: Sequence[str]) -> bool:
    """Tell whether a row has no cell with text; spreadsheet programs leave such rows."""
    return not any(field.strip() for field in fields)


def split_header(line: bytes) -> list[str]:
    """Return the column names in the first line of a file, with or without a byte-order mark."""
    text = line.removeprefix(BOM).decode("utf-8", errors="replace")
    text = text.removesuffix("\n").removesuffix("\r")
    if "\r" in text:  # to the csv module, this ends a line
        return [text]
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        return [text]


def split_at_return(line: bytes) -> tuple[bytes, bytes]:
    """Split a line behind a carriage return that no line feed follows; it ends a line, too."""
    place = line.find(b"\r") + 1
    return (line[:place], line[place:]) if place and line[place:] != b"\n" else (line, b"")
