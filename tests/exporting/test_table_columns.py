"""Parquet files of videos with different further columns are one table."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import tracks2zarr as tz
from support.commands import call
from support.experiments import Clip, Experiment, Video, crowd
from tracks2zarr.exporting.record import records_folder

type Columns = Mapping[str, tuple[str, str]]

#: Two clips a video; `a` and `b` differ in every way in which videos may.
A: Columns = {
    "temperature": ("21", "22"),
    "site": ("beach", "dune"),
    "night": ("true", "FALSE"),
    "day": ("2023-09-04", "2023-09-05 12:30"),
    "depth": ("1.50", "2"),
    "Tide": ("high", "low"),
    "crew": ("2", "3"),
}
B: Columns = {
    "crew": ("", ""),
    "temperature": ("19.5", ""),
    "night": ("1", "0"),
    "depth": ("shallow", ""),
    "tide": ("7", "8"),
    "camera": ("9007199254740993", "3"),
}


def add(store: Path, video: str, columns: Columns | None) -> None:
    """Add a video with further columns to a store; with None, one of the guide, with escapes."""
    clips = (
        Clip("Loop00", 1, 10, 4, "triggered", crowd(3)),
        Clip("Loop01", 11, 20, None, "", crowd(2)),
    )
    tracks, metadata = Experiment((Video(video, clips),)).write(store.parent / f"input of {video}")
    if columns is not None:
        rows = [
            [f"{video}.mov", f"{video}-{clip.id}.mp4", "60", str(clip.start - 1), str(clip.end - 1)]
            for clip in clips
        ]
        header = ["video_name", "clip_name", "fps", "first_frame", "last_frame", *columns]
        cells = [[*row, *(c[n] for c in columns.values())] for n, row in enumerate(rows)]
        metadata.write_text("\n".join(",".join(line) for line in [header, *cells]) + "\n")
    assert tz.create(tz.plan(tracks, metadata), store, store_mode="a", workers=1).ok


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Return a store of three videos: with columns, with others, and without any."""
    store = tmp_path / "s.zarr"
    add(store, "a", A)
    add(store, "b", B)
    add(store, "c", None)
    return store


def by_polars(folder: Path) -> pd.DataFrame:
    return pd.DataFrame(pl.scan_parquet(folder).collect().to_dicts())


def by_pandas(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder)


def by_duckdb(folder: Path) -> pd.DataFrame:
    return duckdb.sql(f"SELECT * FROM read_parquet('{folder}/**/*.parquet')").df()


READERS = (by_polars, by_pandas, by_duckdb)


def value_of(table: pd.DataFrame, video: str, clip: str, column: str) -> Any:
    rows = table[(table["video"].astype(str) == video) & (table["clip_id"] == clip)]
    (value,) = rows[column].drop_duplicates()
    return None if pd.isna(value) else value


#: The values of the four clips a-Loop00, a-Loop01, b-Loop00, b-Loop01.
EXPECTED: dict[str, list[Any]] = {
    "temperature": [21.0, 22.0, 19.5, None],
    "site": ["beach", "dune", None, None],
    "night": ["true", "FALSE", "1", "0"],
    "day": [datetime(2023, 9, 4), datetime(2023, 9, 5, 12, 30), None, None],
    "depth": ["1.50", "2", "shallow", ""],
    "crew": [2, 3, None, None],
    "camera": [None, None, 9007199254740993, 3],
}


@pytest.mark.parametrize("read", READERS)
def test_videos_with_other_columns_are_one_table(
    mixed: Path, tmp_path: Path, read: Callable[[Path], pd.DataFrame]
) -> None:
    tz.export(mixed, tmp_path / "out", format="parquet")
    table = read(tmp_path / "out")
    assert len(table) == tz.clips(mixed)["n_boxes"].sum()
    for column, expected in EXPECTED.items():
        found = [value_of(table, v, c, column) for v in "ab" for c in ("Loop00", "Loop01")]
        if column == "camera":  # pandas itself makes float64 of integers with nulls
            found = [None if one is None else int(one) for one in found]
            assert found in (expected, [None, None, 2**53, 3])
        else:
            assert found == expected, column
        assert value_of(table, "c", "Loop00", column) is None
    assert set(table["escape_type"].dropna()) == {"triggered", "none"}
    assert value_of(table, "a", "Loop00", "escape_type") is None


def test_every_file_has_the_columns_of_all_videos(mixed: Path, tmp_path: Path) -> None:
    tz.export(mixed, tmp_path / "out", format="parquet")
    schemas = [pl.read_parquet_schema(path) for path in (tmp_path / "out").rglob("*.parquet")]
    assert len(schemas) == 6
    assert all(list(one.items()) == list(schemas[0].items()) for one in schemas), "in one order"
    types = {name: schemas[0][name] for name in EXPECTED}
    assert types == {
        "temperature": pl.Float64,
        "site": pl.String,
        "night": pl.String,
        "day": pl.Datetime("us"),
        "depth": pl.String,
        "crew": pl.Int64,
        "camera": pl.Int64,
    }
    camera = pl.read_parquet(tmp_path / "out")["camera"]
    assert set(camera) == {None, 3, 9007199254740993}, "with all digits"
    by_arrow = pd.read_parquet(tmp_path / "out", dtype_backend="pyarrow")
    assert by_arrow["camera"].max() == 9007199254740993
    assert list(schemas[0])[-len(A) - 2 :] == [*A, "tide", "camera"]


@pytest.mark.parametrize("read", READERS)
def test_names_that_readers_hide_or_split(
    read: Callable[[Path], pd.DataFrame], tmp_path: Path
) -> None:
    store = tmp_path / "s.zarr"
    videos = ["_left", "%5Fleft", "track=5", "track%3D5", "a_.b", "50% #[1]*?"]
    ids = ["_c=1", ".c"]
    clips = tuple(Clip(one, 1, 10, 4, "triggered", crowd(2)) for one in ids)
    experiment = Experiment(tuple(Video(one, clips) for one in videos))
    assert tz.create(tz.plan(*experiment.write(tmp_path / "input")), store, workers=1).ok
    tz.export(store, tmp_path / "_out", format="parquet")
    table = read(tmp_path / "_out")
    found = table[["video", "clip_id"]].value_counts().to_dict()
    wanted = tz.clips(store).set_index(["video", "clip_id"])["n_boxes"].to_dict()
    assert found == wanted
    assert len(wanted) == 12
    tz.export(store, tmp_path / "one", format="parquet", video="track=5")
    assert 5 not in set(read(tmp_path / "one")["track"])


def test_a_part_fits_the_rest(mixed: Path, tmp_path: Path) -> None:
    tz.export(mixed, tmp_path / "out", format="parquet", video="c", clip="Loop01")
    tz.export(mixed, tmp_path / "out", format="parquet", video="a")
    found = [*tz.export(mixed, tmp_path / "out", format="parquet")]
    assert [str(file.result) for video in found for file in video.files] == [
        *["same"] * 2,
        *["written"] * 3,
        "same",
    ]
    assert len(pl.read_parquet(tmp_path / "out")) == tz.clips(mixed)["n_boxes"].sum()


def test_integers_that_no_float_holds_become_text(tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    add(store, "a", {"camera": ("9007199254740993", "3")})
    add(store, "b", {"camera": ("1.5", "2")})
    (first, second) = tz.export(store, tmp_path / "out", format="parquet")
    assert set(pl.read_parquet(tmp_path / "out")["camera"]) == {"9007199254740993", "3", "1.5", "2"}
    (problem,) = first.problems
    assert problem.kind == "column-types-differ"
    assert problem.severity == "warning"
    assert problem.column == "camera"
    assert problem.found == "int64 in a; float64 in b"
    assert second.problems == ()


def test_one_type_in_all_videos_is_no_warning(tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    add(store, "a", {"site": ("x", "y"), "crew": ("1", "2")})
    add(store, "b", {"site": ("x", "y"), "crew": ("1.5", "")})
    exported = tz.export(store, tmp_path / "out", format="parquet")
    assert [video.problems for video in exported] == [(), ()]


def test_columns_that_differ_in_case_only_between_videos(mixed: Path, tmp_path: Path) -> None:
    (first, *others) = tz.export(mixed, tmp_path / "out", format="parquet")
    (problem,) = (one for one in first.problems if one.kind == "column-names-alike")
    assert (problem.severity, problem.found) == ("warning", "Tide, tide")
    assert [problem for one in others for problem in one.problems] == []
    assert tz.export(mixed, tmp_path / "via")[0].problems == ()


def test_files_of_an_older_schema_are_written_again(tmp_path: Path) -> None:
    store, out = tmp_path / "s.zarr", tmp_path / "out"
    add(store, "a", {"site": ("x", "y")})
    tz.export(store, out, format="parquet")
    add(store, "b", {"depth": ("1", "2")})
    again = call("export", store, out, "--format", "parquet")
    assert again.stderr == ""
    assert "were there already" not in again.stdout
    table = pl.read_parquet(out)
    assert table.columns[-2:] == ["site", "depth"]
    (same, _) = tz.export(store, out, format="parquet")
    assert {str(file.result) for file in same.files} == {"same"}


def test_files_of_an_older_schema_that_stay_are_named(tmp_path: Path) -> None:
    store, out = tmp_path / "s.zarr", tmp_path / "out"
    add(store, "a", {"site": ("x", "y")})
    tz.export(store, out, format="parquet")
    add(store, "b", {"depth": ("1", "2")})
    (video,) = tz.export(store, out, format="parquet", video="b")
    (problem,) = video.problems
    assert problem.kind == "export-columns"
    assert problem.found == "2 files: a/Loop00.parquet, a/Loop01.parquet"
    (out / "a/Loop00.parquet").unlink()
    (video,) = tz.export(store, out, format="parquet", video="b")
    assert video.problems[0].found == "1 file: a/Loop01.parquet"
    first, second = tz.export(store, out, format="parquet")
    assert first.problems == second.problems == ()


def test_records_of_older_versions_lack_columns(tmp_path: Path) -> None:
    """Files without further columns are as they would be written now; others are not."""
    for name, columns, expected in (("c", None, "same"), ("a", {"site": ("x", "y")}, "written")):
        store, out = tmp_path / name / "s.zarr", tmp_path / name / "out"
        store.parent.mkdir()
        add(store, name, columns)
        tz.export(store, out, format="parquet")
        for record in records_folder(out).iterdir():
            document = pd.read_json(record, typ="series").to_dict()
            del document["columns"]
            record.write_text(pd.Series(document).to_json())
        (video,) = tz.export(store, out, format="parquet")
        assert {str(file.result) for file in video.files} == {expected}


def test_netcdf_has_the_columns_of_its_video(tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    add(store, "a", {**A, "camera": ("9007199254740993", "-3"), "back": ("2024-01-01", "")})
    add(store, "b", {"note": ("", "é"), "depth": ("1.5", "")})
    for video in tz.export(store, tmp_path / "out", format="movement"):
        for file in video.files:
            wanted = tz.load_clip(store, file.video, file.clip).load()
            xr.testing.assert_identical(xr.load_dataset(file.path), wanted)


def test_videos_that_are_not_finished_do_not_count(mixed: Path, tmp_path: Path) -> None:
    (mixed / ".tracks2zarr/receipts/b.json").unlink()
    tz.export(mixed, tmp_path / "out", format="parquet", video="a")
    table = pl.read_parquet(tmp_path / "out")
    assert table.columns[-len(A) :] == [*A]
    assert table["temperature"].dtype == pl.Int64
