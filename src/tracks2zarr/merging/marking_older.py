"""Marks groups of the older workflow with a note, and renames their dimension if asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tracks2zarr.common.files import FolderContent, read_content
from tracks2zarr.common.locks import LockedError
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.provenance import now
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.dataset.schema import IndividualDim
from tracks2zarr.merging.copying import copy_folder
from tracks2zarr.merging.older_groups import clip_frames, individual_dim, rename_individuals
from tracks2zarr.merging.two_stores import can_move
from tracks2zarr.store.commit import Attempt, recover
from tracks2zarr.store.store import Store
from tracks2zarr.store.unverified import Unverified
from tracks2zarr.store.video_state import State, VideoInStore, video_in_store


def rename_and_describe(
    source: VideoInStore,
    group: Path,
    before: FolderContent,
    dim: IndividualDim | None,
    attempt: str,
) -> Unverified:
    """Rename the dimension of a group where that is asked for, and return the note on it.

    Parameters
    ----------
    source
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
    if source.note is not None:
        return replace(source.note, content=after, attempt=attempt)
    return Unverified(
        video=source.video,
        content=after,
        original=before.digest,
        origin=str(source.store.path),
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
        Why a group was left as it is.
    """
    plans = store.read_plan().by_id
    for video in store.groups():
        try:
            if store.is_from_tracks2zarr(video):
                continue
            with store.video_lock(video):
                recover(store, video, ())
                one = video_in_store(store, video, plans.get(video), holds_lock=True)
                if one.state is State.UNKNOWN and can_move(one):
                    _mark(one, dim)
        except LockedError:
            continue  # a run replaces it
        except Tracks2ZarrError as error:
            yield from error.problems
        except OSError as error:
            yield replace(os_problem(error, store.path), video=video)


def _mark(one: VideoInStore, dim: IndividualDim | None) -> None:
    store, before = one.store, read_content(one.group)
    if one.note is not None and one.note.content != before:
        return  # it was changed since; `verify` says so
    if one.note is None:  # also before it is renamed: only what is marked may be replaced
        store.write_note(rename_and_describe(one, one.group, before, None, ""))
    if dim is None or individual_dim(one.group) == dim:
        return
    attempt = Attempt.begin(store, one.video, store.temp)
    try:
        copy_folder(one.group, attempt.group, link=True)
        attempt.commit(rename_and_describe(one, attempt.group, before, dim, attempt.name))
    finally:
        attempt.end(one.video)
