"""Where exports are written, what they replace, and how they end."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xarray as xr

import tracks2zarr as tz
from support.commands import call
from support.experiments import MAX_TRACK, Box, Clip, Experiment, Video, crowd
from support.sample import SAMPLE
from support.tree import cli_environment
from tracks2zarr.exporting.formats import FormatName
from tracks2zarr.exporting.record import records_folder
from tracks2zarr.loading.lazy_array import LazyArray

RIGHT, LEFT = "04.09.2023-01-Right", "06.09.2023-02-Left"


def files_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return content and time of the files of an export, without its records."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def export(store: Path, out: Path, **options: Any) -> list[tz.ExportedFile]:
    """Export a store, and return the files of all videos."""
    return [file for video in tz.export(store, out, **options) for file in video.files]


def kinds(error: pytest.ExceptionInfo[tz.Tracks2ZarrError]) -> list[str]:
    return [problem.kind for problem in error.value.problems]


def test_all_some_or_one(sample_store: Path, tmp_path: Path) -> None:
    assert len(export(sample_store, tmp_path / "all")) == 5
    some = export(sample_store, tmp_path / "some", video=LEFT)
    assert [file.clip for file in some] == ["Loop00", "Loop01"]
    one = export(sample_store, tmp_path / "one", video=LEFT, clip="Loop01")
    assert [file.path.name for file in one] == [f"{LEFT}-Loop01_tracks.csv"]
    assert one[0].size == one[0].path.stat().st_size


def test_again_nothing_is_written(sample_store: Path, tmp_path: Path) -> None:
    first = export(sample_store, tmp_path)
    before = files_in(tmp_path)
    assert {file.result for file in first} == {"written"}
    assert {file.result for file in export(sample_store, tmp_path)} == {"same"}
    assert files_in(tmp_path) == before


def test_what_is_missing_or_differs_is_written(sample_store: Path, tmp_path: Path) -> None:
    whole = export(sample_store, tmp_path, video=RIGHT)
    whole[0].path.unlink()
    again = export(sample_store, tmp_path, video=RIGHT)
    assert [file.result for file in again] == ["written", "same", "same"]
    other = export(sample_store, tmp_path, video=RIGHT, frames=slice(0, 9))
    assert {file.result for file in other} == {"written"}, "what was asked for, not what is there"
    assert other[2].size < again[2].size


def test_what_was_edited_is_never_replaced_unasked(sample_store: Path, tmp_path: Path) -> None:
    files = export(sample_store, tmp_path)
    edited, foreign = files[0].path, files[1].path
    edited.write_text("corrected by hand")
    for record in records_folder(tmp_path).iterdir():
        if json.loads(record.read_bytes())["file"] == foreign.name:
            record.unlink()
    before = files_in(tmp_path)
    with pytest.raises(tz.Tracks2ZarrError, match="2 files: ") as error:
        export(sample_store, tmp_path, frames=slice(0, 5))
    assert kinds(error) == ["export-exists"]
    assert files_in(tmp_path) == before, "nothing was done"
    again = export(sample_store, tmp_path, overwrite=True)
    assert [file.result for file in again] == ["written", "written", "same", "same", "same"]
    assert edited.read_text().startswith("filename,")


def test_places_where_nothing_can_be_written(sample_store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    below = (tmp_path / "file/out", tmp_path / "file/new/out")
    in_store = (sample_store, sample_store / RIGHT, sample_store / "new")
    for out in (tmp_path / "file", *below, *in_store):
        with pytest.raises(tz.Tracks2ZarrError) as error:
            export(sample_store, out)
        assert kinds(error) == ["output"]
        assert error.value.problems[0].file == str(out)


@pytest.mark.parametrize("name", ["parquet", "via"])
def test_files_of_clips_that_are_gone_are_named(tmp_path: Path, name: FormatName) -> None:
    store, out = tmp_path / "s.zarr", tmp_path / "my out"
    clips = [Clip(f"Loop{n:02}", 10 * n + 1, 10 * n + 9, None, "", crowd(2)) for n in range(3)]

    def make(folder: str, *videos: Video) -> None:
        sources = Experiment(videos).write(tmp_path / folder)
        assert tz.create(tz.plan(*sources), store, store_mode="w", workers=1).ok

    def warnings(video: str | None = None, clip: str | None = None) -> list[tz.Problem]:
        found = tz.export(store, out, format=name, video=video, clip=clip)
        return [problem for video in found for problem in video.problems]

    make("first", Video("a", tuple(clips)), Video("b", (clips[0],)))
    assert warnings() == []
    assert warnings(video="a", clip="Loop01") == [], "the others are in the store"
    gone = sorted(
        file.path.relative_to(out).as_posix()
        for file in export(store, out, format=name)
        if (file.video, file.clip) in {("a", "Loop02"), ("b", "Loop00")}
    )
    make("fewer", Video("a", tuple(clips[:2])))
    for which in ((), ("a", "Loop01")):
        (problem,) = warnings(*which)
        assert (problem.kind, problem.severity) == ("export-clips-gone", "warning")
        assert problem.found == f"2 files: {', '.join(gone)}"
    subprocess.run(str(problem.remedy).partition(": ")[2], shell=True, check=True)
    assert warnings() == []
    assert {file.result for file in export(store, out, format=name)} == {"same"}


@pytest.mark.parametrize(
    ("keywords", "kind"),
    [
        ({"video": "no such"}, "no-such-video"),
        ({"video": RIGHT, "clip": "Loop9"}, "no-such-clip"),
        ({"video": RIGHT, "frames": slice(60, 70)}, "no-such-frames"),
    ],
)
def test_what_is_not_there(
    sample_store: Path, tmp_path: Path, keywords: dict[str, Any], kind: str
) -> None:
    with pytest.raises(tz.Tracks2ZarrError) as error:
        export(sample_store, tmp_path / "out", **keywords)
    assert set(kinds(error)) == {kind}
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "keywords",
    [
        {"format": "csv"},
        {"clip": "Loop00"},
        {"images": "frame.png"},
        {"images": "{nothing}"},
        {"images": "{frame:08q}"},
        {"images": "{frame:x}.png"},
        {"images": "{frame:,}.png"},
        {"frames": slice(0, 9, 3)},
        {"frames": slice(9, 3)},
        {"images": "{frame}.png", "format": "mot"},
    ],
)
def test_arguments_that_are_never_right(
    sample_store: Path, tmp_path: Path, keywords: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"format|clip|images|frames"):
        export(sample_store, tmp_path / "out", **keywords)


def test_images_of_a_format_without_images(sample_store: Path, tmp_path: Path) -> None:
    done = call("export", sample_store, tmp_path / "out", "--format", "mot", "--images", "{frame}")
    assert done.status == 2
    assert "--images is for the formats via and coco" in done.stderr
    assert not (tmp_path / "out").exists()


def test_files_of_another_store_are_named_as_such(sample_store: Path, tmp_path: Path) -> None:
    other = copied(sample_store, tmp_path / "other.zarr")
    files = export(other, tmp_path / "out", format="parquet", video=RIGHT)
    files[0].path.write_text("changed")
    before = files_in(tmp_path / "out")
    with pytest.raises(tz.Tracks2ZarrError) as error:
        export(sample_store, tmp_path / "out", format="parquet")
    assert kinds(error) == ["export-exists", "export-exists"]
    changed, from_other = error.value.problems
    assert "changed since they were exported" in changed.what
    assert "from another store" in from_other.what
    assert str(from_other.found).endswith(f", from {other}")
    assert str(from_other.found).startswith("2 files: ")
    assert files_in(tmp_path / "out") == before


def test_files_of_another_format_are_a_warning(sample_store: Path, tmp_path: Path) -> None:
    export(sample_store, tmp_path, video=RIGHT)
    first, *rest = tz.export(sample_store, tmp_path, format="coco")
    assert [problem.kind for problem in first.problems] == ["export-formats"]
    assert str(first.problems[0].found).startswith("3 files: ")
    assert not any(video.problems for video in rest)
    assert not tz.export(sample_store, tmp_path / "apart", format="coco")[0].problems


def copied(store: Path, to: Path) -> Path:
    subprocess.run(["cp", "-a", store, to], check=True)
    return to


def test_a_damaged_chunk(sample_store: Path, tmp_path: Path) -> None:
    store = copied(sample_store, tmp_path / "s.zarr")
    shard = store / RIGHT / "position/c/1/0/0/0"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 4
    shard.write_bytes(content)
    for name, kind in (("via", "group-unreadable"), ("movement", "content-changed")):
        out = tmp_path / name
        with pytest.raises(tz.Tracks2ZarrError) as error:
            export(store, out, format=name)
        assert kinds(error) == [kind]
        written = {Path(file).stem for file in files_in(out)}
        assert len(written) == 1, "the clip before it, whole; of this one, nothing"


def test_threads_leave_no_file_after_an_error(
    sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some still read a chunk when another one turns out to be damaged, and would write it."""
    read, ended = LazyArray._read, []

    def slowly(array: LazyArray, key: tuple[Any, ...]) -> Any:
        if array._array.folder.name == "position":
            raise OSError("damaged")
        time.sleep(0.3)
        ended.append(array)
        return read(array, key)

    monkeypatch.setattr(LazyArray, "_read", slowly)
    with pytest.raises(tz.Tracks2ZarrError, match="damaged"):
        export(sample_store, tmp_path / "out", format="movement", video=RIGHT)
    n_ended = len(ended)
    time.sleep(0.5)
    assert len(ended) == n_ended, "all threads have ended"
    assert files_in(tmp_path / "out") == {}


def test_a_video_that_is_not_finished(sample_store: Path, tmp_path: Path) -> None:
    store = copied(sample_store, tmp_path / "s.zarr")
    (store / RIGHT / "position/c/1/0/0/0").unlink()
    with pytest.raises(tz.Tracks2ZarrError) as error:
        export(store, tmp_path / "out")
    assert kinds(error) == ["video-unfinished"]


#: Ends itself in the middle of writing the third file.
PROGRAM = """
import os, sys
import tracks2zarr as tz
from tracks2zarr.exporting.stored_clip import StoredClip
boxes, calls = StoredClip.boxes, []
def some_boxes(clip):
    calls.append(clip)
    for part in boxes(clip):
        yield part
        if len(calls) == 3:
            os._exit(9)
StoredClip.boxes = some_boxes
tz.export(sys.argv[1], sys.argv[2])
"""


def test_killed_half_way(sample_store: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", PROGRAM, str(sample_store), str(tmp_path / "out")]
    done = subprocess.run(arguments, env=cli_environment(), check=False)
    assert done.returncode == 9
    whole = {file.path.name: file for file in export(sample_store, tmp_path / "whole")}
    left = {name for name in files_in(tmp_path / "out") if not name.startswith(".")}
    assert len(left) == 2
    again = export(sample_store, tmp_path / "out")
    assert [file.result for file in again] == ["same", "same", *["written"] * 3]
    found = files_in(tmp_path / "out")
    assert set(found) == set(whole), "what the killed one left was cleared away"
    assert all(content == whole[name].path.read_bytes() for name, (content, _) in found.items())


@pytest.mark.parametrize(("name", "size"), [("via", 300), ("parquet", 12), ("coco", 300)])
def test_a_full_disk(sample_store: Path, tmp_path: Path, name: Any, size: int) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk], check=True)
    try:
        with pytest.raises(tz.Tracks2ZarrError) as error:
            export(sample_store, disk / "out", video=RIGHT, format=name)
        assert kinds(error) == ["disk-full"]
        assert all(not name.startswith(".") for name in files_in(disk / "out"))
    finally:
        subprocess.run(["umount", disk], check=True)


def test_on_the_command_line(sample_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call("export", sample_store, out, "--video", LEFT, "--frames", "10:20")
    assert done.status == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{LEFT}: 2 files, ")
    assert lines[-1].startswith("2 files in ")
    again = call("export", sample_store, out, "--video", LEFT, "--frames", "10:20")
    assert "; 2 of the files were there already" in again.stdout
    for wrong in (["--frames", "10"], ["--clip", "Loop00"], ["--format", "csv"]):
        assert call("export", sample_store, out, *wrong).status == 2
    assert call("export", sample_store, out, "--images", "frame.png").status == 2
    assert call("export", tmp_path / "none.zarr", out).status == 1


def test_netcdf_without_its_libraries(sample_store: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['h5netcdf'] = None; from tracks2zarr.cli.app import main; main()"
    )
    arguments = ["export", str(sample_store), str(tmp_path / "out"), "--format", "movement"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=cli_environment() | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'tracks2zarr[netcdf]'" in done.stderr
    assert not any(tmp_path.iterdir())


def test_the_sources_of_a_store_are_never_replaced(tmp_path: Path) -> None:
    copied(SAMPLE, tmp_path / "sample")
    tracks = tmp_path / "sample/tracks"
    store = tmp_path / "s.zarr"
    plan = tz.plan(tracks, tmp_path / "sample/loop-frames-ffmpeg.csv")
    assert tz.create(plan, store, workers=1).ok
    before = files_in(tracks)
    (tmp_path / "link").symlink_to(tracks)
    for out in (tracks, tmp_path / "link"):
        for overwrite in (False, True):
            with pytest.raises(tz.Tracks2ZarrError) as error:
                export(store, out, overwrite=overwrite)
            assert kinds(error) == ["output"]
    assert files_in(tracks) == before


def test_clips_that_are_too_short_are_one_problem(sample_store: Path, tmp_path: Path) -> None:
    with pytest.raises(tz.Tracks2ZarrError, match="4 clips have none of these frames") as error:
        export(sample_store, tmp_path / "out", frames=slice(52, 60))
    assert kinds(error) == ["no-such-frames"]


def test_a_clip_by_its_position(sample_store: Path, tmp_path: Path) -> None:
    (file,) = export(sample_store, tmp_path / "out", video=LEFT, clip=-1)
    assert file.clip == "Loop01"
    clip: Any = 1.5
    with pytest.raises(TypeError, match="clip is a float"):
        export(sample_store, tmp_path / "out", video=LEFT, clip=clip)


def test_a_folder_of_parquet_is_a_table(sample_store: Path, tmp_path: Path) -> None:
    export(sample_store, tmp_path / "boxes", format="parquet")
    assert pl.read_parquet(tmp_path / "boxes").height == tz.clips(sample_store)["n_boxes"].sum()


def test_files_of_another_store_are_not_replaced_unasked(
    sample_store: Path, tmp_path: Path
) -> None:
    export(sample_store, tmp_path / "out", video=LEFT)
    other = copied(sample_store, tmp_path / "other.zarr")
    with pytest.raises(tz.Tracks2ZarrError) as error:
        export(other, tmp_path / "out", video=LEFT)
    assert kinds(error) == ["export-exists"]


#: Ends itself between the record of a file and its name.
KILLED = """
import os, sys
from pathlib import Path
import tracks2zarr as tz
Path.replace = lambda path, to: os._exit(9) if str(to).endswith(".csv") else os.replace(path, to)
tz.export(sys.argv[1], sys.argv[2], frames=slice(0, 10))
"""


def test_killed_before_a_file_gets_its_name(sample_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(sample_store, out)
    arguments = [sys.executable, "-c", KILLED, str(sample_store), str(out)]
    assert subprocess.run(arguments, env=cli_environment(), check=False).returncode == 9
    again = export(sample_store, out)
    assert [file.result for file in again] == ["written", "same", "same", "same", "same"]
    assert not [name for name in files_in(out) if name.startswith(".")]


def test_two_clips_with_one_name(tmp_path: Path) -> None:
    for video, clip in (("v", "a-b"), ("v-a", "b")):
        experiment = Experiment((Video(video, (Clip(clip, 1, 3, boxes=crowd(2)),)),))
        plan = tz.plan(*experiment.write(tmp_path / video))
        assert tz.create(plan, tmp_path / "s.zarr", workers=1, store_mode="a").ok
    with pytest.raises(tz.Tracks2ZarrError, match="two clips with one name"):
        export(tmp_path / "s.zarr", tmp_path / "out")
    assert len(export(tmp_path / "s.zarr", tmp_path / "out", format="parquet")) == 2


def test_the_largest_track_number(tmp_path: Path) -> None:
    clip = Clip("c", 1, 3, boxes=(Box(0, MAX_TRACK),))
    plan = tz.plan(*Experiment((Video("v", (clip,)),)).write(tmp_path / "in"))
    assert tz.create(plan, tmp_path / "s.zarr", workers=1).ok
    (file,) = export(tmp_path / "s.zarr", tmp_path / "out", format="mot")
    assert file.path.read_text().startswith(f"1,{MAX_TRACK + 1},")


def test_ids_that_look_like_numbers(tmp_path: Path) -> None:
    videos = tuple(Video(name, (Clip("c", 1, 3, boxes=crowd(2)),)) for name in ("007", "7"))
    plan = tz.plan(*Experiment(videos).write(tmp_path / "in"))
    assert tz.create(plan, tmp_path / "s.zarr", workers=1).ok
    export(tmp_path / "s.zarr", tmp_path / "out", format="parquet")
    table = pl.read_parquet(tmp_path / "out")
    assert table["video"].to_list() == ["007", "007", "7", "7"]


def test_netcdf_has_no_arrays_of_others(sample_store: Path, tmp_path: Path) -> None:
    store = copied(sample_store, tmp_path / "s.zarr")
    own = (tz.open_store(store)[LEFT].confidence * 2).reset_coords(drop=True)
    own.to_dataset(name="own").to_zarr(store, group=LEFT, mode="a", consolidated=False)
    with pytest.warns(UserWarning, match="own"):
        (file,) = export(store, tmp_path / "out", format="movement", video=LEFT, clip=0)
    assert "own" not in xr.load_dataset(file.path)


def test_a_stretch_has_rows_of_frames_without_boxes(tmp_path: Path) -> None:
    """So people can add boxes there; `create` reads the same dataset from it."""
    boxes = (Box(2, 7, 1.5, 2, 3, 4), Box(2, 9, 5, 2, 3, 4), Box(5, 7, 1.5, 2, 3, 4))
    clip = Clip("Loop00", 11, 18, None, "", boxes)
    tracks, metadata = Experiment((Video("A", (clip,)),)).write(tmp_path / "in")
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    (file,) = export(store, tmp_path / "part", frames=slice(1, 8))
    rows = pl.read_csv(file.path, infer_schema=False)
    frames = [int(name[6:14]) for name in rows["filename"]]
    assert frames == [1, 2, 2, 3, 4, 5, 6, 7]
    empty = rows.filter(pl.col("region_count") == "0")
    assert len(empty) == 5
    assert set(empty["region_shape_attributes"]) == set(empty["region_attributes"]) == {"{}"}
    assert set(empty["file_attributes"]) == {"{}"}
    assert set(empty["region_id"]) == {"0"}
    assert set(rows["file_size"]) == {"-1"}, "VIA 2 gives the rows to an image of any size"
    again = tmp_path / "b.zarr"
    assert tz.create(tz.plan(tmp_path / "part", metadata), again, workers=1).ok
    assert tz.load_clip(again, "A", "Loop00").identical(
        tz.load_clip(store, "A", "Loop00").assign_attrs(
            source_file=tz.load_clip(again, "A", "Loop00").attrs["source_file"]
        )
    )


def test_without_a_stretch_frames_without_boxes_have_no_row(tmp_path: Path) -> None:
    clip = Clip("Loop00", 11, 18, None, "", (Box(2, 7, 1.5, 2, 3, 4),))
    tracks, metadata = Experiment((Video("A", (clip,)),)).write(tmp_path / "in")
    store, out = tmp_path / "a.zarr", tmp_path / "out"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    (file,) = export(store, out)
    assert len(file.path.read_bytes().splitlines()) == 2
    (file,) = export(store, out, frames=slice(0, 8))
    assert file.result == "written", "the same frames, but with rows of all"
    assert len(file.path.read_bytes().splitlines()) == 9


def test_interrupted_it_says_how_to_continue(
    sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tracks2zarr.exporting.export.export", interrupted)
        ended = call("export", sample_store, tmp_path / "out")
    assert ended.status == 130
    assert ended.stderr == "Interrupted. To continue, run the same command again.\n"
    assert call("export", sample_store, tmp_path / "out").status == 0


@pytest.mark.parametrize("images", ["{fram}.png", "{0}.png", "{frame.x}.png", "{frame", "a.png"])
def test_a_template_that_names_no_frames_is_explained(
    images: str, sample_store: Path, tmp_path: Path
) -> None:
    ended = call("export", sample_store, tmp_path / "out", "--images", images)
    assert ended.status == 2
    assert f"--images is '{images}'" in ended.stderr
    assert "{frame}" in ended.stderr
    assert "{video_frame}" in ended.stderr
    assert "Error(" not in ended.stderr


def test_frames_past_the_end_are_a_warning(sample_store: Path, tmp_path: Path) -> None:
    words = ["--video", "06.09.2023-02-Left", "--clip", "Loop00"]
    ended = call("export", sample_store, tmp_path / "out", *words, "--frames", "40:99")
    assert ended.status == 0
    assert "warning: 1 clip of the video ends before" in ended.stderr
    assert "Loop00 (42 frames)" in ended.stderr
    ended = call("export", sample_store, tmp_path / "out", *words, "--frames", "40:42")
    assert ended.stderr == ""
