"""Where everything is stored, in a store and beside it."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tracks2zarr.common.arguments import check_path
from tracks2zarr.store.held_folder import FolderId

#: The folder within a store for all that is no group.
OWN_FOLDER = ".tracks2zarr"
#: What follows the store's name in that of a folder for what is in progress.
_TEMP = re.compile(r"(\.task[0-9]+)?\.temp")


@dataclass(frozen=True, slots=True)
class StorePaths:
    """The paths of a store; nothing is read or written.

    Parameters
    ----------
    path
        The folder of the store, absolute, with links resolved.
    folder
        The device and the inode of the folder that a run holds on to; None where none does.
    """

    path: Path
    folder: FolderId | None = field(default=None, compare=False)

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Self:
        """Return the store at a path; links are followed, so that siblings are on its disk.

        Raises
        ------
        TypeError
            If it is no path.
        Tracks2ZarrError
            If it is a URL.
        """
        check_path("store", path)
        return cls(Path(os.path.realpath(path)))

    @property
    def temp(self) -> Path:
        """The folder beside the store for what is in progress."""
        return self.path.with_name(f"{self.path.name}.temp")

    def task_temp(self, index: int) -> Path:
        """Return the folder beside the store for what an array task has in progress."""
        return self.path.with_name(f"{self.path.name}.task{index}.temp")

    def temps(self) -> list[Path]:
        """Return the folders beside the store that may hold work in progress, whosever it is."""
        tasks = self.path.parent.glob(f"{glob.escape(self.path.name)}.task*.temp")
        return [self.temp, *sorted(folder for folder in tasks if self.is_temp(folder))]

    def is_temp(self, folder: Path) -> bool:
        """Tell whether a folder is one of those beside the store for work in progress."""
        if folder.parent != self.path.parent or not folder.name.startswith(self.path.name):
            return False
        return _TEMP.fullmatch(folder.name, len(self.path.name)) is not None

    @property
    def root_file(self) -> Path:
        """The metadata of the root group."""
        return self.path / "zarr.json"

    @property
    def plan_file(self) -> Path:
        """The union of the plans that were applied to the store."""
        return self.path / OWN_FOLDER / "plan.json"

    @property
    def listing_file(self) -> Path:
        """The note of the groups that the root lists."""
        return self.path / OWN_FOLDER / "listing.json"

    def group(self, video: str) -> Path:
        """Return the folder of a video's group."""
        return self.path / video

    @property
    def identity_file(self) -> Path:
        """The file by which a store that was published is known again."""
        return self.path / OWN_FOLDER / "identity.json"

    @property
    def receipts_folder(self) -> Path:
        """The folder of the receipts."""
        return self.path / OWN_FOLDER / "receipts"

    def receipt_file(self, video: str) -> Path:
        """Return the file of a video's receipt."""
        return self.path.joinpath(OWN_FOLDER, "receipts", f"{video}.json")

    def note_file(self, video: str) -> Path:
        """Return the file that says what is known of a group that another workflow made."""
        return self.path.joinpath(OWN_FOLDER, "unverified", f"{video}.json")

    def failure_file(self, video: str) -> Path:
        """Return the file that says why the last attempt at a video failed."""
        return self.path.joinpath(OWN_FOLDER, "failures", f"{video}.json")

    def record_file(self, video: str) -> Path:
        """Return the file in which the tasks that were at work on a video left word."""
        return self.path.joinpath(OWN_FOLDER, "tasks", f"{video}.json")

    @property
    def logs(self) -> Path:
        """The folder of the logs of tasks that went well."""
        return self.path / "logs"

    @property
    def failed_logs(self) -> Path:
        """The folder of the logs of tasks that failed."""
        return self.path / "logs_failed"

    def finish_record_file(self, job: str) -> Path:
        """Return the file in which a finalising job left word."""
        return self.path / OWN_FOLDER / "finishing" / f"{job}.json"

    @property
    def submissions_folder(self) -> Path:
        """The folder with what was submitted to a cluster for the store."""
        return self.path / OWN_FOLDER / "submissions"

    @property
    def replaced_folder(self) -> Path:
        """The folder with what was submitted for older stores that this one has replaced."""
        return self.path / OWN_FOLDER / "replaced"
