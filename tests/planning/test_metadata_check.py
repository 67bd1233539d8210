"""``metadata check``: every row of a metadata CSV, with all that is wrong with it."""

import json
import shutil
from pathlib import Path

import pytest

import tracks2zarr as tz
from support.commands import call
from support.sample import SAMPLE

METADATA = "loop-frames-ffmpeg.csv"
RIGHT, LEFT = "04.09.2023-01-Right", "06.09.2023-02-Left"


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return shutil.copytree(SAMPLE, tmp_path / "experiment")


def edit(experiment: Path, row: int, column: int, value: str) -> None:
    """Change one cell; row 1 is the header."""
    path = experiment / METADATA
    lines = [line.split(",") for line in path.read_text().splitlines()]
    lines[row - 1][column] = value
    path.write_text("".join(",".join(cells) + "\n" for cells in lines))


def column(experiment: Path, name: str) -> int:
    return (experiment / METADATA).read_text().splitlines()[0].split(",").index(name)


@pytest.mark.parametrize("with_tracks", [False, True])
def test_a_sound_file(with_tracks: bool, experiment: Path) -> None:
    folder = experiment / "tracks" if with_tracks else None
    checked = tz.check_metadata(experiment / METADATA, folder)
    assert checked.ok
    assert checked.problems == ()
    assert [row.row for row in checked.rows] == [2, 3, 4, 5, 6]
    assert [row.clip for row in checked.rows][:2] == [f"{RIGHT}-Loop00", f"{RIGHT}-Loop01"]
    assert [row.n_frames for row in checked.rows] == [49, 51, 96, 42, 52]
    files = [row.tracks_file for row in checked.rows]
    assert files == [f"{row.clip}_tracks.csv" if with_tracks else None for row in checked.rows]
    ended = call("metadata", "check", experiment / METADATA, *([folder] if folder else []))
    assert ended.status == 0
    assert ended.stdout.splitlines()[-1] == "2 videos, 5 clips"
    assert ended.stderr == ""


def test_wrong_rows_are_seen_at_once(experiment: Path) -> None:
    """All of them, each with its number, and the others are ok."""
    edit(experiment, 3, column(experiment, "fps"), "")
    edit(experiment, 5, column(experiment, "loop_END_frame_ffmpeg"), "1")
    with (experiment / METADATA).open("a") as file:
        file.write("a,b\n")
    checked = tz.check_metadata(experiment / METADATA)
    assert [row.state for row in checked.rows] == ["ok", "error", "ok", "error", "ok", "error"]
    ended = call("metadata", "check", experiment / METADATA)
    assert ended.status == 1
    lines = ended.stdout.splitlines()
    assert "error" in lines[2]
    assert "The frame rate is missing." in lines[2]
    assert "The clip ends before it starts." in lines[4]
    assert "different number of cells" in lines[6]
    assert "row 3, column fps" in ended.stderr
    assert "3 rows with errors" in ended.stderr


def test_a_mistake_that_many_rows_have_is_shown_in_each(experiment: Path) -> None:
    for row in range(2, 7):
        edit(experiment, row, column(experiment, "fps"), "59,94".replace(",", ";"))
    checked = tz.check_metadata(experiment / METADATA)
    assert {row.state for row in checked.rows} == {"error"}


def test_warnings(experiment: Path) -> None:
    """As `plan` gives them, of clips without tracks files, too."""
    shutil.rmtree(experiment / "tracks")
    place = column(experiment, "escape_type")
    edit(experiment, 2, place, "spontanous")
    checked = tz.check_metadata(experiment / METADATA)
    assert checked.ok
    assert checked.rows[0].state == "warning"
    assert [problem.kind for problem in checked.problems] == ["escape-type-misspelt"]
    assert call("metadata", "check", experiment / METADATA).status == 0


def test_what_the_plan_finds_in_the_tracks_files(experiment: Path) -> None:
    tracks = experiment / "tracks"
    (tracks / f"{RIGHT}-Loop00_tracks.csv").unlink()
    (tracks / f"{LEFT}-Loop00_tracks.csv").write_text("a,b\n")
    checked = tz.check_metadata(experiment / METADATA, tracks)
    assert [row.state for row in checked.rows] == ["warning", "ok", "ok", "error", "ok"]
    assert checked.rows[0].tracks_file is None
    planned = call("plan", tracks, experiment / METADATA)
    ended = call("metadata", "check", experiment / METADATA, tracks)
    assert (ended.status, planned.status) == (1, 1)
    assert set(planned.stderr.splitlines()) - set(ended.stderr.splitlines()) <= {
        planned.stderr.splitlines()[-1]
    }
    assert call("metadata", "check", experiment / METADATA, tracks, "--require-all").status == 1


def test_json(experiment: Path) -> None:
    edit(experiment, 3, column(experiment, "fps"), "fast")
    ended = call("metadata", "check", experiment / METADATA, experiment / "tracks", "--json")
    assert ended.status == 1
    document = json.loads(ended.stdout)
    assert [clip["state"] for clip in document["clips"]] == ["ok", "error", "ok", "ok", "ok"]
    assert document["clips"][0] == {
        "row": 2,
        "state": "ok",
        "video": RIGHT,
        "clip": f"{RIGHT}-Loop00",
        "fps": 59.94,
        "first_frame": 1200,
        "last_frame": 1248,
        "escape_frame": document["clips"][0]["escape_frame"],
        "escape_type": document["clips"][0]["escape_type"],
        "tracks_file": f"{RIGHT}-Loop00_tracks.csv",
    }
    assert [problem["kind"] for problem in document["problems"]] == ["fps"]


@pytest.mark.parametrize("name", ["metadata.csv", "loop-frames-ffmpg.csv"])
def test_a_path_that_is_not_there(name: str, experiment: Path) -> None:
    ended = call("metadata", "check", experiment / name)
    assert ended.status == 1
    assert "The metadata CSV cannot be read." in ended.stderr
    assert ended.stdout == ""
    if name.startswith("loop"):
        assert (
            ended.stderr.rstrip()
            .splitlines()[-1]
            .endswith(f"run: tracks2zarr metadata check {experiment / METADATA}")
        )


def test_swapped_arguments(experiment: Path) -> None:
    ended = call("metadata", "check", experiment / "tracks", experiment / METADATA)
    assert ended.status == 1
    assert f"metadata check {experiment / METADATA} {experiment / 'tracks'}" in ended.stderr
    assert "expected: the metadata CSV, then the folder of tracks files" in ended.stderr
    assert "found:    a folder, before a file" in ended.stderr
    assert "0 videos" not in ended.stderr


def test_a_folder_alone(experiment: Path) -> None:
    ended = call("metadata", "check", experiment / "tracks")
    assert ended.status == 1
    assert "A folder was given in place of the metadata CSV." in ended.stderr
    assert "Pass the metadata CSV before the folder." in ended.stderr
    assert "0 videos" not in ended.stderr


def test_a_notebook_shows_the_rows(experiment: Path) -> None:
    edit(experiment, 3, column(experiment, "fps"), "")
    shown = tz.check_metadata(experiment / METADATA)._repr_html_()
    assert f"{RIGHT}-Loop01" in shown
    assert "The frame rate is missing." in shown


@pytest.mark.parametrize("layout", ["guide", "plain"])
def test_a_video_without_its_extension(layout: str, experiment: Path) -> None:
    """What follows the last dot of its name is no extension; the clip's name tells."""
    path = experiment / METADATA
    if layout == "plain":
        header = "video_name,clip_name,fps,first_frame,last_frame"
        path.write_text(f"{header}\n{RIGHT},{RIGHT}-Loop00.mp4,59.94,1200,1248\n")
    else:
        edit(experiment, 2, column(experiment, "video_name"), RIGHT)
    (problem,) = tz.check_metadata(path).problems
    assert (problem.kind, problem.row, problem.column) == ("video-name", 2, "video_name")
    assert problem.what == "The video's name has no extension: '.2023-01-Right' was taken for one."
    assert problem.remedy == f"Write the file name, such as {RIGHT}.mov"


def test_a_name_with_an_extension_is_not_taken_for_one_without(experiment: Path) -> None:
    edit(experiment, 2, column(experiment, "loop_clip_name"), f"{RIGHT}.mov-Loop00.mp4")
    (problem,) = tz.check_metadata(experiment / METADATA).problems
    assert problem.kind == "clip-not-of-video"


@pytest.mark.parametrize("cell", ["", "NA"])
def test_a_missing_video_name_is_one_error(cell: str, experiment: Path) -> None:
    edit(experiment, 2, column(experiment, "video_name"), cell)
    (problem,) = tz.check_metadata(experiment / METADATA).problems
    assert (problem.kind, problem.what) == ("video-name", "video_name is missing.")
    assert problem.remedy == "Fill in the file name of the video."


def with_column(experiment: Path, *cells: str) -> Path:
    """Write a plain metadata CSV with a further column."""
    path = experiment / METADATA
    lines = ["video_name,clip_name,fps,first_frame,last_frame,extra"]
    for n, cell in enumerate(cells):
        lines.append(f'A.mov,A-{n}.mp4,30,{n},{n},"{cell}"')
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("cells", "row", "kind", "remedy"),
    [
        (["2023-09-03", "04/09/2023"], 3, "date", "dates as 2023-09-04"),
        (["04.09.2023", "05.09.2023"], 2, "date", "dates as 2023-09-04"),
        (["1", "21,5"], 3, "float64", "a decimal point"),
        (["1", "#N/A", "2"], 3, "float64", "empty cells"),
        (["yes", "No"], 2, "bool", "true and false"),
    ],
)
def test_a_column_that_is_text_by_mistake(
    cells: list[str], row: int, kind: str, remedy: str, experiment: Path
) -> None:
    (problem,) = tz.check_metadata(with_column(experiment, *cells)).problems
    assert (problem.kind, problem.severity) == ("column-is-text", "warning")
    assert (problem.row, problem.column) == (row, "extra")
    assert problem.expected == f"a cell of type {kind}"
    assert remedy in (problem.remedy or "")


@pytest.mark.parametrize(
    "cells", [["beach", "#N/A"], ["yes", "no", "perhaps"], ["", "none"], ["007"], ["1", "2"]]
)
def test_a_column_that_is_text_on_purpose(cells: list[str], experiment: Path) -> None:
    assert not tz.check_metadata(with_column(experiment, *cells)).problems


def test_further_columns_are_listed_with_their_types(experiment: Path) -> None:
    path = with_column(experiment, "1", "2.5")
    ended = call("metadata", "check", path)
    assert "further columns: extra (float64)" in ended.stdout.splitlines()
    document = json.loads(call("metadata", "check", path, "--json").stdout)
    assert document["columns"] == [{"name": "extra", "type": "float64"}]
