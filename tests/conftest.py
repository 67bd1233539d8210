"""Settings and fixtures of all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support.sample import SAMPLE
from support.slurm_cluster import slurm, slurm_without_accounting

__all__ = ["slurm", "slurm_without_accounting"]

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("default", max_examples=60, deadline=None, suppress_health_check=_SLOW)
settings.register_profile(
    "ci", settings.get_profile("default"), derandomize=True, print_blob=True, database=None
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2000)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "default")
)


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished store of the sample experiment; it is not to be changed."""
    import tracks2zarr as tz

    store = tmp_path_factory.mktemp("sample") / "CrabTracks.zarr"
    plan = tz.plan(SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv")
    assert tz.create(plan, store, workers=1).ok
    return store


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run a failed test of a real SLURM once more, and say so: daemons have their own timing."""
    for item in items:
        if any(mark.args == ("slurm",) for mark in item.iter_markers("xdist_group")):
            item.add_marker(pytest.mark.flaky(reruns=1))


_rerun: list[pytest.TestReport] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep why a test is run once more."""
    outcome: str = report.outcome  # pytest-rerunfailures has one of its own
    if outcome == "rerun":
        _rerun.append(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show why tests were run once more: the next one to look at them has nothing else."""
    for report in _rerun:
        terminalreporter.section(f"why {report.nodeid} was run once more")
        terminalreporter.write_line(report.longreprtext)
