"""Options and arguments that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]*)?)\s*(?:([kmgt])(i?)b?|b)", re.IGNORECASE)

#: A path as it was given; whether it is there is looked at by the command.
PATH = click.Path(path_type=Path)


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
            self.fail(f"{value!r} is no regular expression: {error}.")
        if not groups:
            self.fail(f"{value!r} has no group; group 1 is the frame, as in '_([0-9]+)[.]png$'.")
        return str(value)


def plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments and options that make a plan."""
    options = (
        click.argument("tracks_dir", type=PATH),
        click.argument("metadata_csv", type=PATH),
        click.option(
            "--pattern",
            default="*.csv",
            show_default=True,
            metavar="GLOB",
            help="Which files in TRACKS_DIR are tracks files; quote it.",
        ),
        click.option(
            "--frames",
            type=click.Choice(["clip", "video"]),
            default="clip",
            show_default=True,
            help="What frame numbers in the files count from.",
        ),
        click.option(
            "--frame-regexp",
            type=FrameRegexp(),
            metavar="R",
            help="Regular expression, searched in an image's file name; group 1 is the frame.",
        ),
        click.option(
            "--require-all",
            is_flag=True,
            help="A clip in METADATA_CSV without a tracks file is an error.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option ``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
    )(command)


def individual_dim_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option ``--individual-dim``."""
    return click.option(
        "--individual-dim",
        type=click.Choice(["individual", "individuals"]),
        default="individual",
        show_default=True,
        help="Name of the dimension of individuals; movement before 0.17 has the plural.",
    )(command)
