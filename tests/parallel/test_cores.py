"""How many worker processes a run starts."""

import pytest

from tracks2zarr.parallel import cores
from tracks2zarr.parallel.cores import is_little_to_read, worker_count


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "available_cores", lambda: 8)


@pytest.mark.parametrize(
    ("workers", "n_tasks", "is_little", "expected"),
    [
        (None, 20, False, 8),
        (None, 3, False, 3),
        (None, 3, True, 1),
        (None, 0, False, 1),
        (2, 3, True, 2),
        (5, 3, False, 3),
        (20, 40, False, 20),
    ],
)
def test_worker_count(workers: int | None, n_tasks: int, is_little: bool, expected: int) -> None:
    assert worker_count(workers, n_tasks, is_little=is_little) == expected


def test_many_small_videos_are_not_little() -> None:
    assert is_little_to_read([1_000] * 9)
    assert not is_little_to_read([1_000] * 10)
    assert not is_little_to_read([40_000_000])
