"""The types of values that commands take: paths, sizes, ranges of frames, regular expressions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from tracks2zarr.common.arguments import backwards, url_problem
from tracks2zarr.common.problems import Tracks2ZarrError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]*)?)\s*(?:([kmgt])(i?)b?|b)", re.IGNORECASE)


class _Path(click.Path):
    """A path as it was given; neither an empty one, as of an unset variable, nor a URL is one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if value == "":
            self.fail("The path is empty.", param, ctx)
        problem = url_problem(str(value), param.name if param else None)
        if problem is not None and not (ctx and ctx.resilient_parsing):  # as for the Tab key
            raise Tracks2ZarrError(problem)
        return super().convert(value, param, ctx)


class _Folder(_Path):
    """A path for which the Tab key offers folders only."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Leave it to the shell, which knows the folders."""
        return [CompletionItem(incomplete, type="dir")]


class _Store(_Folder):
    """A path to a store, or the URL of a published one, as text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or the URL."""
        from tracks2zarr.common.object_store import is_object_store

        return value if is_object_store(value) else super().convert(value, param, ctx)


#: A path as it was given; whether it is there is looked at by the command.
PATH = _Path(path_type=Path, readable=False)
#: A path to a folder, such as a store; likewise.
FOLDER = _Folder(path_type=Path, readable=False)
#: A path to a store, or the URL of a published one; likewise.
STORE = _Store(path_type=Path, readable=False)


class Size(click.ParamType[int]):
    """A number of bytes, such as ``2GB`` or ``512MiB``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"'{value}' is not a size; expected a number and a unit, such as 2GB.")
        units = _BINARY_UNITS if match[3] else _UNITS
        return int(float(match[1]) * units[(match[2] or "").lower()])


class FrameRegexp(click.ParamType[str]):
    """A regular expression with a group."""

    name = "regexp"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text of the regular expression."""
        try:
            groups = re.compile(value).groups
        except (re.error, OverflowError, RecursionError) as error:
            self.fail(f"{value!r} is not a valid regular expression: {error}.")
        if not groups:
            self.fail(
                f"{value!r} has no parentheses; the first pair must enclose the frame number,"
                " as in '_([0-9]+)[.]png$'."
            )
        return str(value)


class FrameSlice(click.ParamType[slice]):
    """Frames within a clip, such as ``100:200``, of which the second is not included."""

    name = "A:B"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> slice:
        """Return the frames as a slice."""
        if isinstance(value, slice):
            return value
        match = re.fullmatch(r"(\d*):(\d*)", str(value).strip())
        if match is None:
            forms = "a form like 100:200, :200 or 100:"
            self.fail(f"'{value}' is not a range of frames; expected {forms}.")
        start, stop = (int(text) if text else None for text in match.groups())
        frames = slice(start, stop)
        if (wrong := backwards(frames)) is not None:
            self.fail(f"The range '{value}' {wrong}; the second frame is not included.")
        return frames
