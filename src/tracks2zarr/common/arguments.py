"""Checks of the arguments of public functions: their types, and that a path is no URL."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line

_PATH = "a path (str or os.PathLike)"
#: A scheme, of two letters or more, as one is a drive of Windows. `pathlib` keeps one slash.
_URL = re.compile(
    r"[a-z][a-z0-9+.-]+://|(abfss?|az|file|ftps?|gcs|gs|https?|s3|s3a|sftp|ssh):/", re.IGNORECASE
)
#: The arguments and options that take a store, and those that take what is written.
_STORES = frozenset({"into", "one of sources", "sources", "store", "target", "zarr_store"})
_OUTPUTS = frozenset({"out", "output"})
#: Where `publish` copies stores to, and `open_store` reads them.
_OBJECT_STORES = frozenset({"s3", "gs", "az"})


def check_type(name: str, value: object, kinds: type | tuple[type, ...], expected: str) -> None:
    """Check the type of an argument.

    Parameters
    ----------
    name
        The argument.
    value
        What was given.
    kinds
        The types that it may have.
    expected
        These types in words.

    Raises
    ------
    TypeError
        If it has another one; a bool counts as a number nowhere.
    """
    is_flag = isinstance(value, bool) and bool not in (kinds if isinstance(kinds, tuple) else ())
    if is_flag or not isinstance(value, kinds):
        raise TypeError(f"{name} is {_with_article(type(value).__name__)}; expected {expected}")


def check_path(name: str, value: object) -> None:
    """Check that an argument is a path.

    Raises
    ------
    TypeError
        If it is something else.
    Tracks2ZarrError
        If it is a URL.
    """
    check_type(name, value, (str, os.PathLike), _PATH)
    given = os.fspath(value)  # type: ignore[call-overload]
    check_type(name, given, str, _PATH)  # and not of bytes
    problem = url_problem(given, name)
    if problem is not None:
        raise Tracks2ZarrError(problem)


def check_optional_path(name: str, value: object) -> None:
    """Check that an argument is None or a path, as `check_path` does."""
    check_type(name, value, (str, os.PathLike, type(None)), f"{_PATH}, or None")
    if value is not None:
        check_path(name, value)


def check_text(name: str, value: object) -> None:
    """Check that an argument, such as an id, is a str."""
    check_type(name, value, str, "a str")


def check_texts(name: str, value: object) -> None:
    """Check that an argument is one str, or several.

    Raises
    ------
    TypeError
        If it is something else.
    """
    expected = "a list of str, or one"
    check_type(name, value, Iterable, expected)
    if isinstance(value, bytes):
        check_type(name, value, str, expected)
    if isinstance(value, list | tuple | set | frozenset):  # an iterator would be used up
        for one in value:
            check_type(f"one of {name}", one, str, "a str")


def check_optional_number(name: str, value: object) -> None:
    """Check that an argument is None or an integer."""
    check_type(name, value, (int, type(None)), "an int, or None")


def backwards(frames: slice) -> str | None:
    """Return what is wrong with a range that ends before any frame of it; None for any other.

    >>> backwards(slice(42, 30)), backwards(slice(None, 10)), backwards(slice(-5, 3))
    ('ends before it begins', None, None)
    """
    start, stop = frames.start or 0, frames.stop
    if stop is None or start < 0 or stop < 0 or start < stop:
        return None
    return "contains no frame" if start == stop else "ends before it begins"


def _with_article(name: str) -> str:
    if name == "NoneType":
        return "None"
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def url_problem(path: str, name: str | None = None) -> Problem | None:
    """Return the problem of a URL where a path is expected; None for a path.

    Parameters
    ----------
    path
        What was given.
    name
        The argument or option.

    >>> url_problem("C:/a/b"), url_problem("s3://a/b").kind
    (None, 'url-not-path')
    """
    if not _URL.match(path):
        return None
    scheme, _, rest = path.partition(":")
    if scheme.lower() == "file":
        remedy = _remedy_of_file(Path("/", unquote(rest).lstrip("/")), is_new=name in _OUTPUTS)
    else:
        remedy = _remedy(path, scheme.lower(), name)
    return Problem(
        kind="url-not-path",
        what="A URL was given where a path is expected.",
        found=one_line(path),
        expected="the path of a file or folder on this machine",
        remedy=remedy,
    )


def _remedy_of_file(path: Path, *, is_new: bool) -> str:
    there = "" if is_new or path.exists() else ", where there is nothing now"
    return f"Pass the path: {one_line(path)}{there}"


def _remedy(url: str, scheme: str, name: str | None) -> str:
    if name in _OUTPUTS:
        return "Write it to this machine, and copy it from there."
    if name in _STORES and scheme in _OBJECT_STORES:
        url = one_line(re.sub(":/+", "://", url, count=1))
        return (
            "Create the store on this machine, then copy it there with 'tracks2zarr publish'. One"
            " that is there is read by 'tracks2zarr info', by 'tracks2zarr verify --quick', by"
            f" tracks2zarr.open_store('{url}') in Python, and by xarray with engine='tracks2zarr'."
            " Else download it."
        )
    return "Download it, or mount it as a folder, and pass the path."
