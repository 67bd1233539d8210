"""Makes, replaces or opens a store, by the store mode."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from tracks2zarr.common.durable import make_durable
from tracks2zarr.common.files import remove_if_empty, remove_tree
from tracks2zarr.common.locks import LockedError
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list, same_command
from tracks2zarr.common.words import first_lines
from tracks2zarr.planning.plan import Plan
from tracks2zarr.store.differences import differences
from tracks2zarr.store.existing import inside_problem, what_lies_at
from tracks2zarr.store.group_mode import Mode
from tracks2zarr.store.joining import joining
from tracks2zarr.store.ownership import foreign_in_root, moving_away
from tracks2zarr.store.repair import needs_repair, unfetched_root
from tracks2zarr.store.root import finalise, is_stale, make_root
from tracks2zarr.store.schemas import mixed_with
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import State, state_of

_REPLACED = ".replaced"
_NEW = ".new"
#: So many of the things that differ are named.
_DIFFERENCES_NAMED = 5


class OnFirstOpening(Protocol):
    """What the first of many runs does when it opens the store, under the lock for opening."""

    def is_set_up(self) -> bool:
        """Tell whether one of the runs has opened the store."""
        ...

    def set_up(self) -> None:
        """Note that the store is open now."""
        ...


@contextmanager
def open_for_writing(
    store: Store, plan: Plan, mode: Mode, on_first: OnFirstOpening | None = None
) -> Iterator[bool]:
    """Make, replace or enter a store, and keep others from replacing it while a block runs.

    Parameters
    ----------
    store
        The store.
    plan
        What is to be done in it.
    mode
        ``w-`` fails where the store exists, unless a run of the same plan made it, which is
        completed where that left it unfinished; ``w`` replaces it; ``a`` adds to it.
    on_first
        For a run that is a part of something larger, such as an array job, to which the mode is
        applied once.

    Yields
    ------
    bool
        Whether the store is new.

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
                is_new = not os.path.lexists(store.path)
                if on_first is None:
                    _enter(store, plan, mode)
                elif not (store.exists() and on_first.is_set_up()):
                    _enter(store, plan, mode)
                    on_first.set_up()
                stack.enter_context(store.run_lock())
            yield is_new
    finally:
        remove_empty_temp(store)


def _enter(store: Store, plan: Plan, mode: Mode) -> None:
    """Make, replace or repair the store, or find that its mode forbids the run."""
    if not store.exists():
        _make(store, plan)
        return
    if mode == "w":
        _replace(store, plan)
        return
    if needs_repair(store):
        finalise(store.path)
    if problem := mixed_with(store, store.read_plan(), plan):
        raise Tracks2ZarrError(problem)
    there = store.read_plan()
    if mode == "w-" and (found := differences(there, plan)):
        raise Tracks2ZarrError(_exists(store, found, there, plan))


def finished_problem(store: Store, plan: Plan) -> Problem | None:
    """Return the problem of a store that a run of the same plan has finished, or None.

    To `open_for_writing`, that is none: there is nothing to do. The command of the older workflow
    fails there.

    Parameters
    ----------
    store
        The store.
    plan
        What is to be done.
    """
    if not store.exists() or needs_repair(store) or differences(store.read_plan(), plan):
        return None
    is_finished = all(state_of(store, video) is State.DONE for video in plan.videos)
    if not is_finished or is_stale(store):
        return None
    return _exists(store, ["all videos are done"], plan, plan)


def _misplaced(store: Store, plan: Plan) -> Iterator[Problem]:
    problem = inside_problem(store) or unfetched_root(store)
    if problem is not None:
        yield problem
    places = [place for video in plan.videos for place in video.places]
    inputs = {path for folder, _, metadata in places for path in (folder, metadata)}
    for given in sorted(inputs):
        if Path(os.path.realpath(given)).is_relative_to(store.path):
            yield Problem(
                kind="input-in-store",
                what="The input is inside the store.",
                file=given,
                found=f"the store {store.path}",
                expected="a store beside the input, or elsewhere",
                remedy="Pass another path for the store.",
            )


def _not_a_store(store: Store) -> Iterator[Problem]:
    """Yield the problem of a path that holds something else; an empty folder is fine."""
    if not os.path.lexists(store.path) or store.exists():
        return
    if store.path.is_dir() and not any(store.path.iterdir()):
        return
    yield Problem(
        kind="not-a-store",
        what="There is something else at the path of the store, which is left as it is.",
        file=str(store.path),
        found=what_lies_at(store.path),
        expected="nothing, an empty folder, or a Zarr v3 store",
        remedy="Pass another path for the store.",
    )


def _exists(store: Store, found: Sequence[str], there: Plan, plan: Plan) -> Problem:
    way, is_replacing = joining(store, there, plan)
    anew = same_command("--store-mode", "w")
    if is_replacing:
        remedy = f"Pass another store; or {way}; or to replace the whole store, run {anew}"
    else:
        remedy = f"T{way[1:]}; to replace it, run {anew}; or pass another path."
    return Problem(
        kind="store-exists",
        what="The store already exists.",
        file=str(store.path),
        found="; ".join(first_lines(found, _DIFFERENCES_NAMED)),
        expected="no store, or one of the same input and settings",
        remedy=remedy,
    )


def _make(store: Store, plan: Plan) -> None:
    new = _new_root(store, plan)
    store.path.parent.mkdir(parents=True, exist_ok=True)
    new.rename(store.path)  # in one step, also where there is an empty folder
    make_durable(store.path)


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
            if foreign := foreign_in_root(store):
                raise Tracks2ZarrError(_holds_foreign(store, foreign))
            new = _new_root(store, plan)
            _carry_over(store, Store(new))
            make_durable(new)
            store.path.rename(old)
            new.rename(store.path)
            make_durable(store.path)
    except LockedError:
        raise Tracks2ZarrError(
            Problem(
                kind="store-busy",
                what="Another run is working on the store.",
                file=str(store.path),
                found="a run that has not ended",
                expected="no run while the store is replaced",
                remedy="Wait until it has ended; or, to share the work, run"
                f" {same_command('--store-mode', 'a')}",
            )
        ) from None
    remove_tree(old)


def _holds_foreign(store: Store, foreign: list[Path]) -> Problem:
    names = [path.relative_to(store.path).as_posix() for path in foreign]
    return Problem(
        kind="foreign-group",
        what="The store contains something that tracks2zarr did not write, so it was not replaced.",
        file=str(store.path),
        found=comma_list(names),
        expected="only groups that tracks2zarr wrote",
        remedy=f"Move it away, then run the same command again: {moving_away(store, foreign)}",
    )


def _carry_over(old: Store, new: Store) -> None:
    """Keep what was submitted for a store that is replaced: its tasks are not for the new one."""
    for folder in (old.submissions_folder, old.replaced_folder):
        for file in folder.glob("*.json"):
            new.replaced_folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, new.replaced_folder / file.name)


def withdraw(store: Store, plan_file: os.stat_result) -> None:
    """Remove a store that this run made, if nobody has put anything into it since.

    Parameters
    ----------
    store
        The store; no run of this process holds it any more.
    plan_file
        The file of its plan, as this run left it.
    """
    try:
        with store.opening_lock(), store.run_lock(alone=True):
            if _is_untouched(store, plan_file):
                # under this name, what a kill leaves of it is removed by the next run
                gone = store.temp / f"{secrets.token_hex(8)}{_NEW}"
                store.path.rename(gone)
                remove_tree(gone)
    except LockedError:
        return
    finally:
        remove_empty_temp(store)


def _is_untouched(store: Store, plan_file: os.stat_result) -> bool:
    if not store.exists():
        return False
    files = {path for path in store.path.rglob("*") if path.is_symlink() or not path.is_dir()}
    held = {path for path in files if not path.is_relative_to(store.lock_folder)}
    now = store.plan_file.stat() if held == {store.root_file, store.plan_file} else None
    return (
        now is not None
        and os.path.samestat(now, plan_file)
        and now.st_mtime_ns == plan_file.st_mtime_ns
    )


def _recover(store: Store) -> None:
    """Undo or complete what a killed run left while it made or replaced the store."""
    for old in sorted(store.temp.glob(f"*{_REPLACED}")):
        if store.path.exists():
            make_durable(store.path)
            remove_tree(old)
        else:
            old.rename(store.path)
    for new in store.temp.glob(f"*{_NEW}"):
        remove_tree(new)


def remove_empty_temp(store: Store) -> None:
    """Remove the folder for what is in progress, where nothing is in progress any more."""
    if not store.temp.is_dir():
        return
    try:
        left = [entry for entry in store.temp.iterdir() if not entry.name.startswith(".lock")]
    except FileNotFoundError:
        return
    if not left:
        with store.opening_lock():
            (store.temp / ".lock").unlink(missing_ok=True)
        remove_if_empty(store.temp)
