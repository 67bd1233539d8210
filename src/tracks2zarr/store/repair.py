"""Rebuilds from the receipts what is broken of a store: its plan, and the metadata of groups."""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

from tracks2zarr.common.files import read_file, read_json, write_atomically
from tracks2zarr.common.locks import LockedError
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.unfetched import annex_problem
from tracks2zarr.group.own_metadata import written_metadata
from tracks2zarr.group.zarr_metadata import metadata_bytes
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.store.listing import is_group
from tracks2zarr.store.paths import OWN_FOLDER
from tracks2zarr.store.store import Store


def root_problem(store: Store) -> Problem | None:
    """Return the problem of a root that commands cannot work with; None where it is sound.

    A plan that is missing is none: a store of another workflow has no plan.
    """
    if unfetched := unfetched_root(store):
        return unfetched
    if not is_group(store):
        file, expected = store.root_file, "the metadata of a Zarr v3 group"
    elif _is_plan_broken(store):
        file, expected = store.plan_file, "the plan of the store"
    else:
        return None
    found = "nothing there" if not file.exists() else "a file that holds something else"
    return Problem(
        kind="store-root",
        what="The root of the store is broken.",
        file=str(file),
        found="an empty file" if file.is_file() and not file.stat().st_size else found,
        expected=expected,
        remedy="To rebuild the root and the plan, run:"
        f" tracks2zarr finalise {shlex.quote(str(store.path))}",
    )


def unfetched_root(store: Store) -> Problem | None:
    """Return the problem of a root, or a plan, whose content was not fetched; None for others.

    It must not be rebuilt: what it says is elsewhere.
    """
    return annex_problem(store.root_file) or annex_problem(store.plan_file)


def needs_repair(store: Store) -> bool:
    """Tell whether `finalise` would rebuild the metadata of the root, or the plan."""
    return root_problem(store) is not None or _is_plan_lost(store)


def restore_plan(store: Store) -> None:
    """Rebuild a plan that is lost from the receipts; the caller holds the lock of the root.

    What was planned and never finished is in no receipt, so a run must plan it again.
    """
    if _is_plan_lost(store) or _is_plan_broken(store):
        plans = sorted(_plans_of_receipts(store), key=lambda plan: plan.video)
        store.write_plan(Plan(tuple(plans)))


def _is_plan_broken(store: Store) -> bool:
    """Tell whether the file of the plan holds no JSON; a plan of another version is JSON."""
    try:
        read_json(read_file(store.plan_file))
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


def _is_plan_lost(store: Store) -> bool:
    """Tell whether the plan is missing although videos were finished."""
    return not store.plan_file.exists() and any(store.receipts_folder.glob("*.json"))


def _plans_of_receipts(store: Store) -> list[VideoPlan]:
    names = [file.stem for file in store.receipts_folder.glob("*.json")]
    receipts = [store.read_receipt(name) for name in names]
    return [receipt.plan for receipt in receipts if receipt is not None]


def restore_metadata(store: Store) -> None:
    """Restore the metadata of finished groups which others wrote anew, as xarray does.

    A group to which something is added gets back its attributes; any other all of its metadata,
    as they were written. No tracks file is needed.
    """
    for file in sorted(store.receipts_folder.glob("*.json")):
        # whoever is at work on a video, or cannot read it, learns so elsewhere
        with suppress(LockedError, OSError, ValueError, Tracks2ZarrError):
            if _may_be_written_anew(store.group(file.stem) / "zarr.json"):
                with store.video_lock(file.stem):
                    _restore_group(store, file.stem)


def _may_be_written_anew(metadata: Path) -> bool:
    """Tell whether metadata of a group lack what ours have; quick, for many videos."""
    content = read_file(metadata)
    return not all(mark in content for mark in (b'"tracks2zarr_schema":', b'metadata":{"kind":'))


def _restore_group(store: Store, video: str) -> None:
    receipt, file = store.read_receipt(video), store.group(video) / "zarr.json"
    added = None if receipt is None else store.added_to(receipt, read=False)
    if receipt is None or added is None:
        return
    written, found = written_metadata(file.parent, receipt.plan), read_file(file)
    if written is None:
        return
    content = _with_attributes(read_json(found), read_json(written)) if added else written
    if content != found:
        new = store.to_write(store.path / OWN_FOLDER / f"{video}.zarr.json.new")
        write_atomically(file, content, temporary=new)


def _with_attributes(found: dict[str, Any], written: dict[str, Any]) -> bytes:
    """Return metadata as they are, with the attributes that they lack."""
    attributes = written["attributes"] | found["attributes"]
    return metadata_bytes(found | {"attributes": attributes})
