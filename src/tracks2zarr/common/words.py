"""Numbers, sizes and durations as text for people."""

from __future__ import annotations

from collections.abc import Sequence


def count_text(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun.

    >>> count_text(1, "clip"), count_text(1200, "clip"), count_text(2, "box", "boxes")
    ('1 clip', '1,200 clips', '2 boxes')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def first_lines(lines: Sequence[str], limit: int = 10) -> list[str]:
    """Return the first lines, and one with the number of the others.

    >>> first_lines(["a", "b", "c", "d"], limit=2)
    ['a', 'b', '... and 2 more']
    """
    rest = len(lines) - limit
    return [*lines[:limit], f"... and {rest:,} more"] if rest > 1 else [*lines]


def size_text(size: float) -> str:
    """Return a number of bytes for people.

    >>> size_text(999), size_text(3_260_000_000)
    ('999 B', '3.3 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def time_text(seconds: float) -> str:
    """Return a duration for people.

    >>> time_text(4.21), time_text(4000)
    ('4.2 s', '1 h 7 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def duration_text(seconds: float) -> str:
    """Return a length of film for people.

    >>> duration_text(4.21), duration_text(95), duration_text(9000)
    ('4.2 s', '1.6 min', '2.5 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def clock_text(seconds: float) -> str:
    """Return a place in a film as hours, minutes and seconds.

    >>> clock_text(62.5), clock_text(3725)
    ('1:02', '1:02:05')
    """
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
