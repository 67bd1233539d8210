"""Small stores to merge, and what a merge must have left of them."""

from pathlib import Path
from typing import Any

import pytest

import tracks2zarr as tz
from support.commands import files_below
from support.experiments import Box, Clip, Experiment, Video
from support.tree import snapshot
from tracks2zarr.converting.creation import prepare


def video(name: str, x: float = 1.0, n_clips: int = 1) -> Video:
    """Return a small video; `x` makes its boxes differ from another's."""
    clips = tuple(
        Clip(f"Loop{n:02}", 1 + 20 * n, 10 + 20 * n, 4 + 20 * n, "triggered",
             (Box(1, 5, x, 2, 3, 4), Box(6, 9, x, 2, 3, 4)))
        for n in range(n_clips)
    )  # fmt: skip
    return Video(name, clips)


def create(store: Path, *videos: Video, only: str = "*.csv", **options: Any) -> Path:
    """Make a store, or add to one; the input lies beside it."""
    folder = store.with_name(f"input-of-{store.name}-{len(list(store.parent.iterdir()))}")
    plan = tz.plan(*Experiment(videos).write(folder), pattern=only, **options)
    assert tz.create(plan, store, store_mode="a", workers=1).ok
    return store


def plan_only(store: Path, *videos: Video) -> Path:
    """Write a plan into a store, which is made where it is missing; convert nothing."""
    folder = store.with_name(f"input-of-{store.name}-{len(list(store.parent.iterdir()))}")
    prepare(tz.plan(*Experiment(videos).write(folder)), store)
    return store


def whole(folder: Path, *videos: Video) -> dict[str, str]:
    """Return the snapshot of a store that one run makes of these videos."""
    folder.mkdir()
    return snapshot(create(folder / "whole.zarr", *videos))


def tidy(*stores: Path) -> None:
    """Check that nothing is left beside the stores, nor unfinished in them."""
    for store in stores:
        assert not list(store.parent.glob(f"{store.name}.*")), "left beside the store"
        assert not list(store.rglob("*.new"))


def without_locks(folder: Path) -> dict[str, bytes]:
    """Return the content of all files below a folder but locks."""
    files = files_below(folder).items()
    return {name: held for name, held in files if held is not None and "/locks/" not in name}


def refused(target: Path, *sources: Path, **options: Any) -> list[str]:
    """Return the kinds of problems with which a merge is refused, and check that it did nothing."""
    stores = {path for path in (target, *sources) if path.is_dir()}
    before = {store: without_locks(store) for store in stores}
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.merge(target, sources, **options)
    assert {store: without_locks(store) for store in stores} == before
    assert [path for path in (target, *sources) if not path.exists()] == [
        path for path in (target, *sources) if path not in stores and not path.is_file()
    ]
    return [problem.kind for problem in error.value.problems]


def fates(merged: tz.Merged) -> dict[str, str]:
    """Return what became of each video."""
    return {one.video: str(one.fate) for one in merged.videos}
