"""What people see: problems, tables, sizes and times."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tracks2zarr.problems import Problem, errors_of, shown

#: What options are called by the command that runs, where they have other names.
_option_names: dict[str, str] = {}
_STYLES = {"done": "green", "failed": "red", "missing": "red", "running": "cyan"}


def call_options(names: dict[str, str]) -> None:
    """Let advice name the options as the command that runs calls them.

    Parameters
    ----------
    names
        For an option of ``tracks2zarr``, what this command calls it.
    """
    _option_names.update(names)


def advice(text: str) -> str:
    """Return text with the options named as the command that runs calls them."""
    for option, name in _option_names.items():
        text = text.replace(option, name)
    return text


def out() -> Console:
    """Return the console for results, on stdout."""
    return Console(file=sys.stdout, highlight=False, soft_wrap=False)


def err() -> Console:
    """Return the console for problems and progress, on stderr."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=True)


def print_json(document: object) -> None:
    """Print one JSON document on stdout."""
    print(json.dumps(document, indent=2, allow_nan=False))


def print_problems(problems: Iterable[Problem]) -> None:
    """Print problems on stderr, warnings first, so that errors are what one sees."""
    console = err()
    for problem in sorted(problems, key=lambda problem: problem.is_error):
        style = "red" if problem.is_error else "yellow"
        first, *rest = advice(str(problem)).splitlines()
        label, _, what = first.partition(":")
        console.print(f"[{style} bold]{label}:[/]{escape(what)}")
        for line in rest:
            console.print(escape(line), style="dim" if line.startswith("  in:") else None)


def count_problems(problems: Sequence[Problem]) -> str:
    """Return the number of errors and warnings as text."""
    errors = len(errors_of(problems))
    return f"{counted(errors, 'error')}, {counted(len(problems) - errors, 'warning')}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "clip"), counted(1200, "clip")
    ('1 clip', '1,200 clips')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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


def table(*columns: str, left: int = 1) -> Table:
    """Return an empty table; the first `left` columns are text, the others numbers."""
    new = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for number, column in enumerate(columns):
        new.add_column(column, justify="left" if number < left else "right", overflow="fold")
    return new


def add_row(to: Table, *cells: Any, bold: bool = False) -> None:
    """Add a row of plain values to a table; None is shown as a dash."""
    to.add_row(*(_cell(cell) for cell in cells), style="bold" if bold else None)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = escape(shown(value))
    style = _STYLES.get(text)
    return f"[{style}]{text}[/]" if style else text
