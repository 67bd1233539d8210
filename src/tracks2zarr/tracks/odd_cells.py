"""Tells what another program has made of a cell that should be a JSON object, or of a number.

All rows of such a file are alike, so each of these problems is named once.
"""

from __future__ import annotations

import re

import orjson

from tracks2zarr.common.problems import Problem

#: A number with a comma in it, alone and behind a key.
_DECIMAL_COMMA = re.compile(r"\s*[+-]?[0-9]+,[0-9]+\s*")
_COMMA_VALUE = re.compile(r"(:\s*[+-]?[0-9]+),([0-9]+\s*[,}])")
_CURLY_QUOTES = str.maketrans(dict.fromkeys("“”„‟″«»‘’‚‛′", '"'))
_SINGLE_QUOTES = str.maketrans("'", '"')
_KEY_WITHOUT_QUOTES = re.compile(r"\{\s*[A-Za-z_]+\s*:")
QUOTES = 'straight quotes, doubled within a quoted cell: "{""name"":""rect"", ...}"'
_EXPORT_AGAIN = "Export the tracks again."


def has_decimal_comma(value: object) -> bool:
    """Tell whether a value is the text of a number with a comma in place of the point."""
    return isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value) is not None


def decimal_comma(found: str, column: str) -> Problem:
    """Return the problem of a number with a comma in place of the point."""
    return Problem(
        kind="decimal-comma",
        what="A number has a decimal comma.",
        column=column,
        found=found,
        expected="a number with a decimal point, such as 10.5",
        remedy="Export the tracks again where numbers are written with a point.",
    )


def odd_cell(text: str, column: str) -> Problem:
    """Return the problem of a cell that is no JSON object, by what has been made of it."""
    if _is_object(_COMMA_VALUE.sub(r"\1.\2", text)):
        return decimal_comma(text, column)
    for quotes, table in (("typographic", _CURLY_QUOTES), ("single", _SINGLE_QUOTES)):
        if _is_object(text.translate(table)):
            return other_quotes(text, column, f"{quotes} quotes")
    if _is_object(text.replace('""', '"')) or _is_quoted_object(text.strip()):
        return other_quotes(text, column, "quotes that were doubled twice")
    if _KEY_WITHOUT_QUOTES.match(text.strip()):
        return other_quotes(text, column, "keys without quotes")
    return Problem(
        kind="json",
        what="A cell is not a JSON object.",
        column=column,
        found=text or "an empty cell",
        expected="a JSON object",
    )


def other_quotes(text: str, column: str | None, found: str) -> Problem:
    """Return the problem of quotes that another program has changed."""
    return Problem(
        kind="json-quotes",
        what="The quotes in a row are not those that VIA writes.",
        column=column,
        found=f"{found}: {text or 'an empty cell'}",
        expected=QUOTES,
        remedy=f"{_EXPORT_AGAIN} Spreadsheet and text programs may change quotes.",
    )


def _is_quoted_object(text: str) -> bool:
    return text[:1] == text[-1:] == '"' and _is_object(text[1:-1].replace('""', '"'))


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
