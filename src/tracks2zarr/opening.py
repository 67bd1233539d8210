"""Making, replacing and entering a store, by its mode."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tracks2zarr.decide import Mode
from tracks2zarr.files import remove_if_empty, remove_tree
from tracks2zarr.locks import LockedError
from tracks2zarr.planning import Plan
from tracks2zarr.problems import Problem, Tracks2ZarrError, listed
from tracks2zarr.root import is_stale, make_root
from tracks2zarr.store import State, Store

_REPLACED = ".replaced"
_NEW = ".new"


@contextmanager
def opened(store: Store, plan: Plan, mode: Mode) -> Iterator[None]:
    """Make, replace or enter a store, and hold it against being replaced while a block runs.

    Parameters
    ----------
    store
        The store.
    plan
        What is to be done in it.
    mode
        ``w-`` fails where the store exists, unless it is what a run of the same plan left
        unfinished; ``w`` replaces it; ``a`` adds to it.

    Raises
    ------
    Tracks2ZarrError
        If the mode forbids it, or what is there is no Zarr store, or another run is at work on
        a store that is to be replaced.
    """
    problems = [*_misplaced(store, plan), *_not_a_store(store)]
    if problems:
        raise Tracks2ZarrError(problems)
    try:
        with ExitStack() as stack:
            with store.opening_lock():
                _recover(store)
                _enter(store, plan, mode)
                stack.enter_context(store.run_lock())
            yield
    finally:
        tidy(store)


def _enter(store: Store, plan: Plan, mode: Mode) -> None:
    """Make or replace the store, or find that its mode forbids the run."""
    if not store.exists():
        _make(store, plan)
    elif mode == "w":
        _replace(store, plan)
    elif mode == "w-" and not is_unfinished(store, plan):
        raise Tracks2ZarrError(_exists(store))


def is_unfinished(store: Store, plan: Plan) -> bool:
    """Tell whether a store is what a run of the same plan left unfinished."""
    there = store.read_plan()
    then = {video.video: video.fingerprint() for video in there.videos}
    if then != {video.video: video.fingerprint() for video in plan.videos}:
        return False
    return is_stale(store) or any(store.state(v) is not State.DONE for v in there.videos)


def _misplaced(store: Store, plan: Plan) -> Iterator[Problem]:
    inputs = {video.metadata_csv for video in plan.videos}
    inputs |= {clip.tracks_dir for video in plan.videos for clip in video.clips}
    for given in sorted(inputs):
        if Path(os.path.realpath(given)).is_relative_to(store.path):
            yield Problem(
                kind="input-in-store",
                what="The input lies in the store.",
                file=given,
                found=f"the store {store.path}",
                expected="a store beside the input, or elsewhere",
                remedy="Pass another path for the store.",
            )


def _not_a_store(store: Store) -> Iterator[Problem]:
    """Yield the problem of a path that holds something else; an empty folder is fine."""
    if not os.path.lexists(store.path) or store.exists():
        return
    if store.path.is_dir():
        inside = sorted(entry.name for entry in store.path.iterdir())
        if not inside:
            return
        found = f"a folder that holds {listed(inside, 5)}"
    else:
        found = "a file"
    yield Problem(
        kind="not-a-store",
        what="The path of the store is taken by something else, which is left as it is.",
        file=str(store.path),
        found=found,
        expected="nothing, an empty folder, or a Zarr v3 store",
        remedy="Pass another path for the store.",
    )


def _exists(store: Store) -> Problem:
    return Problem(
        kind="store-exists",
        what="The store exists.",
        file=str(store.path),
        found=f"a Zarr store that holds {listed(store.groups(), 5) or 'no video'}",
        expected="no store, or what a run of the same input and settings left unfinished",
        remedy="Pass --store-mode a to add to it, --store-mode w to replace it, or another path.",
    )


def _make(store: Store, plan: Plan) -> None:
    new = _new_root(store, plan)
    remove_if_empty(store.path)
    store.path.parent.mkdir(parents=True, exist_ok=True)
    new.rename(store.path)


def _new_root(store: Store, plan: Plan) -> Path:
    new = store.temp / f"{secrets.token_hex(8)}{_NEW}"
    new.mkdir()
    make_root(new, plan)
    return new


def _replace(store: Store, plan: Plan) -> None:
    """Replace a store that nobody is at work on: the old one is set aside, then removed."""
    old = store.temp / f"{secrets.token_hex(8)}{_REPLACED}"
    try:
        with store.run_lock(alone=True):
            new = _new_root(store, plan)
            store.path.rename(old)
            new.rename(store.path)
    except LockedError:
        raise Tracks2ZarrError(
            Problem(
                kind="store-busy",
                what="Another run is at work on the store.",
                file=str(store.path),
                found="a run that has not ended",
                expected="no run while the store is replaced",
                remedy="Wait until it has ended, or pass --store-mode a to share the work.",
            )
        ) from None
    remove_tree(old)


def _recover(store: Store) -> None:
    """Undo or complete what a killed run left while it made or replaced the store."""
    for old in sorted(store.temp.glob(f"*{_REPLACED}")):
        if store.path.exists():
            remove_tree(old)
        else:
            old.rename(store.path)
    for new in store.temp.glob(f"*{_NEW}"):
        remove_tree(new)


def tidy(store: Store) -> None:
    """Remove the folder for what is in progress, where nothing is in progress any more."""
    if not store.temp.is_dir():
        return
    try:
        left = [entry for entry in store.temp.iterdir() if entry.name != ".lock"]
    except FileNotFoundError:
        return
    if not left:
        with store.opening_lock():
            (store.temp / ".lock").unlink(missing_ok=True)
        remove_if_empty(store.temp)
