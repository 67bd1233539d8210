"""A store on disk: where everything lies in it, and the state of each video."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tracks2zarr.files import content_of, extent_of, write_whole
from tracks2zarr.locks import is_locked, locked
from tracks2zarr.names import RESERVED_NAMES
from tracks2zarr.planning import Plan, VideoPlan
from tracks2zarr.problems import Problem, Tracks2ZarrError, listed
from tracks2zarr.receipt import Receipt

OURS = ".tracks2zarr"
#: What an attempt's folder is called: the video's id, the store's tag, a random number.
_ATTEMPT = re.compile(r".+\.(?P<number>[0-9a-f]{16})", re.DOTALL)


class State(StrEnum):
    """How far a video is."""

    DONE = "done"
    FAILED = "failed"
    RUNNING = "running"
    PENDING = "pending"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Store:
    """The paths of a store; nothing is read or written until it is asked for.

    Parameters
    ----------
    path
        The folder of the store, absolute, with links resolved.
    """

    path: Path

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Store:
        """Return the store at a path; links are followed, so that siblings are on its disk."""
        return cls(Path(os.path.realpath(path)))

    # ---- where things lie

    @property
    def temp(self) -> Path:
        """The folder beside the store for what is in progress."""
        return self.path.with_name(f"{self.path.name}.temp")

    @property
    def root_file(self) -> Path:
        """The metadata of the root group."""
        return self.path / "zarr.json"

    @property
    def plan_file(self) -> Path:
        """The union of the plans that were applied to the store."""
        return self.path / OURS / "plan.json"

    def group(self, video: str) -> Path:
        """Return the folder of a video's group."""
        return self.path / video

    def receipt_file(self, video: str) -> Path:
        """Return the file of a video's receipt."""
        return self.path / OURS / "receipts" / f"{video}.json"

    def failure_file(self, video: str) -> Path:
        """Return the file that says why the last attempt at a video failed."""
        return self.path / OURS / "failures" / f"{video}.json"

    # ---- locks

    def _lock_file(self, name: str) -> Path:
        return self.path / OURS / "locks" / name

    def run_lock(self, *, alone: bool = False) -> AbstractContextManager[None]:
        """Return the lock that every run holds; `alone` excludes all other runs."""
        return locked(self._lock_file("store"), shared=not alone, wait=not alone)

    def root_lock(self) -> AbstractContextManager[None]:
        """Return the lock for joining plans and for finalising."""
        return locked(self._lock_file("root"))

    def video_lock(self, video: str) -> AbstractContextManager[None]:
        """Return the lock of a video; it is not waited for."""
        return locked(self._lock_file(f"videos/{video}"), wait=False)

    def is_running(self, video: str) -> bool:
        """Tell whether a living process converts the video."""
        return is_locked(self._lock_file(f"videos/{video}"))

    def opening_lock(self) -> AbstractContextManager[None]:
        """Return the lock, outside the store, for making and replacing the store itself."""
        return locked(self.temp / ".lock")

    # ---- what is there

    def exists(self) -> bool:
        """Tell whether there is a Zarr store."""
        return _is_group(self.root_file)

    def read_plan(self) -> Plan:
        """Return the union of the plans that were applied; an empty one where there is none.

        Raises
        ------
        Tracks2ZarrError
            If the plan is of another version, or no plan.
        """
        try:
            text = self.plan_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Plan(())
        return Plan.from_json(text, file=str(self.plan_file))

    def write_plan(self, plan: Plan) -> None:
        """Replace the plan."""
        write_whole(self.plan_file, plan.to_json().encode())

    def read_receipt(self, video: str) -> Receipt | None:
        """Return a video's receipt, or None where there is none that can be read."""
        try:
            return Receipt.from_json(self.receipt_file(video).read_bytes())
        except (OSError, ValueError):
            return None

    def write_receipt(self, receipt: Receipt) -> None:
        """Write a video's receipt; the last step of its conversion."""
        write_whole(self.receipt_file(receipt.plan.video), receipt.to_json().encode())

    def read_failure(self, video: str) -> list[Problem]:
        """Return why the last attempt at a video failed; an empty list where none did."""
        try:
            document = json.loads(self.failure_file(video).read_bytes())
            return [Problem.from_dict(problem) for problem in document["problems"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def write_failure(self, video: str, problems: list[Problem], about: dict[str, str]) -> None:
        """Record why an attempt at a video failed, and what else is known about the attempt."""
        document = {"video": video, **about, "problems": [p.as_dict() for p in problems]}
        text = json.dumps(document, indent=1) + "\n"
        write_whole(self.failure_file(video), text.encode(), sync=False)

    def groups(self) -> list[str]:
        """Return the names of all groups in the root, sorted; ours and others'."""
        if not self.path.is_dir():
            return []
        return sorted(
            entry.name
            for entry in self.path.iterdir()
            if entry.name not in RESERVED_NAMES and _is_group(entry / "zarr.json")
        )

    def is_ours(self, video: str) -> bool:
        """Tell whether a group was written by this tool, whole or not."""
        try:
            document = json.loads((self.group(video) / "zarr.json").read_bytes())
            return "tracks2zarr_schema" in document["attributes"]
        except (OSError, ValueError, KeyError, TypeError):
            return True  # broken: nothing that anybody could want to keep

    def is_intact(self, receipt: Receipt, *, read: bool) -> bool:
        """Tell whether a group is what its receipt says.

        Parameters
        ----------
        receipt
            The video's receipt.
        read
            Whether to read and digest every file; else only names and sizes count.
        """
        folder, content = self.group(receipt.plan.video), receipt.content
        if not (folder / "zarr.json").is_file():
            return False
        if extent_of(folder) != (content.files, content.size):
            return False
        return not read or content_of(folder) == content

    def state(self, plan: VideoPlan) -> State:
        """Return how far a planned video is, by its receipt, its lock and its record."""
        receipt = self.read_receipt(plan.video)
        if receipt is not None and receipt.holds(plan):
            if self.is_intact(receipt, read=False):
                return State.DONE
            if not self.is_running(plan.video):
                return State.MISSING
        if self.is_running(plan.video):
            return State.RUNNING
        return State.FAILED if self.failure_file(plan.video).exists() else State.PENDING

    # ---- attempts

    def attempt_name(self, video: str) -> str:
        """Return a name that no other attempt has, and that tells whose it is."""
        return f"{video}.{self._tag()}{secrets.token_hex(4)}"

    def attempts(self, folder: Path, video: str | None = None) -> Iterator[Path]:
        """Yield the folders of attempts in a folder, of all videos or of one.

        Several stores may have their work in progress in one folder: there, only attempts of
        this store count.
        """
        if not folder.is_dir():
            return
        tag = "" if folder == self.temp else self._tag()
        for entry in sorted(folder.iterdir()):
            match = _ATTEMPT.fullmatch(entry.name)
            is_ours = match is not None and match["number"].startswith(tag)
            if is_ours and entry.is_dir() and video in {None, video_of_attempt(entry)}:
                yield entry

    def _tag(self) -> str:
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:8]


def video_of_attempt(folder: Path) -> str:
    """Return the id of the video that an attempt's folder is for."""
    return folder.name.rpartition(".")[0]


def _is_group(metadata: Path) -> bool:
    try:
        document = json.loads(metadata.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("node_type") == "group"


def existing_store(path: str | os.PathLike[str]) -> Store:
    """Return the store at a path.

    Raises
    ------
    Tracks2ZarrError
        If there is none.
    """
    store = Store.at(path)
    if store.exists():
        return store
    given = Path(path).absolute()
    found = "nothing there"
    if given.is_dir():
        inside = sorted(entry.name for entry in given.iterdir())
        found = f"a folder that holds {listed(inside, 5)}" if inside else "an empty folder"
    elif given.exists():
        found = "a file"
    nearby = sorted(entry.name for entry in given.parent.glob("*.zarr"))
    raise Tracks2ZarrError(
        Problem(
            kind="no-store",
            what="There is no Zarr store.",
            file=str(given),
            found=found,
            expected="a store that 'tracks2zarr create' made",
            remedy="Check the path."
            + (f" Beside it there is {listed(nearby, 5)}." if nearby else ""),
        )
    )
