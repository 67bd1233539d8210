"""Reads the two JSON cells in a row of a tracks file: a box, and its track and confidence."""

from __future__ import annotations

import json
from typing import Any

import orjson

from tracks2zarr.common.problems import Problem
from tracks2zarr.tracks import values
from tracks2zarr.tracks.odd_cells import decimal_comma, has_decimal_comma, odd_cell
from tracks2zarr.tracks.row_problems import BadRowError

_KEYS = ("name", "x", "y", "width", "height", "track", "confidence")
#: A float64 holds all integers that are smaller.
_EXACT = 2**53


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
    get = shape.get
    x, y = _number(get("x"), "x", column), _number(get("y"), "y", column)
    width, height = _number(get("width"), "width", column), _number(get("height"), "height", column)
    if width < 0 or height < 0:
        raise BadRowError(
            Problem(
                kind="negative-size",
                what="A box has a negative size.",
                column=column,
                found=f"width {width:g}, height {height:g}",
                expected="0 or more",
            )
        )
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
    value = region.get("track")
    track = values.to_integer(value)
    if track is None and has_decimal_comma(value):
        raise BadRowError(decimal_comma(f"track {value!r}", column))
    if track is None or not 0 <= track < values.MAX_TRACK:
        raise BadRowError(
            Problem(
                kind="track",
                what="The track of a box is not a track number.",
                column=column,
                found=f"track {value!r}" if value is not None else "no track",
                expected="an integer from 0 to 2**63 - 1, or a string of one",
            )
        )
    value = region.get("confidence")
    confidence = values.to_confidence(value)
    if confidence is None and has_decimal_comma(value):
        raise BadRowError(decimal_comma(f"confidence {value!r}", column))
    if confidence is None or abs(confidence) >= values.MAX_NUMBER:
        raise BadRowError(
            Problem(
                kind="confidence",
                what="The confidence of a box is not a number.",
                column=column,
                found=f"confidence {value!r}",
                expected="a finite number, a string of one, NaN, null, or none",
            )
        )
    return track, confidence


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
                what="A key is twice in a JSON object.",
                column=column,
                found=text,
                expected=f"one '{twice[0]}'",
            )
        )


def _number(value: object, key: str, column: str) -> float:
    kind = type(value)
    if kind is float:
        number: float | None = value  # type: ignore[assignment]
    elif kind is int and -_EXACT < value < _EXACT:  # type: ignore[operator]
        number = float(value)  # type: ignore[arg-type]
    else:
        number = values.to_number(value)
    if number is None and has_decimal_comma(value):
        raise BadRowError(decimal_comma(f"{key} {value!r}", column))
    # NaN is not between them
    if number is None or not -values.MAX_NUMBER < number < values.MAX_NUMBER:
        raise BadRowError(
            Problem(
                kind="not-a-number",
                what=f"The {key} of a box is not a number that float32 can hold.",
                column=column,
                found=f"{key} {value!r}" if value is not None else f"no {key}",
                expected="a finite number, or a string of one",
            )
        )
    return number
