"""A store whose root, plan or receipts are broken is repaired."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import tracks2zarr as tz
from support.commands import call
from support.experiments import Box, Clip, Experiment, Video
from support.tree import snapshot

type Inputs = tuple[Path, Path]
CLIPS = (Clip("Loop00", 1, 3, boxes=(Box(0, 3, 1, 1, 1, 1),)),)


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Return the folder of tracks and the metadata CSV."""
    return Experiment((Video("A", CLIPS), Video("B", CLIPS))).write(tmp_path / "inputs")


@pytest.fixture
def store(inputs: Inputs, tmp_path: Path) -> Path:
    """Return a finished store."""
    store = tmp_path / "out.zarr"
    assert tz.create(tz.plan(*inputs), store, workers=1).ok
    return store


def empty(path: Path) -> None:
    path.write_bytes(b"")


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no root": (Path.unlink, "zarr.json"),
    "empty root": (empty, "zarr.json"),
    "empty plan": (empty, ".tracks2zarr/plan.json"),
    "no plan": (Path.unlink, ".tracks2zarr/plan.json"),
}
broken = pytest.mark.parametrize(("damage", "name"), BROKEN.values(), ids=list(BROKEN))


@broken
def test_finalise_rebuilds_root_and_plan(
    store: Path, damage: Callable[[Path], None], name: str
) -> None:
    whole, plan = snapshot(store), (store / ".tracks2zarr/plan.json").read_bytes()
    damage(store / name)
    ended = call("finalise", store)
    assert (ended.status, ended.stderr) == (0, "")
    assert snapshot(store) == whole
    assert (store / ".tracks2zarr/plan.json").read_bytes() == plan
    assert tz.verify(store).ok


@pytest.mark.parametrize("mode", ["w-", "w", "a"])
@broken
def test_create_rebuilds_root_and_plan(
    store: Path, inputs: Inputs, damage: Callable[[Path], None], name: str, mode: str
) -> None:
    whole = snapshot(store)
    damage(store / name)
    ended = call("create", *inputs, store, "--store-mode", mode, "--yes")
    assert ended.status == 0, ended.stderr
    assert snapshot(store) == whole
    assert tz.verify(store).ok


@pytest.mark.parametrize("name", ["no root", "empty root", "empty plan"])
def test_other_commands_name_the_repair(store: Path, tmp_path: Path, name: str) -> None:
    damage, file = BROKEN[name]
    damage(store / file)
    for args in (
        ("info", store),
        ("verify", store),
        ("report", store),
        ("plot", store, "A", "Loop00", "-o", tmp_path / "a.png"),
        ("slurm", "status", store),
        ("slurm", "task", store, 0),
        ("merge", store, tmp_path / "inputs"),
        ("merge", tmp_path / "new.zarr", store),
    ):
        ended = call(*args)
        assert ended.status == 1
        assert "error: The root of the store is broken." in ended.stderr, args
        assert f"run: tracks2zarr finalise {store}" in " ".join(ended.stderr.split())
        assert "Did you mean" not in ended.stderr


def test_a_plan_of_another_version_is_never_replaced(store: Path) -> None:
    plan = store / ".tracks2zarr/plan.json"
    plan.write_text(json.dumps({"tracks2zarr_plan": 99}))
    ended = call("finalise", store)
    assert "This is not a plan that this version can read." in ended.stderr
    assert plan.read_text() == '{"tracks2zarr_plan": 99}'


def test_names_that_are_no_text(store: Path, inputs: Inputs) -> None:
    """The video is done all the same, and the group is not replaced: the file may be somebody's."""
    added = store / "B" / "not-text-\udcff"
    added.write_text("x")
    for args in (("info", store), ("verify", store), ("finalise", store)):
        ended = call(*args)
        assert "unexpected error" not in ended.stderr, args
    assert tz.finalise(store).done == ("A", "B")
    what = "The group of a video contains data that tracks2zarr did not write"
    for options, status, severity in ((), 0, "warning"), (["--group-mode", "w"], 1, "error"):
        ended = call("create", *inputs, store, *options)
        assert ended.status == status
        assert f"{severity}: {what}" in ended.stderr
    assert added.read_text() == "x"


def test_another_group_that_cannot_be_listed(store: Path) -> None:
    """It is named, and the videos are listed all the same."""
    group = json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {"x": float("nan")}})
    for name in ("mine", "not-text-\udcff"):
        (store / name).mkdir()
        (store / name / "zarr.json").write_text(group)
    ended = call("finalise", store)
    assert ended.status == 1
    assert ended.stderr.count("error: The metadata of a group cannot be read.") == 2
    assert tz.finalise(store).done == ("A", "B")


def cut(receipt: Path) -> None:
    receipt.write_bytes(receipt.read_bytes()[:100])


def edit(receipt: Path) -> None:
    receipt.write_text(receipt.read_text().replace('"Loop00"', '"Loop01"'))


@pytest.mark.parametrize("damage", [empty, cut, edit])
def test_a_broken_receipt_is_named_and_the_video_converted_again(
    store: Path, inputs: Inputs, damage: Callable[[Path], None]
) -> None:
    whole, receipt = snapshot(store), store / ".tracks2zarr/receipts/A.json"
    damage(receipt)
    ended = call("finalise", store)
    assert ended.status == 1
    assert ended.stdout.splitlines() == ["1 of 2 videos listed", "missing: A (pending)"]
    assert "warning: The receipt of a video is broken" in ended.stderr
    assert str(receipt) in ended.stderr
    ended = call("info", store)
    assert "The receipt of a video is broken" in " ".join(ended.stdout.split())
    ended = call("verify", store, "--quick")
    assert "The receipt of a video is broken" in " ".join(ended.stderr.split())
    ended = call("create", *inputs, store, "--store-mode", "a")
    assert ended.status == 0, ended.stderr
    assert ended.stderr.count("The receipt of a video is broken") == 1
    assert snapshot(store) == whole
    assert tz.verify(store).ok
    assert tz.finalise(store).done == ("A", "B")


def test_a_receipt_of_a_newer_version_is_left_alone(store: Path, inputs: Inputs) -> None:
    """It may vouch for what this version does not know; only the other videos go on."""
    receipt = store / ".tracks2zarr/receipts/A.json"
    text = receipt.read_text().replace('"tracks2zarr_receipt": 2', '"tracks2zarr_receipt": 99')
    receipt.write_text(text)
    whole = snapshot(store)
    commands = (
        ("create", *inputs, store, "--store-mode", "a", "--group-mode", "w"),
        ("verify", store, "--quick"),
        ("slurm", "task", store, "0"),
    )
    for args in commands:
        ended = call(*args)
        assert ended.status == 1
        assert "Another version of tracks2zarr wrote the receipt of a video." in ended.stderr
        assert "found:    format 99" in ended.stderr
    assert "Another version" in call("info", store).stdout
    assert {str(video.state) for video in tz.info(store).videos} == {"unknown", "done"}
    assert snapshot(store) == whole
    assert receipt.read_text() == text


def test_a_plan_that_is_written_into_a_store_warns_as_create_does(
    inputs: Inputs, store: Path
) -> None:
    empty(store / ".tracks2zarr/receipts/A.json")
    planned = call("plan", *inputs, "--into", store)
    assert planned.status == 0
    assert "warning: The receipt of a video is broken" in planned.stderr
    created = call("create", *inputs, store, "--store-mode", "a", "--quiet", "--workers", 1)
    assert (created.status, created.stderr) == (0, planned.stderr)
