"""How a finished group enters its store, and how a crash is recovered.

An attempt has a folder ``<store>.temp/<video>.<number>/``, or in an array task
``<store>.task<index>.temp/<video>.<number>/``. What it holds:

- ``group``: the group while it is written;
- ``clips``: the columns of boxes of the clips;
- ``aside``: the group that it replaces, from just before the new one takes its place;
- ``note.json``: what is known of the group, where another workflow made it.

All functions here run under the lock of the video.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tracks2zarr.common.durable import make_durable, sync
from tracks2zarr.common.files import (
    make_folder,
    move_folder,
    read_content,
    remove_if_empty,
    remove_tree,
)
from tracks2zarr.common.locks import LockedError
from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.store.attempts import attempt_name, attempts_in, video_of_attempt
from tracks2zarr.store.ownership import foreign_problem
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.unverified import Unverified

#: The note on a group of another workflow, in the attempt that brings it into the store.
_NOTE = "note.json"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a video.

    Parameters
    ----------
    store
        Where the group is to go.
    name
        Unique; the receipt names it.
    work
        The folder that the attempt writes to; it may be on another disk than the store.
    """

    store: Store
    name: str
    work: Path

    @classmethod
    def begin(cls, store: Store, video: str, work_root: Path) -> Attempt:
        """Make the folder of a new attempt."""
        name = attempt_name(store, video)
        work = work_root / name
        store.check_held()
        while True:
            make_folder(work_root)
            try:
                work.mkdir()
                (work / "clips").mkdir()
                return cls(store, name, work)
            except FileNotFoundError:
                continue  # another run removed the empty folder above

    @property
    def group(self) -> Path:
        """The group while it is written."""
        return self.work / "group"

    @property
    def sibling(self) -> Path:
        """The attempt's folder beside the store, on the same disk."""
        if self.store.is_temp(self.work.parent):
            return self.work
        return self.store.temp / self.name

    def clip_folder(self, number: int) -> Path:
        """Return a new folder for the boxes of a clip."""
        folder = self.work / "clips" / str(number)
        folder.mkdir()
        return folder

    def commit(self, proof: Receipt | Unverified) -> None:
        """Put the group in its place and write the receipt, so that a crash is recovered.

        The receipt is written when the group is on the disk under its name, and the older group
        stays aside until the receipt is there, too: a power cut loses neither.

        Parameters
        ----------
        proof
            The receipt of the group, with its content; a note for a group of another workflow.

        Raises
        ------
        OSError
            If a copy from another disk is not what was written, or the disk is full.
        Tracks2ZarrError
            If what lies in the group's place is not ours, or the store was moved.
        """
        video = proof.video
        target, aside = self.store.group(video), self.sibling / "aside"
        group = self._on_the_stores_disk(proof)
        self.store.check_held()
        _check_is_ours(self.store, video)
        if isinstance(proof, Unverified):
            proof.write(self.sibling / _NOTE)
        make_durable(group)
        if os.path.lexists(target):
            move_folder(target, aside)
            sync(self.sibling)
        group.rename(target)
        sync(self.store.path)
        if isinstance(proof, Unverified):
            self.store.write_note(proof)
        else:
            self.store.write_receipt(proof)
            self.store.note_file(video).unlink(missing_ok=True)
        self.store.failure_file(video).unlink(missing_ok=True)

    def _on_the_stores_disk(self, proof: Receipt | Unverified) -> Path:
        """Return the group below the sibling; it is copied there from another disk."""
        group = self.sibling / "group"
        if group == self.group:
            return group
        make_folder(self.sibling)
        try:
            self.group.rename(group)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copytree(self.group, group)
        if read_content(group) != proof.content:
            raise OSError(errno.EIO, "the copy differs from what was written", str(group))
        return group

    def end(self, video: str) -> None:
        """Remove what the attempt left, and the folder beside the store where it is empty.

        An older group that was set aside, and was not replaced after all, is put back. Where the
        store is no longer at its path, that waits for the next run.
        """
        if self.store.is_held():
            recover(self.store, video, {self.work.parent})
        elif not (self.sibling / "aside").exists():
            remove_tree(self.work)
            remove_tree(self.sibling)
        for folder in {self.sibling.parent, *self.store.temps()}:
            remove_if_empty(folder)


def recover(store: Store, video: str, work_roots: Iterable[Path]) -> None:
    """Undo or complete what dead attempts at a video left; nobody else may be at work on it.

    Parameters
    ----------
    store
        The store.
    video
        The video's id.
    work_roots
        The folders in which attempts may lie, besides those beside the store.
    """
    beside = store.temps()
    for temp in beside:
        for folder in attempts_in(temp, store, video):
            aside = folder / "aside"
            is_committed = _is_committed(store, video, folder)
            if aside.exists():
                if not is_committed:
                    _put_back(store, video, aside)
                store.make_durable(video)
            remove_tree(folder)
    for root in set(work_roots) - set(beside):
        for folder in attempts_in(root, store, video):
            remove_tree(folder)


def recover_all(store: Store, work_roots: Iterable[Path] = ()) -> None:
    """Undo or complete what dead attempts left, at all videos that nobody is at work on.

    Parameters
    ----------
    store
        The store.
    work_roots
        The folders in which attempts may lie, besides those beside the store.
    """
    roots = {*work_roots, *store.temps()}
    for video in {
        video_of_attempt(folder) for root in roots for folder in attempts_in(root, store)
    }:
        try:
            with store.video_lock(video):
                recover(store, video, roots)
        except (LockedError, OSError, Tracks2ZarrError):
            continue  # its owner is alive, or nobody knows whether it was committed
    for root in store.temps():
        remove_if_empty(root)


def _is_committed(store: Store, video: str, folder: Path) -> bool:
    """Tell whether an attempt came as far as its receipt.

    A group of another workflow could not be told from any other without its note. So the attempt
    holds the note already, and where the group is in its place, the note follows.
    """
    note, receipt = store.read_note(video), store.read_receipt(video)
    if note is None or note.attempt != folder.name:
        note = Unverified.read(folder / _NOTE)
        if note is None:
            return receipt is not None and receipt.attempt == folder.name
        if not store.group(video).exists() or read_content(store.group(video)) != note.content:
            return False
    store.write_note(note)  # an older receipt may be left
    return True


def _put_back(store: Store, video: str, aside: Path) -> None:
    """Return an older group to its place; the one that was to replace it has no receipt."""
    target = store.group(video)
    _check_is_ours(store, video)
    if os.path.lexists(target):
        unproved = aside.with_name("unproved")
        remove_tree(unproved)
        move_folder(target, unproved)
    move_folder(aside, target)


def _check_is_ours(store: Store, video: str) -> None:
    """Check that a video's place holds nothing that must not be moved away."""
    problem = foreign_problem(store, video)
    if problem is not None:
        raise Tracks2ZarrError(problem)
