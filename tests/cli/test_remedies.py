"""The commands in messages work when they are pasted into a shell."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from store.test_modes import ONE, clip, experiment
from support.experiments import Experiment
from support.tree import run_cli
from tracks2zarr.cli.plan import command as plan_command
from tracks2zarr.cli.whole_command import Running, note_command, with_whole_commands
from tracks2zarr.common.problems import same_command

PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
#: The same videos, of other metadata.
OTHER = experiment(A=(clip(0, x=2.0),), B=(clip(0, x=2.0),))
LONGER = experiment(A=(replace(clip(0), end=15),), B=(clip(0),))
MORE = experiment(A=(clip(0), clip(1)), B=(clip(0),))


def pasted(message: str, aim: str) -> subprocess.CompletedProcess[str]:
    """Run the command that a message gives for a purpose."""
    (command,) = re.findall(rf"{aim}, run: ([^;\n]+)", message, re.IGNORECASE)
    return subprocess.run(
        ["sh", "-c", command],
        env=os.environ | {"PATH": PATH},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("made", "options", "aim"),
    [
        (MORE, [], "To replace it"),
        (OTHER, ["--store-mode", "a"], "To replace it"),
        (MORE, ["--store-mode=a", "--pattern", "*.csv"], "to add the clips that it lacks"),
        (OTHER, ["--store-mode", "a", "--group-mode", "a", "-q"], "To convert the video again"),
        (OTHER, ["--store-mode", "w"], "To replace it"),
        (OTHER, ["--store-mode", "w"], "to add to it"),
        (LONGER, ["--store-mode", "w"], r"to replace the videos that differ \(A\) and .* others"),
    ],
    ids=[
        "store",
        "video",
        "add-clips",
        "convert-again",
        "confirm",
        "add-to-store",
        "replace-videos",
    ],
)
def test_it_works(tmp_path: Path, made: Experiment, options: list[str], aim: str) -> None:
    store = tmp_path / "my store.zarr"
    tracks, metadata = ONE.write(tmp_path / "one")
    assert run_cli("create", tracks, metadata, store, "-q").returncode == 0
    tracks, metadata = made.write(tmp_path / "the other's")
    told = run_cli("create", tracks, metadata, store, "--video", "A", *options)
    done = pasted(told.stderr, aim)
    if aim == "To replace it" and not options:  # a store is replaced only if that is confirmed
        done = pasted(done.stderr, aim)
    if aim == "to add to it":  # then the video differs
        done = pasted(done.stderr, "To replace it")
    assert done.returncode == 0, done.stderr
    assert run_cli("verify", store).returncode == 0


def test_options_that_are_given_are_replaced() -> None:
    words = ["tracks2zarr", "plan", "t", "m.csv", "--videos-from", "v", "--pattern=a b", "--json"]
    note_command(plan_command, words)
    text = f"To see, run {same_command('--video', '04.09, a.b')}; or not."
    shown = (
        "To see, run: tracks2zarr plan t m.csv '--pattern=a b' --json --video '04.09, a.b'; or not."
    )
    assert with_whole_commands(text, str).endswith(shown)
    text = f"To see, run {same_command('--video', "it's 'one', $two")}; or not."
    assert with_whole_commands(text, str).endswith(
        f"--video {shlex.quote("it's 'one', $two")}; or not."
    )
    text = f"Run it: run {same_command(without='--json')}. Then go"
    assert with_whole_commands(text, str).count("--json") == 0
    text = f"run {same_command('--group-mode', 'w')}."
    assert with_whole_commands(text, str) == "run 'tracks2zarr create' with --group-mode w"
    assert Running(words, {}, {}).with_options(["--group-mode", "w"]) is None
