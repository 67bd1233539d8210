"""Merging stores: what moves, what is left, what is refused, on one disk and on two."""

import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import tracks2zarr as tz
from support.commands import call, files_below
from support.experiments import Experiment
from support.merges import (
    create,
    fates,
    plan_only,
    refused,
    tidy,
    video,
    whole,
    without_locks,
)
from support.tree import run_cli, snapshot
from tracks2zarr.common.progress import NoProgress
from tracks2zarr.store.commit import Attempt
from tracks2zarr.store.store import Store


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """Return a store of A and B."""
    return create(tmp_path / "one.zarr", video("A"), video("B"))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Return a store of C."""
    return create(tmp_path / "two.zarr", video("C", n_clips=2))


ALL = (video("A"), video("B"), video("C", n_clips=2))


# ---- moving and copying


@pytest.mark.filterwarnings("error", "ignore::ResourceWarning")  # of what earlier tests left
def test_moved(one: Path, two: Path, tmp_path: Path) -> None:
    receipt = Store.at(two).read_receipt("C")
    inode = (two / "C/position/c/0/0/0/0").stat().st_ino
    merged = tz.merge(one, [two])
    assert merged.ok
    assert fates(merged) == {"C": "moved"}
    assert merged.emptied == (two,)
    assert snapshot(one) == whole(tmp_path / "whole", *ALL)
    now = Store.at(one).read_receipt("C")
    assert now is not None
    assert receipt is not None
    assert replace(now, attempt=receipt.attempt) == receipt
    assert (one / "C/position/c/0/0/0/0").stat().st_ino == inode, "no file was copied"
    assert tz.verify(one, workers=1).ok
    with xr.open_datatree(one, engine="zarr", chunks={}) as tree:
        assert set(tree.children) == {"A", "B", "C"}
    tidy(one, two)


def test_what_is_left_of_a_source(one: Path, two: Path, tmp_path: Path) -> None:
    assert tz.merge(one, [two]).ok
    assert tz.info(two).videos == ()
    assert tz.verify(two).ok
    with xr.open_datatree(two, engine="zarr") as tree:
        assert not tree.children
    assert {path.name for path in (two / ".tracks2zarr" / "receipts").iterdir()} == set()
    create(two, video("D"))
    assert fates(tz.merge(one, [two])) == {"D": "moved"}


def test_copied(one: Path, two: Path, tmp_path: Path) -> None:
    before = files_below(two)
    merged = tz.merge(one, [two], copy=True)
    assert merged.ok
    assert fates(merged) == {"C": "copied"}
    assert files_below(two) == before
    assert snapshot(one) == whole(tmp_path / "whole", *ALL)
    files = [path for store in (one, two) for path in (store / "C").rglob("*") if path.is_file()]
    assert {path.stat().st_nlink for path in files} == {1}, "nothing is shared"
    assert fates(tz.merge(one, [two], copy=True)) == {"C": "same"}
    assert files_below(two) == before
    assert fates(tz.merge(one, [two])) == {"C": "same"}
    assert tz.info(two).videos == ()
    tidy(one, two)


@pytest.mark.system
def test_copied_from_a_store_that_cannot_be_written_to(
    one: Path, two: Path, tmp_path: Path
) -> None:
    mount = tmp_path / "read-only"
    mount.mkdir()
    subprocess.run(["mount", "--bind", two, mount], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", mount], check=True)
        assert refused(one, mount) == ["merge-read-only"]
        assert tz.merge(one, [mount], copy=True).ok
    finally:
        subprocess.run(["umount", mount], check=True)
    assert snapshot(one) == whole(tmp_path / "whole", *ALL)


def test_several_sources_into_an_empty_folder(one: Path, two: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.zarr"
    target.mkdir()
    merged = tz.merge(target, [one, two])
    assert merged.ok
    assert fates(merged) == {"A": "moved", "B": "moved", "C": "moved"}
    assert snapshot(target) == whole(tmp_path / "whole", *ALL)
    assert merged.emptied == (one, two)
    tidy(target, one, two)


def test_another_disk(one: Path, other_disk: Path, tmp_path: Path) -> None:
    two = create(other_disk / "two.zarr", video("C", n_clips=2))
    (two / "logs").mkdir()
    (two / "logs" / "a.out").write_text("said")
    assert fates(tz.merge(one, [two])) == {"C": "moved"}
    assert snapshot(one) == whole(tmp_path / "whole", *ALL)
    assert (one / "logs" / "a.out").read_text() == "said"
    assert sorted(path.name for path in two.iterdir()) == [".tracks2zarr", "zarr.json"]
    assert fates(tz.merge(two, [one])) == {"A": "moved", "B": "moved", "C": "moved"}
    tidy(one, two)


def test_without_hard_links(
    one: Path, two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "no hard links here")

    (two / "logs").mkdir()
    (two / "logs" / "a.out").write_text("said")
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", link)
        assert tz.merge(one, [two]).ok
    assert (one / "logs" / "a.out").read_text() == "said"
    assert snapshot(one) == whole(tmp_path / "whole", *ALL)
    tidy(one, two)


@pytest.mark.parametrize("form", ["slash", "relative", "link"])
def test_forms_of_a_path(
    one: Path, two: Path, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "two.zarr").symlink_to(two)
    (tmp_path / "links" / "one.zarr").symlink_to(one)
    monkeypatch.chdir(tmp_path)
    paths = {
        "slash": (f"{one}/", f"{two}/"),
        "relative": ("one.zarr", "./links/../two.zarr"),
        "link": ("links/one.zarr", "links/two.zarr/"),
    }
    target, source = paths[form]
    assert tz.merge(target, [source]).ok
    assert snapshot(one) == whole(tmp_path / "whole", *ALL)
    assert sorted(path.name for path in (tmp_path / "links").iterdir()) == ["one.zarr", "two.zarr"]


def test_records_and_logs_come_along(one: Path, two: Path) -> None:
    record = Path(".tracks2zarr") / "tasks" / "C.json"
    for store, text in ((one, "of the target"), (two, "of the source")):
        (store / record).parent.mkdir(exist_ok=True)
        (store / record).write_text(text)
        for log in ("logs/a.out", f"logs/{store.name}.out", "logs_failed/deep/b.err"):
            (store / log).parent.mkdir(parents=True, exist_ok=True)
            (store / log).write_text(text)
            (store / log).chmod(0o444)
    (one / "logs" / "a.1.out").write_text("of the target")
    (two / "logs" / "equal.out").write_text("equal")
    shutil.copy(two / "logs" / "equal.out", one / "logs")
    merged = tz.merge(one, [two])
    assert merged.ok
    assert merged.n_logs == 4
    assert (one / record).read_text() == "of the source"
    logs = {
        path.relative_to(one).as_posix(): path.read_text()
        for name in ("logs", "logs_failed")
        for path in (one / name).rglob("*.*")
    }
    assert logs == {
        "logs/a.out": "of the target",
        "logs/a.1.out": "of the target",
        "logs/a.2.out": "of the source",
        "logs/one.zarr.out": "of the target",
        "logs/two.zarr.out": "of the source",
        "logs/equal.out": "equal",
        "logs_failed/deep/b.err": "of the target",
        "logs_failed/deep/b.1.err": "of the source",
    }
    assert stat.S_IMODE((one / "logs" / "a.2.out").stat().st_mode) == 0o444
    assert sorted(path.name for path in two.iterdir()) == [".tracks2zarr", "zarr.json"]
    assert not (two / record).exists()
    assert tz.verify(one, quick=True).ok


def test_copied_logs_do_not_double(one: Path, two: Path) -> None:
    for store in (one, two):
        (store / "logs").mkdir()
        (store / "logs" / "a.out").write_text(store.name)
    for _ in range(2):
        assert tz.merge(one, [two], copy=True).ok
    assert sorted(path.name for path in (one / "logs").iterdir()) == ["a.1.out", "a.out"]
    assert (two / "logs" / "a.out").read_text() == "two.zarr"


# ---- plans, and what is not finished


def test_the_plan_becomes_the_union(tmp_path: Path) -> None:
    """As after a rerun into a second store: the first has failures, the second the rest."""
    videos = [video(name) for name in "ABCD"]
    one = create(plan_only(tmp_path / "one.zarr", *videos), *videos[:2])
    two = create(plan_only(tmp_path / "two.zarr", *videos), *videos[2:])
    done = call("merge", one, two)
    assert done.status == 0
    assert "4 of 4 videos listed" in done.stdout
    assert "A: left, as it is pending; the target has it (two.zarr)" in done.stdout
    assert done.stderr == ""
    assert snapshot(one) == whole(tmp_path / "whole", *videos)
    assert {one.video: str(one.state) for one in tz.info(two).videos} == dict.fromkeys(
        "AB", "pending"
    )


def test_unfinished_videos_are_left_and_named(one: Path, tmp_path: Path) -> None:
    two = create(tmp_path / "two.zarr", video("C"), video("D"), video("F"))
    plan_only(two, video("E"))
    store = Store.at(two)
    shutil.rmtree(two / "D")
    store.receipt_file("F").unlink()
    store.write_failure("F", [tz.Problem(kind="fps", what="It is bad.")], {})
    done = call("merge", one, two)
    assert done.status == 1
    assert "C: moved" in done.stdout
    assert "3 of 6 videos listed" in done.stdout
    for name, state in (("D", "missing"), ("E", "pending"), ("F", "failed")):
        assert f"{name}: left, as it is {state} (two.zarr)" in done.stdout
        assert f"missing: {name} (pending)" in done.stdout
    assert done.stderr.count("A video that is not finished was left where it is.") == 3
    assert "failed: It is bad." in done.stderr
    assert "Traceback" not in done.stderr
    assert (two / "F").is_dir()
    assert {info.video: str(info.state) for info in tz.info(two).videos} == {
        "D": "missing", "E": "pending", "F": "failed"
    }  # fmt: skip
    assert not (one / "F").exists()


def test_a_damaged_video_is_left(one: Path, two: Path) -> None:
    chunk = next((two / "C" / "position").rglob("c/0/0/0/0"))
    content = bytearray(chunk.read_bytes())
    content[-1] ^= 1
    chunk.write_bytes(content)
    before = snapshot(two)
    merged = tz.merge(one, [two])
    assert not merged.ok
    assert [one.problem.kind for one in merged.videos if one.problem] == ["merge-damaged"]
    assert snapshot(two) == before
    assert not (one / "C").exists()
    tidy(one, two)


def test_a_damaged_twin_is_left_and_a_damaged_target_is_mended(one: Path, tmp_path: Path) -> None:
    two = tmp_path / "two.zarr"
    shutil.copytree(one, two)
    expected = snapshot(one)
    (two / "A" / "zarr.json").write_text("{}")
    (one / "B" / "time" / "c" / "0").write_bytes(b"0")
    merged = tz.merge(one, [two])
    assert merged.ok, "the target has all"
    assert fates(merged) == {"A": "left", "B": "moved"}
    assert snapshot(one) == expected
    assert (two / "A" / "zarr.json").read_text() == "{}"


def test_a_copy_is_checked(one: Path, two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tracks2zarr.merging import one_video

    def bad_copy(source: Path, target: Path, *, link: bool) -> None:
        shutil.copytree(source, target)
        next(target.rglob("c/0/0/0/0")).write_bytes(b"nothing")

    monkeypatch.setattr(one_video, "copy_folder", bad_copy)
    before = snapshot(two)
    merged = tz.merge(one, [two])
    assert not merged.ok
    assert "differs from the original" in str(merged.videos[0].problem)
    assert snapshot(two) == before
    assert not (one / "C").exists()
    tidy(one, two)


def test_a_changed_plan_is_not_moved(one: Path, two: Path) -> None:
    """The source has the video of an older plan; what it was to be now is not done."""
    plan_only(tmp := two.with_name("tmp.zarr"), video("C", n_clips=3))
    store = Store.at(two)
    store.write_plan(Store.at(tmp).read_plan())
    merged = tz.merge(one, [two])
    assert fates(merged) == {"C": "left"}
    assert not merged.ok
    assert (two / "C").is_dir()


# ---- what both have


def test_the_same_video_in_both(one: Path, two: Path, tmp_path: Path) -> None:
    create(two, video("A"))
    merged = tz.merge(one, [two])
    assert merged.ok
    assert fates(merged) == {"A": "same", "C": "moved"}
    assert snapshot(one) == whole(tmp_path / "whole", *ALL)
    assert tz.info(two).videos == ()


def test_all_conflicts_are_said_before_any_work(one: Path, two: Path, tmp_path: Path) -> None:
    three = create(tmp_path / "three.zarr", video("A", x=7), video("B", x=7), video("C", x=7))
    assert refused(one, two, three) == ["merge-conflict"] * 3
    done = call("merge", one, two, three)
    assert done.status == 1
    assert done.stderr.count("Two of the stores have different versions of the video.") == 3
    assert "--on-conflict" in done.stderr
    (tmp_path / "new.zarr").mkdir()
    assert refused(tmp_path / "new.zarr", two, three) == ["merge-conflict"]
    assert list((tmp_path / "new.zarr").iterdir()) == []
    assert refused(one, two, three, on_conflict="replace") == ["merge-conflict"]
    tidy(one, two, three)


def test_skip(one: Path, tmp_path: Path) -> None:
    two = create(tmp_path / "two.zarr", video("B", x=7), video("C", n_clips=2))
    before = snapshot(two / "B")
    merged = tz.merge(one, [two], on_conflict="skip")
    assert merged.ok
    assert fates(merged) == {"B": "skipped", "C": "moved"}
    assert snapshot(one) == whole(tmp_path / "whole", *ALL)
    assert snapshot(two / "B") == before
    assert [info.video for info in tz.info(two).videos] == ["B"]


def test_skip_takes_the_first_of_several(one: Path, tmp_path: Path) -> None:
    two = create(tmp_path / "two.zarr", video("C"))
    three = create(tmp_path / "three.zarr", video("C", x=7))
    merged = tz.merge(one, [two, three], on_conflict="skip")
    assert [str(one.fate) for one in merged.videos] == ["moved", "skipped"]
    assert snapshot(one) == whole(tmp_path / "whole", video("A"), video("B"), video("C"))


def test_replace(one: Path, tmp_path: Path) -> None:
    two = create(tmp_path / "two.zarr", video("B", x=7, n_clips=2))
    assert tz.merge(one, [two], on_conflict="replace").ok
    assert snapshot(one) == whole(tmp_path / "whole", video("A"), video("B", x=7, n_clips=2))
    assert tz.verify(one, workers=1).ok
    tidy(one, two)


def test_other_bytes_of_the_same_input_are_a_conflict(one: Path, tmp_path: Path) -> None:
    two = create(tmp_path / "two.zarr", video("A"))
    metadata = two / "A" / "zarr.json"
    metadata.write_bytes(metadata.read_bytes() + b"\n")
    store = Store.at(two)
    receipt = store.read_receipt("A")
    assert receipt is not None
    from tracks2zarr.common.files import read_content

    store.write_receipt(replace(receipt, content=read_content(two / "A")))
    assert refused(one, two) == ["merge-conflict"]


def test_unfinished_groups_of_the_target_give_way(one: Path, two: Path, tmp_path: Path) -> None:
    """A group without a receipt is no video, unless it has clips that would be lost."""
    shutil.copytree(two / "C", one / "C")
    plan_only(one, video("C", n_clips=2))
    assert tz.merge(one, [two]).ok
    assert snapshot(one) == whole(tmp_path / "whole", *ALL)
    fewer = create(tmp_path / "fewer.zarr", video("C"))
    Store.at(one).receipt_file("C").unlink()
    assert refused(one, fewer) == ["merge-conflict"]


def put_notes(place: Path) -> None:
    place.mkdir()
    (place / "notes.txt").write_text("mine")


def put_file(place: Path) -> None:
    place.write_text("mine")


def put_link(place: Path) -> None:
    place.symlink_to("nowhere")


def put_older_zarr(place: Path) -> None:
    zarr.create_group(str(place), zarr_format=2).create_array("x", shape=(1,), dtype="int64")


def put_array(place: Path) -> None:
    zarr.create_group(str(place)).create_array("x", shape=(1,), dtype="int64")


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("put", [put_notes, put_file, put_link, put_older_zarr, put_array])
def test_what_is_not_ours_stays_in_the_target(
    one: Path, two: Path, put: Callable[[Path], None], copy: bool
) -> None:
    put(one / "C")
    before = without_locks(one)
    for on_conflict in ("error", "replace"):
        assert refused(one, two, copy=copy, on_conflict=on_conflict) == ["foreign-group"]
    merged = tz.merge(one, [two], copy=copy, on_conflict="skip")
    assert fates(merged)["C"] == "skipped"
    held = without_locks(one)
    assert {n: held[n] for n in before if n.startswith("C/")} == {
        n: before[n] for n in before if n.startswith("C/")
    }
    assert os.path.lexists(one / "C")
    assert (two / "C" / "zarr.json").is_file()


def test_what_was_added_to_a_group_stays_in_the_target(one: Path, tmp_path: Path) -> None:
    other = create(tmp_path / "other.zarr", video("A", x=7))
    (one / "A" / "notes.txt").write_text("mine")
    assert refused(one, other, on_conflict="replace") == ["foreign-arrays"]
    assert (one / "A" / "notes.txt").read_text() == "mine"


def test_no_clip_is_lost_by_replacing(one: Path, tmp_path: Path) -> None:
    more = create(tmp_path / "more.zarr", video("A", n_clips=2))
    assert refused(more, one, on_conflict="replace") == ["clips-would-be-lost"]
    assert tz.merge(one, [more], on_conflict="replace").ok


# ---- which stores can be merged


def test_stores_that_cannot_be_merged(one: Path, two: Path, tmp_path: Path) -> None:
    (tmp_path / "link.zarr").symlink_to(one)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    shutil.copytree(two, one / "inner.zarr")
    assert refused(one, tmp_path / "link.zarr") == ["merge-twice"]
    assert refused(one, two, Path(f"{two}/")) == ["merge-twice"]
    assert refused(one, one / "inner.zarr") == ["inside-store", "merge-nested"]
    assert refused(one / "inner.zarr", one) == ["inside-store", "merge-nested"]
    shutil.rmtree(one / "inner.zarr")
    assert refused(tmp_path / "on.zarr", two) == ["merge-target"]
    assert refused(tmp_path / "full", two) == ["merge-target"]
    assert refused(one, tmp_path / "tow.zarr", tmp_path / "full") == ["no-store", "no-store"]
    assert refused(one, two / "C") == ["inside-store"]
    assert refused(two / "C", one) == ["inside-store"]
    (two / ".tracks2zarr" / "plan.json").write_text("{}")
    assert refused(one, two) == ["plan-format"]
    assert "one.zarr" in call("merge", tmp_path / "on.zarr", one).stderr


def test_arguments_from_python(one: Path, two: Path) -> None:
    for options in ({"on_conflict": "w"}, {"individual_dim": "crab"}):
        with pytest.raises(ValueError, match="is '"):
            tz.merge(one, [two], **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no source"):
        tz.merge(one, [])


def test_on_the_command_line(one: Path, two: Path) -> None:
    done = run_cli("merge", one, two)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "C: moved (two.zarr)",
        f"{two} holds no video any more; it can be removed",
        "3 of 3 videos listed",
    ]
    assert call("merge", one).status == 2


# ---- runs at the same time


def test_videos_that_a_run_is_at_work_on(one: Path, tmp_path: Path) -> None:
    two = create(tmp_path / "two.zarr", video("C"), video("D"), video("E"))
    (two / "logs").mkdir()
    (two / "logs" / "a.out").write_text("still written to")
    with Store.at(one).video_lock("C"), Store.at(two).run_lock(), Store.at(two).video_lock("D"):
        done = call("merge", one, two)
    assert done.status == 1
    assert done.stderr.count("A run is working on a video, so the video was left where it is.") == 2
    assert str(one / "C") in done.stderr
    assert str(two / "D") in done.stderr
    assert "E: moved" in done.stdout
    assert (two / "logs" / "a.out").exists()
    assert sorted(Store.at(two).groups()) == ["C", "D"]
    assert tz.merge(one, [two]).ok
    assert (one / "logs" / "a.out").exists()


def test_merges_at_the_same_time(one: Path, tmp_path: Path) -> None:
    """Into one store, and from one store into two; every video is in one place in the end."""
    names = [f"V{number}" for number in range(8)]
    two = create(tmp_path / "two.zarr", *(video(name) for name in names[:4]))
    three = create(tmp_path / "three.zarr", *(video(name) for name in names[4:]))
    four = create(tmp_path / "four.zarr", video("Z"))
    pairs = [(one, two), (one, three), (four, two), (two, four)]
    threads = [threading.Thread(target=tz.merge, args=(to, [of])) for to, of in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = [name for store in (one, two, three, four) for name in Store.at(store).groups()]
    assert sorted(held) == sorted([*names, "A", "B", "Z"])
    for store in (one, two, three, four):
        for info in tz.info(store).videos:
            if info.video in Store.at(store).groups():
                assert str(info.state) == "done", (store, info)
    tidy(one, two, three, four)


def test_create_on_both_stores_meanwhile(one: Path, two: Path, tmp_path: Path) -> None:
    inputs = {}
    for store, name in ((one, "D"), (two, "E")):
        inputs[store] = tz.plan(*Experiment((video(name),)).write(tmp_path / name))
    threads = [
        threading.Thread(
            target=tz.create, args=(plan, store), kwargs={"store_mode": "a", "workers": 1}
        )
        for store, plan in inputs.items()
    ]
    for thread in threads:
        thread.start()
    tz.merge(one, [two])
    for thread in threads:
        thread.join()
    assert tz.merge(one, [two]).ok
    videos = (*ALL, video("D"), video("E"))
    assert snapshot(one) == whole(tmp_path / "whole", *videos)
    assert tz.finalise(two).missing == {}


@pytest.mark.parametrize("copy", [False, True])
def test_stopped(one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copy: bool) -> None:
    """The roots are true after Ctrl-C, too."""
    two = create(tmp_path / "two.zarr", video("C"), video("D"))

    class Stop(NoProgress):
        def ended(self, video: str, result: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tz.merge(one, [two], copy=copy, progress=Stop())
    assert tz.finalise(one).done == ("A", "B", "C")
    assert tz.verify(two, quick=True).problems == ()
    tidy(one, two)
    assert tz.merge(one, [two], copy=copy).ok


def test_a_full_disk(one: Path, two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tracks2zarr.merging import one_video

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    before = snapshot(two)
    with monkeypatch.context() as patch:
        patch.setattr(one_video, "copy_folder", full)
        merged = tz.merge(one, [two])
    assert [one.problem.kind for one in merged.videos if one.problem] == ["disk-full"]
    assert snapshot(two) == before
    tidy(one, two)
    assert tz.merge(one, [two]).ok


# ---- random stores

NAMES = "ABC"
KINDS = st.sampled_from(["absent", "done", "other", "pending", "damaged"])
STORES = st.fixed_dictionaries(dict.fromkeys(NAMES, KINDS))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two stores of all videos, with the one and the other boxes."""
    folder = tmp_path_factory.mktemp("parts")
    create(folder / "done.zarr", *(video(name) for name in NAMES))
    create(folder / "other.zarr", *(video(name, x=7) for name in NAMES))
    return folder


def assembled(store: Path, kinds: dict[str, str], parts: Path) -> Path:
    """Put a store together from parts."""
    plans, there = {}, Store(store)
    (store / ".tracks2zarr").mkdir(parents=True)
    shutil.copy(parts / "done.zarr" / "zarr.json", store)
    for name, kind in kinds.items():
        part = Store(parts / ("other.zarr" if kind == "other" else "done.zarr"))
        if kind == "absent":
            continue
        plans[name] = part.read_plan()[name]
        if kind == "pending":
            continue
        shutil.copytree(part.group(name), there.group(name))
        there.receipt_file(name).parent.mkdir(exist_ok=True)
        shutil.copy(part.receipt_file(name), there.receipt_file(name))
        if kind == "damaged":
            (store / name / "time" / "c" / "0").write_bytes(b"")
    there.write_plan(tz.Plan(tuple(plans.values())))
    tz.finalise(store)
    return store


@pytest.mark.slow
@settings(max_examples=150)
@given(
    target=STORES,
    source=STORES,
    copy=st.booleans(),
    on_conflict=st.sampled_from(["error", "skip", "replace"]),
)
def test_random_stores(
    parts: Path, target: dict[str, str], source: dict[str, str], copy: bool, on_conflict: Any
) -> None:
    """Against a model: which boxes each store holds of each video afterwards."""
    folder = parts / "work"
    shutil.rmtree(folder, ignore_errors=True)
    to, of = (
        assembled(folder / f"{n}.zarr", k, parts) for n, k in (("to", target), ("of", source))
    )
    whole = {"done", "other"}
    conflicts = [
        name
        for name in NAMES
        if source[name] in whole
        and target[name] in {"done", "other", "damaged"}
        and (source[name] == "other") != (target[name] == "other")
    ]
    if conflicts and on_conflict == "error":
        assert refused(to, of, copy=copy) == ["merge-conflict"] * len(conflicts)
        return
    merged = tz.merge(to, [of], copy=copy, on_conflict=on_conflict)
    for name in NAMES:
        taken = source[name] in whole and (name not in conflicts or on_conflict == "replace")
        expected = source[name] if taken else target[name]
        if expected in whole:
            there = snapshot(parts / f"{expected}.zarr" / name)
            assert snapshot(to / name) == there
        states = {one.video: str(one.state) for one in tz.info(to).videos}
        if expected not in whole:
            planned = source[name] != "absent" or target[name] != "absent"
            assert (states.get(name) in {"pending", "missing"}) == planned
        else:
            assert states[name] == "done"
        gone = not copy and taken
        assert (of / name).exists() == (source[name] in {*whole, "damaged"} and not gone)
    assert tz.verify(to, quick=True).ok == merged.ok
    again = tz.merge(to, [of], copy=copy, on_conflict=on_conflict)
    assert again.ok == merged.ok
    tidy(to, of)


def test_a_group_in_the_place_of_one_that_was_set_aside_is_named(tmp_path: Path) -> None:
    """A replacement was killed, and somebody else's group lies where the older one belongs."""
    target, source = create(tmp_path / "one.zarr", video("A")), tmp_path / "two.zarr"
    create(source, video("B"))
    there = Store.at(target)
    (target / "A").rename(Attempt.begin(there, "A", there.temp).work / "aside")
    zarr.create_group(target / "A", attributes={"made": "by hand"})
    merged = tz.merge(target, [source])
    assert [(problem.kind, problem.video) for problem in merged.problems] == [
        ("foreign-group", "A")
    ]
    assert fates(merged) == {"B": "moved"}
