"""Merging stores of the older workflow: marked, renamed where asked, and never taken for proved."""

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import xarray as xr
import zarr

import tracks2zarr as tz
from support.commands import call, files_below
from support.experiments import Box, Clip, Experiment, Video
from support.merges import create, fates, refused, tidy, video
from support.older_workflow import write_older_store
from support.tree import snapshot
from tracks2zarr.store.store import Store


def crabs(*frames: int) -> tuple[Box, ...]:
    """Return two crabs in these frames."""
    return tuple(Box(frame, track, frame + track, 2, 3, 4) for frame in frames for track in (4, 9))


GAPS = Clip("Loop00", 1, 6, 3, "triggered", crabs(0, 1, 3, 5))
FULL = Clip("Loop01", 11, 14, 12, "spontaneous", crabs(0, 1, 2, 3))
OLD = Video("Old", (GAPS, FULL))
OTHER = Video("Other", (FULL, replace(FULL, id="Loop02", start=21, end=24, escape=22)))


def older(store: Path, *videos: Video, **options: Any) -> Path:
    """Make a store of the older workflow."""
    folder = store.with_name(f"input-of-{store.name}")
    made = Experiment(videos)
    write_older_store(store, made, made.write(folder)[0], **options)
    return store


def chunks(group: Path) -> dict[str, bytes]:
    """Return the bytes of all chunks, by the path without the name of the individuals."""
    return {
        path.relative_to(group).as_posix().replace("individuals/", "individual/"): path.read_bytes()
        for path in group.rglob("*")
        if path.is_file() and path.name != "zarr.json"
    }


def datasets(store: Path) -> dict[str, xr.Dataset]:
    """Return all groups that the root lists."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of strings of fixed length, which that workflow wrote
        with xr.open_datatree(store, engine="zarr") as tree:
            return {str(name): node.to_dataset().load() for name, node in tree.children.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two stores of the older workflow, and one of this one."""
    folder = tmp_path_factory.mktemp("older")
    older(folder / "old.zarr", OLD)
    older(folder / "other.zarr", OTHER)
    create(folder / "one.zarr", video("A"))
    return folder


@pytest.fixture
def stores(made: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """Return copies of these stores: of this workflow, and two of the older."""
    names = ("one.zarr", "old.zarr", "other.zarr")
    for name in names:
        shutil.copytree(made / name, tmp_path / name)
    one, old, other = (tmp_path / name for name in names)
    return one, old, other


WHY = (
    "unverified: made by another workflow;"
    " frames were left out and the others renumbered: Loop00 (4 of 6)"
)


def test_the_fixture_is_what_that_workflow_writes(made: Path) -> None:
    old = datasets(made / "old.zarr")["Old"]
    assert old.sizes == {"clip_id": 2, "time": 4, "space": 2, "individuals": 2}
    assert "tracks2zarr_schema" not in old.attrs
    assert not (made / "old.zarr" / ".tracks2zarr").exists()
    assert float(old["position"].sel(clip_id="Loop00", time=2)[0, 0]) == pytest.approx(8.5)


@pytest.mark.parametrize("copy", [False, True])
def test_merged_and_marked(stores: tuple[Path, Path, Path], copy: bool) -> None:
    one, old, other = stores
    groups = {name: snapshot(store / name) for store, name in ((old, "Old"), (other, "Other"))}
    before = {store: files_below(store) for store in (old, other)}
    merged = tz.merge(one, [old, other], copy=copy)
    assert merged.ok
    assert fates(merged) == dict.fromkeys(("Old", "Other"), "copied" if copy else "moved")
    assert {name: snapshot(one / name) for name in groups} == groups
    assert set(datasets(one)) == {"A", "Old", "Other"}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert tz.open_store(one)["Old"].sizes == {**datasets(one)["Old"].sizes}
    assert merged.finalised.unverified == {
        "Old": WHY,
        "Other": "unverified: made by another workflow; no clip lacks a frame",
    }
    assert {info.video: (str(info.state), info.why) for info in tz.info(one).videos} == {
        "A": ("done", None),
        "Old": ("unknown", WHY),
        "Other": ("unknown", merged.finalised.unverified["Other"]),
    }
    if copy:
        assert {store: files_below(store) for store in (old, other)} == before
    else:
        assert merged.emptied == (old, other)
        assert datasets(old) == {}
    assert fates(tz.merge(one, [old, other], copy=copy)) == (
        dict.fromkeys(("Old", "Other"), "same") if copy else {}
    )
    tidy(one, old, other)


def test_on_the_command_line(stores: tuple[Path, Path, Path]) -> None:
    one, old, _ = stores
    done = call("merge", one, old, "--individual-dim", "individual", columns=60)
    assert (done.status, done.stderr) == (0, "")
    assert "Old: moved (old.zarr)\n" in done.stdout
    assert f"1 of 1 videos listed\nalso listed: Old ({WHY})\n" in done.stdout
    assert call("finalise", one).status == 0
    assert WHY in call("info", one).stdout
    done = call("verify", one)
    assert done.status == 1
    assert "NOT VERIFIED  Old" in done.stdout
    assert WHY in done.stderr
    assert "error: A video was made by another workflow" in done.stderr
    document = json.loads(call("verify", one, "--json", "--quick").stdout)
    assert {one["video"]: one["state"] for one in document["videos"]} == {
        "A": "done",
        "Old": "unknown",
    }
    assert document["problems"] == []


def test_the_dimension_is_renamed(stores: tuple[Path, Path, Path]) -> None:
    one, old, _ = stores
    before, bytes_before = datasets(old)["Old"], chunks(old / "Old")
    assert tz.merge(one, [old], individual_dim="individual").ok
    after = datasets(one)["Old"]
    xr.testing.assert_identical(after, before.rename(individuals="individual"))
    assert chunks(one / "Old") == bytes_before
    for path in (one / "zarr.json", *(one / "Old").rglob("zarr.json")):
        assert '"individuals"' not in path.read_text(), path
    group = zarr.open_group(one / "Old", mode="r")
    assert {len(cast("Any", group[n]).shape) for n in ("position", "individual")} == {4, 1}
    assert tz.merge(one, [old], individual_dim="individual").ok


def test_attributes_that_name_the_dimension(stores: tuple[Path, Path, Path]) -> None:
    """Also where `coordinates` lists it, and where the group has consolidated metadata."""
    one, old, _ = stores
    path = old / "Old" / "position" / "zarr.json"
    document = json.loads(path.read_bytes())
    document["attributes"]["coordinates"] += " individuals my_individuals"
    path.write_text(json.dumps(document))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(old, path="Old")
    before = datasets(old)["Old"]
    assert tz.merge(one, [old], individual_dim="individual").ok
    renamed = json.loads((one / "Old" / "position" / "zarr.json").read_bytes())
    assert renamed["attributes"]["coordinates"].split()[-2:] == ["individual", "my_individuals"]
    root = json.loads((one / "Old" / "zarr.json").read_bytes())["consolidated_metadata"]["metadata"]
    assert root["position"] == renamed
    assert "individual" in root
    assert "individuals" not in root
    xr.testing.assert_identical(datasets(one)["Old"], before.rename(individuals="individual"))


def test_an_older_target_is_marked_and_renamed_too(stores: tuple[Path, Path, Path]) -> None:
    _, old, other = stores
    before = {**datasets(old), **datasets(other)}
    assert tz.merge(old, [other]).ok
    assert {name: list(tree.sizes) for name, tree in datasets(old).items()} == {
        name: list(tree.sizes) for name, tree in before.items()
    }
    assert set(tz.finalise(old).unverified) == {"Old", "Other"}
    merged = tz.merge(old, [other], individual_dim="individual")
    assert merged.ok
    for name, dataset in datasets(old).items():
        xr.testing.assert_identical(dataset, before[name].rename(individuals="individual"))
    assert tz.merge(old, [other], individual_dim="individuals").ok
    for name, dataset in datasets(old).items():
        xr.testing.assert_identical(dataset, before[name])
    tidy(old, other)


def test_frames_that_were_not_renumbered(made: Path, tmp_path: Path) -> None:
    """Later versions of that workflow kept all frames; so nothing is said of them."""
    one = tmp_path / "one.zarr"
    one.mkdir()
    assert tz.merge(one, [older(tmp_path / "new.zarr", OLD, renumber=False)]).ok
    assert tz.finalise(one).unverified["Old"].endswith("; no clip lacks a frame")


@pytest.mark.parametrize("missing", ["escape_state", "clip_last_frame_0idx"])
def test_what_cannot_be_seen_is_not_said(stores: tuple[Path, Path, Path], missing: str) -> None:
    one, old, _ = stores
    shutil.rmtree(old / "Old" / missing)
    assert tz.merge(one, [old]).ok
    why = "unverified: made by another workflow; whether frames were renumbered cannot be seen"
    assert tz.finalise(one).unverified == {"Old": why}


def test_frame_numbers_with_gaps_are_not_said_to_be_renumbered(
    stores: tuple[Path, Path, Path],
) -> None:
    one, old, _ = stores
    time = cast("Any", zarr.open_group(old / "Old", mode="r+")["time"])
    time[...] = np.array([0, 1, 3, 5])
    assert tz.merge(one, [old]).ok
    assert "cannot be seen" in tz.finalise(one).unverified["Old"]


def test_the_same_in_both_and_conflicts(stores: tuple[Path, Path, Path], tmp_path: Path) -> None:
    one, old, _ = stores
    again = tmp_path / "again.zarr"
    shutil.copytree(old, again)
    assert tz.merge(one, [old], individual_dim="individual").ok
    assert fates(tz.merge(one, [again], individual_dim="individual")) == {"Old": "same"}
    assert not (again / "Old").exists()
    changed = older(tmp_path / "changed.zarr", Video("Old", (FULL,)))
    assert refused(one, changed) == ["merge-conflict"]
    before = snapshot(one)
    assert fates(tz.merge(one, [changed], on_conflict="skip")) == {"Old": "skipped"}
    assert snapshot(one) == before
    assert fates(tz.merge(one, [changed], on_conflict="replace")) == {"Old": "moved"}
    assert tz.finalise(one).unverified["Old"].endswith("no clip lacks a frame")
    tidy(one, again, changed)


def test_proved_and_unverified_replace_each_other(
    stores: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    one, old, _ = stores
    proved = create(tmp_path / "proved.zarr", OLD)
    assert refused(one := create(one, OLD), old) == ["merge-conflict"]
    assert tz.merge(one, [old], on_conflict="replace").ok
    assert tz.finalise(one).unverified == {"Old": WHY}
    assert Store.at(one).read_receipt("Old") is None
    assert refused(one, proved) == ["merge-conflict"]
    assert tz.merge(one, [proved], on_conflict="replace").ok
    assert tz.finalise(one).unverified == {}
    assert not list((one / ".tracks2zarr" / "unverified").iterdir())
    assert tz.verify(one, workers=1).ok


def test_it_fills_a_gap_of_the_plan_and_create_replaces_it(
    stores: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    from tracks2zarr.converting.creation import prepare

    one, old, _ = stores
    plan = tz.plan(*Experiment((OLD,)).write(tmp_path / "in"))
    prepare(plan, one)
    assert tz.finalise(one).missing == {"Old": "pending"}
    merged = tz.merge(one, [old])
    assert merged.ok
    assert merged.finalised.missing == {}
    assert set(datasets(one)) == {"A", "Old"}
    assert {info.video: str(info.state) for info in tz.info(one).videos}["Old"] == "unknown"
    verdict = {one.video: one for one in tz.verify(one, workers=1).videos}["Old"]
    assert (str(verdict.state), [p.kind for p in verdict.problems]) == ("unknown", ["unverified"])
    with pytest.raises(tz.Tracks2ZarrError, match="did not write"):
        tz.create(plan, one, store_mode="a", workers=1)
    assert tz.create(plan, one, store_mode="a", group_mode="w", workers=1).ok
    assert tz.finalise(one).unverified == {}
    assert tz.verify(one, workers=1).ok


def test_a_note_moves_on(stores: tuple[Path, Path, Path], tmp_path: Path) -> None:
    one, old, _ = stores
    assert tz.merge(one, [old], individual_dim="individual").ok
    note = Store.at(one).read_note("Old")
    two = create(tmp_path / "two.zarr", video("B"))
    assert tz.merge(two, [one]).ok
    moved = Store.at(two).read_note("Old")
    assert note is not None
    assert moved is not None
    assert replace(moved, attempt=note.attempt) == note
    assert Store.at(one).read_note("Old") is None
    assert tz.info(one).videos == ()


def test_a_changed_group_is_found(stores: tuple[Path, Path, Path]) -> None:
    one, old, other = stores
    assert tz.merge(one, [old]).ok
    chunk = next((one / "Old" / "position").rglob("c/0/0/0/0"))
    chunk.write_bytes(chunk.read_bytes()[::-1])
    verdict = {v.video: v for v in tz.verify(one, quick=True).videos}["Old"]
    assert [p.kind for p in verdict.problems] == ["content-changed", "unverified"]
    assert str(verdict.state) == "failed"
    merged = tz.merge(other, [one])
    assert fates(merged) == {"A": "moved", "Old": "left"}
    assert [p.kind for v in merged.videos if (p := v.problem)] == ["merge-damaged"]


def test_groups_that_are_no_such_dataset_are_left(
    stores: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    one, old, other = stores
    mine = zarr.create_group(old / "mine", attributes={"made": "by hand"})
    mine.create_array("x", shape=(1,), dtype="int64")
    (old / "Old" / "time").rename(tmp_path / "time")
    (old / "Old" / "time").symlink_to(tmp_path / "time")
    broken = other / "Other" / "zarr.json"
    document = json.loads(broken.read_bytes())
    document["attributes"]["fps"] = float("nan")
    broken.write_text(json.dumps(document))
    done = call("merge", one, old, other)
    assert done.status == 1
    assert done.stderr.count("error: A group that is not a dataset of the older workflow") == 3
    for found in ("'position'", "a link to a folder, time", "cannot be read"):
        assert found in done.stderr
    assert "Traceback" not in done.stderr
    assert Store.at(one).groups() == ["A"]
    assert (old / "mine" / "x").is_dir()


def test_load_clip_says_what_is_unverified(stores: tuple[Path, Path, Path]) -> None:
    one, old, _ = stores
    assert tz.merge(one, [old], individual_dim="individual").ok
    with pytest.raises(tz.Tracks2ZarrError, match="made by another workflow"):
        tz.load_clip(one, "Old", "Loop00")


def test_a_name_that_is_taken(stores: tuple[Path, Path, Path]) -> None:
    """Neither a source's group nor one of the target is renamed where the new name is taken."""
    one, old, other = stores
    for group in (old / "Old", other / "Other"):
        shutil.copytree(group / "time", group / "individual")
    before = {name: snapshot(s / name) for s, name in ((old, "Old"), (other, "Other"))}
    done = call("merge", old, other, one, "--individual-dim", "individual")
    assert done.status == 1
    assert done.stderr.count("an array 'individual' already") == 2
    assert "A: moved" in done.stdout
    assert {name: snapshot(s / name) for s, name in ((old, "Old"), (other, "Other"))} == before
    tidy(old, other, one)
