"""Finds out whether the root of a store is broken, and rebuilds its plan from the receipts."""

from __future__ import annotations

import shlex

from tracks2zarr.common.files import read_file, read_json
from tracks2zarr.common.problems import Problem
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.store.listing import is_group
from tracks2zarr.store.store import Store


def root_problem(store: Store) -> Problem | None:
    """Return the problem of a root that commands cannot work with; None where it is sound.

    A plan that is missing is none: a store of another workflow has no plan.
    """
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
