"""Printing problems, tables, sizes and times."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from tracks2zarr.cli.tables import UNLIMITED, Rows
from tracks2zarr.cli.whole_command import with_whole_commands
from tracks2zarr.common.problems import Problem, by_rows, errors_of, one_line, printable
from tracks2zarr.common.words import count_text

if TYPE_CHECKING:
    from tracks2zarr.store.root import Finalised

#: The names of options in the command that runs, where they differ from ``tracks2zarr create``.
_option_names: dict[str, str] = {}
_STYLES = {
    **{"done": "green", "running": "cyan"},
    **{"ok": "green", "warning": "yellow", "error": "red"},
    **{"failed": "red", "missing": "red", "cancelled": "yellow"},
}


def rename_options(names: dict[str, str]) -> None:
    """Let messages name the options as the command that runs does.

    Parameters
    ----------
    names
        The name in this command, by the name in ``tracks2zarr create``.
    """
    _option_names.update(names)


def with_option_names(text: str) -> str:
    """Return a message that names the options as the command that runs does, in whole commands."""
    return with_whole_commands(text, _renamed)


def _renamed(text: str) -> str:
    if "tracks2zarr create " in text:  # a command that goes by the other names
        return text
    for option, name in _option_names.items():
        text = text.replace(option, name)
    return text


def stdout() -> Console:
    """Return the console for results, on stdout; into a file or a pipe, no line is folded."""
    console = Console(file=sys.stdout, emoji=False, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = UNLIMITED
    return console


def stderr() -> Console:
    """Return the console for problems and progress, on stderr."""
    return Console(file=sys.stderr, emoji=False, highlight=False, soft_wrap=True)


def print_json(document: object) -> None:
    """Print one JSON document on stdout."""
    print(json.dumps(document, indent=2, allow_nan=False))


def print_problems(problems: Iterable[Problem]) -> None:
    """Print problems on stderr, warnings first, so that errors are what one sees."""
    console = stderr()
    for problem in sorted(by_rows(problems), key=lambda problem: problem.is_error):
        style = "red" if problem.is_error else "yellow"
        first, *rest = with_option_names(str(problem)).splitlines()
        label, _, what = first.partition(":")
        console.print(f"[{style} bold]{label}:[/]{escape(what)}")
        for line in rest:
            console.print(escape(line), style="dim" if line.startswith("  in:") else None)


def count_problems(problems: Sequence[Problem]) -> str:
    """Return the number of errors and warnings, as they are printed, as text."""
    problems = by_rows(problems)
    errors = len(errors_of(problems))
    return f"{count_text(errors, 'error')}, {count_text(len(problems) - errors, 'warning')}"


def print_skipped_input(problems: Sequence[Problem]) -> int:
    """Print how many errors of the input were skipped, and return the exit status."""
    if not errors_of(problems):
        return 0
    line = f"The input has {count_problems(problems)} (see above). What has an error was left out."
    stderr().print(line, style="red")
    return 1


def path_text(path: Path) -> str:
    """Return a path as a person would type it here: relative where it lies below this folder."""
    here = Path.cwd()
    return printable(str(path.relative_to(here) if path.is_relative_to(here) else path))


def finalised_lines(finalised: Finalised) -> list[str]:
    """Return what a root lists now as lines of text."""
    planned = len(finalised.done) + len(finalised.missing)
    listed = len(finalised.done) + len(finalised.kept)
    lines = [f"{listed:,} of {planned:,} videos listed"]
    notes = finalised.unverified.items()
    lines += [f"also listed: {one_line(name)} ({printable(why)})" for name, why in notes]
    lines += [f"also listed: {one_line(n)} (not written by tracks2zarr)" for n in finalised.others]
    lines += [f"not listed: {one_line(n)} (in no plan of this store)" for n in finalised.unlisted]
    for video, state in finalised.missing.items():
        how = "listed as it was" if video in finalised.kept else "missing"
        lines.append(f"{how}: {one_line(video)} ({state})")
    return lines


def table(*columns: str, left: int = 1) -> Rows:
    """Return an empty table; the first `left` columns are text, the others numbers."""
    return Rows(columns, left)


def add_row(to: Rows, *cells: Any, bold: bool = False) -> None:
    """Add a row of plain values to a table; None is shown as a dash."""
    to.add([_cell(cell) for cell in cells], bold=bold)


def _cell(value: Any) -> Text:
    if value is None:
        return Text("-")
    if isinstance(value, int) and not isinstance(value, bool):
        return Text(f"{value:,}")
    text = one_line(value)
    return Text(text, style=_STYLES.get(text, ""))
