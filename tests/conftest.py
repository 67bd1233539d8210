"""Settings and fixtures of all tests."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support.sample import SAMPLE
from support.slurm_cluster import slurm, slurm_without_accounting
from tracks2zarr.parallel.cores import available_cores

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

_IN_MEMORY = Path("/dev/shm")
_BYTES_NEEDED = 4e9


def pytest_configure() -> None:
    """Prepare the process of the tests, and those that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as shells start what is to run behind
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _keep_files_in_memory()


def _keep_files_in_memory() -> None:
    """Keep what tests write in memory if it fits: syncing it to a disk takes most of their time."""
    if not os.access(_IN_MEMORY, os.W_OK) or os.statvfs(_IN_MEMORY).f_flag & os.ST_NOEXEC:
        return
    if shutil.disk_usage(_IN_MEMORY).free > _BYTES_NEEDED and "TMPDIR" not in os.environ:
        tempfile.tempdir = str(_IN_MEMORY)


def pytest_xdist_auto_num_workers() -> int:
    """Return one more than there are cores, since tests of array jobs mostly wait."""
    return available_cores() + 1


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """Return an empty folder on another file system than the temporary folder."""
    for place in map(Path, ("/dev/shm", "/var/tmp")):
        if place.is_dir() and place.stat().st_dev != tmp_path.stat().st_dev:
            with tempfile.TemporaryDirectory(dir=place) as folder:
                yield Path(folder)
            return
    mounted = tmp_path / "disk"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", mounted], check=True)
    try:
        yield mounted
    finally:
        subprocess.run(["umount", mounted], check=True)


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished store of the sample experiment; it is not to be changed."""
    import tracks2zarr as tz

    store = tmp_path_factory.mktemp("sample") / "CrabTracks.zarr"
    plan = tz.plan(SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv")
    assert tz.create(plan, store, workers=1).ok
    return store
