"""Reads the two JSON cells in a row of a tracks file: a box, and its track and confidence."""

from __future__ import annotations

import json
from typing import Any

import orjson

from tracks2zarr.common.problems import Problem
from tracks2zarr.tracks import values
from tracks2zarr.tracks.checked_values import check_size, confidence, number, track_number
from tracks2zarr.tracks.odd_cells import odd_cell
from tracks2zarr.tracks.row_problems import BadRowError

_BOX = ("x", "y", "width", "height")
_KEYS = ("name", *_BOX, "track", "confidence")


def read_box(text: str) -> tuple[float, float, float, float]:
    """Return x, y, width and height of the box in ``region_shape_attributes``, in pixels.

    Raises
    ------
    BadRowError
        If it is no box.
    """
    column = "region_shape_attributes"
    shape = _object(text, column)
    if shape.get("name") != "rect":
        raise BadRowError(
            Problem(
                kind="not-rect",
                what="A region is not a rectangle.",
                column=column,
                found=f"name {shape.get('name')!r}",
                expected="name 'rect'",
            )
        )
    x, y, width, height = (number(shape.get(name), name, column) for name in _BOX)
    check_size(width, height, column)
    return x, y, width, height


def read_region(text: str) -> tuple[int, float]:
    """Return track and confidence of the box in ``region_attributes``; NaN where it has none.

    Raises
    ------
    BadRowError
        If they are not such.
    """
    column = "region_attributes"
    region = _object(text, column)
    return (
        track_number(region.get("track"), column),
        confidence(region.get("confidence"), column),
    )


def _object(text: str, column: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            value = values.loads(text)  # with the literal NaN, perhaps
        except ValueError:
            value = None
    if not isinstance(value, dict):
        raise BadRowError(odd_cell(text, column))
    if text.count(":") != len(value):
        _check_keys(text, column)
    return value


def _check_keys(text: str, column: str) -> None:
    """Check that no key that counts is twice: parsers differ in which of the two they take."""
    keys = [key for key, _ in json.loads(text, object_pairs_hook=list)]
    twice = [key for key in _KEYS if keys.count(key) > 1]
    if twice:
        raise BadRowError(
            Problem(
                kind="json-key-twice",
                what="A key occurs twice in a JSON object.",
                column=column,
                found=text,
                expected=f"one '{twice[0]}'",
            )
        )
