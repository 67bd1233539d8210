"""Stores of schema 1, which version 0.1 made: what still works on them, and what is refused."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import tracks2zarr as tz
from support.commands import call, files_below
from support.experiments import Box, Clip, Experiment, Video
from tracks2zarr.store.join import join
from tracks2zarr.store.store import Store

#: Made by version 0.1.0, from the tracks files beside it; no path in it names a machine.
SCHEMA_1 = Path(__file__).parents[1] / "data" / "schema-1"
RIGHT, LEFT = "04.09.2023-01-Right", "06.09.2023-02-Left"


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """Return a copy of a store of schema 1, with its input beside it."""
    folder = tmp_path / "older"
    shutil.copytree(SCHEMA_1, folder)
    for file in (folder / "CrabTracks.zarr" / ".tracks2zarr").rglob("*.json"):
        file.write_text(file.read_text().replace("/data/crabs", str(folder)))
    return folder / "CrabTracks.zarr"


def inputs(store: Path) -> tuple[Path, Path]:
    return store.parent / "tracks", store.parent / "loop-frames-ffmpeg.csv"


def another_store(tmp_path: Path, mode: str = "w-") -> Path:
    """Return a store of schema 2, of another video."""
    clip = Clip("Loop00", 1, 4, boxes=(Box(0, 1, width=1), Box(2, 1, width=1)))
    made = Experiment((Video("07.09.2023-01-Top", (clip,)),)).write(tmp_path / "new")
    store = tmp_path / "new" / "CrabTracks.zarr"
    assert call("create", *made, store, "--store-mode", mode).status == 0
    return store


# ---- reading


def test_the_store_is_of_schema_1() -> None:
    for video in (RIGHT, LEFT):
        group = SCHEMA_1 / "CrabTracks.zarr" / video
        assert (
            json.loads((group / "zarr.json").read_bytes())["attributes"]["tracks2zarr_schema"] == 1
        )
        assert json.loads((group / "space/zarr.json").read_bytes())["data_type"] == "string"


def test_it_is_verified(older: Path) -> None:
    for options in ((), ("--quick",)):
        ended = call("verify", older, *options)
        assert (ended.status, ended.stderr) == (0, "")
    tracks_dir, metadata = inputs(SCHEMA_1 / "CrabTracks.zarr")
    elsewhere = ("--tracks-dir", tracks_dir, "--metadata", metadata)
    ended = call("verify", SCHEMA_1 / "CrabTracks.zarr", *elsewhere)
    assert (ended.status, ended.stderr) == (0, "")


def test_a_changed_value_is_found(older: Path) -> None:
    tracks = next(inputs(older)[0].glob(f"{LEFT}*"))
    tracks.write_text(tracks.read_text().replace('""height"":6.5', '""height"":7.5', 1))
    ended = call("verify", older)
    assert ended.status == 1
    assert "The shape of track" in ended.stderr
    assert f"{older} --store-mode w" in " ".join(ended.stderr.split())


def test_it_is_shown(older: Path, tmp_path: Path) -> None:
    ended = call("info", older, "--json")
    assert ended.status == 0
    assert {v["video"]: v["state"] for v in json.loads(ended.stdout)["videos"]} == {
        RIGHT: "done",
        LEFT: "done",
    }
    assert call("info", older, RIGHT).status == 0
    assert call("report", older, "-o", tmp_path / "report.html").status == 0
    assert RIGHT in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert call("plot", older, LEFT, "Loop05", "-o", tmp_path / "clip.png").status == 0
    assert call("finalise", older).status == 0


def test_it_is_opened(older: Path) -> None:
    opened = tz.open_store(older)
    assert opened.videos == (RIGHT, LEFT)
    tree = xr.open_datatree(older, engine="zarr")
    for video in opened:
        assert opened[video].load().identical(tree[video].to_dataset().load())
    clip = tz.load_clip(older, RIGHT, "Loop00")
    assert clip["individual"].values.tolist() == ["id_0", "id_1", "id_2"]
    assert clip["track_id"].values.tolist() == [3, 8, 12]
    np.testing.assert_array_equal(
        clip["position"].sel(time=1, individual="id_0"), np.array([18.5, 64.25], np.float32)
    )


# ---- what would mix schemas


@pytest.mark.parametrize("mode", ["w-", "a"])
@pytest.mark.parametrize("is_same_input", [True, False])
def test_create_does_not_mix(
    older: Path, tmp_path: Path, mode: str, *, is_same_input: bool
) -> None:
    given = inputs(older if is_same_input else another_store(tmp_path))
    before = files_below(older)
    words = (*given, older, "--store-mode", mode, "--group-mode", "a")
    ended = call("create", *words)
    assert ended.status == 1
    assert "schema 1" in ended.stderr
    after = files_below(older)
    assert {name: after[name] for name in before} == before
    again = ended.stderr.split("again: ")[1].split(". Or ")[0]
    _, *command = shlex.split(" ".join(again.split()))
    assert command == ["create", *map(str, inputs(older)), str(older), "--store-mode", "w"]
    if is_same_input:
        assert call(*command, "--yes").status == 0
        assert call("verify", older).status == 0
        assert call("create", *words[:3], "--store-mode", "a").status == 0
        assert tz.open_store(older)[RIGHT].attrs["tracks2zarr_schema"] == 2


def test_plan_and_submit_do_not_mix(older: Path) -> None:
    into, submit = ("plan", *inputs(older), "--into"), ("slurm", "submit", *inputs(older))
    for words in (into, submit):
        ended = call(*words, older)
        assert ended.status == 1
        assert "--store-mode w" in ended.stderr
        assert "schema 1" in ended.stderr


def test_a_store_whose_plan_was_lost_is_not_mixed(older: Path, tmp_path: Path) -> None:
    (older / ".tracks2zarr/plan.json").unlink()
    given = inputs(another_store(tmp_path))
    ended = call("create", *given, older, "--store-mode", "a")
    assert ended.status == 1
    assert "schema 1" in ended.stderr
    assert call("verify", older).status == 0


def test_a_task_that_plans_itself_does_not_mix(older: Path) -> None:
    """Nor where a task of an older version opened the store for its array job."""
    store, plan = Store.at(older), tz.plan(*inputs(older))
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        join(store, plan, "a", since="2026")
    assert [problem.kind for problem in raised.value.problems] == ["schema-mixed"]
    assert {video.schema for video in store.read_plan().videos} == {1}


def test_a_task_does_not_mix(older: Path) -> None:
    """Nor where an older version submitted the array job of the task."""
    shutil.rmtree(older / LEFT)
    (older / ".tracks2zarr/receipts" / f"{LEFT}.json").unlink()
    assert call("slurm", "task", older, 0).status == 0
    ended = call("slurm", "task", older, 1)
    assert ended.status == 1
    assert "planned by another version" in " ".join(ended.stderr.split())
    assert not (older / LEFT).exists()


def test_merge_does_not_mix(older: Path, tmp_path: Path) -> None:
    newer = another_store(tmp_path)
    before = files_below(tmp_path)
    for target, source in ((older, newer), (newer, older)):
        with pytest.raises(tz.Tracks2ZarrError) as raised:
            tz.merge(target, source)
        (problem,) = raised.value.problems
        assert problem.kind == "schema-mixed"
        assert problem.file == str(older)
        assert f"{older} --store-mode w" in (problem.remedy or "")
    after = files_below(tmp_path)
    assert {name: after[name] for name in before} == before


def test_merge_of_two_older_stores(older: Path, tmp_path: Path) -> None:
    target = tmp_path / "merged.zarr"
    target.mkdir()
    assert tz.merge(target, older).ok
    assert call("verify", target).status == 0
    assert tz.open_store(target)[LEFT].attrs["tracks2zarr_schema"] == 1
