"""Runs git, git-annex and gin: with a time limit for silence, and none is left running."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tracks2zarr.common.problems import Problem, Tracks2ZarrError

#: A program that prints nothing for so many seconds, not even progress, is taken to hang.
SILENCE_SECONDS = 300.0
#: How long a program has to tidy up when it is asked to end.
_GRACE_SECONDS = 10
_POLL_SECONDS = 0.2
#: The least bytes per second over HTTP, and for how many seconds fewer are borne.
_SLOW = {"GIT_HTTP_LOW_SPEED_LIMIT": "1000", "GIT_HTTP_LOW_SPEED_TIME": "60"}
#: They would lead git to another repository than that of the folder it is run in.
_MISLEADING = frozenset(
    {
        *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
        *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_PREFIX"),
    }
)


class SilentError(Exception):
    """A program printed nothing for too long, and was ended."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, and what it printed."""

    status: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked to."""
        return self.status == 0


def may_prompt() -> bool:
    """Tell whether there is a person at a terminal, whom git and ssh may ask for a password."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def run(
    words: Sequence[str | Path],
    *,
    folder: Path | None = None,
    prompts: bool = False,
    silence: float | None = None,
    env: Mapping[str, str] | None = None,
    on_stderr: Callable[[bytes], None] = lambda _: None,
) -> Ended:
    """Run a program to its end.

    Parameters
    ----------
    words
        The program and its arguments.
    folder
        Where it is run.
    prompts
        Whether it may ask for a password, if there is a terminal.
    silence
        Seconds without output after which it is ended.
    env
        Further variables.
    on_stderr
        Called with each piece that it prints on stderr, as it comes.

    Raises
    ------
    SilentError
        If it was silent for too long.
    """
    prompts = prompts and may_prompt()
    with _started(words, folder, prompts=prompts, env=env or {}) as process:
        printed = _read(process, SILENCE_SECONDS if silence is None else silence, on_stderr)
        status = process.wait()
    return Ended(status, *printed)


def has_program(name: str) -> bool:
    """Tell whether a program is installed."""
    return shutil.which(name) is not None


def require_git() -> None:
    """Check that git is installed.

    Raises
    ------
    Tracks2ZarrError
        If it is not.
    """
    if not has_program("git"):
        raise Tracks2ZarrError(missing_program("git", "git"))


def missing_program(name: str, package: str) -> Problem:
    """Return the problem of a program that is not installed."""
    return Problem(
        kind="program-missing",
        what=f"{name} is not installed.",
        found=f"no '{package}' on the PATH",
        expected=f"{name}, which is needed to read the repository",
        remedy=f"Install it: 'conda install -c conda-forge {package}', or as root on Debian and"
        f" Ubuntu 'apt-get install {package}', or on macOS 'brew install {package}'. On a cluster,"
        f" look for it with 'module avail {package}'.",
    )


def _environment(*, prompts: bool) -> Mapping[str, str]:
    """Return the environment of a program: messages in English, and no password asked for."""
    env = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    env |= {name: value for name, value in _SLOW.items() if name not in env}
    if characters := env.pop("LC_ALL", None):
        env["LC_CTYPE"] = characters
    env.pop("LANGUAGE", None)
    env |= {"LC_MESSAGES": "C", "GIT_LFS_SKIP_SMUDGE": "1"}
    if not prompts:
        env |= {"GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never"}
    return env


@contextmanager
def _started(
    words: Sequence[str | Path], folder: Path | None, *, prompts: bool, env: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program; when the block is left, it has ended."""
    process = subprocess.Popen(
        words,
        cwd=folder,
        env={**_environment(prompts=prompts), **env},
        stdin=None if prompts else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=not prompts,  # without a terminal, of which ssh would ask a password
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            _end(process, is_alone=not prompts)


def _end(process: subprocess.Popen[bytes], *, is_alone: bool) -> None:
    """End a program, and what it has started."""

    def send(number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it has just ended
            if is_alone:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)

    send(signal.SIGTERM)
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        send(signal.SIGKILL)
        process.wait()


def _read(
    process: subprocess.Popen[bytes], silence: float, on_stderr: Callable[[bytes], None]
) -> tuple[str, str]:
    """Return what a program prints on stdout and on stderr, until it closes both, or ends.

    A connection that ssh shares with later ones outlives git, and keeps stderr open.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    streams = process.stdout, process.stderr
    chunks: queue.Queue[tuple[int, bytes]] = queue.Queue()
    for number, stream in enumerate(streams):
        arguments = stream, lambda chunk, n=number: chunks.put((n, chunk))
        threading.Thread(target=_forward, args=arguments, daemon=True).start()
    printed, still_open = (bytearray(), bytearray()), {0, 1}
    last = time.monotonic()
    while still_open:
        try:
            number, chunk = chunks.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            if process.poll() is not None:
                break
            if time.monotonic() - last > silence:
                raise SilentError from None
            continue
        last = time.monotonic()
        printed[number].extend(chunk)
        if number == 1:
            on_stderr(chunk)
        if not chunk:
            still_open.remove(number)
    out, err = (bytes(one).decode(errors="replace") for one in printed)
    return out, err


def _forward(stream: IO[bytes], take: Callable[[bytes], None]) -> None:
    """Hand on what a program prints as it comes, and an empty piece at its end."""
    with stream:
        while chunk := os.read(stream.fileno(), 1 << 16):
            take(chunk)
    take(b"")
