"""Two runs on one store that ask for different input or settings: one of them is told."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tracks2zarr as tz
from store.test_moved import NAMES, at_write_of, experiment
from support.tree import snapshot
from tracks2zarr.common.progress import NoProgress


@pytest.fixture
def plans(tmp_path: Path) -> tuple[tz.Plan, tz.Plan]:
    """Return two plans of the same videos, with other names of a dimension."""
    written = experiment(*NAMES).write(tmp_path / "in")
    return tz.plan(*written), tz.plan(*written, individual_dim="individuals")


@pytest.fixture
def wholes(plans: tuple[tz.Plan, tz.Plan], tmp_path: Path) -> list[dict[str, str]]:
    """Return the snapshots of the stores that each plan makes."""
    stores = [tmp_path / "whole0.zarr", tmp_path / "whole1.zarr"]
    for plan, store in zip(plans, stores, strict=True):
        assert tz.create(plan, store, workers=1).ok
    return [snapshot(store) for store in stores]


def states(store: Path) -> set[str]:
    return {str(video.state) for video in tz.info(store).videos}


@pytest.mark.parametrize("group_mode", ["w-", "w", "a"])
def test_a_run_is_refused_where_another_converts_otherwise(
    plans: tuple[tz.Plan, tz.Plan],
    wholes: list[dict[str, str]],
    tmp_path: Path,
    group_mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, problems = tmp_path / "out.zarr", list[str]()

    def second() -> None:
        with pytest.raises(tz.Tracks2ZarrError) as error:
            tz.create(plans[1], store, store_mode="a", group_mode=group_mode, workers=1)  # type: ignore[arg-type]
        problems.extend(problem.kind for problem in error.value.problems)

    at_write_of("A", second, monkeypatch)
    assert tz.create(plans[0], store, workers=1).ok
    assert problems == ["video-busy"]
    assert snapshot(store) == wholes[0]
    assert states(store) == {"done"}


class _After(NoProgress):
    """Begins another run when the first video has ended."""

    def __init__(self, store: Path, plan: tz.Plan) -> None:
        self._store, self._plan, self.summaries = store, plan, list[tz.Summary]()

    def ended(self, video: str, result: object) -> None:
        if not self.summaries:
            done = tz.create(self._plan, self._store, store_mode="a", group_mode="w", workers=1)
            self.summaries.append(done)


def test_a_run_is_told_where_another_replaces_its_videos(
    plans: tuple[tz.Plan, tz.Plan], wholes: list[dict[str, str]], tmp_path: Path
) -> None:
    store = tmp_path / "out.zarr"
    assert tz.create(plans[0], store, workers=1).ok
    other = _After(store, plans[1])
    first = tz.create(plans[0], store, store_mode="a", group_mode="w", workers=1, progress=other)
    assert [summary.ok for summary in other.summaries] == [True]
    kinds = [[problem.kind for problem in outcome.problems] for outcome in first.outcomes]
    assert kinds == [[], *[["planned-otherwise"]] * 3]
    assert snapshot(store) == wholes[1]
    assert states(store) == {"done"}


@pytest.mark.parametrize("attempt", range(3))
def test_replacements_at_the_same_moment(
    plans: tuple[tz.Plan, tz.Plan], tmp_path: Path, attempt: int
) -> None:
    """Whatever comes of it, no video is pending unless a run was told."""
    store = tmp_path / "out.zarr"
    assert tz.create(plans[0], store, workers=1).ok

    def replaced(plan: tz.Plan) -> bool:
        try:
            return tz.create(plan, store, store_mode="a", group_mode="w", workers=1).ok
        except tz.Tracks2ZarrError:
            return False

    with ThreadPoolExecutor(2) as pool:
        ok = list(pool.map(replaced, plans))
    assert any(ok)
    assert states(store) == {"done"}
    assert tz.verify(store, quick=True).ok
