"""Experiments without escapes: a plain metadata CSV with further columns, or none at all."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tracks2zarr as tz
from support.commands import call
from support.sample import SAMPLE
from tracks2zarr.dataset.schema import ESCAPE_VARIABLES, ColumnType
from tracks2zarr.planning.clip_columns import typed_column
from tracks2zarr.planning.metadata_layouts import layout_of

RIGHT = "04.09.2023-01-Right"
HEADER = "video_name,clip_name,fps,first_frame,last_frame"
ROWS = (
    f"{RIGHT}.mov,{RIGHT}-Loop00.mp4,59.94,1200,1248",
    f"{RIGHT}.mov,{RIGHT}-Loop01.mp4,59.94,1249,1299",
    f"{RIGHT}.mov,{RIGHT}-Loop02.mp4,59.94,1300,1395",
)


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    folder = tmp_path / "tracks"
    folder.mkdir()
    for file in (SAMPLE / "tracks").glob(f"{RIGHT}*"):
        shutil.copy(file, folder)
    return folder


#: The letter é as some programs on macOS write it: a letter, then its accent.
E_APART = "e\u0301"


def metadata(tracks: Path, columns: dict[str, tuple[str, str, str]] | None = None) -> Path:
    """Write a plain metadata CSV with further columns."""
    columns = columns or {}
    lines = [",".join([HEADER, *columns])]
    for place, row in enumerate(ROWS):
        lines.append(",".join([row, *(cells[place] for cells in columns.values())]))
    path = tracks.parent / "metadata.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def problems(*args: object, **options: object) -> list[tz.Problem]:
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.plan(*args, **options)  # type: ignore[arg-type]
    return list(raised.value.problems)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2", "+3"], "int64"),
        (["1", "", "3"], "float64"),
        (["1", "2.5", "1e3"], "float64"),
        (["1", "nan", "NA"], "float64"),
        ([str(2**60), str(2**60 + 1)], "int64"),
        ([str(2**60 + 1), ""], "str"),
        ([str(2**70)], "str"),
        (["007", "008"], "str"),
        (["0", "10"], "int64"),
        (["0.5", "00.5"], "str"),
        (["true", "FALSE"], "bool"),
        (["true", ""], "str"),
        (["2023-09-04", ""], "date"),
        (["2023-09-04 12:30", "2023-09-05T01:02:03"], "date"),
        (["2023-02-30"], "str"),
        (["1678-01-01", "2261-12-31"], "date"),
        (["1677-12-31", "2023-09-04"], "str"),
        (["9999-12-31 23:59:59"], "str"),
        (["2023-09-04T12:30+02:00"], "str"),
        (["", ""], "str"),
        ([".", "-"], "str"),
        (["1", "beach"], "str"),
        (["1e400", "1"], "str"),
        ([str(2**53 + 1), "0.5"], "str"),
    ],
)
def test_a_column_has_the_type_of_all_its_cells(cells: list[str], kind: ColumnType) -> None:
    assert typed_column("a", cells).type == kind


def test_columns_become_coordinates(tracks: Path, tmp_path: Path) -> None:
    cells = {
        "temperature": ("21.5", "", "19"),
        "site": ("beach", "dune", "NA"),
        "trial": ("1", "2", "3"),
        "night": ("true", "False", "TRUE"),
        "day": ("2023-09-04", "", "2023-09-05 12:30"),
    }
    plan = tz.plan(tracks, metadata(tracks, cells))
    assert {one.name: one.type for one in plan.videos[0].columns} == {
        "temperature": "float64",
        "site": "str",
        "trial": "int64",
        "night": "bool",
        "day": "date",
    }
    store = tmp_path / "a.zarr"
    assert tz.create(plan, store, workers=1).ok
    assert tz.verify(store, workers=1).ok
    for engine in ("tracks2zarr", "zarr"):
        with xr.open_dataset(store, engine=engine, group=RIGHT) as found:
            assert not ESCAPE_VARIABLES & found.variables.keys()
            expected = {
                "temperature": np.array([21.5, np.nan, 19]),
                "site": np.array(["beach", "dune", "NA"]),
                "trial": np.array([1, 2, 3]),
                "night": np.array([True, False, True]),
                "day": np.array(["2023-09-04", "NaT", "2023-09-05T12:30"], "datetime64[ns]"),
            }
            for name, values in expected.items():
                coordinate = found.coords[name]
                assert coordinate.dims == ("clip_id",)
                assert coordinate.dtype.kind == values.dtype.kind
                np.testing.assert_array_equal(coordinate, values)
    beach = xr.open_dataset(store, engine="tracks2zarr", group=RIGHT, chunks={})
    assert beach.where(beach["site"] == "beach", drop=True).sizes["clip_id"] == 1
    assert sorted(beach.groupby("night").groups) == [False, True]
    table = tz.clips(store)
    assert table["temperature"].tolist()[::2] == [21.5, 19]
    assert table["night"].dtype == bool
    assert table["day"].max() == pd.Timestamp("2023-09-05 12:30")
    (chosen,) = tz.load_clips(store, "site == 'dune' and trial == 2")
    assert str(chosen["clip_id"].item()) == "Loop01"
    shown = json.loads(call("info", store, "--json").stdout)["videos"][0]["clips"]
    assert shown[1]["columns"] == {
        "temperature": None,
        "site": "dune",
        "trial": 2,
        "night": False,
        "day": None,
    }
    boxes = tmp_path / "boxes"
    tz.export(store, boxes, format="parquet")
    table = pd.read_parquet(boxes)
    assert table["escape_type"].isna().all()
    assert table.groupby("site")["temperature"].first().to_dict()["beach"] == 21.5
    assert table["day"].max() == pd.Timestamp("2023-09-05 12:30")


def test_columns_can_be_chosen(tracks: Path) -> None:
    path = metadata(tracks, {"site": ("a", "b", "c"), "note": ("x", "y", "z")})
    (video,) = tz.plan(tracks, path, columns="site").videos
    assert [column.name for column in video.columns] == ["site"]
    assert [clip.values for clip in video.clips] == [("a",), ("b",), ("c",)]


def test_columns_beside_those_of_the_guide_are_ignored_unless_named() -> None:
    path = SAMPLE / "loop-frames-ffmpeg.csv"
    assert not tz.plan(SAMPLE / "tracks", path).videos[0].columns
    columns = tz.plan(SAMPLE / "tracks", path, columns=["video_parent_directory"]).videos[0].columns
    assert [(column.name, column.type) for column in columns] == [("video_parent_directory", "str")]


def test_a_changed_cell_is_another_input(tracks: Path, tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    path = metadata(tracks, {"site": ("a", "b", "c")})
    assert tz.create(tz.plan(tracks, path), store, workers=1).ok
    path = metadata(tracks, {"site": ("a", "b", "d")})
    (verdict,) = tz.verify(store, workers=1).videos
    (problem,) = verdict.problems
    assert (problem.kind, problem.row, problem.clip) == ("metadata-changed", 4, "Loop02")
    assert problem.found is not None
    assert "site 'd' (str)" in problem.found
    with pytest.raises(tz.Tracks2ZarrError, match="other metadata for Loop02"):
        tz.create(tz.plan(tracks, path), store, workers=1)


def test_problems_of_columns_come_all_at_once(tracks: Path) -> None:
    path = metadata(tracks, {"x": ("1", "2", "3"), "time": ("1", "2", "3"), "a/b": ("1", "2", "3")})
    found = problems(tracks, path)
    assert {(one.kind, one.column) for one in found} == {
        ("metadata-column", "x"),
        ("metadata-column", "time"),
        ("metadata-column", "a/b"),
    }
    path = metadata(tracks, {"temperature": ("1", "2", "3")})
    (problem,) = problems(tracks, path, columns="temprature")
    assert problem.remedy == "Did you mean 'temperature'?"


def test_rows_are_checked_as_in_the_other_layout(tracks: Path) -> None:
    path = metadata(tracks)
    text = path.read_text()
    path.write_text(text.replace("1200,1248", "-1,1248").replace("1249,1299", "1299,1249"))
    found = {(one.kind, one.row, one.column) for one in problems(tracks, path)}
    assert found == {("frame-number", 2, "first_frame"), ("end-before-start", 3, "last_frame")}


def test_a_frame_outside_names_the_column_that_would_fit(tracks: Path, tmp_path: Path) -> None:
    path = metadata(tracks)
    path.write_text(path.read_text().replace("1200,1248", "1200,1240"))
    done = tz.create(tz.plan(tracks, path), tmp_path / "a.zarr", workers=1)
    problem = done.outcomes[0].problems[0]
    assert problem.kind == "frame-outside-clip"
    assert problem.remedy is not None
    assert "last_frame would have to be 1248 or more" in problem.remedy


def test_clips_may_have_any_name(tracks: Path, tmp_path: Path) -> None:
    for number, file in enumerate(sorted(tracks.iterdir())):
        file.rename(tracks / f"trial {number}_tracks.csv")
    path = tmp_path / "metadata.csv"
    rows = [f"crabs.mov,trial {n}.mp4,30,{100 * n},{100 * n + 99}" for n in range(3)]
    path.write_text("\n".join([HEADER, *rows]))
    (video,) = tz.plan(tracks, path).videos
    assert [clip.clip for clip in video.clips] == ["trial 0", "trial 1", "trial 2"]
    assert tz.plan(tracks, path, videos="crabs").videos == (video,)


def test_two_clips_with_one_id(tracks: Path, tmp_path: Path) -> None:
    path = tmp_path / "metadata.csv"
    path.write_text(f"{HEADER}\na.mov,a-1.mp4,30,0,9\na.mov,1.mp4,30,10,19\n")
    assert "duplicate-clip-row" in {one.kind for one in problems(tracks, path)}


def test_whole_videos_need_no_metadata(tracks: Path, tmp_path: Path) -> None:
    plan = tz.plan(tracks, fps=59.94)
    assert [(video.video, video.fps) for video in plan.videos] == [
        (f"{RIGHT}-Loop0{n}", 59.94) for n in range(3)
    ]
    store = tmp_path / "a.zarr"
    assert tz.create(plan, store, workers=1).ok
    assert tz.verify(store, workers=1).ok
    clip = tz.load_clip(store, f"{RIGHT}-Loop00", "whole")
    last = int(clip["track_last_frame"].max())
    assert clip.sizes["time"] == last + 1
    again = tz.create(tz.plan(tracks, fps=59.94), store, workers=1)
    assert {str(one.result) for one in again.outcomes} == {"skipped"}


def test_one_of_the_whole_videos(tracks: Path) -> None:
    (video,) = tz.plan(tracks, fps=59.94, videos=f"{RIGHT}-Loop01").videos
    assert video.video == f"{RIGHT}-Loop01"


def test_whole_videos_on_the_command_line(tracks: Path, tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    done = call("create", tracks, store, "--fps", "59.94", "--quiet")
    assert done.status == 0, done.stderr
    plan = call("plan", tracks, "--fps", "59.94", "--json")
    videos = json.loads(plan.stdout)["videos"]
    assert [len(video["clips"]) for video in videos] == [1, 1, 1]
    for ended in (call("plan", tracks), call("create", tracks, store), call("create", tracks)):
        assert ended.status == 2
    both = call("create", tracks, metadata(tracks), store, "--fps", "1")
    assert both.status == 1
    assert "Leave out one of them." in both.stderr


def test_a_bad_file_of_a_whole_video_is_named(tracks: Path) -> None:
    file = tracks / f"{RIGHT}-Loop01_tracks.csv"
    text = file.read_text()
    file.write_text(text.replace("rect", "circle", 1))
    found = problems(tracks, fps=30)
    assert [(one.kind, one.file, one.row) for one in found] == [("not-rect", str(file), 2)]


def test_files_of_another_format_are_not_dropped_silently(tracks: Path, tmp_path: Path) -> None:
    row = "1,1,1,2,3,4\n"
    (tracks / "A.txt").write_text(row)
    (tracks / f"{RIGHT}-Loop00.txt").write_text(row)  # a video that has a file
    (tracks / "readme.txt").write_text("hello\n")
    plan = tz.plan(tracks, fps=30)
    assert len(plan.videos) == 3
    drafted = tz.draft_metadata(tracks, tmp_path / "m.csv")
    assert len(drafted.clips) == 3
    for problems in (plan.problems, drafted.problems):
        (problem,) = problems
        assert (problem.kind, problem.severity) == ("other-format", "warning")
        assert problem.found == "1 file that may be of the format mot: A.txt"
    assert not tz.plan(tracks, fps=30, pattern="*.csv").problems
    assert not tz.plan(tracks, fps=30, videos=f"{RIGHT}-Loop01").problems
    assert "--format mot --pattern '*.txt'" in (problem.remedy or "")
    (tracks / "readme.txt").unlink()
    others = tz.plan(tracks, fps=30, format="mot", pattern="*.txt").videos
    assert [video.video for video in others] == [f"{RIGHT}-Loop00", "A"]


def test_plan_shows_format_and_columns(tracks: Path) -> None:
    path = metadata(tracks, {"site": ("a", "b", "c"), "depth": ("1", "2", "")})
    shown = call("plan", tracks, path).stdout
    assert "further columns: site (str), depth (float64)" in shown
    assert "escape types" not in shown


ESCAPES = "escape_START_frame_0_based_idx,escape_type"
GUIDE_HEADER = "video_name,loop_clip_name,fps,loop_START_frame_ffmpeg,loop_END_frame_ffmpeg"


@pytest.mark.parametrize(
    ("header", "layout"),
    [
        (HEADER, "plain"),
        (f"{HEADER},loop_clip_name", "plain"),
        (f"{HEADER},{ESCAPES},loop_clip_name", "plain"),
        (f"{GUIDE_HEADER},{ESCAPES}", "guide"),
        (f"{GUIDE_HEADER},{ESCAPES},clip_name,first_frame,last_frame", "guide"),
        ("video_name,fps", "guide"),
        ("", "guide"),
    ],
)
def test_the_layout_is_that_with_the_fewest_missing_columns(header: str, layout: str) -> None:
    assert ("guide" if layout_of(header.split(",")).has_escapes else "plain") == layout


@pytest.mark.parametrize(
    "header",
    [
        f"video_name,fps,clip_name,first_frame,{ESCAPES}",
        "video_name,fps,loop_clip_name,first_frame,last_frame",
        f"{GUIDE_HEADER},first_frame",
    ],
)
def test_columns_of_both_layouts_are_one_error(header: str, tmp_path: Path) -> None:
    path = tmp_path / "metadata.csv"
    path.write_text(f"{header}\n")
    (problem,) = tz.check_metadata(path).problems
    assert (problem.kind, problem.row) == ("metadata-column", 1)
    assert "columns of both layouts" in problem.what
    assert problem.remedy is not None
    assert "for the plain layout; or" in problem.remedy


@pytest.mark.parametrize(
    "names", ["site,site", "Site,sITE,note", "site name,Site_Name", f"é,{E_APART}"]
)
def test_columns_with_one_name_are_errors(tracks: Path, names: str) -> None:
    path = metadata(tracks)
    lines = path.read_text().splitlines()
    cells = ",a" * len(names.split(","))
    path.write_text("\n".join([f"{lines[0]},{names}", *(line + cells for line in lines[1:])]))
    found = problems(tracks, path)
    assert {problem.kind for problem in found} == {"metadata-column"}
    assert all("2 columns would have it" in problem.what for problem in found)
    first, *others = dict.fromkeys(names.replace(E_APART, "é").split(","))
    assert [problem.column for problem in found] == [first, *others][:2]
    if others:
        (video,) = tz.plan(tracks, path, columns=first).videos
        assert [one.name for one in video.columns] == [first.replace(" ", "_")]


def test_names_of_columns_are_composed(tracks: Path) -> None:
    path = metadata(tracks, {E_APART: ("a", "b", "c")})
    for asked in (None, E_APART, "é"):
        (video,) = tz.plan(tracks, path, columns=asked).videos
        assert [one.name for one in video.columns] == ["é"]


def test_a_column_that_is_text_by_mistake_can_be_verified(tracks: Path, tmp_path: Path) -> None:
    """The warning is one of the plan; the cells are stored as they are."""
    plan = tz.plan(tracks, metadata(tracks, {"day": ("2023-09-04", "04/09/2023", "")}))
    assert [problem.kind for problem in plan.problems] == ["column-is-text"]
    assert tz.create(plan, tmp_path / "a.zarr", workers=1).ok
    found = tz.verify(tmp_path / "a.zarr", workers=1)
    assert found.ok
    assert not found.videos[0].problems
