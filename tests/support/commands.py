"""Running the commands in this process, which costs milliseconds instead of a second."""

import io
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from tracks2zarr.cli import app, guide, show


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    status: int
    stdout: str
    stderr: str


@contextmanager
def _same_signals() -> Iterator[None]:
    """Undo what a command does to the signals of its process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def call(*args: str | Path | int, program: str = "tracks2zarr", columns: int = 200) -> Ended:
    """Run ``tracks2zarr``, or ``create-zarr-dataset``, and catch what a user would see."""
    stdout, stderr = io.StringIO(), io.StringIO()
    command = {"tracks2zarr": app.app, "create-zarr-dataset": guide.command}[program]
    env = {"NO_COLOR": "1", "COLUMNS": str(columns)}
    with (
        _same_signals(),
        mock.patch.dict(os.environ, env),
        mock.patch.dict(show._option_names, clear=True),  # of one process, as a user runs it
        redirect_stdout(stdout),
        redirect_stderr(stderr),
        pytest.raises(SystemExit) as end,
    ):
        app.run(command, program, [str(arg) for arg in args])
    assert isinstance(end.value.code, int)
    return Ended(end.value.code, stdout.getvalue(), stderr.getvalue())


def files_below(folder: Path) -> dict[str, bytes | None]:
    """Return the content of all that is below a folder; None for folders and dangling links."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
