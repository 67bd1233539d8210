"""``clips``, ``load_clips`` and what ``load_clip`` can be asked for."""

import csv
import io
import json
import pickle
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tracks2zarr as tz
from support.commands import call
from support.experiments import Box, Clip, Experiment, Video, crowd
from tracks2zarr.loading.clips import COLUMNS

RIGHT, LEFT = "04.09.2023-01-Right", "06.09.2023-02-Left"
BOXES = (Box(0, 5), Box(3, 5), Box(4, 7), Box(6, 7), Box(9, 2))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of two videos; one has a clip without an escape, one a clip without boxes."""
    clips = (
        Clip("Loop00", 101, 110, 104, "Triggered", BOXES),
        Clip("Loop01", 201, 220, boxes=crowd(3)),
        Clip("Loop02", 301, 301, 300, "spontaneous"),
    )
    folder = tmp_path_factory.mktemp("clips")
    experiment = Experiment((Video("A", clips), Video("B", clips[:1], fps=25.0)))
    assert tz.create(tz.plan(*experiment.write(folder)), folder / "s.zarr", workers=1).ok
    return folder / "s.zarr"


def test_the_table_of_clips(store: Path) -> None:
    table = tz.clips(store)
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == COLUMNS
    fps = tz.open_store(store)["A"].attrs["fps"]
    first = ("A", "Loop00", fps, 10, 10 / fps, 3, 5, 100, 109, 104, "triggered", 4 / fps, 0)
    assert tuple(table.iloc[0]) == first
    without = table.iloc[1]
    assert without["escape_type"] == "none"
    assert pd.isna(without["escape_frame"])
    assert pd.isna(without["escape_seconds"])
    assert list(table["video"]) == ["A", "A", "A", "B"]
    assert list(table["n_boxes"]) == [5, len(crowd(3)), 0, 5]


def test_the_table_is_what_the_groups_say(sample_store: Path) -> None:
    for _, row in tz.clips(sample_store).iterrows():
        clip = tz.load_clip(sample_store, row["video"], row["clip_id"])
        assert row["n_frames"] == clip.sizes["time"]
        assert row["n_individuals"] == clip.sizes["individual"]
        assert row["n_boxes"] == int(clip["position"].notnull().all("space").sum())
        escape = clip["time"].where(clip["escape_state"] == 1, drop=True)
        assert row["escape_seconds"] == float(escape[0]) / row["fps"]


def test_videos_that_are_not_finished_are_left_out(tmp_path: Path) -> None:
    clips = (Clip("Loop00", 1, 5, boxes=crowd(2)),)
    tracks, metadata = Experiment((Video("A", clips), Video("B", clips))).write(tmp_path / "in")
    created = tz.create(tz.plan(tracks, metadata), tmp_path / "s.zarr", workers=1)
    assert created.ok
    (tmp_path / "s.zarr/.tracks2zarr/receipts/B.json").unlink()
    assert list(tz.clips(tmp_path / "s.zarr")["video"]) == ["A"]
    done = call("info", tmp_path / "s.zarr", "--csv")
    assert done.stdout.splitlines()[1].startswith("A,Loop00,")
    assert done.stderr == "Left out, because not finished: B\n"


def test_a_store_without_finished_videos_has_an_empty_table(store: Path, tmp_path: Path) -> None:
    empty = tz.clips(store).iloc[:0]
    assert list(tz.load_clips(store, empty)) == []
    assert list(empty.columns) == list(COLUMNS)


def test_info_writes_the_table_as_csv(store: Path) -> None:
    done = call("info", store, "--csv")
    assert done.status == 0
    assert done.stderr == ""
    read = pd.read_csv(io.StringIO(done.stdout), dtype=COLUMNS, keep_default_na=False, na_values="")
    pd.testing.assert_frame_equal(read, tz.clips(store))
    one = call("info", store, "B", "--csv").stdout.splitlines()
    assert len(one) == 2
    assert call("info", store, "--csv", "--json").status == 2


# ---- load_clip


def test_an_integer_is_the_position_of_a_clip(store: Path) -> None:
    positions: list[tuple[Any, str]] = [
        (0, "Loop00"),
        (2, "Loop02"),
        (-1, "Loop02"),
        (np.int64(1), "Loop01"),
    ]
    for position, clip in positions:
        xr.testing.assert_identical(
            tz.load_clip(store, "A", position), tz.load_clip(store, "A", clip)
        )
    for position in (3, -4):
        with pytest.raises(tz.Tracks2ZarrError, match=f"found:    '{position}'"):
            tz.load_clip(store, "A", position)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"clip": 1.0}, TypeError, "clip is a float"),
        ({"clip": None}, TypeError, "clip is a NoneType"),
        ({"clip": True}, TypeError, "clip is a bool"),
        ({"frames": 5}, TypeError, "frames is a int"),
        ({"frames": slice(0, 5, 2)}, ValueError, "a step of 2"),
        ({"frames": slice(5, 2)}, ValueError, "which ends before it begins"),
        ({"frames": slice(None, 0)}, ValueError, "which contains no frame"),
        ({"zero": "start"}, ValueError, "zero is 'start'"),
    ],
)
def test_arguments_of_other_kinds(
    store: Path, keywords: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tz.load_clip(store, **{"video": "A", "clip": "Loop00", **keywords})


def test_time_from_the_escape(store: Path) -> None:
    fps = tz.open_store(store)["A"].attrs["fps"]
    frames = tz.load_clip(store, "A", "Loop00", zero="escape")
    np.testing.assert_array_equal(frames["time"], np.arange(-4, 6))
    assert frames.attrs["time_unit"] == "frames"
    seconds = tz.load_clip(store, "A", "Loop00", zero="escape", seconds=True)
    np.testing.assert_array_equal(seconds["time"], np.arange(-4, 6) / fps)
    assert seconds.attrs["time_unit"] == "seconds"
    assert seconds["time"].attrs["units"] == "s"
    first = seconds["time"].where(seconds["escape_state"] == 1, drop=True)[0]
    assert float(first) == 0


def test_a_clip_without_an_escape_has_no_such_time(store: Path) -> None:
    with pytest.raises(tz.Tracks2ZarrError, match="A, Loop01") as raised:
        tz.load_clip(store, "A", "Loop01", zero="escape")
    assert [problem.kind for problem in raised.value.problems] == ["no-escape"]


def test_times_of_clips_coincide(tmp_path: Path) -> None:
    """Subtracting times in seconds gives times that differ in their last bit."""
    rng = np.random.default_rng(3)
    clips = tuple(
        Clip(f"Loop{i:02}", start, start + 249, start + int(rng.integers(100, 150)), "triggered")
        for i, start in enumerate(range(1, 24 * 1000, 1000))
    )
    experiment = Experiment((Video("A", clips, fps=59.94),))
    assert tz.create(tz.plan(*experiment.write(tmp_path)), tmp_path / "s.zarr", workers=1).ok
    loaded = list(tz.load_clips(tmp_path / "s.zarr", seconds=True, zero="escape"))
    both = xr.concat([clip["escape_state"] for clip in loaded], "clip", join="outer")
    frames = {round(float(time) * 59.94) for clip in loaded for time in clip["time"]}
    assert both.sizes == {"clip": 24, "time": len(frames)}
    assert len(frames) < 300


def test_some_frames_and_the_individuals_in_them(store: Path) -> None:
    whole = tz.load_clip(store, "A", "Loop00")
    np.testing.assert_array_equal(whole["track_id"], [2, 5, 7])
    window = tz.load_clip(store, "A", "Loop00", frames=slice(3, 6))
    np.testing.assert_array_equal(window["track_id"], [5, 7])
    np.testing.assert_array_equal(window["time"], [3, 4, 5])
    xr.testing.assert_identical(window, whole.isel(time=slice(3, 6), individual=[1, 2]))
    apart = tz.load_clip(store, "A", "Loop00", frames=slice(-1, None))
    np.testing.assert_array_equal(apart["track_id"], [2])
    gap = tz.load_clip(store, "A", "Loop00", frames=slice(7, 9))
    assert gap.sizes == {"time": 2, "space": 2, "individual": 0}
    gaps = tz.load_clip(store, "A", "Loop00", frames=slice(3, 10))["individual"]
    assert list(gaps) == list(whole["individual"])


def test_every_window_has_all_boxes_of_its_frames(sample_store: Path) -> None:
    rng = np.random.default_rng(0)
    whole = tz.load_clip(sample_store, RIGHT, "Loop02").load()
    for start, length in rng.integers(1, 40, (20, 2)).tolist():
        window = tz.load_clip(
            sample_store, RIGHT, "Loop02", frames=slice(start, start + length), seconds=True
        )
        boxes = whole["position"].isel(time=slice(start, start + length))
        there = boxes.dropna("individual", how="all")
        assert set(there["individual"].values) <= set(window["individual"].values)
        same = window["position"].sel(individual=there["individual"])
        np.testing.assert_array_equal(same, there)
        np.testing.assert_array_equal(window["time"], boxes["time"] / window.attrs["fps"])


def test_frames_that_no_clip_has(store: Path) -> None:
    for frames in (slice(10, 20), slice(-2, 5)):
        with pytest.raises(tz.Tracks2ZarrError) as raised:
            tz.load_clip(store, "A", "Loop00", frames=frames)
        assert [problem.kind for problem in raised.value.problems] == ["no-such-frames"]


def test_chunks(store: Path) -> None:
    clip = tz.load_clip(store, "A", "Loop00", chunks={}, frames=slice(2, 8), zero="escape")
    assert clip["position"].chunks is not None
    plain = tz.load_clip(store, "A", "Loop00", frames=slice(2, 8), zero="escape")
    xr.testing.assert_identical(clip.compute(), plain.compute())


def test_a_dataset_without_escapes(tmp_path: Path) -> None:
    clips = (Clip("Loop00", 1, 5, boxes=crowd(2)),)
    tracks, metadata = Experiment((Video("A", clips),)).write(tmp_path / "in")
    metadata.write_text("video_name,clip_name,fps,first_frame,last_frame\nA,A-Loop00,25,0,4\n")
    store = tmp_path / "s.zarr"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    table = tz.clips(store)
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == COLUMNS
    assert table["escape_type"].isna().all()
    assert table.query("escape_type == 'none'").empty
    (row,) = csv.DictReader(call("info", store, "--csv").stdout.splitlines())
    assert row["escape_type"] == ""
    shown = json.loads(call("info", store, "--json").stdout)
    assert shown["videos"][0]["clips"][0]["escape_type"] is None
    assert "Loop00  -" in call("info", store, "A").stdout
    for load in (
        lambda: tz.load_clip(store, "A", "Loop00", zero="escape"),
        lambda: tz.load_clips(store, zero="escape"),
        lambda: tz.load_clips(store, table, zero="escape"),
    ):
        with pytest.raises(tz.Tracks2ZarrError, match="the dataset has no escapes"):
            load()


# ---- load_clips


def test_all_clips_one_after_the_other(store: Path) -> None:
    loaded = tz.load_clips(store)
    assert isinstance(loaded, Iterator)
    names = [(str(clip["video"].values), str(clip["clip_id"].values)) for clip in loaded]
    assert names == [("A", "Loop00"), ("A", "Loop01"), ("A", "Loop02"), ("B", "Loop00")]


def test_chosen_clips(store: Path) -> None:
    table = tz.clips(store)
    for where in ("escape_type == 'triggered'", table[table["escape_type"] == "triggered"]):
        loaded = list(tz.load_clips(store, where, seconds=True, zero="escape"))
        assert [clip.attrs["video_id"] for clip in loaded] == ["A", "B"]
        for clip in loaded:
            wanted = tz.load_clip(
                store, clip.attrs["video_id"], "Loop00", seconds=True, zero="escape"
            )
            xr.testing.assert_identical(clip, wanted)


def test_all_clips_without_an_escape_are_named_at_once(store: Path) -> None:
    with pytest.raises(tz.Tracks2ZarrError, match="1 clip without an escape: A, Loop01"):
        tz.load_clips(store, zero="escape")


@pytest.mark.parametrize(
    "query",
    [
        "no_such_column == 1",
        "n_boxes > @ABSENT",
        "@os.getcwd() == 1",
        "escape_type =",
        "n_frames.sum()",
        "n_frames",
        "1",
        "",
    ],
)
def test_a_query_that_is_none(store: Path, query: str) -> None:
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.load_clips(store, query)
    assert [problem.kind for problem in raised.value.problems] == ["clip-query"]


@pytest.mark.parametrize(
    ("query", "assigns"),
    [
        ("escape_type = 'none'", True),
        ("n_frames == 3 and fps=2", True),
        ("clip_id == '='x", False),
        ("fps >== 3", False),
    ],
)
def test_a_query_with_one_equals_sign(store: Path, query: str, assigns: bool) -> None:
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.load_clips(store, query)
    assert (raised.value.problems[0].remedy == "Write '==' for '='.") is assigns


def test_what_is_no_table(store: Path) -> None:
    where: Any = ["Loop00"]
    with pytest.raises(TypeError, match="where is a list"):
        tz.load_clips(store, where)
    with pytest.raises(ValueError, match="no column clip_id"):
        tz.load_clips(store, tz.clips(store)[["video"]])


def n_boxes(clip: xr.Dataset) -> int:
    return int(clip["position"].notnull().all("space").sum())


def test_any_executor(store: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        found = list(processes.map(n_boxes, tz.load_clips(store)))
    assert found == list(tz.clips(store)["n_boxes"])


def test_clips_are_sent_without_their_boxes(sample_store: Path) -> None:
    for clip in tz.load_clips(sample_store):
        assert len(pickle.dumps(clip)) < clip.nbytes


def test_memory_is_that_of_one_clip(sample_store: Path) -> None:
    def peak(names: list[int]) -> int:
        table = tz.clips(sample_store).iloc[names]
        tracemalloc.start()
        for clip in tz.load_clips(sample_store, table):
            clip.load()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak([2])  # what is imported and cached
    assert peak([2] * 12) < 1.5 * peak([2])


def test_clips_are_concatenated_and_told_apart(store: Path) -> None:
    loaded = list(tz.load_clips(store, "escape_type == 'triggered'", zero="escape"))
    both = tz.concat_clips(loaded)
    assert list(both["video"].values) == ["A", "B"]
    assert list(both["clip_id"].values) == ["Loop00", "Loop00"]
    assert list(both["fps"].values) == [clip.attrs["fps"] for clip in loaded]
    assert both["position"].dims == ("clip", "time", "space", "individual")
    named = both.set_index(clip=["video", "clip_id"])
    np.testing.assert_array_equal(
        named["position"].sel(clip=("B", "Loop00")), loaded[1]["position"]
    )


def test_what_concatenated_clips_lack_is_filled(store: Path) -> None:
    both = tz.concat_clips(tz.load_clips(store, "video == 'A'", chunks={}))
    assert both["position"].chunks is not None
    assert both.sizes == {"clip": 3, "time": 20, "space": 2, "individual": 3}
    assert both["track_id"].dtype == both["track_n_boxes"].dtype == np.int64
    np.testing.assert_array_equal(both["track_id"][2], [-1, -1, -1])
    np.testing.assert_array_equal(both["track_n_boxes"][0], [1, 2, 2])
    assert bool(both["position"][0, 10:].isnull().all())
    for number, clip in enumerate(tz.load_clips(store, "video == 'A'")):
        extent: dict[str, Any] = {dim: slice(clip.sizes[dim]) for dim in ("time", "individual")}
        one = both.isel({"clip": number, **extent})
        for name in (*clip.data_vars, "track_id", "track_first_frame"):
            np.testing.assert_array_equal(one[name], clip[name], str(name))


def test_results_of_clips_are_concatenated(store: Path) -> None:
    means = [clip[["position"]].mean("individual") for clip in tz.load_clips(store)]
    both = tz.concat_clips(means)
    xr.testing.assert_identical(
        tz.concat_clips([mean["position"] for mean in means]), both["position"].drop_vars("fps")
    )
    assert both["position"].sizes == {"clip": 4, "time": 20, "space": 2}
    assert list(both["video"].values) == ["A", "A", "A", "B"]


def test_clips_that_count_time_in_other_ways(store: Path) -> None:
    frames = tz.load_clip(store, "A", "Loop00")
    seconds = tz.load_clip(store, "A", "Loop00", seconds=True)
    escape = tz.load_clip(store, "A", "Loop00", zero="escape")
    with pytest.raises(ValueError, match="in seconds"):
        tz.concat_clips([frames, seconds])
    with pytest.raises(ValueError, match="from the escape"):
        tz.concat_clips([frames, escape])
    escape_seconds = tz.load_clip(store, "A", "Loop00", zero="escape", seconds=True)
    with pytest.raises(ValueError, match="in seconds"):
        tz.concat_clips([escape_seconds, escape])
    with pytest.raises(ValueError, match="'individuals'"):
        tz.concat_clips([frames, frames.rename(individual="individuals")])
    with pytest.raises(ValueError, match="a whole video"):
        tz.concat_clips([tz.open_store(store)["A"]])
    one: Any = frames
    with pytest.raises(TypeError, match="a list of Datasets"):
        tz.concat_clips(one)
    with pytest.raises(ValueError, match="no clips"):
        tz.concat_clips([])
