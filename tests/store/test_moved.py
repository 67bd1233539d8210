"""A store that is moved or removed during a run, and copies of stores that share files."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video
from support.tree import snapshot
from tracks2zarr.common.locks import LockedError, is_locked, locked
from tracks2zarr.converting import one_video
from tracks2zarr.converting.one_video import VideoTask
from tracks2zarr.converting.task import run_task
from tracks2zarr.store.commit import Attempt
from tracks2zarr.store.group_mode import Decision
from tracks2zarr.store.join import join
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import Place

NAMES = ("A", "B", "C", "D")


def experiment(*names: str) -> Experiment:
    """Return an experiment of small videos."""
    boxes = (Box(1, 5, 1, 2, 3, 4), Box(6, 9, 1, 2, 3, 4))
    return Experiment(tuple(Video(n, (Clip("Loop00", 1, 10, boxes=boxes),)) for n in names))


@pytest.fixture
def plan(tmp_path: Path) -> tz.Plan:
    """Return the plan of four videos."""
    return tz.plan(*experiment(*NAMES).write(tmp_path / "in"))


def moved(store: Path) -> None:
    store.rename(store.with_name("elsewhere.zarr"))


def removed(store: Path) -> None:
    shutil.rmtree(store)


def replaced(store: Path) -> None:
    """Put another store in its place; the new folder may get the inode of the old one."""
    shutil.copytree(store, store.with_name("copy"))
    shutil.rmtree(store)
    store.with_name("copy").rename(store)


def link_now(store: Path) -> None:
    moved(store)
    store.symlink_to(store.with_name("nowhere"))


CHANGES = [moved, removed, replaced, link_now]


def at_write_of(video: str, change: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Change something once the boxes of a video are read."""
    write = one_video._write

    def changed(attempt: Attempt, decision: Decision, *args: Any) -> Receipt:
        if decision.plan.video == video:
            change()
        return write(attempt, decision, *args)

    monkeypatch.setattr(one_video, "_write", changed)


def listed(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_ends_where_its_store_is_gone(
    plan: tz.Plan,
    tmp_path: Path,
    change: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, after = tmp_path / "out.zarr", set[str]()

    def gone() -> None:
        change(store)
        after.update(listed(tmp_path))

    at_write_of("B", gone, monkeypatch)
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.create(plan, store, workers=1)
    assert [problem.kind for problem in error.value.problems] == ["store-moved"]
    assert listed(tmp_path) <= after, "nothing was written"
    assert not list(tmp_path.glob("out.zarr.temp/B.*"))
    if change is moved:
        monkeypatch.undo()
        whole = tmp_path / "whole.zarr"
        assert tz.create(plan, tmp_path / "elsewhere.zarr", store_mode="a", workers=1).ok
        assert tz.create(plan, whole, workers=1).ok
        assert snapshot(tmp_path / "elsewhere.zarr") == snapshot(whole)


@pytest.mark.parametrize("change", CHANGES)
def test_a_task_ends_where_its_store_is_gone(
    plan: tz.Plan,
    tmp_path: Path,
    change: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, after = tmp_path / "out.zarr", set[str]()
    assert tz.create(tz.Plan(plan.videos[:1]), store, workers=1).ok
    there = Store.at(store)
    join(there, plan, "w-", since="")

    def gone() -> None:
        change(store)
        after.update(listed(tmp_path))

    at_write_of("B", gone, monkeypatch)
    task = VideoTask(
        store=there.path,
        work_root=there.task_temp(1),
        plan=plan["B"],
        group_mode="w-",
        since="",
    )
    with pytest.raises(tz.Tracks2ZarrError) as error:
        run_task(task, Place("node"))
    assert [problem.kind for problem in error.value.problems] == ["store-moved"]
    assert listed(tmp_path) <= after


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_written_where_the_store_is_gone(
    plan: tz.Plan, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """Each write and each lock notices it; no folder is made."""
    store = tmp_path / "out.zarr"
    assert tz.create(plan, store, workers=1).ok
    receipt = Store.at(store).read_receipt("A")
    assert receipt is not None
    with Store.at(store).holding() as held:
        change(store)
        before = listed(tmp_path)
        for write in (
            lambda: held.write_plan(plan),
            lambda: held.write_receipt(receipt),
            lambda: held.write_failure("A", [], {}),
            lambda: held.video_lock("A").__enter__(),
            lambda: held.root_lock().__enter__(),
            lambda: held.run_lock().__enter__(),
            lambda: Attempt.begin(held, "A", held.temp),
            lambda: held.holding().__enter__(),
        ):
            with pytest.raises(tz.Tracks2ZarrError, match="moved or removed"):
                write()
        assert listed(tmp_path) == before


# ---- copies of hard links


def linked_copy(store: Path, copy: Path) -> Path:
    """Copy a store as ``cp -al`` does."""
    shutil.copytree(store, copy, copy_function=os.link)
    return copy


def test_a_copy_of_hard_links_is_merged(plan: tz.Plan, tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    assert tz.create(plan, store, workers=1).ok
    whole = snapshot(store)
    copy = linked_copy(store, tmp_path / "copy.zarr")
    merged = tz.merge(store, [copy])
    assert merged.ok
    assert {str(one.fate) for one in merged.videos} == {"same"}
    assert snapshot(store) == whole
    assert merged.emptied == (copy,)


def test_locks_of_a_copy_of_hard_links_are_told_apart(tmp_path: Path) -> None:
    one, other = tmp_path / "one" / "lock", tmp_path / "other" / "lock"
    with locked(one):
        shutil.copytree(one.parent, other.parent, copy_function=os.link)
        # its owner may be at work in either: nobody may think that the lock is free
        for path in (one, other):
            with pytest.raises(LockedError), locked(path, wait=False):
                pass
    with locked(one), locked(other, wait=False):
        assert is_locked(one)
        assert is_locked(other)
        with pytest.raises(LockedError), locked(one, wait=False):
            pass
    assert sorted(path.name for path in one.parent.iterdir()) == ["lock"]


def test_shared_locks_of_a_copy_of_hard_links(tmp_path: Path) -> None:
    one, other = tmp_path / "one" / "lock", tmp_path / "other" / "lock"
    with locked(one, shared=True):
        shutil.copytree(one.parent, other.parent, copy_function=os.link)
        with locked(other, shared=True), pytest.raises(LockedError), locked(one, wait=False):
            pass
    with locked(one, shared=True), locked(other, wait=False):
        pass
