"""Store and group modes: what is kept, what is replaced, what is refused."""

import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zarr

import tracks2zarr as tz
from support.commands import call
from support.experiments import Box, Clip, Experiment, Video
from support.oracle import assert_store_equals, expected_videos
from support.tree import run_cli, snapshot
from tracks2zarr.common.files import FolderContent, read_content
from tracks2zarr.common.provenance import now
from tracks2zarr.converting.one_video import VideoTask, convert_video
from tracks2zarr.parallel.processes import ProgressTable, reporting_to
from tracks2zarr.store import store as store_module
from tracks2zarr.store.group_mode import Mode
from tracks2zarr.store.join import join
from tracks2zarr.store.store import Store


def clip(number: int, x: float = 1.0, n_tracks: int = 2) -> Clip:
    """Return a small clip."""
    start = 1 + 20 * number
    boxes = tuple(Box(frame, track, x, 2, 3, 4) for frame in (1, 5) for track in range(n_tracks))
    return Clip(f"Loop{number:02}", start, start + 9, start + 4, "triggered", boxes)


def experiment(**videos: tuple[Clip, ...]) -> Experiment:
    """Return an experiment with these clips a video."""
    return Experiment(tuple(Video(video, clips) for video, clips in videos.items()))


def run(made: Experiment, folder: Path, store: Path, **options: Any) -> tz.Summary:
    """Write an experiment into a folder and convert it."""
    shutil.rmtree(folder, ignore_errors=True)
    tracks_dir, metadata = made.write(folder)
    individual_dim = options.pop("individual_dim", "individual")
    plan = tz.plan(tracks_dir, metadata, individual_dim=individual_dim)
    return tz.create(plan, store, **{"workers": 1, **options})


def refused(made: Experiment, folder: Path, store: Path, **options: Any) -> list[str]:
    """Return the kinds of problems with which a run is refused, and check that it did nothing."""
    before = snapshot(store)
    with pytest.raises(tz.Tracks2ZarrError) as error:
        run(made, folder, store, **options)
    assert snapshot(store) == before
    assert not store.with_name(f"{store.name}.temp").exists()
    return [problem.kind for problem in error.value.problems]


def assert_holds(store: Path, made: Experiment, folder: Path) -> None:
    """Check a store against the oracle of an experiment."""
    shutil.rmtree(folder, ignore_errors=True)
    assert_store_equals(store, expected_videos(*made.write(folder)))


ONE = experiment(A=(clip(0),), B=(clip(0),))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a finished store of the experiment `ONE`."""
    assert run(ONE, tmp_path / "one", tmp_path / "out.zarr").ok
    return tmp_path / "out.zarr"


# ---- the store


def test_a_finished_store_needs_nothing(store: Path, tmp_path: Path) -> None:
    """The same input and settings, in another folder: it says so, and changes nothing."""
    whole = snapshot(store)
    summary = run(ONE, tmp_path / "again", store)
    assert summary.ok
    assert {str(outcome.result) for outcome in summary.outcomes} == {"skipped"}
    assert snapshot(store) == whole
    changed = experiment(A=(clip(0),), B=(clip(0, 5.0),))
    assert refused(changed, tmp_path / "changed", store) == ["video-exists"]
    assert snapshot(store) == whole


_LONGER = replace(clip(0), end=15)
DIFFERENT = {
    "another video": (
        experiment(A=(clip(0),), C=(clip(0),)),
        "the store lacks C; the store also has B",
        ("add to it", ""),
    ),
    "another clip": (
        experiment(A=(clip(0),), B=(clip(0), clip(1))),
        "B: lacks Loop01",
        ("add to it", " --group-mode a"),
    ),
    "no clip": (
        experiment(A=(clip(0),), B=(clip(1),)),
        "B: lacks Loop01; also has Loop00",
        ("add to it", " --group-mode a"),
    ),
    "another row": (
        experiment(A=(clip(0),), B=(_LONGER,)),
        "B: other metadata for Loop00",
        ("replace the videos that differ (B) and keep the others", " --group-mode w --video B"),
    ),
    "other rows": (
        experiment(A=(_LONGER,), B=(_LONGER,)),
        "A: other metadata for Loop00; B: other metadata for Loop00",
        ("replace the videos that differ (A, B)", " --group-mode w"),
    ),
}


@pytest.mark.parametrize(("other", "found", "way"), DIFFERENT.values(), ids=list(DIFFERENT))
def test_what_differs_is_said_with_the_whole_command(
    store: Path, tmp_path: Path, other: Experiment, found: str, way: tuple[str, str]
) -> None:
    (aim, mode), inputs = way, other.write(tmp_path / "other input")
    whole = snapshot(store)
    ended = call("create", *inputs, store)
    assert ended.status == 1
    assert f"found:    {found}\n" in ended.stderr
    command = shlex.join(["create", *map(str, (*inputs, store)), "--store-mode", "a"]) + mode
    assert f"o {aim}, run: tracks2zarr {command};" in ended.stderr
    assert ("do:       Pass another store; or" in ended.stderr) == ("replace" in aim)
    asked = call("create", *inputs, store, "--store-mode", "w")
    assert asked.stderr.rstrip().endswith(f"; to {aim}, run: tracks2zarr {command}")
    assert snapshot(store) == whole
    assert call(*shlex.split(command)).status == 0


def test_unfinished_store_is_resumed(store: Path, tmp_path: Path) -> None:
    whole = snapshot(store)
    shutil.rmtree(store / "B")
    (store / ".tracks2zarr" / "receipts" / "B.json").unlink()
    summary = run(ONE, tmp_path / "one", store)
    assert [str(outcome.result) for outcome in summary.outcomes] == ["skipped", "done"]
    assert snapshot(store) == whole


def test_unfinished_store_of_other_input_is_refused(store: Path, tmp_path: Path) -> None:
    (store / ".tracks2zarr" / "receipts" / "B.json").unlink()
    other = experiment(A=(clip(0),), B=(clip(0), clip(1)))
    assert refused(other, tmp_path / "other", store) == ["store-exists"]
    assert refused(ONE, tmp_path / "one", store, individual_dim="individuals") == ["store-exists"]


def test_failed_videos_are_converted_with_other_settings(tmp_path: Path) -> None:
    """Nothing is finished, so the command replaces nothing, and the setting is named."""
    late = experiment(A=(clip(1),), B=(clip(1),))
    paths = [*late.write(tmp_path / "one"), tmp_path / "out.zarr"]
    assert call("create", *paths, "--frames", "video").status == 1
    ended = call("create", *paths)
    assert "A: --frames video, and not clip; B: --frames video, and not clip\n" in ended.stderr
    command = shlex.join(["create", *map(str, paths), "--store-mode", "a"])
    assert f"To add to it, run: tracks2zarr {command};" in ended.stderr
    assert call(*shlex.split(command)).status == 0


def test_replaced_store(store: Path, tmp_path: Path) -> None:
    other = experiment(C=(clip(0, 5.0),))
    assert run(other, tmp_path / "other", store, store_mode="w").ok
    assert_holds(store, other, tmp_path / "oracle")
    assert sorted(path.name for path in store.iterdir()) == [".tracks2zarr", "C", "zarr.json"]
    assert not store.with_name("out.zarr.temp").exists()


def test_added_videos(store: Path, tmp_path: Path) -> None:
    before = snapshot(store)
    added = experiment(C=(clip(0, 5.0),))
    assert run(added, tmp_path / "more", store, store_mode="a").ok
    both = Experiment((*ONE.videos, *added.videos))
    assert_holds(store, both, tmp_path / "oracle")
    after = snapshot(store)
    assert {name: after[name] for name in before if name != "zarr.json"} == {
        name: digest for name, digest in before.items() if name != "zarr.json"
    }
    assert [video.video for video in tz.info(store).videos] == ["A", "B", "C"]
    assert tz.verify(store, workers=1).videos[2].ok


def test_run_again_does_only_what_is_missing(store: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}
    summary = run(ONE, tmp_path / "one", store, store_mode="a")
    assert {str(outcome.result) for outcome in summary.outcomes} == {"skipped"}
    after = {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}
    assert {p for p in after if after[p] != before.get(p)} <= {store / ".tracks2zarr/plan.json"}


@pytest.fixture
def groups_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the groups that are read and digested, as they are."""
    names = []

    def noted(folder: Path) -> FolderContent:
        names.append(folder.name)
        return read_content(folder)

    monkeypatch.setattr(store_module, "read_content", noted)
    return names


def test_run_again_reads_each_group_once(
    store: Path, tmp_path: Path, groups_read: list[str]
) -> None:
    """What was decided when the plan was joined is handed to the workers."""
    assert run(ONE, tmp_path / "one", store, store_mode="a").ok
    assert groups_read == ["A", "B"]


def damage(store: Path) -> None:
    """Change a byte of a chunk of A; neither its receipt nor a file's size tells of it."""
    chunk = store / "A" / "position" / "c" / "0" / "0" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[3] ^= 1
    chunk.write_bytes(content)


def other_receipt(store: Path) -> None:
    """Change A's receipt to one of another attempt, as a run on another machine leaves it."""
    path = store / ".tracks2zarr" / "receipts" / "A.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"attempt": "A.0"}))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _: None, ("skipped", [])),
        (damage, ("done", ["A"])),
        (other_receipt, ("skipped", ["A"])),
        (lambda store: shutil.rmtree(store / "A"), ("done", [])),
    ],
)
def test_what_changes_after_it_was_decided_is_looked_at_again(
    store: Path,
    tmp_path: Path,
    groups_read: list[str],
    change: Callable[[Path], object],
    expected: tuple[str, list[str]],
) -> None:
    plan = tz.plan(tmp_path / "one" / "tracks", tmp_path / "one" / "loop-frames-ffmpeg.csv")
    there, whole = Store.at(store), snapshot(store)
    decisions = join(there, plan, "w-", since=now())
    assert groups_read == ["A", "B"]
    groups_read.clear()
    change(store)
    outcome = convert_video(
        VideoTask(
            store=there.path,
            work_root=there.temp,
            plan=plan["A"],
            group_mode="w-",
            since=now(),
            decision=decisions["A"],
        )
    )
    assert (str(outcome.result), groups_read) == expected
    assert snapshot(store) == whole


@pytest.mark.parametrize("mode", ["w-", "w", "a"])
def test_what_is_no_store_is_left_alone(tmp_path: Path, mode: str) -> None:
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(tz.Tracks2ZarrError) as error:
        run(ONE, tmp_path / "one", folder, store_mode=mode)
    assert [problem.kind for problem in error.value.problems] == ["not-a-store"]
    assert (folder / "thesis.txt").read_text() == "mine"
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(tz.Tracks2ZarrError):
        run(ONE, tmp_path / "one", file, store_mode=mode)
    assert file.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "one", "precious"]


def test_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out.zarr").mkdir()
    assert run(ONE, tmp_path / "one", tmp_path / "out.zarr").ok


def test_parents_are_made_and_links_followed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link.zarr").symlink_to(tmp_path / "disk" / "real.zarr")
    assert run(ONE, tmp_path / "one", tmp_path / "link.zarr").ok
    assert (tmp_path / "disk" / "real.zarr" / "zarr.json").is_file()
    assert (tmp_path / "link.zarr").is_symlink()
    assert run(ONE, tmp_path / "one", tmp_path / "deep" / "down" / "out.zarr").ok


def test_input_in_the_store_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(tz.Tracks2ZarrError) as error:
        run(ONE, store / "input", store, store_mode="w")
    assert {problem.kind for problem in error.value.problems} == {"input-in-store"}
    assert (store / "A").is_dir()


def test_a_part_of_a_store_is_no_store(store: Path, tmp_path: Path) -> None:
    """One level too deep: nothing is written into a group, or taken for damage of a store."""
    for place in (store / "A", store / "sub.zarr"):
        for mode in ("w-", "a", "w"):
            made = tmp_path / "again"
            with pytest.raises(tz.Tracks2ZarrError) as error:
                run(ONE, made, place, store_mode=mode)
            assert [problem.kind for problem in error.value.problems] == ["inside-store"]
    for name in ("info", "verify", "finalise", "report"):
        done = run_cli(name, store / "A")
        assert done.returncode == 1, name
        assert f"Pass the store: {store}" in done.stderr
    with pytest.raises(tz.Tracks2ZarrError, match="part of a store"):
        tz.open_store(store / "A")
    assert tz.verify(store, quick=True).ok


def test_an_empty_path_is_none(tmp_path: Path) -> None:
    done = run_cli("create", *ONE.write(tmp_path / "one"), "", cwd=tmp_path)
    assert (done.returncode, "The path is empty" in done.stderr) == (2, True)


def test_what_is_no_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"tracks2zarr\.plan"):
        tz.create(str(tmp_path), tmp_path / "s.zarr")  # type: ignore[arg-type]


def test_replacing_asks_for_yes(store: Path, tmp_path: Path) -> None:
    before = snapshot(store)
    args = (tmp_path / "one" / "tracks", tmp_path / "one" / "loop-frames-ffmpeg.csv", store)
    done = run_cli("create", *args, "--store-mode", "w")
    assert done.returncode == 1
    assert "--yes" in done.stderr
    assert snapshot(store) == before
    assert run_cli("create", *args, "--store-mode", "w", "--yes").returncode == 0


def test_same_bytes_from_any_folder_with_any_workers(tmp_path: Path) -> None:
    made = experiment(A=(clip(0), clip(1)), B=(clip(0, n_tracks=12),), C=(clip(3),))
    snapshots = []
    for name, workers in (("x", 1), ("somewhere/else", 3)):
        store = tmp_path / name / "out.zarr"
        assert run(made, tmp_path / name / "in", store, workers=workers).ok
        snapshots.append(snapshot(store))
    assert snapshots[0] == snapshots[1]


# ---- a group


def test_other_input_is_refused_before_any_work(store: Path, tmp_path: Path) -> None:
    other = experiment(A=(clip(0, 5.0),), B=(clip(0, 6.0),), C=(clip(0),))
    kinds = refused(other, tmp_path / "other", store, store_mode="a")
    assert kinds == ["video-exists", "video-exists"]


def test_what_replacing_would_remove_is_said(store: Path, tmp_path: Path) -> None:
    """A tracks file that is gone: the clip is not to be lost by following advice."""
    two = experiment(**{"A[1]": (clip(0), clip(1))})
    assert run(two, tmp_path / "two", store, store_mode="a").ok
    with pytest.raises(tz.Tracks2ZarrError) as error:
        run(experiment(**{"A[1]": (clip(1),)}), tmp_path / "less", store, store_mode="a")
    (problem,) = error.value.problems
    for said in (
        "without Loop00",
        "To keep it, run the same command with --store-mode a --group-mode a",
        "--video 'A[1]'",
    ):
        assert said in str(problem.remedy)


def test_a_source_with_the_same_content_is_the_same(store: Path, tmp_path: Path) -> None:
    """Another folder and another mtime: it is hashed, and found equal."""
    summary = run(ONE, tmp_path / "copied" / "there", store, store_mode="a")
    assert {str(outcome.result) for outcome in summary.outcomes} == {"skipped"}


def test_replaced_group(store: Path, tmp_path: Path) -> None:
    other = experiment(A=(clip(0, 5.0),))
    assert run(other, tmp_path / "other", store, store_mode="a", group_mode="w").ok
    both = Experiment((other.videos[0], ONE.videos[1]))
    assert_holds(store, both, tmp_path / "oracle")
    again = run(other, tmp_path / "other", store, store_mode="a", group_mode="w")
    assert [str(outcome.result) for outcome in again.outcomes] == ["done"], "w replaces always"


def test_added_clips(store: Path, tmp_path: Path) -> None:
    """The kept clip's source is gone, and the padding changes."""
    shutil.rmtree(tmp_path / "one")
    longer = replace(clip(1, 5.0, n_tracks=15), end=40)
    added = experiment(A=(longer,))
    assert run(added, tmp_path / "more", store, store_mode="a", group_mode="a").ok
    both = Experiment((Video("A", (clip(0), longer)), ONE.videos[1]))
    assert_holds(store, both, tmp_path / "oracle")
    again = run(added, tmp_path / "more", store, store_mode="a", group_mode="a")
    assert [str(outcome.result) for outcome in again.outcomes] == ["skipped"]
    assert tz.verify(store, quick=True).ok


def test_kept_clips_with_other_input_are_said(store: Path, tmp_path: Path) -> None:
    changed = experiment(A=(clip(0, 9.0), clip(1)))
    summary = run(changed, tmp_path / "changed", store, store_mode="a", group_mode="a")
    assert summary.ok
    assert [p.kind for p in summary.outcomes[0].problems] == ["clip-kept"]
    assert_holds(
        store, Experiment((Video("A", (clip(0), clip(1))), ONE.videos[1])), tmp_path / "oracle"
    )


def test_clips_are_not_added_to_another_dimension(store: Path, tmp_path: Path) -> None:
    more = experiment(A=(clip(0), clip(1)))
    options = {"store_mode": "a", "group_mode": "a", "individual_dim": "individuals"}
    assert refused(more, tmp_path / "more", store, **options) == ["video-exists"]


def test_foreign_group_is_kept(store: Path, tmp_path: Path) -> None:
    foreign = zarr.create_group(str(store / "C"), attributes={"made": "by hand"})
    foreign.create_array("x", shape=(1,), dtype="int64")
    made = experiment(C=(clip(0),))
    for group_mode in ("w-", "w", "a"):
        options = {"store_mode": "a", "group_mode": group_mode}
        assert refused(made, tmp_path / "c", store, **options) == ["foreign-group"]
    finalised = tz.finalise(store)
    assert finalised.others == ("C",)
    (store / "C").rename(tmp_path / "moved")
    assert run(made, tmp_path / "c", store, store_mode="a").ok
    assert tz.finalise(store).others == ()


@pytest.mark.parametrize("group_mode", ["w-", "w", "a"])
def test_damaged_video_is_done_again(store: Path, tmp_path: Path, group_mode: str) -> None:
    whole = snapshot(store)
    damage(store)
    summary = run(ONE, tmp_path / "one", store, store_mode="a", group_mode=group_mode)
    assert summary.ok
    assert str(summary.outcomes[0].result) == "done"
    assert snapshot(store) == whole


def test_failed_replacement_keeps_the_old_group(store: Path, tmp_path: Path) -> None:
    whole = snapshot(store / "A")
    bad = experiment(A=(replace(clip(0), boxes=(Box(50, 1, 1, 2, 3, 4),)),))
    summary = run(bad, tmp_path / "bad", store, store_mode="a", group_mode="w")
    assert not summary.ok
    assert snapshot(store / "A") == whole
    assert summary.missing == {"A": "failed"}
    failed = tz.info(store).videos[0]
    assert (failed.state, failed.why) == ("failed", "A frame is outside its clip.")
    assert run(ONE, tmp_path / "one", store, store_mode="a").ok
    assert tz.info(store).videos[0].state == "done"


def test_a_group_moved_by_hand_is_not_lost(store: Path, tmp_path: Path) -> None:
    """Without its receipt, a group with clips that the plan lacks is not replaced."""
    other = tmp_path / "other.zarr"
    assert run(experiment(C=(clip(0), clip(1))), tmp_path / "c", other).ok
    (other / "C").rename(store / "C")
    finalised = tz.finalise(store)
    assert finalised.unlisted == ("C",)
    made = experiment(C=(clip(0),))
    for group_mode in ("w-", "w", "a"):
        options = {"store_mode": "a", "group_mode": group_mode}
        assert refused(made, tmp_path / "c", store, **options) == ["group-without-receipt"]
    (store / "C").rename(tmp_path / "moved")
    assert run(made, tmp_path / "c", store, store_mode="a").ok
    assert tz.finalise(store).unlisted == ()


def test_damaged_video_keeps_the_clips_that_a_run_lacks(tmp_path: Path) -> None:
    """Under `a` they are made again from where they came."""
    store, both = tmp_path / "out.zarr", experiment(A=(clip(0), clip(1)))
    assert run(both, tmp_path / "both", store).ok
    whole = snapshot(store)
    (store / "A" / "position" / "c" / "0" / "0" / "0" / "0").unlink()
    one = experiment(A=(clip(0),))
    assert run(one, tmp_path / "first", store, store_mode="a", group_mode="a").ok
    assert snapshot(store) == whole


def test_all_bad_clips_of_a_video_are_named(tmp_path: Path) -> None:
    bad = tuple(replace(clip(n), boxes=(Box(50 + n, 1, 1, 2, 3, 4),)) for n in range(3))
    summary = run(experiment(A=bad), tmp_path / "bad", tmp_path / "out.zarr")
    assert [problem.found for problem in summary.outcomes[0].problems] == [
        "frame 50",
        "frame 51",
        "frame 52",
    ]


def test_clip_ids_are_no_names_of_groups(tmp_path: Path) -> None:
    """What is reserved in the root of a store is fine for a clip."""
    made = experiment(A=tuple(replace(clip(n), id=name) for n, name in enumerate(("logs", "__x"))))
    assert run(made, tmp_path / "in", tmp_path / "out.zarr").ok
    assert_holds(tmp_path / "out.zarr", made, tmp_path / "oracle")


@pytest.mark.parametrize(("group_mode", "result"), [("a", "skipped"), ("w", "stopped")])
def test_a_run_that_stops_at_a_video_that_was_done(
    store: Path, tmp_path: Path, group_mode: Mode, result: str
) -> None:
    """Ctrl-C in a resumed run: the video is done, unless it was to be replaced."""
    plan = tz.plan(*ONE.write(tmp_path / "same")).videos[0]
    task = VideoTask(
        store=store, work_root=tmp_path / "t", plan=plan, group_mode=group_mode, since="9"
    )
    table = ProgressTable(1)
    table.stop()
    with reporting_to(table):
        assert convert_video(task).result == result
