"""Sources that were moved or renamed: the store gets their new paths, and nothing is converted."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zarr

import tracks2zarr as tz
from support.commands import call
from support.experiments import Box, Clip, Experiment, Video
from support.tree import snapshot
from tracks2zarr.converting import one_video
from tracks2zarr.converting.creation import Summary
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store

BOXES = (Box(1, 3, 10.0, 2, 3, 4), Box(2, 3, 11.0, 2, 3, 4))
CLIPS = (Clip("Loop00", 1, 10, 4, "triggered", BOXES), Clip("Loop01", 11, 20, boxes=BOXES))
MADE = Experiment((Video("A", CLIPS), Video("B", CLIPS[:1])))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of an experiment that was converted into `out.zarr` beside it."""
    folder = tmp_path / "in"
    MADE.write(folder)
    assert create(folder).ok
    return folder


def create(folder: Path, metadata: str = "loop-frames-ffmpeg.csv", **options: Any) -> Summary:
    plan = tz.plan(folder / "tracks", folder / metadata, pattern="**/*.csv")
    return tz.create(plan, folder.parent / "out.zarr", workers=1, store_mode="a", **options)


def results(summary: Summary) -> list[str]:
    return [str(outcome.result) for outcome in summary.outcomes]


@pytest.fixture
def nothing_converted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a video is converted again."""
    assert folder.exists()

    def fail(*_: object) -> None:
        raise AssertionError("a video is converted")

    monkeypatch.setattr(one_video, "_attempt", fail)


def assert_as_if_made_there(folder: Path) -> None:
    """Check the store of a folder against a new one, and against the sources."""
    store, fresh = folder.parent / "out.zarr", folder.parent / "fresh.zarr"
    plan = tz.plan(folder / "tracks", folder / "loop-frames-ffmpeg.csv", pattern="**/*.csv")
    assert tz.create(plan, fresh, workers=1).ok
    assert snapshot(store) == snapshot(fresh)
    assert tz.verify(store, workers=1).ok
    assert [video.places for video in Store.at(store).read_plan().videos] == [
        video.places for video in plan.videos
    ]


@pytest.mark.usefixtures("nothing_converted")
def test_a_moved_folder(folder: Path) -> None:
    before = snapshot(folder.parent / "out.zarr")
    moved = folder.rename(folder.with_name("elsewhere"))
    assert results(create(moved)) == ["skipped", "skipped"]
    assert snapshot(folder.parent / "out.zarr") == before
    assert tz.verify(folder.parent / "out.zarr", workers=1).ok


def test_renamed_sources(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracks, store = folder / "tracks", folder.parent / "out.zarr"
    (tracks / "day1").mkdir()
    (tracks / "A-Loop00_tracks.csv").rename(tracks / "day1/A-Loop00.csv")
    receipts = {path: path.read_bytes() for path in store.glob(".tracks2zarr/receipts/*")}
    with monkeypatch.context() as patched:
        patched.setattr(one_video, "_attempt", None)
        assert results(create(folder)) == ["skipped", "skipped"]
    group = zarr.open_group(store / "A", mode="r")
    assert group.attrs["source_file"] == ["day1/A-Loop00.csv", "A-Loop01_tracks.csv"]
    changed = [path.stem for path, content in receipts.items() if path.read_bytes() != content]
    assert changed == ["A"]
    assert not store.with_name("out.zarr.temp").exists()
    assert_as_if_made_there(folder)


def test_what_else_the_receipt_says_stays(folder: Path) -> None:
    store = Store.at(folder.parent / "out.zarr")
    before = store.read_receipt("A")
    assert before is not None
    (folder / "tracks/A-Loop00_tracks.csv").rename(folder / "tracks/A-Loop00.csv")
    create(folder)
    after = store.read_receipt("A")
    assert after is not None
    kept = ("started", "finished", "seconds", "host", "versions", "warnings")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert [clip.digest for clip in after.clips] == [clip.digest for clip in before.clips]


@pytest.mark.usefixtures("nothing_converted")
def test_disks_without_hard_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no links here")

    (folder / "tracks/A-Loop00_tracks.csv").rename(folder / "tracks/A-Loop00.csv")
    monkeypatch.setattr("os.link", fail)
    assert results(create(folder)) == ["skipped", "skipped"]
    assert tz.verify(folder.parent / "out.zarr", workers=1).ok


def test_a_renamed_source_that_was_edited(folder: Path) -> None:
    path = folder / "tracks/A-Loop00_tracks.csv"
    path.rename(path.with_name("A-Loop00.csv"))
    path = path.with_name("A-Loop00.csv")
    path.write_text(path.read_text().replace("10.0", "90.0"))
    before = snapshot(folder.parent / "out.zarr")
    with pytest.raises(tz.Tracks2ZarrError, match="another tracks file for Loop00"):
        create(folder)
    assert snapshot(folder.parent / "out.zarr") == before


def test_tasks_find_moved_sources(folder: Path) -> None:
    store = folder.parent / "out.zarr"
    (folder / "tracks/A-Loop00_tracks.csv").rename(folder / "tracks/A-Loop00.csv")
    inputs = ("--tracks-dir", folder / "tracks", "--metadata", folder / "loop-frames-ffmpeg.csv")
    assert call("slurm", "task", store, 0, *inputs).status == 0
    assert_finalised(store)


def assert_finalised(store: Path) -> None:
    assert tz.finalise(store).missing == {}
    assert tz.verify(store, workers=1).ok


# ---- metadata


def write_metadata(path: Path, *videos: Video) -> None:
    """Write the metadata CSV of some videos."""
    folder = path.with_suffix(".written")
    _, metadata = Experiment(videos).write(folder)
    metadata.rename(path)
    shutil.rmtree(folder)


@pytest.mark.usefixtures("nothing_converted")
def test_moved_metadata(folder: Path) -> None:
    (folder / "loop-frames-ffmpeg.csv").rename(folder / "other.csv")
    assert create(folder, "other.csv").ok
    assert tz.verify(folder.parent / "out.zarr", workers=1).ok


def test_clips_of_two_metadata_files(tmp_path: Path) -> None:
    """The second file has only the second clip; verify looks into both."""
    folder, store = tmp_path / "in", tmp_path / "out.zarr"
    MADE.write(folder)
    parts = {"first.csv": CLIPS[:1], "second.csv": CLIPS[1:]}
    for number, (name, clips) in enumerate(parts.items()):
        write_metadata(folder / name, Video("A", clips))
        plan = tz.plan(folder / "tracks", folder / name, pattern=f"A-Loop{number:02}*.csv")
        assert tz.create(plan, store, workers=1, store_mode="a", group_mode="a").ok
    assert tz.verify(store, workers=1).ok
    receipt = Receipt.read(store / ".tracks2zarr/receipts/A.json")
    assert receipt is not None
    assert [Path(metadata).name for *_, metadata in receipt.plan.places] == [*parts]
    written = [clip.as_dict().get("metadata_csv") for clip in receipt.plan.clips]
    assert written == [None, str(folder / "second.csv")], "only where it is another one"
    write_metadata(folder / "second.csv", Video("A", (replace(CLIPS[1], escape=14),)))
    (video,) = tz.verify(store, workers=1).videos
    assert [(problem.kind, problem.clip) for problem in video.problems] == [
        ("metadata-changed", "Loop01")
    ]
    again = tz.plan(folder / "tracks", folder / "loop-frames-ffmpeg.csv", pattern="A-*.csv")
    assert tz.create(again, store, workers=1, store_mode="a").ok
    assert tz.verify(store, workers=1).ok
