"""The root of a store: made before any work begins, written anew by `finalise` alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracks2zarr.consolidated import inline_metadata, metadata_bytes
from tracks2zarr.files import write_whole
from tracks2zarr.planning import Plan
from tracks2zarr.problems import Problem, Tracks2ZarrError
from tracks2zarr.store import OURS, State, Store, existing_store


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
    """

    done: tuple[str, ...]
    others: tuple[str, ...]
    unlisted: tuple[str, ...]
    missing: Mapping[str, State]


def make_root(folder: Path, plan: Plan) -> None:
    """Write the root of a new store: empty consolidated metadata, and the plan.

    Parameters
    ----------
    folder
        The folder of the store, empty.
    plan
        What is to be done.
    """
    write_whole(folder / OURS / "plan.json", Plan(plan.videos).to_json().encode())
    write_whole(folder / "zarr.json", _root_bytes({}), temporary=folder / OURS / "zarr.json.new")


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
    there = existing_store(store)
    with there.root_lock():
        finalised, content = _consolidate(there)
        if _bytes_at(there.root_file) != content:
            write_whole(there.root_file, content, temporary=there.path / OURS / "zarr.json.new")
    return finalised


def is_stale(store: Store) -> bool:
    """Tell whether the consolidated metadata are not what `finalise` would write now."""
    _, content = _consolidate(store)
    return _bytes_at(store.root_file) != content


def _bytes_at(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _consolidate(store: Store) -> tuple[Finalised, bytes]:
    """Return what is finished, and the bytes of the root's metadata that list it."""
    states = {video.video: store.state(video) for video in store.read_plan().videos}
    done = [video for video, state in states.items() if state is State.DONE]
    unplanned = [name for name in store.groups() if name not in states]
    others = [name for name in unplanned if not store.is_ours(name)]
    unlisted = tuple(name for name in unplanned if store.is_ours(name))
    nodes: dict[str, Any] = {}
    for name in sorted([*done, *others]):
        nodes.update(_nodes(store.group(name), name))
    missing = {video: state for video, state in states.items() if state is not State.DONE}
    return Finalised(tuple(done), tuple(others), unlisted, missing), _root_bytes(nodes)


def _nodes(folder: Path, name: str) -> dict[str, Any]:
    """Return the metadata of a group and all below it, by path below the root."""
    try:
        group = json.loads((folder / "zarr.json").read_bytes())
        own = group.pop("consolidated_metadata", None)
        below = own["metadata"] if own else _read_below(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Tracks2ZarrError(
            Problem(
                kind="group-metadata",
                what="The metadata of a group cannot be read.",
                file=str(folder / "zarr.json"),
                found=str(error),
                expected="the metadata of a Zarr v3 group",
                remedy="Convert the video again, or remove the folder.",
            )
        ) from None
    nodes = {name: _listed_group(group)}
    for path, node in below.items():
        is_group = node.get("node_type") == "group"
        nodes[f"{name}/{path}"] = _listed_group(node) if is_group else node
    return nodes


def _read_below(folder: Path) -> dict[str, Any]:
    return {
        path.parent.relative_to(folder).as_posix(): json.loads(path.read_bytes())
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
