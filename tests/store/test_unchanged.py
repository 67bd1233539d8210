"""A finished video is done only while its tracks files are those that were read."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tracks2zarr as tz
from support.commands import call
from support.experiments import Box, Clip, Experiment, Video
from tracks2zarr.converting import one_video
from tracks2zarr.converting.creation import Summary
from tracks2zarr.store import unchanged
from tracks2zarr.store.locks import StoreLocks
from tracks2zarr.tracks.source_folder import digest_of

HOUR = 3600 * 10**9
BOXES = (Box(1, 3, 10.0, 2, 3, 4), Box(2, 3, 11.0, 2, 3, 4))
MADE = Experiment((Video("A", (Clip("Loop00", 1, 10, 4, "triggered", BOXES),)),))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return the tracks file of an experiment of one clip."""
    tracks, _ = MADE.write(tmp_path / "in")
    return tracks / "A-Loop00_tracks.csv"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "out.zarr"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock of the store's disk be an hour ahead: all sources are old when read."""
    time_ns = StoreLocks.time_ns
    monkeypatch.setattr(StoreLocks, "time_ns", lambda *args: time_ns(*args) + HOUR)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the tracks files that are hashed, as they are."""
    names = []

    def noted(path: Path) -> str:
        names.append(path.name)
        return digest_of(path)

    monkeypatch.setattr(unchanged, "digest_of", noted)
    return names


def create(source: Path, store: Path, **options: Any) -> Summary:
    plan = tz.plan(source.parent, source.parents[1] / "loop-frames-ffmpeg.csv")
    return tz.create(plan, store, **{"workers": 1, "store_mode": "a", **options})


def result(source: Path, store: Path, **options: Any) -> str:
    """Convert, and return how it ended, or the kind of problem with which it was refused."""
    try:
        return str(create(source, store, **options).outcomes[0].result)
    except tz.Tracks2ZarrError as error:
        return error.problems[0].kind


def edit(source: Path) -> None:
    """Change a number of a tracks file; size, inode and time of modification stay as they were."""
    times = source.stat()
    text = source.read_text().replace("10.0", "90.0")
    with source.open("r+") as file:
        file.write(text)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = source.stat()
    assert (after.st_size, after.st_ino, after.st_mtime_ns) == (
        times.st_size,
        times.st_ino,
        times.st_mtime_ns,
    )


def test_what_is_unchanged_is_not_hashed(source: Path, store: Path, hashed: list[str]) -> None:
    assert result(source, store) == "done"
    assert result(source, store) == "skipped"
    assert hashed == []
    assert result(source, store, rehash=True) == "skipped"
    assert hashed == [source.name]


def test_an_edit_that_keeps_the_time(source: Path, store: Path) -> None:
    assert result(source, store) == "done"
    edit(source)
    assert result(source, store) == "video-exists"
    assert result(source, store, group_mode="w") == "done"
    assert tz.verify(store, workers=1).ok


def test_an_edit_between_plan_and_task_that_is_undone(
    source: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was parsed counts, not what was planned; ``cp -p`` brings the planned file back."""
    shutil.copy2(source, tmp_path / "copy")
    plan = tz.plan(source.parent, source.parents[1] / "loop-frames-ffmpeg.csv")
    source.write_text(source.read_text().replace("10.0", "90.0"))
    assert tz.create(plan, store, workers=1).ok
    assert tz.info(store).videos[0].state == "done"
    shutil.copy2(tmp_path / "copy", source)
    assert tz.info(store).videos[0].state != "done"
    assert result(source, store) == "video-exists"
    assert result(source, store, group_mode="w") == "done"
    assert tz.verify(store, workers=1).ok


@pytest.mark.parametrize("ahead", [0, HOUR])
def test_a_source_that_was_not_old_when_it_was_read(
    ahead: int, source: Path, store: Path, monkeypatch: pytest.MonkeyPatch, hashed: list[str]
) -> None:
    """Its times may be the same after an edit: they are equal to the clock, or ahead of it."""
    then = source.stat().st_mtime_ns
    monkeypatch.setattr(StoreLocks, "time_ns", lambda *_: then - ahead)
    assert result(source, store) == "done"
    assert result(source, store) == "skipped"
    assert hashed == [source.name]


def test_an_edit_that_no_time_shows(
    source: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a clock was set back: only ``--rehash`` finds it."""
    assert result(source, store) == "done"
    path = store / ".tracks2zarr/receipts/A.json"
    edit(source)
    document = json.loads(path.read_text())
    document["clips"][0]["stamp"]["ctime_ns"] = source.stat().st_ctime_ns
    path.write_text(json.dumps(document))
    assert result(source, store) == "skipped"
    assert result(source, store, rehash=True) == "video-exists"
    inputs = (source.parent, source.parents[1] / "loop-frames-ffmpeg.csv")
    options = ("--store-mode", "a", "--quiet")
    assert call("create", *inputs, store, *options).status == 0
    refused = call("create", *inputs, store, *options, "--rehash")
    assert refused.status == 1
    assert "another tracks file for Loop00" in refused.stderr


def test_receipts_without_a_stamp(source: Path, store: Path, hashed: list[str]) -> None:
    assert result(source, store) == "done"
    path = store / ".tracks2zarr/receipts/A.json"
    document = json.loads(path.read_text())
    del document["clips"][0]["stamp"], document["clips"][0]["read_at_ns"]
    path.write_text(json.dumps({**document, "tracks2zarr_receipt": 1}))
    assert result(source, store) == "skipped"
    assert hashed == [source.name]


def test_kept_clips_keep_their_stamps(source: Path, store: Path, hashed: list[str]) -> None:
    assert result(source, store) == "done"
    more = Clip("Loop01", 11, 20, boxes=BOXES)
    whole = Experiment((replace(MADE.videos[0], clips=(*MADE.videos[0].clips, more)),))
    tracks, metadata = whole.write(source.parents[2] / "more")
    shutil.copy2(tracks / "A-Loop01_tracks.csv", source.parent)
    shutil.copy2(metadata, source.parents[1])
    assert result(source, store, group_mode="a") == "done"
    assert result(source, store) == "skipped"
    assert hashed == []
    assert tz.verify(store, workers=1).ok


def test_a_source_that_is_written_to_while_it_is_read(
    source: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(_slot: int, count: int) -> None:
        if count:
            source.write_text(source.read_text())

    monkeypatch.setattr(one_video, "report_bytes", report)
    (outcome,) = create(source, store).outcomes
    assert [problem.kind for problem in outcome.problems] == ["source-changed"]


# ---- tasks


def change_fps(source: Path) -> None:
    metadata = source.parents[1] / "loop-frames-ffmpeg.csv"
    metadata.write_text(metadata.read_text().replace("59.94", "30"))


def change_escape(source: Path) -> None:
    metadata = source.parents[1] / "loop-frames-ffmpeg.csv"
    text = metadata.read_text()
    assert ",4," in text
    metadata.write_text(text.replace(",4,", ",5,"))


@pytest.mark.parametrize("change", [change_fps, change_escape, edit])
@pytest.mark.parametrize("job", ["", "7"])
def test_a_task_decides_as_create_does(
    change: Callable[[Path], None],
    job: str,
    source: Path,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metadata = source.parents[1] / "loop-frames-ffmpeg.csv"
    inputs = ("--tracks-dir", source.parent, "--metadata", metadata)
    env = {"SLURM_ARRAY_JOB_ID": job, "SLURM_ARRAY_TASK_MAX": "0", "PATH": ""} if job else {}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert call("slurm", "task", store, 0, *inputs).status == 0
    again = call("slurm", "task", store, 0, *inputs)
    assert (again.status, "done before" in again.stderr) == (0, True)
    change(source)
    refused = call("slurm", "task", store, 0, *inputs)
    assert refused.status == 1
    assert "done before" not in refused.stderr
    by_create = call("create", source.parent, metadata, store, "--store-mode", "a")
    for line in by_create.stderr.splitlines():
        assert line in refused.stderr or line.startswith("  do: ")
    assert "run 'tracks2zarr create' with --store-mode a --group-mode w" in refused.stderr
    if not job:  # the mode of an array job is that of its submission
        assert call("slurm", "task", store, 0, *inputs, "--group-mode", "w").status == 0
        assert tz.finalise(store).missing == {}
        assert tz.verify(store, workers=1).ok


def test_a_task_of_a_plan_decides_by_the_source_as_it_is(source: Path, store: Path) -> None:
    assert result(source, store) == "done"
    assert call("slurm", "task", store, 0).status == 0
    edit(source)
    assert call("slurm", "task", store, 0).status == 1


def test_a_task_whose_source_is_gone_after_it_was_done(source: Path, store: Path) -> None:
    assert result(source, store) == "done"
    source.unlink()
    assert call("slurm", "task", store, 0).status == 0
