"""What tracks2zarr did not write is never removed, and no clip is lost unasked."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import tracks2zarr as tz
from store.test_modes import ONE, clip, damage, experiment, run
from support.tree import run_cli, snapshot
from tracks2zarr.common.files import read_content
from tracks2zarr.store.commit import Attempt, recover
from tracks2zarr.store.ownership import foreign_problem
from tracks2zarr.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a finished store of the experiment `ONE`."""
    assert run(ONE, tmp_path / "one", tmp_path / "out.zarr").ok
    return tmp_path / "out.zarr"


def tree(folder: Path) -> dict[str, str]:
    """Return what lies below a folder: links as they are, and the bytes of files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file() and not name.startswith(".tracks2zarr/"):
            found[name] = path.read_bytes().hex()
    return found


def notes(place: Path) -> None:
    place.mkdir()
    (place / "notes.txt").write_text("mine")


def file(place: Path) -> None:
    place.write_text("mine")


def dangling_link(place: Path) -> None:
    place.symlink_to(place.parent.parent / "nowhere")


def live_link(place: Path) -> None:
    notes(place.parent.parent / "elsewhere")
    place.symlink_to(place.parent.parent / "elsewhere")


def zarr_v2(place: Path) -> None:
    group = zarr.create_group(str(place), zarr_format=2)
    group.create_array("position", shape=(2,), dtype="int64")[...] = [1, 2]


def zarr_v3(place: Path) -> None:
    group = zarr.create_group(str(place))
    group.create_array("position", shape=(2,), dtype="int64")[...] = [1, 2]


def broken(place: Path) -> None:
    zarr_v3(place)
    (place / "zarr.json").write_bytes(b"")


FOREIGN = [notes, file, dangling_link, live_link, zarr_v2, zarr_v3, broken]


def kinds(made: object, tmp_path: Path, store: Path, **options: str) -> list[str]:
    """Return the kinds of problems with which a run of an experiment is refused."""
    with pytest.raises(tz.Tracks2ZarrError) as error:
        run(made, tmp_path / "in", store, **options)  # type: ignore[arg-type]
    return [problem.kind for problem in error.value.problems]


@pytest.mark.parametrize("group_mode", ["w-", "w", "a"])
@pytest.mark.parametrize(
    ("put", "was_there"),
    # with a receipt, a group of our arrays whose metadata are broken is ours, and damaged
    [(put, True) for put in FOREIGN if put is not broken] + [(put, False) for put in FOREIGN],
)
def test_what_is_not_ours_stays(
    store: Path, tmp_path: Path, put: Callable[[Path], None], was_there: bool, group_mode: str
) -> None:
    """In the place of a video that had a receipt, or of one that is new."""
    name = "A" if was_there else "C"
    if was_there:
        (store / "A").rename(tmp_path / "was")
    put(store / name)
    before = tree(tmp_path) | {"": ""}
    made = experiment(**{name: (clip(0),)})
    assert kinds(made, tmp_path, store, store_mode="a", group_mode=group_mode) == ["foreign-group"]
    after = tree(tmp_path)
    assert {n: v for n, v in after.items() if n in before} == {n: v for n, v in before.items() if n}


@pytest.mark.parametrize("put", FOREIGN)
def test_the_remedy_is_a_command_that_works(
    store: Path, tmp_path: Path, put: Callable[[Path], None]
) -> None:
    put(store / "C")
    made = experiment(C=(clip(0),))
    tracks, metadata = made.write(tmp_path / "in")
    done = run_cli("create", tracks, metadata, store, "--store-mode", "a")
    assert done.returncode == 1
    command = done.stderr.partition("run the same command again: ")[2].splitlines()[0]
    subprocess.run(["sh", "-c", command], check=True)
    assert os.path.lexists(tmp_path / "out.zarr-moved" / "C")
    assert run_cli("create", tracks, metadata, store, "--store-mode", "a").returncode == 0
    assert tz.verify(store, workers=1).ok


@pytest.mark.parametrize("put", FOREIGN)
def test_a_store_that_holds_it_is_not_replaced(
    store: Path, tmp_path: Path, put: Callable[[Path], None]
) -> None:
    put(store / "mine")
    before = tree(store)
    assert kinds(ONE, tmp_path, store, store_mode="w") == ["foreign-group"]
    assert tree(store) == before


def test_it_is_put_there_while_the_video_is_converted(store: Path) -> None:
    """Also between the decision and the commit, and where an older group is to be put back."""
    there = Store.at(store)
    receipt = there.read_receipt("A")
    assert receipt is not None
    attempt = Attempt.begin(there, "A", there.temp)
    shutil.copytree(store / "A", attempt.group)
    (store / "A").rename(attempt.work / "aside")
    notes(store / "A")
    with pytest.raises(tz.Tracks2ZarrError, match="did not write"):
        attempt.commit(receipt)
    with pytest.raises(tz.Tracks2ZarrError, match="did not write"):
        recover(there, "A", ())
    assert (store / "A" / "notes.txt").read_text() == "mine"
    shutil.rmtree(store / "A")
    recover(there, "A", ())
    assert read_content(store / "A") == receipt.content


# ---- what was added to a group of ours


def note_in_root(group: Path) -> list[str]:
    (group / "notes.txt").write_text("mine")
    return ["notes.txt"]


def array(group: Path) -> list[str]:
    zarr.open_group(str(group)).create_array("speed", shape=(2,), dtype="int64")[...] = [1, 2]
    return ["speed"]


def note_among_chunks(group: Path) -> list[str]:
    (group / "position" / "c" / "0" / "notes.txt").write_text("mine")
    (group / "time" / "old").mkdir()
    (group / "time" / "old" / "a").write_text("mine")
    return ["position/c/0/notes.txt", "time/old"]


def results(group: Path) -> list[str]:
    """Add an array as xarray does it for a dataset without attributes, which takes ours away."""
    mine = xr.Dataset({"speed": ("clip_id", np.zeros(1))})
    mine.to_zarr(group.parent, group=group.name, mode="a")
    assert "fps" not in (group / "zarr.json").read_text()
    return ["speed"]


def results_with_ours(group: Path) -> list[str]:
    """Add an array as xarray does it for our dataset with one more."""
    ours = xr.open_zarr(group.parent, group=group.name)
    more = ours.assign(speed=ours.position.sum("time"))
    more.to_zarr(group.parent, group=group.name, mode="a")
    assert "consolidated" not in (group / "zarr.json").read_text()
    return ["speed"]


ADDITIONS = [note_in_root, array, note_among_chunks, results, results_with_ours]


@pytest.mark.parametrize("add", ADDITIONS)
def test_a_video_to_which_others_added_something_stays_done(
    store: Path, tmp_path: Path, add: Callable[[Path], list[str]]
) -> None:
    """It is named by all commands, and every one of them leaves it alone."""
    attributes = zarr.open_group(store / "A", mode="r").attrs.asdict()
    whole, names = snapshot(store), ", ".join(add(store / "A"))
    before = tree(store / "A")
    seen = tz.info(store).videos[0]
    assert str(seen.state) == "done"
    assert str(seen.why).endswith(f"did not write: {names}")
    for quick in (True, False):
        verified = tz.verify(store, quick=quick, workers=1)
        assert verified.ok
        assert [(p.kind, p.found) for p in verified.videos[0].problems] == [
            ("foreign-arrays", names)
        ]
    assert tz.finalise(store).done == ("A", "B")
    assert dict(zarr.open_group(store / "A").attrs) == dict(attributes)
    before["zarr.json"] = (store / "A" / "zarr.json").read_bytes().hex()
    with pytest.warns(UserWarning, match="did not write: "):
        one = tz.load_clip(store, "A", "Loop00")
    assert one.attrs["fps"] == tz.load_clip(store, "B", "Loop00").attrs["fps"]
    for group_mode in ("w-", "a"):
        again = run(ONE, tmp_path / "one", store, store_mode="a", group_mode=group_mode)
        assert again.ok
        assert "foreign-arrays" in {problem.kind for problem in again.problems}
    assert kinds(ONE, tmp_path, store, store_mode="a", group_mode="w") == ["foreign-arrays"]
    assert tree(store / "A") == before
    problem = foreign_problem(Store.at(store), "A")
    assert problem is not None
    assert problem.found == names
    subprocess.run(["sh", "-c", str(problem.remedy).partition(": ")[2]], check=True)
    assert run(ONE, tmp_path / "in", store, store_mode="a").ok
    assert snapshot(store) == whole


@pytest.mark.parametrize("add", ADDITIONS)
def test_moving_additions_out_leaves_the_video_as_it_was_written(
    store: Path, tmp_path: Path, add: Callable[[Path], list[str]]
) -> None:
    """Also where the tracks files are gone; two remedies may be pasted one after another."""
    written = snapshot(store)
    add(store / "A")
    add(store / "B")
    shutil.rmtree(tmp_path / "one")
    verified = tz.verify(store, quick=True)
    remedies = [str(p.remedy).partition("run: ")[2] for v in verified.videos for p in v.problems]
    for command in remedies:
        moving, _, finalising = command.rpartition(" && ")
        subprocess.run(["sh", "-c", moving], check=True)
        assert [str(video.state) for video in tz.info(store).videos] == ["done", "done"]
        run_cli(*shlex.split(finalising)[1:])  # it warns while something is left in another video
    assert snapshot(store) == written
    assert len({*(tmp_path / "out.zarr-moved").glob("[AB]/*")}) >= 2
    assert tz.verify(store, quick=True).ok


def test_metadata_that_xarray_wrote_are_restored_and_nothing_else_is_done(store: Path) -> None:
    """Whoever removes the additions otherwise: `verify` names the command that restores them."""
    written = snapshot(store)
    shutil.rmtree(store / "A" / results(store / "A")[0])
    assert str(tz.info(store).videos[0].state) == "done"
    for quick in (True, False):
        (problem,) = tz.verify(store, "A", quick=quick, workers=1).videos[0].problems
        assert (problem.kind, problem.is_error) == ("content-changed", True)
        assert f"tracks2zarr finalise {store}" in str(problem.remedy)
    assert tz.load_clip(store, "A", "Loop00").attrs["fps"]
    tz.finalise(store)
    assert snapshot(store) == written


def test_damage_beside_what_others_added_is_found(store: Path, tmp_path: Path) -> None:
    results(store / "A")
    shutil.rmtree(store / "A" / "position" / "c")
    assert not tz.verify(store, quick=True).ok
    assert "speed" in str(tz.info(store).videos[0].why)
    with pytest.raises(tz.Tracks2ZarrError, match="The video is damaged") as error:
        tz.load_clip(store, "A", "Loop00")
    assert "speed" in str(error.value)
    assert kinds(ONE, tmp_path, store, store_mode="a") == ["foreign-arrays"]


@pytest.mark.parametrize("name", ["fps", "node_type", "shape"])
def test_metadata_beside_what_others_added_are_held_to_what_they_were(
    store: Path, name: str
) -> None:
    array(store / "A")
    file = store / "A" / "zarr.json"
    assert f'"{name}":' in file.read_text()
    file.write_text(
        re.sub(rf'"{name}":("group"|[0-9.]+|\[)', rf'"{name}":\g<1>1', file.read_text())
    )
    assert not tz.verify(store, quick=True).ok


def test_results_in_a_group_of_their_own_are_named_and_left_alone(
    store: Path, tmp_path: Path
) -> None:
    mine = xr.Dataset({"speed": ("clip_id", np.zeros(1))})
    mine.to_zarr(store, group="my_results")
    before = tree(store / "my_results")
    assert [v.video for v in tz.info(store).videos if v.state == "unknown"] == ["my_results"]
    assert tz.finalise(store).others == ("my_results",)
    for group_mode in ("w-", "w", "a"):
        assert run(ONE, tmp_path / "one", store, store_mode="a", group_mode=group_mode).ok
    assert kinds(ONE, tmp_path, store, store_mode="w") == ["foreign-group"]
    assert tree(store / "my_results") == before
    (verdict,) = [v for v in tz.verify(store, workers=1).videos if v.video == "my_results"]
    assert [problem.kind for problem in verdict.problems] == ["extra-group"]


def short(group: Path) -> None:
    """Add an array with one frame less, as differences between frames are."""
    n_frames = xr.open_zarr(group.parent, group=group.name).sizes["time"]
    mine = xr.Dataset({"speed": ("time", np.zeros(n_frames - 1))})
    mine.to_zarr(group.parent, group=group.name, mode="a")


def without_dims(group: Path) -> None:
    results(group)
    zarr.open_group(str(group)).create_array("bare", shape=(2,), dtype="int64")[...] = [1, 2]


@pytest.mark.parametrize("add", [short, without_dims])
def test_arrays_that_do_not_fit_a_video_are_left_out(
    store: Path, add: Callable[[Path], None]
) -> None:
    with tz.open_store(store)["A"] as opened:
        whole = opened.load()
    add(store / "A")
    with pytest.warns(UserWarning, match="do not fit its dimensions: .*speed"):
        xr.testing.assert_identical(tz.open_store(store)["A"].load(), whole)
    with pytest.warns(UserWarning, match="speed"):
        assert tz.load_clip(store, "A", "Loop00").attrs["fps"] == whole.attrs["fps"]
    with pytest.warns(UserWarning, match="speed"):
        assert set(xr.open_datatree(store, engine="tracks2zarr").children) == {"A", "B"}


def test_an_array_in_the_root_is_no_video(store: Path) -> None:
    xr.Dataset({"summary": ("k", [1, 2, 3])}).to_zarr(store, mode="a")
    assert "summary" in (store / "zarr.json").read_text()
    assert list(tz.open_store(store)) == ["A", "B"]


# ---- clips


TWO = experiment(A=(clip(0), clip(1)))


def whole(store: Path) -> None:
    """Leave the group as it is."""
    assert (store / "A").is_dir()


@pytest.mark.parametrize("change", [whole, damage])
@pytest.mark.parametrize("group_mode", ["w-", "w"])
def test_no_clip_is_lost_unasked(
    tmp_path: Path, change: Callable[[Path], None], group_mode: str
) -> None:
    """The tracks file of one clip is gone; what `verify` advises must not cost the clip."""
    store = tmp_path / "out.zarr"
    assert run(TWO, tmp_path / "two", store).ok
    change(store)
    before, fewer = tree(store), experiment(A=(clip(1),))
    expected = "video-exists" if change is whole and group_mode == "w-" else "clips-would-be-lost"
    with pytest.raises(tz.Tracks2ZarrError) as error:
        run(fewer, tmp_path / "fewer", store, store_mode="a", group_mode=group_mode)
    (problem,) = error.value.problems
    assert (problem.kind, "Loop00" in f"{problem.found} {problem.remedy}") == (expected, True)
    assert tree(store) == before
    (command,) = re.findall(r"mkdir [^)]+", str(problem.remedy))
    subprocess.run(["sh", "-c", command], check=True)
    assert run(fewer, tmp_path / "fewer", store, store_mode="a").ok
    assert read_content(tmp_path / "out.zarr-moved" / "A").files > 0


def test_a_damaged_group_keeps_its_clips(tmp_path: Path) -> None:
    """With `a`, clips without a tracks file make the video fail: the store keeps what it has."""
    store = tmp_path / "out.zarr"
    assert run(TWO, tmp_path / "two", store).ok
    damage(store)
    before = tree(store / "A")
    shutil.rmtree(tmp_path / "two")
    fewer = experiment(A=(clip(1),))
    summary = run(fewer, tmp_path / "fewer", store, store_mode="a", group_mode="a")
    assert not summary.ok
    assert tree(store / "A") == before


# ---- links


def test_links_to_content_count_as_the_content(store: Path, tmp_path: Path) -> None:
    """As git-annex leaves them."""
    for number, path in enumerate(p for p in (store / "A").rglob("*") if p.is_file()):
        path.rename(tmp_path / f"object{number}")
        path.symlink_to(tmp_path / f"object{number}")
    assert tz.verify(store, workers=1).ok
    assert tz.finalise(store).done == ("A", "B")
    assert {str(video.state) for video in tz.info(store).videos} == {"done"}
    summary = run(ONE, tmp_path / "one", store, store_mode="a")
    assert {str(outcome.result) for outcome in summary.outcomes} == {"skipped"}


@pytest.mark.parametrize("name", ["zarr.json", "position/c/0/0/0/0"])
@pytest.mark.parametrize("form", ["dangling-link", "annex-pointer", "lfs-pointer"])
def test_content_that_was_not_fetched_is_said(
    store: Path, tmp_path: Path, name: str, form: str
) -> None:
    path = store / "A" / name
    path.rename(tmp_path / "object")
    leave_in_place(path, form)
    for quick in (True, False):
        verdict = {one.video: one for one in tz.verify(store, quick=quick, workers=1).videos}["A"]
        assert form in {problem.kind for problem in verdict.problems}
    seen = tz.info(store).videos[0]
    assert (str(seen.state), seen.why) == ("missing", "The content of a file was not fetched.")
    assert tz.finalise(store).done == ("B",)
    before = tree(store)
    for group_mode in ("w-", "w", "a"):
        options = {"store_mode": "a", "group_mode": group_mode}
        assert kinds(ONE, tmp_path, store, **options) == [form]
    assert tree(store) == before
    path.unlink()
    (tmp_path / "object").rename(path)
    assert tz.finalise(store).done == ("A", "B")


@pytest.mark.parametrize("name", ["zarr.json", ".tracks2zarr/plan.json"])
@pytest.mark.parametrize("form", ["dangling-link", "annex-pointer", "lfs-pointer"])
def test_a_root_that_was_not_fetched_is_never_rebuilt(
    store: Path, tmp_path: Path, name: str, form: str
) -> None:
    whole = tree(store)
    path = store / name
    path.rename(tmp_path / "object")
    leave_in_place(path, form)
    before = tree(store)
    for use in (tz.info, tz.finalise, tz.verify, tz.open_store):
        with pytest.raises(tz.Tracks2ZarrError) as error:
            use(store)
        assert [problem.kind for problem in error.value.problems] == [form]
    for store_mode in ("w-", "w", "a"):
        assert kinds(ONE, tmp_path, store, store_mode=store_mode) == [form]
    assert tree(store) == before
    path.unlink()
    (tmp_path / "object").rename(path)
    assert tree(store) == whole


def leave_in_place(path: Path, form: str) -> None:
    """Put what git-annex or Git LFS leaves in the place of a file."""
    if form == "dangling-link":
        path.symlink_to(path.parent / "nowhere")
    elif form == "annex-pointer":
        path.write_text("/annex/objects/SHA256E-s1\n")
    else:
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 1\n")


@pytest.mark.parametrize("form", ["dangling-link", "annex-pointer", "lfs-pointer"])
def test_a_receipt_that_was_not_fetched_is_said(store: Path, tmp_path: Path, form: str) -> None:
    path = store / ".tracks2zarr/receipts/A.json"
    path.rename(tmp_path / "object")
    leave_in_place(path, form)
    seen = tz.info(store).videos[0]
    assert (str(seen.state), seen.why) == ("pending", "The content of a file was not fetched.")
    path.unlink()
    (tmp_path / "object").rename(path)
    assert str(tz.info(store).videos[0].state) == "done"
