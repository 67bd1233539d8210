"""What is exported says what the store says, to us and to the programs that others use."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import motmetrics
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from hypothesis import example, given
from hypothesis import strategies as st
from pycocotools.coco import COCO

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video, crowd, experiments
from support.sample import SAMPLE
from support.tree import groups_of
from tracks2zarr.exporting.corners import corners
from tracks2zarr.exporting.formats import FormatName
from tracks2zarr.exporting.texts import as_text

RIGHT = "04.09.2023-01-Right"
METADATA = SAMPLE / "loop-frames-ffmpeg.csv"
FORMATS: tuple[FormatName, ...] = ("via", "movement", "parquet", "mot", "coco")


def convert(experiment: Experiment, folder: Path) -> tuple[Path, Path]:
    tracks, metadata = experiment.write(folder / "in")
    store = folder / "a.zarr"
    assert tz.create(tz.plan(tracks, metadata, **experiment.plan_options), store, workers=1).ok
    return store, metadata


@pytest.mark.slow
@given(experiments())
def test_via_tracks_give_the_same_groups(experiment: Experiment) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, metadata = convert(experiment, Path(folder))
        tz.export(store, Path(folder, "via"))
        again = Path(folder, "b.zarr")
        videos = list(tz.open_store(store))
        plan = tz.plan(Path(folder, "via"), metadata, videos=videos)
        assert tz.create(plan, again, workers=1).ok
        assert groups_of(again) == groups_of(store)


def test_the_sample_gives_the_same_store(sample_store: Path, tmp_path: Path) -> None:
    tz.export(sample_store, tmp_path / "via")
    assert tz.create(tz.plan(tmp_path / "via", METADATA), tmp_path / "b.zarr", workers=1).ok
    assert groups_of(tmp_path / "b.zarr") == groups_of(sample_store)
    receipts = (tmp_path / "b.zarr/.tracks2zarr/receipts").iterdir()
    readers = {clip["reader"] for one in receipts for clip in json.loads(one.read_text())["clips"]}
    assert readers == {"compiled"}, "the rows are those of the tracker, which are read fastest"


LARGEST = 2.0**100
finite = st.floats(-LARGEST, LARGEST, width=32) | st.floats(-5000, 5000, width=32)


@given(st.lists(st.tuples(finite, st.floats(0, LARGEST, width=32)), min_size=1, max_size=50))
@example([(-1e-7, 5e-45), (1e16, 3.0), (16777216.0, 1.0), (-32.0, 64.000004), (0.1, 1e9)])
def test_a_corner_gives_the_centroid_back(boxes: list[tuple[float, float]]) -> None:
    x, width = np.array(boxes, np.float32).T
    centroid = x + width / np.float32(2)
    found = corners(centroid, width)
    np.testing.assert_array_equal(found + width / np.float32(2), centroid)


def test_a_centroid_without_a_corner() -> None:
    centroid, size = np.array([1e-8], np.float32), np.array([1e8], np.float32)
    assert corners(centroid, size) == centroid - size / np.float32(2)


@given(st.lists(st.floats(width=32, allow_infinity=False), min_size=1))
def test_numbers_lose_nothing_as_text(values: list[float]) -> None:
    numbers = np.array(values, np.float32)
    read = np.array([np.float32(float(text)) for text in as_text(numbers)])
    np.testing.assert_array_equal(read, numbers)


def test_decimals_near_the_middle_of_two_float32s_lose_nothing() -> None:
    """Every float32 of some ranges, powers of two included, where spacing changes."""
    for start in (1.0, 4095.0, 1e-5, 0.0999, 16777215.0):
        bits = np.float32(start).view(np.int32) + np.arange(100_000, dtype=np.int32)
        numbers = bits.view(np.float32)
        read = as_text(numbers).cast(pl.Float64).to_numpy().astype(np.float32)
        np.testing.assert_array_equal(read, numbers)


# ---- other programs


@pytest.fixture(scope="module")
def exported(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folder of each format."""
    out = tmp_path_factory.mktemp("exported")
    for name in FORMATS:
        tz.export(sample_store, out / name, format=name)
    return {name: out / name for name in FORMATS}


def clips(store: Path) -> Iterator[tuple[str, xr.Dataset]]:
    for clip in tz.load_clips(store):
        yield f"{clip.attrs['video_id']}-{clip.clip_id.values}", clip.load()


def table_of(clip: xr.Dataset) -> pd.DataFrame:
    """Return a clip's boxes as rows, by what xarray reads: frame, track, x, y, w, h, confidence."""
    boxes = clip.position.notnull().all("space")
    frame, individual = np.nonzero(boxes.values)
    columns = {
        "frame": frame,
        "track": clip.track_id.values[individual],
        "x": clip.position.values[frame, 0, individual],
        "y": clip.position.values[frame, 1, individual],
        "width": clip["shape"].values[frame, 0, individual],
        "height": clip["shape"].values[frame, 1, individual],
        "confidence": clip.confidence.values[frame, individual],
    }
    return pd.DataFrame(columns)


def centroid(left: Any, size: Any) -> Any:
    """Return what a reader makes of a corner and a size that it read as float64."""
    return np.float32(left) + np.float32(size) / np.float32(2)


def assert_same(found: pd.DataFrame, clip: xr.Dataset) -> None:
    wanted = table_of(clip)
    found = found.sort_values(["frame", "track"]).reset_index(drop=True)[list(wanted.columns)]
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False, check_exact=True)


def test_movement_reads_via_tracks(sample_store: Path, exported: dict[str, Path]) -> None:
    from movement.io import load_bboxes

    for stem, clip in clips(sample_store):
        file = exported["via"] / f"{stem}_tracks.csv"
        theirs = load_bboxes.from_via_tracks_file(file, use_frame_numbers_from_file=True)
        ours = clip.sel(time=theirs.time.values)
        theirs = theirs.sel(individual=[f"id_{track}" for track in ours.track_id.values])
        for name in ("position", "shape", "confidence"):
            np.testing.assert_array_equal(theirs[name].values, ours[name].values, name)


def test_netcdf_is_the_clip(sample_store: Path, exported: dict[str, Path]) -> None:
    from movement.validators.datasets import ValidBboxesInputs

    for stem, clip in clips(sample_store):
        with xr.open_dataset(exported["movement"] / f"{stem}.nc") as found:
            xr.testing.assert_identical(found.load(), clip)
            validator: Any = ValidBboxesInputs
            validator.validate(found)


@pytest.mark.parametrize("program", ["polars", "pandas", "duckdb"])
def test_parquet_is_one_table(sample_store: Path, exported: dict[str, Path], program: str) -> None:
    folder = exported["parquet"]
    if program == "polars":
        table = pl.read_parquet(folder / "**/*.parquet").to_pandas()
    elif program == "pandas":
        table = pd.read_parquet(folder)
    else:
        query = f"SELECT * FROM read_parquet('{folder}/**/*.parquet')"
        table = duckdb.sql(query).df()
    table["video"] = table["video"].astype(str)
    assert len(table) == tz.clips(sample_store)["n_boxes"].sum()
    for _, clip in clips(sample_store):
        video, name = clip.attrs["video_id"], str(clip.clip_id.values)
        rows = table[(table["video"] == video) & (table["clip_id"] == name)]
        assert_same(rows, clip)
        first = rows.iloc[0]
        assert first["video_frame"] == first["frame"] + int(clip.clip_first_frame_0idx)
        assert first["seconds"] == first["frame"] / clip.attrs["fps"]
        np.testing.assert_array_equal(rows["escape_state"], clip.escape_state.values[rows["frame"]])
        labels = dict(zip(clip.track_id.values, clip.individual.values, strict=True))
        assert list(rows["individual"]) == [labels[track] for track in rows["track"]]


def test_motmetrics_reads_mot(sample_store: Path, exported: dict[str, Path]) -> None:
    for stem, clip in clips(sample_store):
        # "-1" of the benchmark: it takes 1 off the corner, which counted from 1 there
        found = motmetrics.io.loadtxt(exported["mot"] / f"{stem}.txt", fmt="mot15-2D")
        found = found.reset_index()
        wanted = table_of(clip)
        assert list(found["FrameId"]) == list(wanted["frame"] + 1)
        assert list(found["Id"]) == list(wanted["track"] + 1)
        np.testing.assert_allclose(found["X"] + 1 + found["Width"] / 2, wanted["x"], atol=1e-3)
        raw = pd.read_csv(exported["mot"] / f"{stem}.txt", header=None)
        table = pd.DataFrame(
            {
                "frame": raw[0] - 1,
                "track": raw[1] - 1,
                "x": centroid(raw[2], raw[4]),
                "y": centroid(raw[3], raw[5]),
                "width": np.float32(raw[4]),
                "height": np.float32(raw[5]),
                "confidence": np.float32(raw[6]),
            }
        )
        assert_same(table, clip)


def test_pycocotools_reads_coco(sample_store: Path, exported: dict[str, Path]) -> None:
    for stem, clip in clips(sample_store):
        coco = COCO(exported["coco"] / f"{stem}.json")
        assert len(coco.getImgIds()) == clip.sizes["time"]
        annotations = coco.loadAnns(coco.getAnnIds())
        boxes = np.array([one["bbox"] for one in annotations])
        table = pd.DataFrame(
            {
                "frame": [coco.imgs[one["image_id"]]["frame_index"] for one in annotations],
                "track": [one["track_id"] for one in annotations],
                "x": centroid(boxes[:, 0], boxes[:, 2]),
                "y": centroid(boxes[:, 1], boxes[:, 3]),
                "width": np.float32(boxes[:, 2]),
                "height": np.float32(boxes[:, 3]),
                "confidence": np.array([one["score"] for one in annotations], np.float32),
            }
        )
        assert_same(table, clip)
        assert coco.dataset["info"]["first_frame"] == int(clip.clip_first_frame_0idx)


@pytest.mark.parametrize("name", FORMATS)
def test_clips_without_boxes_or_confidence(name: Any, tmp_path: Path) -> None:
    clips = (
        Clip("none", 1, 4),
        Clip("no confidence", 5, 8, 6, boxes=(Box(1, 7, 1, 2, 3, 4), Box(3, 7, 2, 3, 4, 5))),
        Clip("many", 11, 12, boxes=crowd(200)),
    )
    store, _ = convert(Experiment((Video("A, é=%", clips),)), tmp_path)
    (exported,) = tz.export(store, tmp_path / "out", format=name)
    files = exported.files
    assert [file.clip for file in files] == ["many", "no confidence", "none"]
    path = files[1].path
    if name == "parquet":
        table = pl.read_parquet(tmp_path / "out/**/*.parquet")
        assert table.filter(clip_id="no confidence")["confidence"].to_list() == [None, None]
        assert set(table["video"]) == {"A, é=%"}
        assert pl.read_parquet(files[2].path).height == 0
    elif name == "coco":
        document = json.loads(path.read_text(encoding="utf-8"))
        assert all("score" not in one for one in document["annotations"])
        assert json.loads(files[2].path.read_bytes())["annotations"] == []
    elif name == "mot":
        assert path.read_text().splitlines()[0] == "2,8,1.0,2.0,3.0,4.0,-1,-1,-1,-1"
    elif name == "via":
        assert path.read_text().splitlines()[1].endswith('"{""track"":""7""}"')
    else:
        xr.testing.assert_identical(
            xr.load_dataset(path), tz.load_clip(store, "A, é=%", "no confidence").load()
        )


def test_frames(sample_store: Path, tmp_path: Path) -> None:
    for name in FORMATS:
        tz.export(
            sample_store,
            tmp_path / name,
            format=name,
            video=RIGHT,
            clip="Loop02",
            frames=slice(10, 20),
            images="{video} {clip} {video_frame}.jpg" if name in {"via", "coco"} else None,
        )
    window = tz.load_clip(sample_store, RIGHT, "Loop02", frames=slice(10, 20)).load()
    wanted = table_of(window)
    wanted["frame"] += 10
    via = pl.read_csv(tmp_path / f"via/{RIGHT}-Loop02_tracks.csv")
    assert via["filename"][0] == f"{RIGHT} Loop02 {1300 + 10}.jpg"
    assert via.height == len(wanted)
    assert set(via["region_count"].to_list()) == set(wanted.groupby("frame").size())
    parquet = pd.read_parquet(tmp_path / f"parquet/{RIGHT}/Loop02.parquet")
    pd.testing.assert_frame_equal(parquet[list(wanted.columns)], wanted, check_dtype=False)
    coco = json.loads((tmp_path / f"coco/{RIGHT}-Loop02.json").read_bytes())
    assert [image["frame_index"] for image in coco["images"]] == list(range(10, 20))
    mot = pd.read_csv(tmp_path / f"mot/{RIGHT}-Loop02.txt", header=None)
    assert list(mot[0]) == list(wanted["frame"] + 1)
    xr.testing.assert_identical(xr.load_dataset(tmp_path / f"movement/{RIGHT}-Loop02.nc"), window)
