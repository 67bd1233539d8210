"""Checks the values of a box, whatever the format that they stand in."""

from __future__ import annotations

from tracks2zarr.common.problems import Problem
from tracks2zarr.tracks import values
from tracks2zarr.tracks.odd_cells import decimal_comma, has_decimal_comma
from tracks2zarr.tracks.row_problems import BadRowError

#: A float64 holds all integers that are smaller.
_EXACT = 2**53


def number(value: object, name: str, column: str) -> float:
    """Return a number of a box that float32 can hold.

    Raises
    ------
    BadRowError
        If it is none.
    """
    kind = type(value)
    if kind is float:
        found: float | None = value  # type: ignore[assignment]
    elif kind is int and -_EXACT < value < _EXACT:  # type: ignore[operator]
        found = float(value)  # type: ignore[arg-type]
    else:
        found = values.to_number(value)
    if found is None and has_decimal_comma(value):
        raise BadRowError(decimal_comma(f"{name} {value!r}", column))
    # NaN is not between them
    if found is None or not -values.MAX_NUMBER < found < values.MAX_NUMBER:
        raise BadRowError(
            Problem(
                kind="not-a-number",
                what=f"The {name} of a box is not a number that float32 can hold.",
                column=column,
                found=f"{name} {value!r}" if value is not None else f"no {name}",
                expected="a finite number, or a string of one",
            )
        )
    return found


def check_size(width: float, height: float, column: str) -> None:
    """Check that a size is none below 0.

    Raises
    ------
    BadRowError
        If it is.
    """
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


def track_number(value: object, column: str) -> int:
    """Return the track number of a box.

    Raises
    ------
    BadRowError
        If it is none.
    """
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
    return track


def confidence(value: object, column: str) -> float:
    """Return the confidence of a box; NaN where it has none.

    Raises
    ------
    BadRowError
        If it is no number.
    """
    found = values.to_confidence(value)
    if found is None and has_decimal_comma(value):
        raise BadRowError(decimal_comma(f"confidence {value!r}", column))
    if found is None or abs(found) >= values.MAX_NUMBER:
        raise BadRowError(
            Problem(
                kind="confidence",
                what="The confidence of a box is not a number.",
                column=column,
                found=f"confidence {value!r}",
                expected="a finite number, a string of one, NaN, null, or none",
            )
        )
    return found


def frame_number(value: object, column: str) -> int:
    """Return the number of a frame, as the file counts it.

    Raises
    ------
    BadRowError
        If it is none.
    """
    frame = values.to_integer(value)
    if frame is None or abs(frame) >= values.MAX_TRACK:
        raise BadRowError(
            Problem(
                kind="frame-not-integer",
                what="The frame is not an integer.",
                column=column,
                found=repr(value),
                expected="an integer",
            )
        )
    return frame
