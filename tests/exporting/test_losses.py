"""Values that are extreme are read back as they were, or a warning counts those that are not."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import xarray as xr

import tracks2zarr as tz
from support.commands import call
from support.experiments import MAX_TRACK, Box, Clip, Experiment, Video
from tracks2zarr.exporting.formats import FORMAT_NAMES

#: Confidences that a format may have for something else, or cannot write.
CONFIDENCES = (-1, 0, 1e-45, 1e38, -0.5, 123456789)
LARGE = 2**53


def stored(folder: Path, *tracks: int, confidences: tuple[float, ...] = CONFIDENCES) -> Path:
    """Return a store with boxes of these tracks, and of these confidences and none."""
    sure = [Box(frame, 7, 1, 2, 3, 4, one) for frame, one in enumerate(confidences)]
    other = [Box(0, track, 5, 6, 7, 8, 0.5) for track in tracks]
    clips = (
        Clip("Loop00", 1, 10, boxes=(*sure, Box(9, 7, 1, 2, 3, 4), *other)),
        Clip("Loop01", 11, 20, boxes=(Box(0, 1, 1, 2, 3, 4, -1), Box(1, 1, 1, 2, 3, 4))),
        Clip("Loop02", 21, 30, boxes=(Box(0, 1, 1, 2, 3, 4, 0.5),)),
    )
    tracks_dir, metadata = Experiment((Video("v", clips),)).write(folder / "in")
    assert tz.create(tz.plan(tracks_dir, metadata), folder / "s.zarr", workers=1).ok
    return folder / "s.zarr"


def exported(store: Path, name: Any, **options: Any) -> list[tuple[str, str | None]]:
    """Export to a folder with the name of the format; return kind and what was found."""
    (video,) = tz.export(store, store.parent / name, format=name, **options)
    assert all(problem.severity == "warning" for problem in video.problems)
    return [(problem.kind, problem.found) for problem in video.problems]


def read_again(store: Path, name: str) -> list[xr.Dataset]:
    """Return the clips of a store that is made from what was exported."""
    again = store.parent / f"{name}.zarr"
    plan = tz.plan(store.parent / name, store.parent / "in/loop-frames-ffmpeg.csv")
    assert tz.create(plan, again, workers=1).ok
    return [clip.load() for clip in tz.load_clips(again)]


@pytest.mark.parametrize("name", ["via", "movement", "coco"])
def test_extreme_values_are_read_back(tmp_path: Path, name: str) -> None:
    store = stored(tmp_path, LARGE - 1)
    assert exported(store, name) == []
    for found, wanted in zip(read_again(store, name), tz.load_clips(store), strict=True):
        np.testing.assert_array_equal(found["confidence"], wanted["confidence"])
        np.testing.assert_array_equal(found["track_id"], wanted["track_id"])


def test_extreme_values_in_parquet(tmp_path: Path) -> None:
    store = stored(tmp_path, MAX_TRACK)
    assert exported(store, "parquet") == []
    table = pl.read_parquet(tmp_path / "parquet/v/Loop00.parquet")
    found = table.filter(track=7)["confidence"].to_list()
    assert found == [*np.array(CONFIDENCES, np.float32).tolist(), None]
    assert table["track"].max() == MAX_TRACK


def test_a_confidence_that_mot_takes_for_none_is_counted(tmp_path: Path) -> None:
    store = stored(tmp_path)
    warnings = [("export-confidence", "2 boxes of Loop00, Loop01")]
    assert exported(store, "mot") == warnings
    assert exported(store, "mot") == warnings, "also where the files were there already"
    found = [clip["confidence"].to_numpy() for clip in read_again(store, "mot")]
    wanted = [clip["confidence"].to_numpy() for clip in tz.load_clips(store)]
    n_lost = sum(
        int((np.isnan(one) & ~np.isnan(other)).sum())
        for one, other in zip(found, wanted, strict=True)
    )
    assert n_lost == 2, "as many as the warning says"
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, np.where(other == -1, np.nan, other))


def test_only_what_is_exported_counts(tmp_path: Path) -> None:
    store = stored(tmp_path)
    assert exported(store, "mot", video="v", clip="Loop02") == []
    assert exported(store, "mot", video="v", clip="Loop00", frames=slice(1, 10)) == []
    found = exported(store, "mot", video="v", clip="Loop00", frames=slice(0, 1))
    assert found == [("export-confidence", "1 box of Loop00")]


def test_what_was_read_from_mot_is_no_loss(tmp_path: Path) -> None:
    store = stored(tmp_path)
    exported(store, "mot")
    read_again(store, "mot")
    (video,) = tz.export(tmp_path / "mot.zarr", tmp_path / "again", format="mot")
    assert video.problems == ()


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_tracks_that_programs_round_are_counted(tmp_path: Path, name: Any) -> None:
    store = stored(tmp_path, LARGE, LARGE + 1, confidences=(0.5,))
    expected = [("export-track", "2 tracks of Loop00")] if name in {"mot", "coco"} else []
    assert [one for one in exported(store, name) if one[0] != "export-confidence"] == expected


def test_the_command_warns_and_succeeds(tmp_path: Path) -> None:
    done = call("export", stored(tmp_path), tmp_path / "out", "--format", "mot")
    assert done.status == 0
    assert "warning: Boxes have a confidence of -1" in done.stderr
    assert "2 boxes of Loop00, Loop01" in done.stderr
