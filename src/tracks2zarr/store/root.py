"""``finalise``: the root of a store, which lists its finished videos."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracks2zarr.common.display import Shown, Table, problem_counts
from tracks2zarr.common.files import read_file, read_json, write_atomically
from tracks2zarr.common.posix import check_can_write
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, errors_of, one_line
from tracks2zarr.group.zarr_metadata import inline_metadata, metadata_bytes
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.store.commit import recover_all
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.listing import nodes_in, note_listing
from tracks2zarr.store.ownership import additions_warning
from tracks2zarr.store.paths import OWN_FOLDER
from tracks2zarr.store.repair import restore_metadata, restore_plan
from tracks2zarr.store.store import Store
from tracks2zarr.store.unreadable import broken_receipt, unreadable_problem
from tracks2zarr.store.unverified import Unverified
from tracks2zarr.store.video_state import State, video_in_store


@dataclass(frozen=True, slots=True, repr=False)
class Finalised(Shown):
    """The contents of the consolidated metadata.

    Parameters
    ----------
    done
        The videos with a receipt that matches, sorted.
    others
        Groups that tracks2zarr did not write and that are not planned; they are also listed.
    unlisted
        Groups that tracks2zarr wrote but that are not in this store's plan, e.g. because they were
        moved here by hand; they are not listed.
    missing
        The planned videos that are not done, and their states.
    unverified
        Groups that another workflow made, with what is known about them; they are also listed.
    kept
        The missing videos that are still listed: complete, but made from different input or
        settings than the plan now asks for, or not readable at the moment.
    problems
        What could not be read, video by video.
    """

    done: tuple[str, ...]
    others: tuple[str, ...]
    unlisted: tuple[str, ...]
    missing: Mapping[str, State]
    unverified: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        n_planned, n_listed = len(self.done) + len(self.missing), len(self.done) + len(self.kept)
        others = (*self.unverified, *self.others)
        also = [f"{len(others):,} of other workflows"] if others else []
        text = f"{n_listed:,} of {n_planned:,} videos listed"
        return ", ".join([text, *also, *problem_counts(self.problems)])

    def _shown_table(self) -> Table:
        """Return what is listed, and what is missing."""
        states = dict.fromkeys(self.done, "done") | {**self.missing}
        hidden = self.missing.keys() - set(self.kept)
        rows = [
            (video, "no" if video in hidden else "yes", str(state))
            for video, state in sorted(states.items())
        ]
        rows += [(name, "yes", why) for name, why in self.unverified.items()]
        rows += [(name, "yes", "not written by tracks2zarr") for name in self.others]
        rows += [(name, "no", "in no plan of this store") for name in self.unlisted]
        return Table(("video", "listed", "state"), rows, left=3)

    def _shown_problems(self) -> tuple[Problem, ...]:
        """Return what could not be read."""
        return self.problems


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
    """Write the root's consolidated metadata, which list exactly the finished videos.

    A video is finished if it has a receipt and an intact group, whatever the plan now asks for: an
    older video is listed until its replacement is committed. Groups that a killed run had moved
    aside are put back first. A broken root and a lost plan are rebuilt from groups and receipts.
    The metadata of a group are restored if another program has rewritten them, as xarray does when
    it adds an array. You can run it at any moment and repeatedly; simultaneous runs wait for each
    other.

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
    return finalise_store(existing_store(store, may_be_broken=True))


def finalise_store(store: Store, work_roots: Iterable[Path] = ()) -> Finalised:
    """Write the root's consolidated metadata, as `finalise` does, of a store that is there.

    Parameters
    ----------
    store
        The store.
    work_roots
        As for `recover_all`.
    """
    check_can_write()
    with store.holding() as there:
        recover_all(there, work_roots)
        restore_metadata(there)
        with there.root_lock():
            restore_plan(there)
            finalised, nodes = _consolidate(there)
            content = _root_bytes(nodes)
            if _bytes_at(there.root_file) != content:
                new = there.to_write(_new_root_file(there.path))
                write_atomically(there.root_file, content, temporary=new)
            note_listing(there, content, nodes)
    return finalised


def is_stale(store: Store) -> bool:
    """Tell whether the consolidated metadata are not what `finalise` would write now.

    Raises
    ------
    Tracks2ZarrError
        If a video, or the plan, cannot be read.
    """
    finalised, nodes = _consolidate(store)
    if errors_of(finalised.problems):
        raise Tracks2ZarrError(finalised.problems)
    found, content = _bytes_at(store.root_file), _root_bytes(nodes)
    return found != content and (found is None or not _say_the_same(found, content))


def _say_the_same(found: bytes, content: bytes) -> bool:
    """Tell whether metadata are equal: xarray writes those of the root anew, in other bytes."""
    try:
        return bool(read_json(found) == read_json(content))
    except ValueError:
        return False


def _listed_nodes(store: Store) -> dict[str, Any]:
    return nodes_in(read_json(_bytes_at(store.root_file) or b"{}"))


def _new_root_file(folder: Path) -> Path:
    """Return where the root's metadata are written before they take their name."""
    return folder / OWN_FOLDER / "zarr.json.new"


def _bytes_at(path: Path) -> bytes | None:
    try:
        return read_file(path)
    except FileNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the root says of one name.

    Parameters
    ----------
    state
        How far the video is; None for a group that is in no plan.
    note
        The note on a group that another workflow made.
    nodes
        The metadata that are listed, by path below the root; None where nothing is.
    is_foreign
        Whether the group is in no plan, has no note, and tracks2zarr did not write it.
    added
        What others added to the group of a finished video.
    """

    state: State | None = None
    note: Unverified | None = None
    nodes: Mapping[str, Any] | None = None
    is_foreign: bool = False
    added: tuple[str, ...] = ()


def _consolidate(store: Store) -> tuple[Finalised, dict[str, Any]]:
    """Return what is finished, and the metadata that list it, by path below the root."""
    plans = store.read_plan().by_id
    entries: dict[str, _Entry] = {}
    problems: list[Problem] = []
    for name in sorted({*plans, *store.groups(but=plans)}):
        try:
            entries[name] = entry = _entry(store, name, plans.get(name))
            if entry.state not in {None, State.DONE} and (broken := broken_receipt(store, name)):
                problems.append(broken)
            if entry.added:
                problems.append(additions_warning(store, name, entry.added))
        except Tracks2ZarrError as error:
            problems += error.problems
            entries[name] = _Entry(State.UNKNOWN if name in plans else None)
        except OSError as error:
            problems.append(unreadable_problem(store, name, error))
            entries[name] = _as_listed_before(store, name, is_planned=name in plans)
    nodes = {path: node for entry in entries.values() for path, node in (entry.nodes or {}).items()}
    return _finalised(entries, problems), nodes


def _entry(store: Store, name: str, plan: VideoPlan | None) -> _Entry:
    """Return what the root says of a video, or of a group that is in no plan."""
    added: tuple[str, ...] = ()
    if plan is None:
        note = store.unverified(name)
        is_foreign = note is None and not store.is_from_tracks2zarr(name)
        is_listed = is_foreign or note is not None
        state = None
    else:
        video = video_in_store(store, name, plan)
        state, is_foreign = video.state, False
        note = video.note if state is State.UNKNOWN else None
        is_listed, added = video.is_intact or note is not None, video.added
    if not is_listed:
        return _Entry(state)
    nodes = _nodes(store.group(name), name)
    if nodes is None:  # another run has moved it away meanwhile
        return _Entry(None if state is None else State.MISSING)
    return _Entry(state, note, nodes, is_foreign, added)


def _as_listed_before(store: Store, name: str, *, is_planned: bool) -> _Entry:
    """Return what the root lists now of a video that cannot be read: it may well be whole."""
    nodes = _listed_nodes(store)
    own = {path: node for path, node in nodes.items() if path.split("/")[0] == name}
    return _Entry(State.UNKNOWN if is_planned else None, nodes=own or None)


def _finalised(entries: Mapping[str, _Entry], problems: Sequence[Problem]) -> Finalised:
    planned = {name: entry for name, entry in entries.items() if entry.state is not None}
    missing = {
        name: entry.state
        for name, entry in planned.items()
        if entry.state is not None and entry.state is not State.DONE and entry.note is None
    }
    failed = {problem.video for problem in errors_of(problems)}
    return Finalised(
        done=tuple(name for name, entry in planned.items() if entry.state is State.DONE),
        others=tuple(name for name, entry in entries.items() if entry.is_foreign),
        unlisted=tuple(
            name
            for name, entry in entries.items()
            if entry.nodes is None and name not in {*planned, *failed}
        ),
        missing=missing,
        unverified={name: entry.note.why() for name, entry in entries.items() if entry.note},
        kept=tuple(name for name in missing if entries[name].nodes is not None),
        problems=tuple(problems),
    )


def _nodes(folder: Path, name: str) -> dict[str, Any] | None:
    """Return the metadata of a group and all below it, by path below the root.

    None where it is gone, as when another run has moved it away since it was listed.
    """
    try:
        group = read_json(read_file(folder / "zarr.json"))
        own = group.pop("consolidated_metadata", None)
        below = own["metadata"] if own else _read_below(folder)
        metadata_bytes({name: group, **below})  # NaN, and names that are no text, are no JSON
    except FileNotFoundError:
        if not folder.exists():
            return None
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise Tracks2ZarrError(_unreadable(folder / "zarr.json", error)) from None
    return _listed_as(name, group, below)


def nodes_of(name: str, group: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata that a root lists of a video, by the metadata of its group.

    Raises
    ------
    KeyError, TypeError
        If the group does not list its arrays.
    """
    alone = {key: value for key, value in group.items() if key != "consolidated_metadata"}
    return _listed_as(name, alone, group["consolidated_metadata"]["metadata"])


def root_document(nodes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a root that lists some nodes, by their paths."""
    return {
        "attributes": {},
        "zarr_format": 3,
        "consolidated_metadata": inline_metadata(dict(nodes)),
        "node_type": "group",
    }


def _listed_as(name: str, group: dict[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    """Return a group's metadata, and those of all below it, by their paths below the root."""
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
        path.parent.relative_to(folder).as_posix(): read_json(read_file(path))
        for path in folder.glob("*/**/zarr.json")
    }


def _listed_group(group: dict[str, Any]) -> dict[str, Any]:
    """Return a group's metadata as zarr-python lists them: nothing is consolidated below it."""
    return group | {"consolidated_metadata": inline_metadata({})}


def _root_bytes(nodes: dict[str, Any]) -> bytes:
    return metadata_bytes(root_document(nodes))
