"""A store on disk: where everything lies in it, and the state of each video."""

from __future__ import annotations

import glob
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

from tracks2zarr.common.files import count_files, read_content, read_json, write_atomically
from tracks2zarr.common.locks import is_locked, locked
from tracks2zarr.common.names import RESERVED_NAMES
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list, did_you_mean
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.unverified import Unverified

OURS = ".tracks2zarr"
#: What an attempt's folder is called: the video's id, the store's tag, a random number.
_ATTEMPT = re.compile(r".+\.(?P<number>[0-9a-f]{16})", re.DOTALL)
#: What follows the store's name in that of a folder for what is in progress.
_TEMP = re.compile(r"(\.task[0-9]+)?\.temp")


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
        return self.path / OURS / "plan.json"

    def group(self, video: str) -> Path:
        """Return the folder of a video's group."""
        return self.path / video

    def receipt_file(self, video: str) -> Path:
        """Return the file of a video's receipt."""
        return self.path / OURS / "receipts" / f"{video}.json"

    def note_file(self, video: str) -> Path:
        """Return the file that says what is known of a group that another workflow made."""
        return self.path / OURS / "unverified" / f"{video}.json"

    def failure_file(self, video: str) -> Path:
        """Return the file that says why the last attempt at a video failed."""
        return self.path / OURS / "failures" / f"{video}.json"

    def record_file(self, video: str) -> Path:
        """Return the file in which the tasks that were at work on a video left word."""
        return self.path / OURS / "tasks" / f"{video}.json"

    @property
    def logs(self) -> Path:
        """The folder of the logs of tasks that went well."""
        return self.path / "logs"

    @property
    def failed_logs(self) -> Path:
        """The folder of the logs of tasks that failed."""
        return self.path / "logs_failed"

    @property
    def submissions_folder(self) -> Path:
        """The folder with what was submitted to a cluster for the store."""
        return self.path / OURS / "submissions"

    @property
    def replaced_folder(self) -> Path:
        """The folder with what was submitted for older stores that this one has replaced."""
        return self.path / OURS / "replaced"

    # ---- locks

    @property
    def lock_folder(self) -> Path:
        """The folder of the files that stand for locks."""
        return self.path / OURS / "locks"

    def _lock_file(self, name: str) -> Path:
        return self.lock_folder / name

    def run_lock(self, *, alone: bool = False) -> AbstractContextManager[None]:
        """Return the lock that every run holds; `alone` excludes all other runs."""
        return locked(self._lock_file("store"), shared=not alone, wait=not alone)

    def root_lock(self) -> AbstractContextManager[None]:
        """Return the lock for joining plans and for finalising."""
        return locked(self._lock_file("root"))

    def queue_lock(self) -> AbstractContextManager[None]:
        """Return the lock for submitting, and for what is done when tasks have ended."""
        return locked(self._lock_file("queue"))

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
            text = self.plan_file.read_bytes()
        except FileNotFoundError:
            return Plan(())
        return Plan.from_json(text, file=str(self.plan_file))

    def write_plan(self, plan: Plan) -> None:
        """Replace the plan."""
        write_atomically(self.plan_file, plan.to_json().encode())

    def read_receipt(self, video: str) -> Receipt | None:
        """Return a video's receipt, or None where there is none that can be read."""
        try:
            return Receipt.from_json(self.receipt_file(video).read_bytes())
        except (OSError, ValueError):
            return None

    def write_receipt(self, receipt: Receipt) -> None:
        """Write a video's receipt; the last step of its conversion."""
        write_atomically(self.receipt_file(receipt.plan.video), receipt.to_json().encode())

    def read_note(self, video: str) -> Unverified | None:
        """Return what is known of a group of another workflow, or None where nothing is."""
        try:
            return Unverified.from_json(self.note_file(video).read_bytes())
        except (OSError, ValueError):
            return None

    def write_note(self, note: Unverified) -> None:
        """Write what is known of a group of another workflow; it has no receipt then."""
        write_atomically(self.note_file(note.video), note.to_json().encode())
        self.receipt_file(note.video).unlink(missing_ok=True)

    def unverified(self, video: str) -> Unverified | None:
        """Return the note on a group, where another workflow made it and the note fits."""
        note = self.read_note(video)
        if note is None or self.is_ours(video):
            return None
        content = note.content
        try:
            fits = count_files(self.group(video)) == (content.files, content.size)
        except FileNotFoundError:
            return None  # it is being moved into another store
        return note if fits else None

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
        write_atomically(self.failure_file(video), text.encode(), sync=False)

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
            document = read_json((self.group(video) / "zarr.json").read_bytes())
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
        try:
            if not (folder / "zarr.json").is_file():
                return False
            if count_files(folder) != (content.files, content.size):
                return False
            return not read or read_content(folder) == content
        except FileNotFoundError:
            return False  # it is being replaced, or moved into another store

    def state(self, plan: VideoPlan) -> State:
        """Return how far a planned video is, by its receipt, its lock and its record."""
        return self.standing(plan)[0]

    def standing(self, plan: VideoPlan) -> tuple[State, Receipt | None]:
        """Return how far a planned video is, and its receipt where it is done."""
        receipt = self.read_receipt(plan.video)
        holds = receipt is not None and receipt.holds(plan)
        if receipt is not None and holds and self.is_intact(receipt, read=False):
            return State.DONE, receipt
        if self.is_running(plan.video):
            return State.RUNNING, None
        if self.unverified(plan.video) is not None:
            return State.UNKNOWN, None
        if holds:
            return State.MISSING, None
        return (State.FAILED if self.failure_file(plan.video).exists() else State.PENDING), None

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
        tag = "" if self.is_temp(folder) else self._tag()
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
    return _node_type(metadata) == "group"


def _node_type(metadata: Path) -> str | None:
    """Return ``group`` or ``array``, or None where there are no metadata that can be read."""
    try:
        document = read_json(metadata.read_bytes())
    except (OSError, ValueError):
        return None
    return document.get("node_type") if isinstance(document, dict) else None


def enclosing_group(path: Path) -> Path | None:
    """Return the Zarr group, such as a store, in whose folder a path lies; None for none."""
    return next((above for above in path.parents if _is_group(above / "zarr.json")), None)


def inside_problem(store: Store) -> Problem | None:
    """Return the problem of a path within a store, or to the group of a video; None for none."""
    outer = enclosing_group(store.path)
    is_ours = (store.path / OURS).is_dir()  # then it is a store: its groups need no look
    nodes = [] if is_ours or store.groups() else sorted(store.path.glob("*/zarr.json"))
    arrays = [node.parent.name for node in nodes if _node_type(node) == "array"]
    if outer is None and not arrays:
        return None
    found, remedy = f"a folder within {outer}", f"Pass the store: {outer or store.path.parent}"
    if arrays:
        found = f"the arrays {comma_list(arrays, 4)}"
    elif is_ours:
        found, remedy = f"a store within {outer}", "Move it out."
    return Problem(
        kind="inside-store",
        what="This is a part of a store, such as the group of a video, and not a store.",
        file=str(store.path),
        found=found,
        expected="a store, which holds one group a video, outside all others",
        remedy=remedy,
    )


def existing_store(path: str | os.PathLike[str]) -> Store:
    """Return the store at a path.

    Raises
    ------
    Tracks2ZarrError
        If there is none, or it is a part of one only.
    """
    store = Store.at(path)
    if store.exists():
        if problem := inside_problem(store):
            raise Tracks2ZarrError(problem)
        return store
    given = Path(path).absolute()
    found = "nothing there"
    if given.is_dir():
        inside = sorted(entry.name for entry in given.iterdir())
        found = f"a folder that holds {comma_list(inside, 5)}" if inside else "an empty folder"
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
            remedy=did_you_mean(given.name, nearby)
            or "Check the path."
            + (f" Beside it there is {comma_list(nearby, 5)}." if nearby else ""),
        )
    )
