"""Functions are applied to items alike by all kinds of workers, and all of them can be stopped."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from support.sample import SAMPLE
from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.parallel.processes import ProgressTable, report_bytes
from tracks2zarr.parallel.workers import Workers, start_workers

KINDS = ["this process", "processes", "threads"]


@contextmanager
def workers_of(kind: str, table: ProgressTable | None = None) -> Iterator[Workers]:
    if kind == "threads":
        with (
            ThreadPoolExecutor(2) as threads,
            start_workers(2, table=table, executor=threads) as pool,
        ):
            yield pool
    else:
        with start_workers(2 if kind == "processes" else 1, table=table) as pool:
            yield pool


def inverse(number: int) -> float:
    time.sleep(0.05 * number)
    return 1 / number


def kill_this_process(number: int) -> int:
    if number == 1:
        report_bytes(0, 0)
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def interrupt(process: int, is_stoppable: bool, file: Path) -> None:
    """Interrupt a process, and work until the run is stopped."""
    file.touch()
    os.kill(process, signal.SIGINT)
    deadline = time.monotonic() + 60
    while is_stoppable and time.monotonic() < deadline:
        report_bytes(0, 1)
        time.sleep(0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_each_item_comes_with_what_its_function_returned_or_raised(kind: str) -> None:
    with workers_of(kind) as pool:
        ended = dict(pool.as_completed(inverse, [3, 0, 1]))
    assert set(ended) == {0, 1, 3}
    assert ended[3].result() == 1 / 3
    assert isinstance(ended[0].exception(), ZeroDivisionError)


@pytest.mark.parametrize("kind", KINDS)
def test_results_in_order(kind: str) -> None:
    with workers_of(kind) as pool:
        assert list(pool.map(inverse, [4, 2, 1])) == [1 / 4, 1 / 2, 1]
        assert list(pool.map(inverse, [])) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_function_raises_in_order_is_raised(kind: str) -> None:
    with pytest.raises(ZeroDivisionError), workers_of(kind) as pool:
        list(pool.map(inverse, [1, 0]))


def test_a_killed_worker_is_told_for_each_item() -> None:
    table = ProgressTable(1)
    with start_workers(2, table=table) as pool:
        ended = dict(pool.as_completed(kill_this_process, [1, 2]))
    assert isinstance(ended[1].exception(), BrokenExecutor)
    assert table.has_begun(0)


def test_a_killed_worker_that_nobody_handles_is_a_problem() -> None:
    with pytest.raises(Tracks2ZarrError) as raised, start_workers(2) as pool:
        list(pool.map(kill_this_process, [1, 2]))
    assert [problem.kind for problem in raised.value.problems] == ["workers"]


@pytest.fixture
def _ctrl_c_raises() -> Iterator[None]:
    # a shell's background job is started without
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_raises")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("in_order", [False, True])
def test_an_interruption_stops_what_has_begun(kind: str, in_order: bool, tmp_path: Path) -> None:
    table = ProgressTable(1)
    work = partial(interrupt, os.getpid(), kind != "threads")
    files = [tmp_path / f"{number}" for number in range(1000)]

    def run() -> None:
        with workers_of(kind, table) as pool:
            for _ in pool.as_completed(work, files, in_order=in_order):
                pass

    with pytest.raises(KeyboardInterrupt):
        run()
    assert table.is_stopped == (kind != "this process")
    if kind != "threads":  # which are done before they can be stopped
        assert len(list(tmp_path.iterdir())) < 10


@pytest.mark.parametrize("kind", ["processes", "threads"])
def test_an_error_of_who_takes_the_results_stops_the_workers(kind: str) -> None:
    table = ProgressTable(1)
    with pytest.raises(RuntimeError), workers_of(kind, table) as pool:  # noqa: PT012
        for _ in pool.as_completed(inverse, [1, 1, 1, 1, 1, 1]):
            raise RuntimeError
    assert table.is_stopped


def sleep_long(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(3600)


def test_workers_that_leave_nothing_behind_end_at_once(tmp_path: Path) -> None:
    """Ctrl-C does not wait for what they are at; if it did, this test would take an hour."""

    def interrupt() -> None:
        while not any(tmp_path.iterdir()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt), start_workers(2, end_at_once=True) as pool:
        list(pool.map(sleep_long, [tmp_path, tmp_path]))
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    "call",
    [
        "tz.create(tz.plan(*inputs), 'new.zarr', workers=2)",
        "tz.create(tz.plan(*inputs), store, store_mode='w', workers=2)",
        "tz.verify(store, workers=2)",
        "tz.report(store, 'r.html', workers=2)",
    ],
)
def test_a_script_without_a_guard_gets_one_error(
    call: str, sample_store: Path, tmp_path: Path
) -> None:
    store = tmp_path / "s.zarr"
    shutil.copytree(sample_store, store)
    inputs = str(SAMPLE / "tracks"), str(SAMPLE / "loop-frames-ffmpeg.csv")
    script = tmp_path / "script.py"
    script.write_text(f"""
import tracks2zarr as tz
inputs, store = {inputs!r}, {str(store)!r}
try:
    {call}
except tz.Tracks2ZarrError as error:
    print(error)
""")
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("error: ") == done.stdout.count("__main__") == 1
    assert done.stderr == ""


def pause(_: int) -> None:
    time.sleep(0.0003)


def test_an_item_costs_no_more_where_there_are_many() -> None:
    """To wait for all that are pending would cost each of many several times as much."""
    seconds = []
    for count in (200, 8000):
        before = time.process_time()
        with ThreadPoolExecutor(1) as threads, start_workers(2, executor=threads) as pool:
            assert len(list(pool.as_completed(pause, range(count)))) == count
        seconds.append((time.process_time() - before) / count)
    few, many = seconds
    assert many < 3 * few, seconds
