"""Tells what tracks2zarr wrote from what it did not, which is never removed.

A group is ours if its metadata have our mark, the attribute ``tracks2zarr_schema``; if they cannot
be read, but the video has a receipt; or if it is what a note in ``.tracks2zarr/unverified`` says.
Files within a group are ours if they have the names of our arrays and their chunks.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path, PurePosixPath
from typing import get_args

from tracks2zarr.common.files import file_names, read_content, read_file, read_json
from tracks2zarr.common.names import RESERVED_NAMES
from tracks2zarr.common.problems import Problem, comma_list
from tracks2zarr.dataset.schema import VARIABLES, IndividualDim
from tracks2zarr.store.store import Store

_ARRAYS = {variable.name for variable in VARIABLES} | set(get_args(IndividualDim))
#: What our arrays have: metadata, and chunks or shards.
_IN_ARRAY = re.compile(r"zarr\.json|c(/[0-9]+)*")


def foreign_problem(store: Store, video: str) -> Problem | None:
    """Return the problem of what lies in the place of a video and is not ours, or None.

    Parameters
    ----------
    store
        The store.
    video
        The video's id. Where it has no group, there is no problem.
    """
    place = store.group(video)
    foreign = list(_foreign_at(store, video))
    if not foreign:
        return None
    if foreign == [place]:
        what = "Something that tracks2zarr did not write lies in the place of a video."
        found = _described(place)
    else:
        what = "The group of a video holds files that tracks2zarr did not write."
        found = comma_list([path.relative_to(place).as_posix() for path in foreign])
    return Problem(
        kind="foreign-group",
        what=what,
        file=str(place),
        found=found,
        expected="a group that tracks2zarr wrote, with nothing added, or nothing",
        remedy=f"Move it away, then run the same command again: {moving_away(store, foreign)}",
        video=video,
    )


def foreign_in_root(store: Store) -> list[Path]:
    """Return what lies in a store and is not ours, groups and all else in its root."""
    names = sorted(entry.name for entry in store.path.iterdir())
    videos = (name for name in names if name not in RESERVED_NAMES)
    return [path for video in videos for path in _foreign_at(store, video)]


def moving_away(store: Store, paths: Iterable[Path]) -> str:
    """Return the command that moves something out of a store, to a name that is free."""
    moved = list(paths)
    target = _free_name(store.path.with_name(f"{store.path.name}-moved"))
    words = shlex.join(["mv", *map(str, moved), str(target)])
    return f"{shlex.join(['mkdir', str(target)])} && {words}"


def _free_name(wanted: Path) -> Path:
    names = (wanted.with_name(f"{wanted.name}{n or ''}") for n in count())
    return next(path for path in names if not os.path.lexists(path))


def _foreign_at(store: Store, video: str) -> Iterator[Path]:
    """Yield what is not ours of what lies in the place of a video: all of it, or what was added."""
    place = store.group(video)
    if not os.path.lexists(place):
        return
    if place.is_symlink() or not place.is_dir():
        yield place
        return
    names = file_names(place)
    note = store.unverified(video)
    if not names or (note is not None and read_content(place) == note.content):
        return
    if _is_ours(store, video, names):
        yield from sorted({place / _added(name) for name in names if not _has_our_name(name)})
    else:
        yield place


def _is_ours(store: Store, video: str, names: list[str]) -> bool:
    """Tell whether a group is ours, whole or damaged, whatever was added to it."""
    try:
        document = read_json(read_file(store.group(video) / "zarr.json"))
        return "tracks2zarr_schema" in document["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        return store.receipt_file(video).exists() and any(map(_has_our_name, names))


def _has_our_name(name: str) -> bool:
    """Tell whether a file of a group has a name that our groups have."""
    array, _, rest = name.partition("/")
    return name == "zarr.json" or (array in _ARRAYS and _IN_ARRAY.fullmatch(rest) is not None)


def _added(name: str) -> PurePosixPath:
    """Return the outermost folder that holds a file which is not ours, and nothing of ours."""
    path = PurePosixPath(name)
    if path.parts[0] not in _ARRAYS:
        return PurePosixPath(path.parts[0])
    return PurePosixPath(*path.parts[:2]) if path.parts[1] != "c" else path


def _described(place: Path) -> str:
    if place.is_symlink():
        return f"a link to {place.readlink()}"
    if not place.is_dir():
        return "a file"
    return f"a folder that holds {comma_list(sorted(e.name for e in place.iterdir()), 5)}"
