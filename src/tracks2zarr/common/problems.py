"""Problems: what is wrong with the input or the store, and how to fix it."""

from __future__ import annotations

import errno
import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, cast

from tracks2zarr.common.error_kinds import python_kind

Severity = Literal["error", "warning"]

#: How many rows of one kind of problem are named in full.
ROWS_NAMED = 10
#: What the problem expects that tells how many more rows of a tracks file have one.
NO_SUCH_ROW = "no such row"
#: The same mistake in so many rows is shown row by row.
_ROWS_APART = 3


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Problem:
    """One problem: where it is, what was found and expected, and how to fix it.

    Parameters
    ----------
    kind
        A stable name, such as ``escape-outside-clip``; the documentation lists them all.
    what
        The problem in one line.
    file, row, column
        Where it is. Row 1 is the header of a CSV file.
    rows
        Several rows, as text such as ``2-5, 9``, instead of one.
    found, expected
        The value found, and the value expected.
    remedy
        How to fix it.
    severity
        An ``error`` stops the work that it concerns, a ``warning`` does not.
    video, clip
        The ids of the video and the clip, if they are known.
    """

    kind: str
    what: str
    file: str | None = None
    row: int | None = None
    rows: str | None = None
    column: str | None = None
    found: str | None = None
    expected: str | None = None
    remedy: str | None = None
    severity: Severity = "error"
    video: str | None = None
    clip: str | None = None

    @property
    def is_error(self) -> bool:
        """Whether the problem stops the work that it concerns."""
        return self.severity == "error"

    def as_warning(self) -> Problem:
        """Return the same problem, as one that stops nothing."""
        return replace(self, severity="warning")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that are set, for JSON."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Make a problem from what `as_dict` returned."""
        return cls(**fields)

    def where(self) -> str:
        """Return the place as text: file, row, column; empty where none is known."""
        parts = [one_line(self.file)] if self.file is not None else []
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.rows is not None:
            parts.append(f"rows {self.rows}")
        if self.column is not None:
            parts.append(f"column {self.column}")
        return ", ".join(parts)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.as_dict().items())
        return f"Problem({fields})"

    def __str__(self) -> str:
        lines = [f"{self.severity}: {self.what}"]
        labelled = {
            "in": self.where(),
            "found": self.found,
            "expected": self.expected,
            "do": self.remedy,
        }
        lines += [f"  {label + ':':<9} {text}" for label, text in labelled.items() if text]
        return "\n".join(printable(line) for line in lines)


class Tracks2ZarrError(Exception):
    """Something that a user can fix; it carries every problem that was found.

    It is also one of Python's own exceptions, depending on the kind of the first error: a
    `KeyError` if there is no such video, a `FileNotFoundError` if there is no store, and so on.

    Parameters
    ----------
    problems
        One problem or several.
    """

    def __new__(cls, problems: Problem | Iterable[Problem]) -> Self:
        """Return an exception of the subclass that is Python's own kind, too."""
        found = (problems,) if isinstance(problems, Problem) else tuple(problems)
        chosen = _class_for(found) if cls is Tracks2ZarrError else cls
        error = super(Tracks2ZarrError, chosen).__new__(chosen, found)
        error.problems = found
        return cast(Self, error)

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        super().__init__(self.problems)  # the argument may be an iterator that is at its end

    problems: tuple[Problem, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        """Say how to make the exception again; tblib, which dask uses, needs that said."""
        return type(self), (self.problems,), self.__dict__  # which has the notes that were added

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in by_rows(self.problems))


def by_rows(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems with the same mistake in several rows of a file as one, for people.

    Of a kind of which the rows differ in what is expected, the first rows stay as they are. Of a
    kind that very many rows of several tracks files have, the first file does.
    """
    mistakes: dict[Problem, list[Problem]] = {}
    kinds: dict[Problem, list[Problem]] = {}
    for problem in problems:
        mistake = replace(problem, row=None, found=None, video=None, clip=None)
        mistakes.setdefault(mistake if problem.row else problem, []).append(problem)
    for group in mistakes.values():
        for one in [_in_rows(group)] if len(group) > _ROWS_APART else group:
            kind = replace(one, row=None, found=None, expected=None, video=None, clip=None)
            kinds.setdefault(kind if one.row else one, []).append(one)
    return _first_files([one for group in kinds.values() for one in _first_rows(group)])


def _in_rows(group: Sequence[Problem]) -> Problem:
    """Return the same mistake in several rows as one problem."""
    found = dict.fromkeys(problem.found for problem in group if problem.found)
    rows = numbers_text(problem.row for problem in group if problem.row)
    videos = {problem.video for problem in group}
    return replace(
        group[0],
        row=None,
        rows=rows,
        found=comma_list(list(found), 5),
        video=group[0].video if len(videos) == 1 else None,
        clip=None,
    )


def _first_rows(group: Sequence[Problem]) -> list[Problem]:
    first, rest = list(group[:ROWS_NAMED]), group[ROWS_NAMED:]
    if not rest:
        return first
    rows = "1 more row has" if len(rest) == 1 else f"{len(rest)} more rows have"
    what = f"{rows} this problem ({len(group)} in all)."
    return [*first, replace(_in_rows(rest), what=what, expected=None)]


def _first_files(problems: Sequence[Problem]) -> list[Problem]:
    files: dict[str, dict[str | None, Problem]] = {}
    for problem in problems:
        if problem.expected == NO_SUCH_ROW:
            files.setdefault(problem.kind, {}).setdefault(problem.file, problem)
    found = []
    for problem in problems:
        first, *rest = files.get(problem.kind, {None: problem})
        if problem.file not in rest:
            found.append(problem)
        if rest and problem.expected == NO_SUCH_ROW and problem.file == first:
            found.append(_in_more_files(problem, rest))
    return found


def _in_more_files(problem: Problem, files: Sequence[str | None]) -> Problem:
    more = "1 more file has" if len(files) == 1 else f"{len(files)} more files have"
    return replace(
        problem,
        what=f"{more} this problem in many rows ({len(files) + 1} in all).",
        file=comma_list(files, 5),
        found=None,
        expected=None,
        remedy="As for the first file.",
        video=None,
        clip=None,
    )


def numbers_text(numbers: Iterable[int]) -> str:
    """Return numbers as text, those that follow each other as a range.

    >>> numbers_text([2, 3, 4, 9, 7])
    '2-4, 7, 9'
    """
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return comma_list(["-".join(map(str, one)) for one in ranges])


class FileSystemError(Tracks2ZarrError, OSError):
    """The system could not do something with a file."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        super().__init__(problems)
        first = _first_error(self.problems)
        if first is not None:
            self.errno, self.strerror, self.filename = _number_of(first), first.what, first.file


class NotFoundError(FileSystemError, FileNotFoundError):
    """A file or a folder is not there."""


class ExistsError(FileSystemError, FileExistsError):
    """What would be made is there."""


class NoPermissionError(FileSystemError, PermissionError):
    """A file or a folder may not be read or written."""


class FolderError(FileSystemError, IsADirectoryError):
    """A folder lies in a file's place."""


class NoSuchNameError(Tracks2ZarrError, KeyError):
    """There is no video, clip or job of this name."""


class InputError(Tracks2ZarrError, ValueError):
    """The input, or a setting, is wrong."""


class StateError(Tracks2ZarrError, RuntimeError):
    """It cannot be done as things stand, such as while another run is at work."""


_CLASSES: dict[type[Exception], type[Tracks2ZarrError]] = {
    OSError: FileSystemError,
    FileNotFoundError: NotFoundError,
    FileExistsError: ExistsError,
    PermissionError: NoPermissionError,
    IsADirectoryError: FolderError,
    KeyError: NoSuchNameError,
    ValueError: InputError,
    RuntimeError: StateError,
}
_NUMBERS: dict[type[Exception], int] = {
    FileNotFoundError: errno.ENOENT,
    FileExistsError: errno.EEXIST,
    PermissionError: errno.EACCES,
    IsADirectoryError: errno.EISDIR,
}
_NUMBERS_BY_KIND = {"disk-full": errno.ENOSPC, "too-many-open-files": errno.EMFILE}


def _class_for(problems: Sequence[Problem]) -> type[Tracks2ZarrError]:
    first = _first_error(problems)
    return Tracks2ZarrError if first is None else _CLASSES[python_kind(first.kind, first.found)]


def _number_of(problem: Problem) -> int | None:
    """Return the system's number of what a problem is, where there is one."""
    by_kind = _NUMBERS_BY_KIND.get(problem.kind)
    return by_kind or _NUMBERS.get(python_kind(problem.kind, problem.found))


def _first_error(problems: Sequence[Problem]) -> Problem | None:
    return next((problem for problem in problems if problem.is_error), None)


def errors_of(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that are errors."""
    return [problem for problem in problems if problem.is_error]


def one_line(text: object) -> str:
    """Return `text` as one printable line: control characters escaped, long text shortened."""
    limit = 200
    line = printable(str(text))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def printable(text: str) -> str:
    """Return `text` with its control characters escaped, so that a terminal only shows it."""
    return "".join(_printable(character) for character in text)


def _printable(character: str) -> str:
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}:
        return character.encode("unicode_escape").decode("ascii")
    return character


def comma_list(items: Sequence[object], limit: int = 10) -> str:
    """Return the first items as ``a, b, c and 4 more``."""
    named = ", ".join(one_line(item) for item in items[:limit])
    rest = len(items) - limit
    return f"{named} and {rest} more" if rest > 0 else named


def same_command(*options: str, without: str | None = None) -> str:
    """Return the words for the command that was run, with other options.

    The command line shows the whole command in their place, behind "run"; so a comma, a semicolon,
    a bracket or the end of the text follows.

    Parameters
    ----------
    *options
        The options, each followed by its value where it takes one.
    without
        The option that is left out; then there are no others.

    >>> same_command("--store-mode", "a", "--video", "Crab 1")
    "the same command with --store-mode a --video 'Crab 1'"
    """
    if without is not None:
        return f"the same command without {without}"
    return f"the same command with {' '.join(map(_quoted, options))}"


def same_command_with(paths: Sequence[object], *, instead_of: Sequence[object]) -> str:
    """Return the words for the command that was run, with other paths.

    Parameters
    ----------
    paths
        The paths.
    instead_of
        Those of the command that was run, in the same order.
    """
    now, then = (" ".join(_quoted(str(path)) for path in some) for some in (paths, instead_of))
    return f"the same command with {now} in place of {then}"


def _quoted(word: str) -> str:
    """Quote a word for a shell, also one that holds what would end the options in a text."""
    return f"'{word}'" if set(word) & set(",;()") and "'" not in word else shlex.quote(word)
