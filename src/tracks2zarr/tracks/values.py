"""Converts the values in a tracks file: numbers, strings of numbers, JSON objects."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any

import orjson

#: Track numbers are below this.
MAX_TRACK = 2**63
#: Numbers are below this, half the largest float32: the sum of two of them is finite.
MAX_NUMBER = 2.0**127

_INTEGER = re.compile(r"([+-]?[0-9]{1,99})(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NAN = re.compile(r"[+-]?nan", re.IGNORECASE)


def loads(text: str) -> dict[str, Any]:
    """Return a JSON object; also one with the literal ``NaN``, which Python's json writes.

    Raises
    ------
    ValueError
        If the text is no JSON object.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(text)
        except RecursionError:
            raise ValueError("too deep") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def to_integer(value: object) -> int | None:
    """Return an integer, or a string of one, as int; None where it is neither.

    >>> to_integer("7.0"), to_integer(7), to_integer("7.5"), to_integer(True)
    (7, 7, None, None)
    """
    if type(value) is str and value.isascii() and value.isdecimal() and len(value) < 99:
        return int(value)  # as nearly all of them are
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if match := _INTEGER.fullmatch(text):
        return int(match[1])
    if _NUMBER.fullmatch(text) and abs(float(text)) < float(MAX_TRACK):
        try:
            number = Decimal(text)
            return int(number) if number == number.to_integral_value() else None
        except ArithmeticError:  # an exponent that nobody means
            return None
    return None


def to_number(value: object) -> float | None:
    """Return a finite number, or a string of one, as float; None where it is neither.

    >>> to_number("1e3"), to_number(2), to_number("nan"), to_number("")
    (1000.0, 2.0, None, None)
    """
    if isinstance(value, str):  # as most of them are
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            return None
        number = float(text)
        return number if math.isfinite(number) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def is_nan(text: str) -> bool:
    """Tell whether a text is that of NaN.

    >>> is_nan(" NaN "), is_nan("nano")
    (True, False)
    """
    return _NAN.fullmatch(text.strip()) is not None


def to_confidence(value: object) -> float | None:
    """Return a confidence as float, NaN where there is none; None where it is no number."""
    if type(value) is str and _NUMBER.fullmatch(value):  # as nearly all of them are
        number = float(value)
        return number if math.isfinite(number) else None
    if value is None:
        return math.nan
    if isinstance(value, str) and is_nan(value):
        return math.nan
    if isinstance(value, float) and math.isnan(value):
        return math.nan
    return to_number(value)
