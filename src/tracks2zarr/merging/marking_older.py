"""Groups of the older workflow marked: with a note, and another dimension name where asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tracks2zarr.common.files import FolderContent, read_content
from tracks2zarr.common.locks import LockedError
from tracks2zarr.common.problems import Problem
from tracks2zarr.common.provenance import now
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.dataset.schema import IndividualDim
from tracks2zarr.merging.copying import copy_folder
from tracks2zarr.merging.held_video import Holding, holding, plans_of
from tracks2zarr.merging.older_groups import clip_frames, individual_dim, rename_individuals
from tracks2zarr.store.commit import Attempt, recover
from tracks2zarr.store.store import State, Store
from tracks2zarr.store.unverified import Unverified


def noted(
    there: Holding, group: Path, before: FolderContent, dim: IndividualDim | None, attempt: str
) -> Unverified:
    """Rename the dimension of a group where that is asked for, and return the note on it.

    Parameters
    ----------
    there
        The group in the store that it is from.
    group
        The copy of it that is changed.
    before
        What both hold.
    dim
        The name that the dimension of individuals gets; None leaves it.
    attempt
        The name of the attempt that the copy was made in.
    """
    if dim is not None:
        rename_individuals(group, dim)
    after = before if dim is None else read_content(group)
    if there.note is not None:
        return replace(there.note, content=after, attempt=attempt)
    return Unverified(
        video=there.video,
        content=after,
        original=before.digest,
        origin=str(there.store.path),
        noted=now(),
        attempt=attempt,
        clips=clip_frames(group),
    )


def mark_older(store: Store, dim: IndividualDim | None) -> Iterator[Problem]:
    """Note which groups of a store the older workflow made; rename their dimension if asked.

    Parameters
    ----------
    store
        The store.
    dim
        The name that their dimension of individuals gets; None leaves it.

    Yields
    ------
    Problem
        What the disk refuses.
    """
    plans = plans_of(store.read_plan())
    for video in store.groups():
        if store.is_ours(video):
            continue
        try:
            with store.video_lock(video):
                recover(store, video, ())
                there = holding(store, video, plans.get(video), is_locked=True)
                if there.state is State.UNKNOWN and there.can_move:
                    _mark(there, dim)
        except LockedError:
            continue  # a run replaces it
        except OSError as error:
            yield replace(os_problem(error, store.path), video=video)


def _mark(there: Holding, dim: IndividualDim | None) -> None:
    store, before = there.store, read_content(there.group)
    if there.note is not None and there.note.content != before:
        return  # it was changed since; `verify` says so
    if dim is None or individual_dim(there.group) == dim:
        if there.note is None:
            store.write_note(noted(there, there.group, before, None, ""))
        return
    attempt = Attempt.begin(store, there.video, store.temp)
    try:
        copy_folder(there.group, attempt.group, link=True)
        attempt.commit(noted(there, attempt.group, before, dim, attempt.name))
    finally:
        attempt.end(there.video)
