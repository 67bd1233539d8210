"""Measuring whole processes: wall time, and peak memory with all descendants (Linux)."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Time between two looks at the processes.
SAMPLE_SECONDS = 0.02
#: A tracks file of which more than this was read is being converted, not only looked at.
_MORE_THAN_A_LOOK = 1 << 20
#: With it, each start would compile all libraries anew.
_NO_BYTE_CODE = "PYTHONDONTWRITEBYTECODE"
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a program.

    Parameters
    ----------
    seconds
        Wall time from before its start to after its end.
    peak_memory
        Bytes: the highest sum of the resident memory of its processes that was sampled, or
        the highest of a single process where that is more. Pages that processes share
        count in each of them, so it is rather too much than too little. It is at least
        the 20 MB or so of the process that measures, from which each program starts.
    seconds_to_read
        Wall time until a tracks file was being read; None where that was not seen.
    memory
        Seconds since its start, and the resident memory of its processes then, in bytes: the
        highest of each of a few hundred equal parts of the run.
    """

    seconds: float
    peak_memory: int
    seconds_to_read: float | None
    memory: Sequence[tuple[float, int]] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """Several runs of a program: median, shortest and longest time, and highest memory."""

    median: float
    shortest: float
    longest: float
    peak_memory: int

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Summary:
        """Return the summary of some runs."""
        return cls.of_times([run.seconds for run in runs], max(run.peak_memory for run in runs))

    @classmethod
    def of_times(cls, seconds: Sequence[float], peak_memory: int) -> Summary:
        """Return the summary of some wall times."""
        return cls(statistics.median(seconds), min(seconds), max(seconds), peak_memory)


def measure(command: Sequence[str | Path], log: Path) -> Run:
    """Run a program and measure it.

    Parameters
    ----------
    command
        The program and its arguments.
    log
        Where what it prints goes.

    Raises
    ------
    RuntimeError
        If it fails; the message holds the end of what it printed.
    """
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(),
        )
        sampler = _Sampler(process.pid, start)
        try:
            # not process.wait(): its result lacks the use of resources
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            sampler.stop()
            if process.returncode is None:
                process.kill()
    if process.returncode:
        raise RuntimeError(f"{command} failed:\n{log.read_text(errors='replace')[-4000:]}")
    peak = max(sampler.peak, usage.ru_maxrss * 1024)
    return Run(seconds, peak, sampler.seconds_to_read, thinned(sampler.memory))


def thinned(memory: Sequence[tuple[float, int]], points: int = 300) -> list[tuple[float, int]]:
    """Return at most so many samples: of each part of them the highest."""
    step = max(1, -(-len(memory) // points))
    parts = (memory[start : start + step] for start in range(0, len(memory), step))
    return [max(part, key=lambda sample: sample[1]) for part in parts]


def _environment() -> dict[str, str]:
    """Return the environment for programs, in which Python may keep its byte code."""
    return {name: value for name, value in os.environ.items() if name != _NO_BYTE_CODE}


class _Sampler(threading.Thread):
    """Looks at a process and its descendants until it is stopped."""

    def __init__(self, pid: int, start: float) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.memory: list[tuple[float, int]] = []
        self.seconds_to_read: float | None = None
        self._pid = pid
        self._start = start
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            processes = list(_tree(self._pid))
            used = sum(map(_resident, processes))
            self.peak = max(self.peak, used)
            self.memory.append((time.perf_counter() - self._start, used))
            if self.seconds_to_read is None and any(map(_is_reading, processes)):
                self.seconds_to_read = time.perf_counter() - self._start

    def stop(self) -> None:
        """End the sampling."""
        self._stopped.set()
        self.join()


def _tree(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _text(children).split():
            yield from _tree(int(child))


def _resident(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 where it has ended."""
    fields = _text(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * _PAGE if fields else 0


def _is_reading(pid: int) -> bool:
    """Tell whether a process has a tracks file open and has read on in it."""
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            if str(link.readlink()).endswith("_tracks.csv"):
                position = _text(Path(f"/proc/{pid}/fdinfo/{link.name}")).split()
                if position and int(position[1]) > _MORE_THAN_A_LOOK:
                    return True
    except OSError:  # it has closed the file, or ended
        pass
    return False


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has ended
        return ""
