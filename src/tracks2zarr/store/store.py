"""A store on disk: its documents and its groups."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tracks2zarr.common.documents import DocumentError, OtherFormatError
from tracks2zarr.common.durable import make_durable
from tracks2zarr.common.files import (
    ABSENT,
    count_files,
    is_file,
    make_folder,
    read_content,
    read_file,
    read_json,
    write_atomically,
)
from tracks2zarr.common.names import RESERVED_NAMES
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.planning.plan import Plan
from tracks2zarr.store.additions import additions_beside
from tracks2zarr.store.locks import StoreLocks
from tracks2zarr.store.paths import OWN_FOLDER
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.unverified import Unverified


@dataclass(frozen=True, slots=True)
class Store(StoreLocks):
    """A store: its paths, its locks, and the documents and groups in it.

    Nothing is read or written until it is asked for.
    """

    def exists(self) -> bool:
        """Tell whether there is a Zarr store, though its root may be broken."""
        # the root of a large store takes long to parse
        return (self.path / OWN_FOLDER).is_dir() or is_group(self.root_file)

    def read_plan(self) -> Plan:
        """Return the union of the plans that were applied; an empty one where there is none.

        Raises
        ------
        Tracks2ZarrError
            If the plan is of another version, or no plan.
        """
        try:
            text = read_file(self.plan_file)
        except FileNotFoundError:
            return Plan(())
        return Plan.from_json(text, file=str(self.plan_file))

    def to_write(self, path: Path) -> Path:
        """Return a file of the store that is about to be written, and make its folder.

        Raises
        ------
        StoreMovedError
            If the run holds on to the store, which was moved or removed.
        """
        self.check_held()
        make_folder(path.parent, within=self.path)
        return path

    def write_plan(self, plan: Plan) -> None:
        """Replace the plan."""
        plan.write(self.to_write(self.plan_file))

    def read_receipt(self, video: str) -> Receipt | None:
        """Return a video's receipt, or None where there is none, or a broken one.

        Raises
        ------
        OSError
            If there is a file that the disk does not let us read: nobody knows what it says.
        Tracks2ZarrError
            If another version of tracks2zarr wrote it, in a format that this one does not know.
        """
        file = self.receipt_file(video)
        try:
            return Receipt.from_json(read_file(file))
        except OtherFormatError as error:
            raise Tracks2ZarrError(_other_format(file, video, str(error))) from None
        except (FileNotFoundError, DocumentError):
            return None

    def write_receipt(self, receipt: Receipt) -> None:
        """Write a video's receipt; the last step of its conversion."""
        receipt.write(self.to_write(self.receipt_file(receipt.video)))

    def read_note(self, video: str) -> Unverified | None:
        """Return what is known of a group of another workflow, or None where nothing is."""
        return Unverified.read(self.note_file(video))

    def write_note(self, note: Unverified) -> None:
        """Write what is known of a group of another workflow; it has no receipt then."""
        note.write(self.to_write(self.note_file(note.video)))
        self.receipt_file(note.video).unlink(missing_ok=True)

    def unverified(self, video: str) -> Unverified | None:
        """Return the note on a group, where another workflow made it and the note fits."""
        note = self.read_note(video)
        if note is None or self.is_from_tracks2zarr(video):
            return None
        content = note.content
        try:
            fits = count_files(self.group(video)) == (content.files, content.size)
        except FileNotFoundError:
            return None  # it is being moved into another store
        return note if fits else None

    def make_durable(self, video: str) -> None:
        """Wait until a video's group is on the disk, and its receipt or its note."""
        make_durable(self.group(video), self.receipt_file(video), self.note_file(video))

    def read_failure(self, video: str) -> list[Problem]:
        """Return why the last attempt at a video failed; an empty list where none did."""
        try:
            document = json.loads(read_file(self.failure_file(video)))
            return [Problem.from_dict(problem) for problem in document["problems"]]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return []
        except OSError as error:
            return [os_problem(error)]

    def write_failure(self, video: str, problems: list[Problem], about: dict[str, str]) -> None:
        """Record why an attempt at a video failed, and what else is known about the attempt."""
        document = {"video": video, **about, "problems": [p.as_dict() for p in problems]}
        text = json.dumps(document, indent=1) + "\n"
        file = self.to_write(self.failure_file(video))
        write_atomically(file, text.encode(), sync=False)

    def groups(self, *, but: Collection[str] = ()) -> list[str]:
        """Return the names of all groups in the root, sorted, whoever wrote them.

        Parameters
        ----------
        but
            Names that are left out, such as those of the plan: each look takes time.
        """
        if not self.path.is_dir():
            return []
        return sorted(
            entry.name
            for entry in self.path.iterdir()
            if entry.name not in RESERVED_NAMES
            and entry.name not in but
            and _may_be_group(entry / "zarr.json")
        )

    def has_group(self, video: str) -> bool:
        """Tell whether there is a group of this name, whole or not."""
        return is_file(self.group(video) / "zarr.json")

    def is_from_tracks2zarr(self, video: str) -> bool:
        """Tell whether a group was written by this tool, whole or not."""
        try:
            document = read_json(read_file(self.group(video) / "zarr.json"))
            has_mark = "tracks2zarr_schema" in document["attributes"]
        except (*ABSENT, ValueError, KeyError, TypeError):
            return True  # broken: nothing that anybody could want to keep
        return has_mark or self._has_lost_its_mark(video)

    def _has_lost_its_mark(self, video: str) -> bool:
        """Tell whether a finished video has all of its arrays, though not its attributes.

        xarray removes them where it adds an array of a dataset without attributes.
        """
        from tracks2zarr.group.own_metadata import array_names

        receipt, group = self.read_receipt(video), self.group(video)
        return receipt is not None and all(
            is_file(group / name / "zarr.json") for name in array_names(receipt.plan)
        )

    def clip_ids(self, video: str) -> set[str]:
        """Return the ids of the clips of a group, whoever wrote it; none where it is broken."""
        from tracks2zarr.group.reader import read_clip_ids

        try:
            return set(read_clip_ids(self.group(video)))
        except Exception:  # a broken group can make zarr raise anything
            return set()

    def is_intact(self, receipt: Receipt, *, read: bool) -> bool:
        """Tell whether a group is what its receipt says, whatever was added to it.

        Parameters
        ----------
        receipt
            The video's receipt.
        read
            Whether to read and digest every file; else only names and sizes count.
        """
        return self.added_to(receipt, read=read) is not None

    def added_to(self, receipt: Receipt, *, read: bool) -> tuple[str, ...] | None:
        """Return what others added to a group that is otherwise what its receipt says.

        Parameters
        ----------
        receipt
            The video's receipt.
        read
            As for `is_intact`.

        Returns
        -------
        tuple or None
            Arrays, folders and files, sorted; None for a group that is not what its receipt says.
            Metadata of the group that others wrote anew, as xarray does where it adds an array,
            are no difference: `finalise` restores them.
        """
        folder, content = self.group(receipt.plan.video), receipt.content
        try:
            if not self.has_group(receipt.plan.video):
                return None
            if count_files(folder) != (content.files, content.size):
                return additions_beside(folder, receipt, read=read)
            if not read or read_content(folder) == content:
                return ()
            return additions_beside(folder, receipt, read=True)
        except FileNotFoundError:
            return None  # it is being replaced, or moved into another store


def _other_format(file: Path, video: str, found: str) -> Problem:
    return Problem(
        kind="receipt-format",
        what="Another version of tracks2zarr wrote the receipt of a video.",
        file=str(file),
        found=found,
        expected=f"format {' or '.join(map(str, Receipt.formats))}",
        remedy="Use the version of tracks2zarr that wrote it, or a newer one.",
        video=video,
    )


def _may_be_group(metadata: Path) -> bool:
    """Tell whether a file holds the metadata of a group, as far as it can be read."""
    try:
        return is_group(metadata)
    except OSError:
        return True


def is_group(metadata: Path) -> bool:
    """Tell whether a file holds the metadata of a Zarr group."""
    return node_type(metadata) == "group"


def node_type(metadata: Path) -> str | None:
    """Return ``group`` or ``array``, or None where there are no metadata that can be read."""
    try:
        document = read_json(read_file(metadata))
    except (*ABSENT, ValueError):
        return None
    return document.get("node_type") if isinstance(document, dict) else None
