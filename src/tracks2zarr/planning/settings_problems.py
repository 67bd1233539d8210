"""What is wrong with the settings of a plan, by themselves or for the tracks files."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import get_args

from tracks2zarr.common.problems import Problem, one_line
from tracks2zarr.common.words import count_text
from tracks2zarr.dataset.schema import IndividualDim
from tracks2zarr.planning.plan import CountsFrom, Settings
from tracks2zarr.tracks.files import TracksFile
from tracks2zarr.tracks.frames import frame_in_name
from tracks2zarr.tracks.values import to_integer


def settings_problems(settings: Settings) -> Iterator[Problem]:
    """Yield the problems of settings that hold for no file."""
    if settings.frames not in get_args(CountsFrom):
        yield Problem(
            kind="setting",
            what="The frames setting is unknown.",
            found=repr(settings.frames),
            expected="'clip' or 'video'",
            remedy="Correct the setting.",
        )
    if settings.individual_dim not in get_args(IndividualDim):
        yield Problem(
            kind="setting",
            what="The name of the dimension of individuals is unknown.",
            found=repr(settings.individual_dim),
            expected="'individual' or 'individuals'",
            remedy="Correct the setting.",
        )
    if settings.fps is not None and not (math.isfinite(settings.fps) and settings.fps > 0):
        yield Problem(
            kind="fps",
            what="The frame rate is not usable.",
            found=f"{settings.fps!r}",
            expected="frames per second, above 0, e.g. 59.94",
            remedy="Correct --fps.",
        )
    if settings.frame_regexp is None:
        return
    try:
        groups = re.compile(settings.frame_regexp).groups
        found = f"{settings.frame_regexp!r}, which has no group"
    except (re.error, OverflowError, RecursionError) as error:
        groups, found = 0, f"{settings.frame_regexp!r}: {error}"
    if not groups:
        yield Problem(
            kind="frame-regexp",
            what="The regular expression for frames is not usable.",
            found=found,
            expected="a regular expression whose group 1 is the frame, such as '_([0-9]+)[.]png$'",
            remedy="Correct --frame-regexp.",
        )


def regexp_without_frames(regexp: str | None, files: Sequence[TracksFile]) -> Problem | None:
    """Return the problem of an expression that gives no frame in any file; None where it does."""
    if regexp is None:
        return None
    first = [(file, file.first_image) for file in files if file.first_image is not None]
    values = [frame_in_name(image, regexp) for _, image in first]
    if not first or any(to_integer(value) is not None for value in values):
        return None
    file, image = first[0]
    found = f"{regexp!r} does not match" if values[0] is None else f"{values[0]!r} from {regexp!r}"
    others = f"; and so in {count_text(len(first) - 1, 'more file')}" if len(first) > 1 else ""
    return Problem(
        kind="frame-regexp",
        what="The regular expression for frames finds no frame number.",
        found=f"{found} in '{one_line(image)}', the first image of {one_line(file.path)}{others}",
        expected="a regular expression whose group 1 is the frame in the images' names",
        remedy="Correct --frame-regexp, or leave it out.",
    )
