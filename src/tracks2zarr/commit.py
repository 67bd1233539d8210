"""How a finished group gets into its store in one step, and what happens after a crash.

An attempt has a folder ``<store>.temp/<video>.<number>/``. What it holds:

- ``group``: the group while it is written;
- ``clips``: the columns of boxes of the clips;
- ``aside``: the group that it replaces, from just before the new one takes its place.

All functions here run under the lock of the video.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tracks2zarr.files import content_of, remove_if_empty, remove_tree
from tracks2zarr.receipt import Receipt
from tracks2zarr.store import Store


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
        name = store.attempt_name(video)
        work = work_root / name
        while True:
            work_root.mkdir(parents=True, exist_ok=True)
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
        return self.store.temp / self.name

    def clip_folder(self, number: int) -> Path:
        """Return a new folder for the boxes of a clip."""
        folder = self.work / "clips" / str(number)
        folder.mkdir()
        return folder

    def commit(self, receipt: Receipt) -> None:
        """Put the group in its place and write the receipt, so that a crash is recovered.

        Parameters
        ----------
        receipt
            The receipt of the group, with its content.

        Raises
        ------
        OSError
            If a copy from another disk is not what was written, or the disk is full.
        """
        video = receipt.plan.video
        target, aside = self.store.group(video), self.sibling / "aside"
        group = self._on_the_stores_disk(receipt)
        if target.exists():
            target.rename(aside)
        group.rename(target)
        self.store.write_receipt(receipt)
        self.store.failure_file(video).unlink(missing_ok=True)

    def _on_the_stores_disk(self, receipt: Receipt) -> Path:
        """Return the group below the sibling; it is copied there from another disk."""
        group = self.sibling / "group"
        if group == self.group:
            return group
        self.sibling.mkdir(parents=True, exist_ok=True)
        try:
            self.group.rename(group)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copytree(self.group, group)
        if content_of(group) != receipt.content:
            raise OSError(errno.EIO, "the copy differs from what was written", str(group))
        return group

    def end(self, video: str) -> None:
        """Remove what the attempt left, and the folder beside the store where it is empty.

        An older group that was set aside, and was not replaced after all, is put back.
        """
        recover(self.store, video, {self.work.parent})
        remove_if_empty(self.store.temp)


def recover(store: Store, video: str, work_roots: Iterable[Path]) -> None:
    """Undo or complete what dead attempts at a video left; nobody else may be at work on it.

    Parameters
    ----------
    store
        The store.
    video
        The video's id.
    work_roots
        The folders in which attempts may lie, besides the one beside the store.
    """
    for folder in store.attempts(store.temp, video):
        aside = folder / "aside"
        if aside.exists():
            receipt = store.read_receipt(video)
            if receipt is None or receipt.attempt != folder.name:
                _put_back(store, video, aside)
        remove_tree(folder)
    for root in set(work_roots) - {store.temp}:
        for folder in store.attempts(root, video):
            remove_tree(folder)


def _put_back(store: Store, video: str, aside: Path) -> None:
    """Return an older group to its place; the one that was to replace it has no receipt."""
    target = store.group(video)
    if target.exists():
        unproved = aside.with_name("unproved")
        remove_tree(unproved)
        target.rename(unproved)
    aside.rename(target)
