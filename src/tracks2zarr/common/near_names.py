"""Names that somebody may have meant: the known one that is most like a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from pathlib import PurePath

from tracks2zarr.common.problems import one_line


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like another one, whatever its case; None if none is.

    >>> nearest("Loop5", ["Loop05", "Loop06"]), nearest("right", ["A-Left", "A-Right"])
    ('Loop05', 'A-Right')
    """
    by_folded = {one.casefold(): one for one in known}
    near = closest(name.casefold(), by_folded)
    if near is not None:
        return by_folded[near]
    within = [folded for folded in by_folded if len(name) > 2 and name.casefold() in folded]
    return by_folded[within[0]] if len(within) == 1 else None


def nearest_file(name: str, known: Iterable[str]) -> str | None:
    """Return the known file name that is most like another one; what both end with is no likeness.

    >>> nearest_file("trakcs.csv", ["a.csv", "tracks.csv"]), nearest_file("nosuch.csv", ["c.csv"])
    ('tracks.csv', None)
    """
    return nearest(name, [one for one in known if _is_like(name, one)])


def _is_like(name: str, other: str) -> bool:
    """Tell whether file names are alike without the endings, such as .zarr.zip, that both have."""
    while (end := PurePath(name).suffix)[1:].isalpha() and end == PurePath(other).suffix:
        name, other = name.removesuffix(end), other.removesuffix(end)
    return nearest(name, [other]) is not None


def closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that is most like another one.

    Of equally close ones that with the same number at its end, else the first.

    >>> closest("Loop0", ["Loop01", "Loop00"]), closest("Loop002", ["Loop00", "Loop02"])
    ('Loop00', 'Loop02')
    """
    close = difflib.get_close_matches(name, list(known), n=10, cutoff=cutoff)
    ratio = {one: difflib.SequenceMatcher(None, one, name).ratio() for one in close}
    number = _number_at_end(name)
    return min(
        close, key=lambda one: (-ratio[one], _number_at_end(one) != number, one), default=None
    )


def _number_at_end(name: str) -> str:
    """Return the digits that a name ends with, without the zeros before them."""
    return name[len(name.rstrip("0123456789")) :].lstrip("0")


def did_you_mean(
    name: str, known: Iterable[str], *, near_to: Callable[..., str | None] = nearest
) -> str | None:
    """Return a question for the known name that is most like another one."""
    near = near_to(name, known)
    return None if near is None else f"Did you mean '{one_line(near)}'?"
