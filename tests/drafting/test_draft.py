"""``metadata draft``: a metadata CSV for an experiment that has none."""

import csv
import gzip
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

import tracks2zarr as tz
from support.commands import call
from support.sample import SAMPLE
from support.tracks_writers import WRITERS, write_octron
from tracks2zarr.drafting.columns import LAYOUTS, LayoutName
from tracks2zarr.tracks.format_checks import TrackBox

RIGHT, LEFT = "04.09.2023-01-Right", "06.09.2023-02-Left"
HEADER = (
    "filename,file_size,file_attributes,region_count,region_id,"
    "region_shape_attributes,region_attributes\n"
)
BOX = '"{""name"":""rect"",""x"":1,""y"":2,""width"":3,""height"":4}"'


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    return shutil.copytree(SAMPLE / "tracks", tmp_path / "tracks")


def row(frame: int, *, has_box: bool = True) -> str:
    name = f'frame_{frame:08d}.png,0,"{{}}"'
    return f'{name},1,0,{BOX},"{{""track"":1}}"\n' if has_box else f'{name},0,0,"{{}}","{{}}"\n'


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_plain_columns(tracks: Path, tmp_path: Path) -> None:
    out = tmp_path / "metadata.csv"
    drafted = tz.draft_metadata(tracks, out, fps=59.94)
    assert out.read_text() == (
        "video_name,clip_name,fps,first_frame,last_frame\n"
        f",{RIGHT}-Loop00.mp4,59.94,0,48\n"
        f",{RIGHT}-Loop01.mp4,59.94,0,50\n"
        f",{RIGHT}-Loop02.mp4,59.94,0,95\n"
        f",{LEFT}-Loop00.mp4,59.94,0,41\n"
        f",{LEFT}-Loop01.mp4,59.94,0,51\n"
    )
    assert drafted.to_fill == ("video_name",)
    assert drafted.problems == ()
    assert [path.name for path in tmp_path.iterdir() if path != tracks] == ["metadata.csv"]


def test_filled_in_it_makes_a_dataset(tracks: Path, tmp_path: Path) -> None:
    out, store = tmp_path / "metadata.csv", tmp_path / "out.zarr"
    drafted = tz.draft_metadata(tracks, out, fps=59.94, layout="guide")
    assert drafted.to_fill == ("video_name",)
    checked = tz.check_metadata(out, tracks)
    assert {row.state for row in checked.rows} == {"error"}, "there is no name of a video yet"
    text = out.read_text()
    for video in (RIGHT, LEFT):
        text = text.replace(f",{video}-", f"{video}.mov,{video}-")
    out.write_text(text)
    assert [problem.kind for problem in tz.check_metadata(out, tracks).problems] == (
        ["clips-overlap"] * 3
    ), "all clips begin at frame 0 until that is corrected"
    assert call("create", tracks, out, store).status == 0
    assert call("verify", store).status == 0
    clip = tz.load_clip(store, RIGHT, "Loop02")
    there = tz.load_clip(_sample_store(tmp_path), RIGHT, "Loop02")
    np.testing.assert_array_equal(clip.position, there.position)


def _sample_store(tmp_path: Path) -> Path:
    store = tmp_path / "sample.zarr"
    tz.create(tz.plan(SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv"), store, workers=1)
    return store


def test_what_is_printed(tracks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ended = call("metadata", "draft", "tracks")
    assert ended.status == 0
    assert ended.stdout.splitlines()[-4:] == [
        "drafted metadata.csv",
        "to fill in: video_name (a file name, e.g. 04.09.2023-01-Right.mov), fps",
        "to correct: first_frame and last_frame, the clip's place in its video; the draft starts"
        " every clip at 0",
        "then run: tracks2zarr metadata check metadata.csv tracks",
    ]
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("options", "correct"),
    [
        (
            ["--layout", "guide"],
            "loop_START_frame_ffmpeg and loop_END_frame_ffmpeg, the clip's place in its video;"
            " the draft starts every clip at 1",
        ),
        (
            ["--frames", "video"],
            "first_frame and last_frame, if a clip has frames beyond those in its tracks file",
        ),
    ],
)
def test_what_to_correct(
    options: list[str],
    correct: str,
    tracks: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = call("metadata", "draft", "tracks", *options)
    assert ended.status == 0
    assert f"to correct: {correct}" in ended.stdout.splitlines()


def test_the_next_command_has_the_options_that_were_given(
    tracks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--pattern", "*_tracks.csv", "--format", "via", "--frames", "video"]
    options += ["--frame-regexp", "_([0-9]+)[.]png$"]
    ended = call("metadata", "draft", "tracks", *options)
    assert ended.status == 0
    *_, checking, creating = ended.stdout.splitlines()
    command = ["tracks2zarr", "metadata", "check", "metadata.csv", "tracks", *options]
    assert shlex.split(checking.removeprefix("then run: ")) == command
    assert creating == f"'create' needs these options, too: {shlex.join(options)}"


def test_frames_without_boxes_count(tmp_path: Path) -> None:
    """The clip has them: `create` would not take a file that names frames past the last."""
    folder = tmp_path / "tracks"
    folder.mkdir()
    (folder / "A-1_tracks.csv").write_text(HEADER + row(3) + row(5) + row(9, has_box=False))
    (folder / "A-2_tracks.csv").write_text(HEADER)
    (folder / "A-3_tracks.csv.gz").write_bytes(gzip.compress((HEADER + row(7)).encode()))
    out = tmp_path / "m.csv"
    drafted = tz.draft_metadata(folder, out, layout="guide")
    cells = [(r["loop_START_frame_ffmpeg"], r["loop_END_frame_ffmpeg"]) for r in rows_of(out)]
    assert cells == [("1", "10"), ("", ""), ("1", "8")]
    assert drafted.to_fill == (
        *("video_name", "fps", "loop_START_frame_ffmpeg", "loop_END_frame_ffmpeg"),
    )


def test_frames_of_the_video(tmp_path: Path) -> None:
    folder = tmp_path / "tracks"
    folder.mkdir()
    (folder / "A-1_tracks.csv").write_text(HEADER + row(1205) + row(1201) + row(1209))
    out = tmp_path / "m.csv"
    assert call("metadata", "draft", folder, "-o", out, "--frames", "video").status == 0
    assert out.read_text().splitlines()[1] == ",A-1.mp4,,1201,1209"


def test_the_frame_in_the_name_of_an_image(tmp_path: Path) -> None:
    folder = tmp_path / "tracks"
    folder.mkdir()
    (folder / "A-1_tracks.csv").write_text(HEADER + row(12).replace("frame_", "f-12-x"))
    out = tmp_path / "m.csv"
    ended = call("metadata", "draft", folder, "-o", out, "--frame-regexp", "f-([0-9]+)-")
    assert ended.status == 0
    assert out.read_text().splitlines()[1] == ",A-1.mp4,,0,12"


def test_files_that_cannot_be_read_are_all_named(tracks: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in tracks.iterdir())
    with (tracks / names[0]).open("a") as file:
        file.write("frame_00000001.png,0,{},1,0,x,y\n")
    (tracks / names[1]).write_text("a,b\n")
    (tracks / names[2]).write_text("/annex/objects/MD5-s1--0\n")
    (tracks / names[3]).unlink()
    (tracks / names[3]).symlink_to("../.git/annex/objects/x")
    out = tmp_path / "m.csv"
    ended = call("metadata", "draft", tracks, "-o", out)
    assert ended.status == 1
    for name in names[:4]:
        assert name in ended.stderr
    assert names[4] not in ended.stderr
    assert not out.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tracks"]


def test_a_bad_file_in_the_folder_of_a_clip_is_named_once(tmp_path: Path) -> None:
    boxes = [TrackBox(0, track, 1, 2, 3, 4) for track in (3, 5)]
    file = write_octron(tmp_path, "A-1", boxes) / "crab_track_5.csv"
    file.write_text("a,b\n")
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.draft_metadata(tmp_path, tmp_path / "m.csv")
    assert [(one.kind, one.file) for one in raised.value.problems] == [("tracks-header", str(file))]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("format_name", ["via", "mot"])
def test_a_draft_among_the_tracks_is_named(
    format_name: str, layout: LayoutName, tmp_path: Path
) -> None:
    WRITERS[format_name](tmp_path, "A", [TrackBox(0, 3, 1, 2, 3, 4)])
    draft = tmp_path / "metadata.csv"
    tz.draft_metadata(tmp_path, draft, layout=layout, fps=30)
    problems: list[tz.Problem] = []
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.draft_metadata(tmp_path, tmp_path / "again.csv")
    problems += raised.value.problems
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.plan(tmp_path, fps=30)
    problems += raised.value.problems
    assert [(one.kind, one.file) for one in problems] == [("tracks-metadata", str(draft))] * 2


def test_a_frame_beyond_every_clip_is_not_blamed_on_metadata(tmp_path: Path) -> None:
    tracks = tmp_path / "tracks"
    tracks.mkdir()
    (tracks / "A.txt").write_text("1,1,1,2,3,4\n100000001,1,1,2,3,4\n")
    found: list[tz.Problem] = []
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.draft_metadata(tracks, tmp_path / "m.csv")
    found += raised.value.problems
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.plan(tracks, fps=30)
    found += raised.value.problems
    for problem in found:
        assert (problem.kind, problem.found) == ("frame-outside-clip", "frame 100000001")
        assert problem.expected == "1 to 100000000: no clip has more than 100,000,000 frames"
        assert problem.remedy == "Correct the frame; there may be an extra digit."


@pytest.mark.parametrize("thing", ["file", "folder", "dangling link"])
def test_nothing_is_ever_replaced(thing: str, tracks: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.csv"
    if thing == "file":
        out.write_text("mine")
    elif thing == "folder":
        out.mkdir()
    else:
        out.symlink_to("nowhere")
    ended = call("metadata", "draft", tracks, "-o", out)
    assert ended.status == 1
    assert "a draft never replaces a file" in ended.stderr
    assert out.is_symlink() or out.is_dir() or out.read_text() == "mine"


def test_a_file_that_appears_meanwhile_is_not_replaced(tracks: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.csv"

    class Appearing:
        def begin(self, _clips: object, _total: object) -> None:
            out.write_text("mine")

        def update(self, *_args: object) -> None: ...

        def ended(self, *_args: object) -> None: ...

    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.draft_metadata(tracks, out, progress=Appearing())
    assert error.value.problems[0].kind == "draft-exists"
    assert isinstance(error.value, FileExistsError)
    assert out.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.csv", "tracks"]


def test_an_interrupted_draft_leaves_nothing(tracks: Path, tmp_path: Path) -> None:
    class Interrupting:
        def begin(self, _clips: object, _total: object) -> None: ...

        def update(self, *_args: object) -> None: ...

        def ended(self, *_args: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tz.draft_metadata(tracks, tmp_path / "m.csv", progress=Interrupting())
    assert [path.name for path in tmp_path.iterdir()] == ["tracks"]


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        (["--fps", "0"], 1, "The frame rate is not usable."),
        (["--fps", "nan"], 1, "The frame rate is not usable."),
        (["--fps", "fast"], 2, "not a valid float"),
        (["--layout", "other"], 2, "guide"),
        (["-o", "no/such/folder.csv"], 1, "The file cannot be written there."),
        (["--pattern", "*.txt"], 1, "No tracks file matches the pattern."),
        (["--pattern", "../*"], 1, "The pattern leaves the folder"),
        (["--frame-regexp", "(x)"], 1, "finds no frame number"),
    ],
)
def test_settings_that_do_not_hold(
    options: list[str], status: int, text: str, tracks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tracks.parent)
    ended = call("metadata", "draft", tracks, *options)
    assert ended.status == status
    assert text in ended.stderr
    assert sorted(path.name for path in tracks.parent.iterdir()) == ["tracks"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    ended = call("metadata", "draft", tmp_path / "no")
    assert ended.status == 1
    assert "The folder of tracks files cannot be read." in ended.stderr


def test_several_processes_write_the_same_draft(tracks: Path, tmp_path: Path) -> None:
    several = tz.draft_metadata(tracks, tmp_path / "several.csv", workers=2)
    one = tz.draft_metadata(tracks, tmp_path / "one.csv", workers=1)
    assert several.clips == one.clips
    assert (tmp_path / "several.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
