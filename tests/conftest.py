"""Settings and fixtures of all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("default", max_examples=60, deadline=None, suppress_health_check=_SLOW)
settings.register_profile(
    "ci", settings.get_profile("default"), derandomize=True, print_blob=True, database=None
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2000)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "default")
)

SAMPLE = Path(__file__).parents[1] / "examples" / "crab-loops"


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished store of the sample experiment; it is not to be changed."""
    import tracks2zarr as tz

    store = tmp_path_factory.mktemp("sample") / "CrabTracks.zarr"
    plan = tz.plan(SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv")
    assert tz.create(plan, store, workers=1).ok
    return store
