"""A power cut after every side effect, and the same command again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
#: The names of `power_cut.CUTS`; the driver imports what must not be imported here.
SCENARIOS = (
    "new",
    "replace-videos",
    "replace-store",
    "add-without-sources",
    "merge",
    "merge-by-copying",
    "merge-copies",
    "merge-replaces",
    "merge-older",
    "finalise",
)


def cut(
    folder: Path, scenario: str, *, commits: str = "each", most: int = 0, sync: str = "syncfs"
) -> dict[str, int]:
    """Run the driver; return how many power cuts there were, and how many were tried."""
    args: list[str | Path] = [folder, scenario, commits, str(most), sync]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "support.power_cut", *args],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            capture_output=True,
            text=True,
            timeout=590,
            check=False,
        )
    finally:
        subprocess.run(["umount", "-q", folder / "mount"], check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    counts: dict[str, int] = json.loads(done.stdout)
    return counts


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_power_cut(scenario: str, tmp_path: Path) -> None:
    """A few of the cuts; the others are tried below."""
    assert cut(tmp_path / "disk", scenario, most=4)["cuts"] > 1


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.torture
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("commits", "sync"), [("none", "syncfs"), ("each", "syncfs"), ("each", "files")]
)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_power_cut_after_every_side_effect(
    scenario: str, commits: str, sync: str, tmp_path: Path
) -> None:
    counts = cut(tmp_path / "disk", scenario, commits=commits, sync=sync)
    assert counts["tried"] == counts["cuts"] > 1
