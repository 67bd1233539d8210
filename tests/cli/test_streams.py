"""Commands whose output or messages cannot be written, in a process of their own."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import tracks2zarr as tz
from support.sample import SAMPLE
from support.tree import cli_environment, snapshot


def shell(redirection: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command with a redirection of the shell."""
    words = [sys.executable, "-m", "tracks2zarr", *map(str, args)]
    return subprocess.run(
        ["sh", "-c", f"{shlex.join(words)} {redirection}"],
        env=cli_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def assert_said_rightly(done: subprocess.CompletedProcess[str]) -> None:
    for text in ("Traceback", "unexpected error", "disk is full", "Exception ignored"):
        assert text not in done.stderr, done.stderr


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_create_goes_on_without_its_streams(
    sample_store: Path, tmp_path: Path, redirection: str
) -> None:
    store = tmp_path / "out.zarr"
    inputs = SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv"
    done = shell(redirection, "create", *inputs, store)
    assert_said_rightly(done)
    assert done.returncode == 0, done.stderr
    assert snapshot(store) == snapshot(sample_store)
    assert tz.verify(store, quick=True).ok


@pytest.mark.parametrize("command", ["info", "verify", "finalise"])
@pytest.mark.parametrize("option", ["", "--json"])
def test_stdout_on_a_full_device(sample_store: Path, command: str, option: str) -> None:
    if option and command == "finalise":
        command = "slurm status"
    done = shell(">/dev/full", *command.split(), sample_store, *option.split())
    assert done.returncode == 1
    assert_said_rightly(done)
    assert done.stderr.count("error: The results cannot be printed.") == 1


@pytest.mark.parametrize("command", ["--help", "--version", "info --help"])
def test_help_on_a_full_device(command: str) -> None:
    done = shell(">/dev/full", *command.split())
    assert done.returncode == 1
    assert_said_rightly(done)


@pytest.mark.parametrize("command", ["info", "finalise", "verify"])
def test_stdout_is_closed(sample_store: Path, command: str) -> None:
    done = shell(">&-", command, sample_store)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
