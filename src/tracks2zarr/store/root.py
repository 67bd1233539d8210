"""``finalise``: the root of a store, which lists its finished videos."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracks2zarr.common.files import read_json, write_atomically
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.group.zarr_metadata import inline_metadata, metadata_bytes
from tracks2zarr.planning.plan import Plan
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.paths import OWN_FOLDER
from tracks2zarr.store.store import Store
from tracks2zarr.store.unverified import Unverified
from tracks2zarr.store.video_state import State, state_of


@dataclass(frozen=True, slots=True)
class Finalised:
    """What the consolidated metadata list now.

    Parameters
    ----------
    done
        The videos with a receipt that matches, sorted.
    others
        Groups that this tool did not write and has no plan for; they are listed, too.
    unlisted
        Groups that this tool wrote and that are in no plan of this store, as after a move by
        hand; they are not listed.
    missing
        The planned videos that are not done, and how far each is.
    unverified
        Groups that another workflow made, with what is known of them; they are listed, too.
    """

    done: tuple[str, ...]
    others: tuple[str, ...]
    unlisted: tuple[str, ...]
    missing: Mapping[str, State]
    unverified: Mapping[str, str] = field(default_factory=dict)


def make_root(folder: Path, plan: Plan) -> None:
    """Write the root of a new store: empty consolidated metadata, and the plan.

    Parameters
    ----------
    folder
        The folder of the store, empty.
    plan
        What is to be done.
    """
    Plan(plan.videos).write(folder / OWN_FOLDER / "plan.json")
    write_atomically(folder / "zarr.json", _root_bytes({}), temporary=_new_root_file(folder))


def finalise(store: str | os.PathLike[str]) -> Finalised:
    """Write the root's consolidated metadata: exactly the finished videos.

    It may run at any moment and again; runs at the same time wait for each other.

    Parameters
    ----------
    store
        The store.

    Returns
    -------
    Finalised
        What is listed, and what is missing.

    Raises
    ------
    Tracks2ZarrError
        If there is no store, or its plan cannot be read.
    """
    return finalise_store(existing_store(store))


def finalise_store(store: Store) -> Finalised:
    """Write the root's consolidated metadata, as `finalise` does, of a store that is there."""
    with store.holding() as there, there.root_lock():
        finalised, content = _consolidate(there)
        if _bytes_at(there.root_file) != content:
            new = there.to_write(_new_root_file(there.path))
            write_atomically(there.root_file, content, temporary=new)
    return finalised


def is_stale(store: Store) -> bool:
    """Tell whether the consolidated metadata are not what `finalise` would write now."""
    _, content = _consolidate(store)
    return _bytes_at(store.root_file) != content


def listed_in(store: Store) -> set[str]:
    """Return the names of the groups that the root's metadata list; quick, for many videos."""
    content = _bytes_at(store.root_file) or b"{}"
    nodes = read_json(content).get("consolidated_metadata", {}).get("metadata", {})
    return {name for name in nodes if "/" not in name}


def _new_root_file(folder: Path) -> Path:
    """Return where the root's metadata are written before they take their name."""
    return folder / OWN_FOLDER / "zarr.json.new"


def _bytes_at(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _consolidate(store: Store) -> tuple[Finalised, bytes]:
    """Return what is finished, and the bytes of the root's metadata that list it."""
    states = {video.video: state_of(store, video) for video in store.read_plan().videos}
    done = [video for video, state in states.items() if state is State.DONE]
    groups = store.groups()
    notes = {name: note for name in groups if (note := _note(store, name, states.get(name)))}
    unplanned = [name for name in groups if name not in states and name not in notes]
    others = [name for name in unplanned if not store.is_from_tracks2zarr(name)]
    unlisted = tuple(name for name in unplanned if store.is_from_tracks2zarr(name))
    found = {name: _nodes(store.group(name), name) for name in sorted([*done, *others, *notes])}
    gone = {name for name, below in found.items() if below is None}
    states |= dict.fromkeys(gone & states.keys(), State.MISSING)
    done, others = ([name for name in names if name not in gone] for names in (done, others))
    nodes = {path: node for below in found.values() if below for path, node in below.items()}
    unverified = {name: note.why() for name, note in notes.items() if name not in gone}
    listed = {*done, *unverified}
    missing = {video: state for video, state in states.items() if video not in listed}
    finalised = Finalised(tuple(done), tuple(others), unlisted, missing, unverified)
    try:
        return finalised, _root_bytes(nodes)
    except ValueError as error:  # another's group may hold NaN, which is no JSON
        raise Tracks2ZarrError(_unreadable(store.path, error)) from None


def _note(store: Store, name: str, state: State | None) -> Unverified | None:
    """Return the note on a group that another workflow made; nobody may be at work on it."""
    return store.unverified(name) if state in {None, State.UNKNOWN} else None


def _nodes(folder: Path, name: str) -> dict[str, Any] | None:
    """Return the metadata of a group and all below it, by path below the root.

    None where it is gone, as when another run has moved it away since it was listed.
    """
    try:
        group = read_json((folder / "zarr.json").read_bytes())
        own = group.pop("consolidated_metadata", None)
        below = own["metadata"] if own else _read_below(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if not folder.exists():
            return None
        raise Tracks2ZarrError(_unreadable(folder / "zarr.json", error)) from None
    nodes = {name: _listed_group(group)}
    for path, node in below.items():
        is_group = node.get("node_type") == "group"
        nodes[f"{name}/{path}"] = _listed_group(node) if is_group else node
    return nodes


def _unreadable(path: Path, error: Exception) -> Problem:
    return Problem(
        kind="group-metadata",
        what="The metadata of a group cannot be read.",
        file=str(path),
        found=one_line(error),
        expected="the metadata of a Zarr v3 group",
        remedy="Convert the video again, or remove the folder.",
    )


def _read_below(folder: Path) -> dict[str, Any]:
    return {
        path.parent.relative_to(folder).as_posix(): read_json(path.read_bytes())
        for path in folder.glob("*/**/zarr.json")
    }


def _listed_group(group: dict[str, Any]) -> dict[str, Any]:
    """Return a group's metadata as zarr-python lists them: nothing is consolidated below it."""
    return group | {"consolidated_metadata": inline_metadata({})}


def _root_bytes(nodes: dict[str, Any]) -> bytes:
    document = {
        "attributes": {},
        "zarr_format": 3,
        "consolidated_metadata": inline_metadata(nodes),
        "node_type": "group",
    }
    return metadata_bytes(document)
