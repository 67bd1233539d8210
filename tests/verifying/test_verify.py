"""What `verify` must find: every damage to a store, and every change of a source."""

import json
import os
import shlex
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore

import tracks2zarr as tz
from store.test_modes import ONE, damage, run
from support.commands import call
from support.sample import SAMPLE
from support.tree import run_cli, snapshot
from tracks2zarr.verifying import all_videos

VIDEO = "04.09.2023-01-Right"
OTHER = "06.09.2023-02-Left"


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """Return a copy of the sample's sources that may be changed."""
    return Path(shutil.copytree(SAMPLE, tmp_path / "sample"))


@pytest.fixture
def store(sample: Path, tmp_path: Path) -> Path:
    """Return a finished store of the copy."""
    plan = tz.plan(sample / "tracks", sample / "loop-frames-ffmpeg.csv")
    assert tz.create(plan, tmp_path / "out.zarr", workers=1).ok
    return tmp_path / "out.zarr"


def kinds(verification: tz.Verification) -> dict[str, set[str]]:
    """Return the kinds of problems of each video, and of the root under ''."""
    found = {video.video: {p.kind for p in video.problems} for video in verification.videos}
    return found | {"": {p.kind for p in verification.problems}}


def test_untouched(store: Path) -> None:
    assert tz.verify(store, workers=1).ok
    assert tz.verify(store, quick=True).ok


def test_a_file_of_somebody_is_named_once(store: Path, recwarn: pytest.WarningsRecorder) -> None:
    """By tracks2zarr, and not by zarr again."""
    (store / VIDEO / "notes.txt").touch()
    assert kinds(tz.verify(store, workers=1)) == {
        VIDEO: {"foreign-arrays"},
        OTHER: set(),
        "": set(),
    }
    assert not recwarn.list


def chunk_files(store: Path) -> list[Path]:
    return sorted(path for path in (store / VIDEO).rglob("c/**/*") if path.is_file())


def test_any_flipped_byte_of_any_chunk(store: Path) -> None:
    """One bit in the middle of each file of chunks; digests find all, so it is quick."""
    files = chunk_files(store)
    assert len(files) > 20
    for path in files:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        found = kinds(tz.verify(store, quick=True))
        assert found[VIDEO] == {"content-changed"}, path
        assert not found[OTHER]
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert tz.verify(store, quick=True).ok


def test_any_deleted_chunk(store: Path) -> None:
    for path in chunk_files(store):
        content = path.read_bytes()
        path.unlink()
        verification = tz.verify(store, quick=True)
        assert "content-changed" in kinds(verification)[VIDEO], path
        assert not verification.ok
        path.write_bytes(content)


def with_new_receipt(store: Path) -> None:
    """Make the receipt fit what lies in the group, so that the digest proves nothing."""
    from tracks2zarr.common.files import read_content

    path = store / ".tracks2zarr" / "receipts" / f"{VIDEO}.json"
    receipt = json.loads(path.read_text())
    content = read_content(store / VIDEO)
    receipt["content"] = {name: getattr(content, name) for name in ("digest", "files", "size")}
    path.write_text(json.dumps(receipt))


def change_array(name: str, place: tuple[int, ...], value: Any) -> Callable[[Path], None]:
    """Return a change of one value of an array."""

    def change(store: Path) -> None:
        group = zarr.open_group(LocalStore(store / VIDEO), mode="r+", use_consolidated=False)
        array = group[name]
        assert isinstance(array, zarr.Array)
        assert array[place] != value
        array[place] = value

    return change


def change_attribute(store: Path) -> None:
    path = store / VIDEO / "zarr.json"
    path.write_text(path.read_text().replace("59.94", "59.95"))


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "position of a box": (change_array("position", (0, 8, 0, 22), 1.0), "position of track 23"),
    "shape of a box": (change_array("shape", (1, 0, 1, 0), 1.0), "shape of track"),
    "confidence of a box": (change_array("confidence", (0, 8, 22), 0.5), "confidence of track 23"),
    "a box that is gone": (change_array("position", (0, 8, 0, 22), np.nan), "frame 8"),
    "a box too many": (change_array("confidence", (0, 0, 0), 0.5), "frame 0"),
    "a box after the clip": (change_array("position", (0, 95, 1, 0), 5.0), "frame 95"),
    "an individual too many": (change_array("shape", (0, 8, 0, 122), 5.0), "does not have"),
    "escape_state": (
        change_array("escape_state", (0, 40), 0.0),
        "escape state of clip Loop00 from frame 40",
    ),
    "escape_state after the clip": (change_array("escape_state", (0, 60), 1.0), "frame 60"),
    "time": (change_array("time", (3,), 4), "'time' at [3]"),
    "track_id": (change_array("track_id", (0, 0), 99), "'track_id' at [0, 0]"),
    "clip_id": (change_array("clip_id", (1,), "Loop09"), "'clip_id' at [1]"),
    "clip_escape_type": (change_array("clip_escape_type", (0,), "none"), "clip_escape_type"),
    "clip_n_frames": (change_array("clip_n_frames", (2,), 95), "clip_n_frames"),
    "fps": (change_attribute, "attribute 'fps'"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_sources_are_what_counts(store: Path, name: str) -> None:
    """A store whose receipt was made to fit is still held against its sources."""
    change, said = CHANGES[name]
    change(store)
    with_new_receipt(store)
    tz.finalise(store)
    verification = tz.verify(store, workers=1)
    found = {video.video: video for video in verification.videos}
    assert not verification.ok
    assert {p.kind for p in found[VIDEO].problems} == {"store-differs"}
    assert any(said in p.what for p in found[VIDEO].problems), found[VIDEO].problems
    assert all(p.found and p.expected for p in found[VIDEO].problems)
    assert found[OTHER].ok


def remove_group(store: Path) -> None:
    shutil.rmtree(store / VIDEO)


def change_a_chunk(store: Path) -> None:
    path = chunk_files(store)[0]
    path.write_bytes(path.read_bytes()[:-1])


def change_a_box(store: Path) -> None:
    CHANGES["position of a box"][0](store)
    with_new_receipt(store)


@pytest.mark.parametrize("damage", [remove_group, change_a_chunk, change_a_box])
def test_the_remedy_is_a_command_that_works(store: Path, damage: Callable[[Path], None]) -> None:
    before = snapshot(store)
    damage(store)
    tz.finalise(store)
    (video,) = (v for v in tz.verify(store, workers=1).videos if v.video == VIDEO)
    remedy = video.problems[0].remedy or ""
    command = shlex.split(remedy.partition("tracks2zarr ")[2].partition(";")[0])
    ended = call(*command)
    assert ended.status == 0, ended.stderr
    assert snapshot(store) == before
    assert tz.verify(store, workers=1).ok


def test_missing_group(store: Path) -> None:
    shutil.rmtree(store / VIDEO)
    verification = tz.verify(store, quick=True)
    assert kinds(verification)[VIDEO] == {"group-missing"}
    assert {v.video: v.state for v in verification.videos}[VIDEO] == "missing"


def test_extra_group(store: Path) -> None:
    shutil.copytree(store / VIDEO, store / "copy")
    verification = tz.verify(store, quick=True)
    assert kinds(verification)["copy"] == {"extra-group"}
    assert not verification.ok


def test_extra_group_with_a_receipt_of_another_format(store: Path) -> None:
    zarr.create_group(store / "mine", attributes={"made": "by hand"})
    receipts = store / ".tracks2zarr" / "receipts"
    text = (receipts / f"{VIDEO}.json").read_text()
    (receipts / "mine.json").write_text(
        text.replace('"tracks2zarr_receipt": 2', '"tracks2zarr_receipt": 99')
    )
    found = kinds(tz.verify(store, quick=True))
    assert (found["mine"], found[VIDEO]) == ({"receipt-format"}, set())


def test_extra_file(store: Path) -> None:
    (store / "notes.txt").write_text("mine")
    assert kinds(tz.verify(store, quick=True))[""] == {"extra-file"}


def test_extra_array(store: Path) -> None:
    shutil.copytree(store / VIDEO / "time", store / VIDEO / "time2")
    with_new_receipt(store)
    assert "store-differs" in kinds(tz.verify(store, workers=1))[VIDEO]


def test_stale_consolidated_metadata(store: Path) -> None:
    root = store / "zarr.json"
    document = json.loads(root.read_text())
    del document["consolidated_metadata"]["metadata"][f"{VIDEO}/position"]
    root.write_text(json.dumps(document))
    assert kinds(tz.verify(store, quick=True))[""] == {"stale-metadata"}
    tz.finalise(store)
    assert tz.verify(store, quick=True).ok


def test_changed_source(store: Path, sample: Path) -> None:
    path = sample / "tracks" / f"{VIDEO}-Loop01_tracks.csv"
    path.write_bytes(path.read_bytes().replace(b'""width"":33', b'""width"":34', 1))
    verification = tz.verify(store, workers=1)
    problems = next(v for v in verification.videos if v.video == VIDEO).problems
    assert {p.kind for p in problems} == {"source-changed", "store-differs"}
    assert {p.clip for p in problems} == {"Loop01"}
    assert tz.verify(store, quick=True).ok, "quick reads no source"


def test_source_that_is_broken(store: Path, sample: Path) -> None:
    """What was read of it up to there is held against nothing."""
    path = sample / "tracks" / f"{VIDEO}-Loop01_tracks.csv"
    path.write_bytes(path.read_bytes() + b"half a row,")
    found = kinds(tz.verify(store, workers=1))
    assert found[VIDEO] == {"source-changed", "row-fields"}


def test_changed_metadata(store: Path, sample: Path) -> None:
    path = sample / "loop-frames-ffmpeg.csv"
    path.write_text(path.read_text().replace(",1290,", ",1291,"))
    verification = tz.verify(store, workers=1)
    assert kinds(verification)[VIDEO] == {"metadata-changed"}


def test_absent_sources_are_a_state(store: Path, sample: Path) -> None:
    moved = sample.rename(sample.with_name("elsewhere"))
    verification = tz.verify(store, workers=1)
    assert {v.state for v in verification.videos} == {"unknown"}
    assert kinds(verification)[VIDEO] == {"source-absent"}
    assert not verification.ok
    found = tz.verify(
        store, tracks_dir=moved / "tracks", metadata=moved / "loop-frames-ffmpeg.csv", workers=1
    )
    assert found.ok


def test_tracks_dir_one_level_up(store: Path, sample: Path) -> None:
    """The message names the folder that has the files, not the option that was just given."""

    def remedy(tracks_dir: Path) -> str | None:
        verification = tz.verify(store, VIDEO, tracks_dir=tracks_dir)
        (problem,) = verification.videos[0].problems
        return problem.remedy

    tracks = (sample / "tracks").rename(sample / "moved")
    assert remedy(sample) == f"The file is in {tracks}: pass --tracks-dir {tracks}."
    (elsewhere := sample.with_name("elsewhere")).mkdir()
    assert remedy(elsewhere) == f"Check --tracks-dir: {elsewhere} does not contain the file."


def test_one_absent_source(store: Path, sample: Path) -> None:
    """The other clips are compared all the same."""
    (sample / "tracks" / f"{VIDEO}-Loop01_tracks.csv").unlink()
    change_array("position", (2, 0, 0, 64), 1.0)(store)
    with_new_receipt(store)
    found = kinds(tz.verify(store, workers=1))
    assert found[VIDEO] == {"source-absent", "store-differs"}


def test_unfinished_video(store: Path) -> None:
    (store / ".tracks2zarr" / "receipts" / f"{VIDEO}.json").unlink()
    tz.finalise(store)
    verification = tz.verify(store, quick=True)
    assert kinds(verification)[VIDEO] == {"not-finished"}
    assert not verification.ok


def test_file_that_cannot_be_read(store: Path) -> None:
    chunk = chunk_files(store)[0]
    chunk.unlink()
    chunk.symlink_to(store / OTHER)
    verification = tz.verify(store, quick=True)
    assert kinds(verification)[VIDEO] == {"video-unreadable"}
    assert next(v for v in verification.videos if v.video == OTHER).ok


def test_bytes_that_are_no_text(store: Path) -> None:
    for path in (store / VIDEO / "zarr.json", store / ".tracks2zarr" / "plan.json"):
        before = path.read_bytes()
        path.write_bytes(before[:200] + b"\xd2" + before[201:])
        done = run_cli("verify", store, "--json")
        assert done.returncode == 1
        assert "unexpected error" not in done.stderr
        assert str(path) in done.stdout + done.stderr
        path.write_bytes(before)


@pytest.mark.parametrize("text", ["", "{}", "not json", "[" * 10**5])
def test_broken_receipt(store: Path, text: str) -> None:
    (store / ".tracks2zarr" / "receipts" / f"{VIDEO}.json").write_text(text)
    assert kinds(tz.verify(store, quick=True))[VIDEO] == {"not-finished"}


def test_broken_metadata_is_no_crash(store: Path) -> None:
    for name, text in (("position/zarr.json", "{"), ("zarr.json", "[]")):
        path = store / VIDEO / name
        before = path.read_text()
        path.write_text(text)
        verification = tz.verify(store, workers=1)
        assert "content-changed" in kinds(verification)[VIDEO]
        assert next(v for v in verification.videos if v.video == OTHER).ok
        path.write_text(before)


def test_array_that_is_gone(store: Path) -> None:
    shutil.rmtree(store / VIDEO / "track_id")
    assert kinds(tz.verify(store, workers=1))[VIDEO] == {"content-changed", "store-differs"}


def test_one_fault_has_one_remedy_and_few_errors(store: Path) -> None:
    """An array is changed in place, so nearly all of its values differ."""
    array = zarr.open_array(store / VIDEO / "confidence", mode="r+")
    array[...] = np.asarray(array[...]) * 2
    problems = next(v for v in tz.verify(store, workers=1).videos if v.video == VIDEO).problems
    assert [problem.kind for problem in problems] == ["content-changed", *["store-differs"] * 4]
    assert len({problem.remedy for problem in problems}) == 1


def test_verify_changes_nothing(store: Path) -> None:
    before = snapshot(store)
    done = run_cli("verify", store, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True
    assert snapshot(store) == before


def test_side_by_side(store: Path) -> None:
    verification = tz.verify(store, workers=2)
    assert verification.ok
    assert [verdict.video for verdict in verification.videos] == [VIDEO, OTHER]


def kill_this_process(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_videos, "verify_video", kill_this_process)
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.verify(store, workers=2)
    assert [problem.kind for problem in raised.value.problems] == ["workers"]


def break_a_clip(sample: Path) -> None:
    path = sample / "tracks" / f"{VIDEO}-Loop01_tracks.csv"
    path.write_text(path.read_text().replace('""rect""', '""oval""', 1))


def test_a_broken_source_is_named_by_its_row(store: Path, sample: Path) -> None:
    break_a_clip(sample)
    (video,) = (v for v in tz.verify(store, workers=1).videos if v.video == VIDEO)
    assert {problem.kind for problem in video.problems} == {"source-changed", "not-rect"}
    assert next(p.row for p in video.problems if p.kind == "not-rect") == 2


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "name",
    [
        f"{VIDEO}/position/c/0/0/0/0",
        f"{VIDEO}/time/zarr.json",
        f"{VIDEO}/further",
        f".tracks2zarr/receipts/{VIDEO}.json",
    ],
)
@pytest.mark.parametrize("quick", [False, True])
def test_nothing_waits_for_a_pipe(name: str, store: Path, *, quick: bool) -> None:
    (store / name).unlink(missing_ok=True)
    os.mkfifo(store / name)
    verification = tz.verify(store, workers=1, quick=quick)
    assert not verification.ok
    assert "a pipe or a device" in str(verification.videos[0].problems)


def test_sources_whose_names_are_composed_otherwise(sample: Path, tmp_path: Path) -> None:
    """A copy of a folder, from a Mac, may have names in another form."""
    composed, decomposed = "Cräb", "Cra\u0308b"
    for path in (sample / "tracks").iterdir():
        path.rename(path.with_name(path.name.replace(VIDEO, composed)))
    metadata = sample / "loop-frames-ffmpeg.csv"
    metadata.write_text(metadata.read_text("utf-8").replace(VIDEO, composed), "utf-8")
    store = tmp_path / "composed.zarr"
    assert tz.create(tz.plan(sample / "tracks", metadata), store, workers=1).ok
    for path in (sample / "tracks").iterdir():
        path.rename(path.with_name(path.name.replace(composed, decomposed)))
    verification = tz.verify(store, workers=1)
    assert verification.ok
    again = tz.create(
        tz.plan(sample / "tracks", metadata, videos=decomposed), store, workers=1, store_mode="a"
    )
    assert again.ok
    assert tz.verify(store, workers=1).ok


def test_some_videos(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    assert run(ONE, tmp_path / "one", store).ok
    damage(store)
    for named in ("B", ["B"], ("B", "B")):
        verified = tz.verify(store, named, workers=1)
        assert verified.ok
        assert [video.video for video in verified.videos] == ["B"]
    assert not tz.verify(store, videos=["A", "B"], workers=1).ok
    ended = call("verify", store, "B")
    assert (ended.status, ended.stdout.splitlines()[-1]) == (0, "1 of 1 videos verified")
    ended = call("verify", store, "B", "b", "C")
    assert ended.status == 1
    assert ended.stderr.count("error: The store has no such video.") == 2
    assert "Did you mean 'B'?" in ended.stderr
    (store / "mine").mkdir()
    (store / "mine" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    assert [video.video for video in tz.verify(store, "mine").videos] == ["mine"]
