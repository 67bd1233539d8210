"""Tells what tracks2zarr wrote from what it did not, which is never removed.

A group is ours if its metadata have our mark, the attribute ``tracks2zarr_schema``; if they cannot
be read, but the video has a receipt; or if it is what a note in ``.tracks2zarr/unverified`` says.
What was added to a group of ours, `tracks2zarr.store.additions` tells.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path

from tracks2zarr.common.files import file_names, read_content, read_file, read_json
from tracks2zarr.common.names import RESERVED_NAMES
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.store.additions import additions, arrays_of, has_our_name
from tracks2zarr.store.store import Store


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
        return Problem(
            kind="foreign-group",
            what="Something that tracks2zarr did not write is in the place of a video.",
            file=str(place),
            found=_described(place),
            expected="a group that tracks2zarr wrote, with nothing added, or nothing",
            remedy=f"Move it away, then run the same command again: {moving_away(store, foreign)}",
            video=video,
        )
    return Problem(
        kind="foreign-arrays",
        what="The group of a video contains data that tracks2zarr did not write, and is left as"
        " it is.",
        file=str(place),
        found=comma_list([path.relative_to(place).as_posix() for path in foreign]),
        expected="only arrays that tracks2zarr wrote",
        remedy=f"Move it away, then run the same command again: {moving_away(store, foreign)}",
        video=video,
    )


def additions_warning(store: Store, video: str, added: Sequence[str]) -> Problem:
    """Return the warning of a finished video to whose group others added something.

    Parameters
    ----------
    store
        The store.
    video
        The video's id.
    added
        What was added, as `Store.added_to` returns it.
    """
    group = store.group(video)
    remedy = (
        "Keep your results in a separate store. To move these out, run:"
        f" {moving_away(store, [group / name for name in added])}"
        f" && {shlex.join(['tracks2zarr', 'finalise', str(store.path)])}"
    )
    return added_to_group(str(group), video, added, remedy=remedy)


def added_to_group(group: str, video: str, added: Sequence[str], *, remedy: str) -> Problem:
    """Return the warning of what others added to a group, wherever that is."""
    return Problem(
        kind="foreign-arrays",
        what="The group of a video contains data that tracks2zarr did not write.",
        file=group,
        found=comma_list(added),
        expected="only arrays that tracks2zarr wrote",
        remedy=remedy,
        severity="warning",
        video=video,
    )


def foreign_in_root(store: Store) -> list[Path]:
    """Return what lies in a store and is not ours, groups and all else in its root."""
    names = sorted(entry.name for entry in store.path.iterdir())
    videos = (name for name in names if name not in RESERVED_NAMES)
    return [path for video in videos for path in _foreign_at(store, video)]


def moving_away(store: Store, paths: Iterable[Path]) -> str:
    """Return the command that moves something out of a store, to folders of the same names.

    Several such commands may follow each other: no file of one video meets one of another.
    """
    target = _free_name(store.path.with_name(f"{store.path.name}-moved"))
    by_folder: dict[Path, list[str]] = {}
    for path in paths:
        by_folder.setdefault(path.parent, []).append(str(path))
    commands = []
    for folder, moved in by_folder.items():
        place = str(target / folder.relative_to(store.path))
        commands.append(shlex.join(["mkdir", "-p", place]))
        commands.append(shlex.join(["mv", *moved, place]))
    return " && ".join(commands)


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
    names, arrays = file_names(place), arrays_of(_plan_of(store, video))
    note = store.unverified(video)
    if not names or (note is not None and read_content(place) == note.content):
        return
    if _is_ours(store, video, names, arrays):
        yield from (place / name for name in additions(names, arrays))
    else:
        yield place


def _plan_of(store: Store, video: str) -> VideoPlan | None:
    """Return the plan of a video, as its receipt has it, or else the store."""
    try:
        receipt = store.read_receipt(video)
        return store.read_plan().by_id.get(video) if receipt is None else receipt.plan
    except (OSError, Tracks2ZarrError):
        return None


def _is_ours(store: Store, video: str, names: list[str], arrays: Collection[str]) -> bool:
    """Tell whether a group is ours, whole or damaged, whatever was added to it."""
    try:
        read_json(read_file(store.group(video) / "zarr.json"))["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        has_our_files = any(has_our_name(name, arrays) for name in names)
        return store.receipt_file(video).exists() and has_our_files
    return store.is_from_tracks2zarr(video)


def _described(place: Path) -> str:
    if place.is_symlink():
        return f"a link to {place.readlink()}"
    if not place.is_dir():
        return "a file"
    return f"a folder that holds {comma_list(sorted(e.name for e in place.iterdir()), 5)}"
