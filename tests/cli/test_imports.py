"""What commands import before they need it, in an interpreter of their own each."""

import json
import subprocess
import sys
from pathlib import Path

from support.commands import call
from support.sample import SAMPLE
from support.tree import cli_environment

#: Takes half a second or more, and most of a task's memory before it begins.
HEAVY = {"matplotlib", "polars", "xarray"}

#: Runs a command up to the first time that it opens a tracks file, or to its end, and prints the
#: packages that were imported until then. Python raises the event; nothing of ours is replaced.
PROGRAM = """
import atexit, json, os, sys

def stop():
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
    sys.stderr.flush()
    os._exit(0)

def stop_before_reading(event, arguments):
    if event == "open" and str(arguments[0]).endswith("_tracks.csv"):
        print("reads", arguments[0], flush=True)
        stop()

sys.addaudithook(stop_before_reading)
atexit.register(stop)
from tracks2zarr.cli.app import main
main()
"""


def run(*args: str | Path) -> tuple[str, set[str]]:
    """Return what a command printed, and the packages that it had imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *args],
        env=cli_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, set(json.loads(done.stderr.splitlines()[-1]))


def test_help_imports_little() -> None:
    printed, imported = run("--help")
    assert "Usage: tracks2zarr" in printed
    assert "click" in imported
    assert not imported & {*HEAVY, "zarr", "numpy"}


def test_status_imports_little(sample_store: Path) -> None:
    printed, imported = run("slurm", "status", sample_store)
    assert "2 videos: 2 done" in printed
    assert not imported & {*HEAVY, "zarr"}


def test_a_task_begins_to_read_before_it_imports_what_it_needs_later(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    inputs = SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv"
    assert call("plan", *inputs, "--into", store).status == 0
    printed, imported = run("slurm", "task", store, "0")
    assert printed.startswith(f"reads {inputs[0]}")
    assert not imported & HEAVY


def test_the_hook_sees_what_is_imported(sample_store: Path, tmp_path: Path) -> None:
    image = tmp_path / "clip.png"
    _, imported = run("plot", sample_store, "06.09.2023-02-Left", "Loop00", "-o", image)
    assert "matplotlib" in imported
