"""The files that stand in for locks where the file system has none."""

import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tracks2zarr.common import lock_files

HOST = socket.gethostname()
#: No process has this number: it is above what Linux allows.
NOBODY = 2**22 + 1


def holder(path: Path, how: str, host: str, pid: int, started: str = "1") -> Path:
    """Leave the file of a holder."""
    file = path.with_name(f"{path.name}.holders") / f"{how},{host},{pid},{started},0123abcd"
    file.parent.mkdir(exist_ok=True)
    file.touch()
    return file


def silent(file: Path) -> None:
    """Let a holder have shown no sign of life for two hours."""
    then = time.time() - 7200
    os.utime(file, (then, then))


def fresh(file: Path) -> None:
    """Let a holder have shown a sign of life just now."""
    assert file.stat().st_mtime > time.time() - 60


@pytest.mark.parametrize(
    ("host", "pid", "age", "may_live"),
    [
        (HOST, NOBODY, fresh, False),
        (HOST, os.getpid(), fresh, False),  # another process had this number before
        ("elsewhere", NOBODY, fresh, True),
        ("elsewhere", NOBODY, silent, False),
    ],
    ids=["dead here", "its number is another's", "alive elsewhere", "silent elsewhere"],
)
def test_only_the_dead_lose_their_lock(
    tmp_path: Path, host: str, pid: int, age: Callable[[Path], None], may_live: bool
) -> None:
    path = tmp_path / "one"
    file = holder(path, "alone", host, pid)
    age(file)
    assert lock_files.is_held_alone(path) is may_live
    mine = lock_files.acquire(path, shared=True, wait=False)
    assert (mine is None) is may_live
    assert file.exists() is may_live
    if mine is not None:
        lock_files.release(mine)
        assert not file.parent.exists()


def test_shared_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "one"
    first = lock_files.acquire(path, shared=True, wait=False)
    second = lock_files.acquire(path, shared=True, wait=True)
    assert first is not None
    assert second is not None
    assert not lock_files.is_held_alone(path)
    assert lock_files.acquire(path, shared=False, wait=False) is None
    lock_files.release(first)
    lock_files.release(second)
    alone = lock_files.acquire(path, shared=False, wait=False)
    assert alone is not None
    assert lock_files.is_held_alone(path)
    assert lock_files.acquire(path, shared=True, wait=False) is None
    lock_files.release(alone)


def test_what_nfs_leaves_is_no_holder(tmp_path: Path) -> None:
    (tmp_path / "one.holders").mkdir()
    (tmp_path / "one.holders" / ".nfs0000000000000001").touch()
    mine = lock_files.acquire(tmp_path / "one", shared=False, wait=False)
    assert mine is not None
    lock_files.release(mine)


def count_up(folder: Path) -> None:
    """Add to the number in a file, under a lock."""
    for _ in range(20):
        mine = lock_files.acquire(folder / "lock", shared=False, wait=True)
        assert mine is not None
        count = int((folder / "count").read_text())
        time.sleep(0.001)
        (folder / "count").write_text(str(count + 1))
        lock_files.release(mine)


def test_one_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        list(pool.map(count_up, [tmp_path] * 3))
    assert (tmp_path / "count").read_text() == "60"
