"""Checks which stores can be merged, before any work is done."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError, same_command
from tracks2zarr.store.existing import (
    existing_store,
    inside_problem,
    stores_beside_text,
    what_lies_at,
)
from tracks2zarr.store.repair import root_problem
from tracks2zarr.store.schemas import mixed_stores
from tracks2zarr.store.store import Store


def check_stores(
    target: str | os.PathLike[str], sources: Sequence[str | os.PathLike[str]], *, move: bool
) -> tuple[Store, list[Store]]:
    """Return the stores of a merge.

    Parameters
    ----------
    target
        The store to merge into, or an empty folder.
    sources
        The stores to merge.
    move
        Whether the sources give their videos away.

    Raises
    ------
    Tracks2ZarrError
        If one of them is not there, is no store, is given twice, lies in another, or is of another
        schema.
    """
    problems = [*_target_problems(target)]
    for source in sources:
        problems += _source_problems(source, move=move)
    problems += _overlaps([target, *sources])
    stores = [Store.at(path) for path in (target, *sources)]
    if problems := problems or [*mixed_stores(stores)]:
        raise Tracks2ZarrError(problems)
    return stores[0], stores[1:]


def _target_problems(given: str | os.PathLike[str]) -> Iterator[Problem]:
    store = Store.at(given)
    if store.exists():
        if problem := inside_problem(store):
            yield problem
        else:
            yield from _own_problems(store)
        return
    if store.path.is_dir() and not any(store.path.iterdir()):
        return
    yield Problem(
        kind="merge-target",
        what="There is no store to merge into.",
        file=str(Path(given).absolute()),
        found=what_lies_at(store.path),
        expected="a Zarr store, or an empty folder, which becomes a new one",
        remedy="Check the path. To merge into a new store, make its folder first."
        + stores_beside_text(store.path),
    )


def _source_problems(given: str | os.PathLike[str], *, move: bool) -> Iterator[Problem]:
    try:
        store = existing_store(given)
    except Tracks2ZarrError as error:
        yield from error.problems
        return
    yield from _own_problems(store)
    if move and not all(os.access(folder, os.W_OK) for folder in (store.path, store.path.parent)):
        yield Problem(
            kind="merge-read-only",
            what="Videos cannot be moved out of a store that you may not write to.",
            file=str(store.path),
            found="a folder without permission to write, or on a disk that is read-only",
            expected="a store and a parent folder that you may write to",
            remedy=f"To leave the sources as they are, run {same_command('--copy')}",
        )


def _own_problems(store: Store) -> Iterator[Problem]:
    if problem := root_problem(store):
        yield problem
        return
    try:
        store.read_plan()
    except Tracks2ZarrError as error:
        yield from error.problems


def _overlaps(given: Sequence[str | os.PathLike[str]]) -> Iterator[Problem]:
    """Yield the problems of stores that are one, or of which one lies in the other."""
    stores = [Store.at(path).path for path in given]
    for (first, one), (_, other) in combinations(enumerate(stores), 2):
        if not (one.exists() and other.exists()):
            continue
        if one.samefile(other):
            yield _same(other, with_target=first == 0)
        elif _is_within(one, other) or _is_within(other, one):
            yield Problem(
                kind="merge-nested",
                what="One of the stores is inside another.",
                file=str(other),
                found=f"a folder in, or around, {one}",
                expected="stores in separate folders",
                remedy="Check the paths.",
            )


def _same(store: Path, *, with_target: bool) -> Problem:
    return Problem(
        kind="merge-twice",
        what="The target is one of the sources." if with_target else "A source is given twice.",
        file=str(store),
        found="the same folder twice, perhaps by a link",
        expected="each store once",
        remedy="Leave out one of them.",
    )


def _is_within(inner: Path, outer: Path) -> bool:
    return any(parent.samefile(outer) for parent in inner.parents)
