"""What an interpreter shows of a result: one line as text, a table in a notebook."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tracks2zarr.common.problems import Problem, errors_of, one_line
from tracks2zarr.common.words import count_text

#: How many rows of a table, and how many problems, a notebook shows.
_ROWS = 25
_PROBLEMS = 25


@dataclass(frozen=True, slots=True)
class Table:
    """A table for a notebook.

    Parameters
    ----------
    columns
        The heads of the columns.
    rows
        The cells; None is shown as a dash.
    left
        How many of the columns are text; the others are numbers.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    left: int = 1

    def as_html(self) -> str:
        """Return the table, of which only the first rows are shown."""
        body = [self._row(cells, "td") for cells in self.rows[:_ROWS]]
        if (rest := len(self.rows) - _ROWS) > 0:
            more = f"... and {rest:,} more"
            body.append(f'<tr><td colspan="{len(self.columns)}" {_LEFT}>{more}</td></tr>')
        head = self._row(self.columns, "th")
        return f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>"

    def _row(self, cells: Sequence[object], tag: str) -> str:
        return f"<tr>{''.join(self._cell(n, cell, tag) for n, cell in enumerate(cells))}</tr>"

    def _cell(self, number: int, cell: object, tag: str) -> str:
        return f"<{tag} {_LEFT if number < self.left else _RIGHT}>{_text(cell)}</{tag}>"


_LEFT, _RIGHT = (f'style="text-align: {side}; padding: 0 0.5em"' for side in ("left", "right"))


class OneLine:
    """The base of a dataclass whose ``repr`` is one line; its ``str`` is that line's text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {one_line(self)}>"


class Shown(OneLine, ABC):
    """The base of a result that a notebook shows as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {one_line(self)}>"

    @abstractmethod
    def _shown_table(self) -> Table:
        """Return what a notebook shows."""

    def _shown_problems(self) -> Iterable[Problem]:
        """Return the problems that a notebook shows below the table."""
        return ()

    def _repr_html_(self) -> str:
        head = f"<div><b>{type(self).__name__}</b>: {_text(self)}</div>"
        table = self._shown_table()
        body = table.as_html() if table.rows else ""
        return f"<div>{head}{body}{_problems_html([*self._shown_problems()])}</div>"


def problem_counts(problems: Sequence[Problem]) -> list[str]:
    """Return how many problems there are, in words; no words where there are none."""
    errors = len(errors_of(problems))
    counts = {"error": errors, "warning": len(problems) - errors}
    return [count_text(number, noun) for noun, number in counts.items() if number]


def _problems_html(problems: Sequence[Problem]) -> str:
    """Return problems, errors first and unfolded, warnings folded."""
    errors = errors_of(problems)
    warnings = [problem for problem in problems if not problem.is_error]
    return _folded(errors, "error", "open") + _folded(warnings, "warning", "")


def _folded(problems: Sequence[Problem], noun: str, state: str) -> str:
    if not problems:
        return ""
    texts = [str(problem) for problem in problems[:_PROBLEMS]]
    if (rest := len(problems) - _PROBLEMS) > 0:
        texts.append(f"... and {rest:,} more")
    body = html.escape("\n".join(texts))
    summary = f"<summary>{count_text(len(problems), noun)}</summary>"
    return f"<details {state}>{summary}<pre>{body}</pre></details>"


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    return f"{cell:,}" if type(cell) is int else html.escape(one_line(cell))
