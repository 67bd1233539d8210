"""Interruptions are raised where they do no harm, and nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracks2zarr.parallel import interrupts
from tracks2zarr.parallel.threads import map_in_threads

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "examples" / "crab-loops"


@pytest.fixture(autouse=True)
def _handlers_are_as_before() -> Iterator[None]:
    # a shell's background job is started without one
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interruption_waits_until_it_is_asked_for() -> None:
    reached = []

    def run() -> None:
        with interrupts.deferred():
            interrupt()
            reached.append(1)
            interrupts.raise_deferred()
            reached.append(2)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert reached == [1]


def test_nothing_is_raised_without_one() -> None:
    with interrupts.deferred():
        interrupts.raise_deferred()
    interrupts.raise_deferred()


def test_the_end_of_the_block_raises_it() -> None:
    reached = []

    def run() -> None:
        with interrupts.deferred():
            interrupt()
            reached.append(1)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert reached == [1]
    interrupts.raise_deferred()  # once is enough


def test_it_is_raised_once() -> None:
    with interrupts.deferred():
        interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupts.raise_deferred()
        interrupts.raise_deferred()


def test_a_block_within_another() -> None:
    reached = []

    def run() -> None:
        with interrupts.deferred():
            with interrupts.deferred():
                interrupt()
            reached.append(1)
            interrupts.raise_deferred()

    with pytest.raises(KeyboardInterrupt):
        run()
    assert reached == [1]


def test_what_is_not_handled_by_python_is_left_alone() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts.deferred():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_nothing_changes() -> None:
    seen = []

    def look() -> None:
        with interrupts.deferred():
            seen.append(signal.getsignal(signal.SIGINT))
            interrupts.raise_deferred()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


@pytest.mark.parametrize("n_items", [1, 10])
def test_threads_are_interrupted_between_two_items(n_items: int) -> None:
    def items() -> Iterator[int]:
        for number in range(n_items):
            interrupt()
            yield number

    with pytest.raises(KeyboardInterrupt), interrupts.deferred():
        list(map_in_threads(str, items()))


#: Stands for the worst moment: when the lock of a future, or the locks of all, are taken.
WORST_MOMENT = """
import concurrent.futures._base as base, os, signal, sys
from tracks2zarr.cli import main

done = []

def interrupt():
    if not done:
        done.append(True)
        os.kill(os.getpid(), signal.SIGINT)

class Acquired(base._AcquireFutures):
    def __enter__(self):
        super().__enter__()
        interrupt()

class Callbacks(list):
    def append(self, function):
        interrupt()
        super().append(function)

class Future(base.Future):
    def __init__(self):
        super().__init__()
        self._done_callbacks = Callbacks()

base._AcquireFutures = Acquired
base.Future = Future
if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["create", "verify", "report"])
def test_an_interruption_at_the_worst_moment_ends_the_run(command: str, tmp_path: Path) -> None:
    script, store = tmp_path / "worst.py", tmp_path / "s.zarr"
    script.write_text(WORST_MOMENT)
    create: list[str | Path] = [
        "create",
        SAMPLE / "tracks",
        SAMPLE / "loop-frames-ffmpeg.csv",
        store,
    ]
    if command != "create":
        subprocess.run([sys.executable, "-m", "tracks2zarr", *create], check=True)
    arguments = create if command == "create" else [command, store]
    done = subprocess.run(
        [sys.executable, script, *arguments, "--workers", "2"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 130
    assert "Interrupted." in done.stderr
    assert "Traceback" not in done.stderr
