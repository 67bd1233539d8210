"""SIGKILL after every side effect, and the same command again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
#: The names of `crash_driver.SCENARIOS`; the driver imports what must not be imported here.
SCENARIOS = (
    "new",
    "replace-videos",
    "replace-store",
    "resume-replaced-store",
    "add-clips",
    "moved-sources",
    "correct",
    "undo-correction",
    "merge",
    "merge-into-new",
    "merge-by-copying",
    "merge-copies",
    "merge-replaces",
    "merge-older",
)


def kill(folder: Path, scenario: str, *, step: int) -> int:
    """Kill a scenario after each `step`-th of its side effects; return how many there are."""
    done = subprocess.run(
        [sys.executable, "-m", "support.crash_driver", folder, scenario, str(step)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=590,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    side_effects: int = json.loads(done.stdout)["side_effects"]
    return side_effects


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed(scenario: str, tmp_path: Path) -> None:
    """After some side effects; the others are tried below."""
    assert kill(tmp_path, scenario, step=5) > 40, "the side effects were not seen"


@pytest.mark.slow
@pytest.mark.torture
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_after_every_side_effect(scenario: str, tmp_path: Path) -> None:
    assert kill(tmp_path, scenario, step=1) > 40, "the side effects were not seen"
