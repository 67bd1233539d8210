"""What the root lists: decided by receipts and groups, also where the plan asks for another."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import tracks2zarr as tz
from support.commands import call
from support.experiments import Box, Clip, Experiment, Video
from support.tree import snapshot
from tracks2zarr.converting.creation import prepare
from tracks2zarr.slurm.status import status
from tracks2zarr.store.commit import Attempt
from tracks2zarr.store.listing import listed_in
from tracks2zarr.store.store import Store

CLIP = Clip("Loop00", 1, 10, 4, "triggered", (Box(1, 5, 1, 2, 3, 4), Box(6, 9, 1, 2, 3, 4)))
VIDEOS = ("A", "B", "C")


def input_of(folder: Path, clip: Clip = CLIP) -> tuple[Path, Path]:
    """Write an experiment of three videos; return its folder of tracks and its metadata."""
    return Experiment(tuple(Video(video, (clip,)) for video in VIDEOS)).write(folder)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a finished store of three videos."""
    plan = tz.plan(*input_of(tmp_path / "old"))
    assert tz.create(plan, tmp_path / "out.zarr", workers=1).ok
    return tmp_path / "out.zarr"


def replacement(folder: Path) -> tuple[Path, Path]:
    """Write other input for the same videos."""
    return input_of(folder, replace(CLIP, boxes=CLIP.boxes[:1]))


def test_an_older_video_is_listed_until_it_is_replaced(store: Path, tmp_path: Path) -> None:
    """A replacement that was killed before it converted anything; the named remedy works."""
    whole, new = snapshot(store), replacement(tmp_path / "new")
    prepare(tz.plan(*new), store, group_mode="w")
    finalised = tz.finalise(store)
    assert (finalised.done, finalised.kept) == ((), VIDEOS)
    assert dict(finalised.missing) == dict.fromkeys(VIDEOS, "pending")
    assert snapshot(store) == whole
    ended = call("finalise", store)
    assert ended.status == 1
    assert ended.stdout.splitlines()[:2] == [
        "3 of 3 videos listed",
        "listed as it was: A (pending)",
    ]
    assert [video.why for video in tz.info(store).videos] == [
        "listed as it was, until it is replaced"
    ] * 3
    found = status(store)
    assert (found.is_listed, found.kept, found.ok) == (True, VIDEOS, False)
    assert (
        "listed as before, until it is replaced: A, B, C" in call("slurm", "status", store).stdout
    )
    verified = tz.verify(store, quick=True, workers=1)
    assert not verified.problems
    for verdict in verified.videos:
        assert "--store-mode a --group-mode w" in str(verdict.problems[0].remedy)
    again = call("create", *new, store, "--store-mode", "a", "--group-mode", "w")
    assert again.status == 0, again.stderr
    assert tz.finalise(store).done == VIDEOS
    assert tz.verify(store, workers=1).ok


def test_a_failed_replacement_leaves_the_older_video_listed(store: Path, tmp_path: Path) -> None:
    whole = snapshot(store)
    bad = input_of(tmp_path / "bad", replace(CLIP, boxes=(Box(50, 1, 1, 2, 3, 4),)))
    summary = tz.create(tz.plan(*bad), store, store_mode="a", group_mode="w", workers=1)
    assert dict(summary.missing) == dict.fromkeys(VIDEOS, "failed")
    assert snapshot(store) == whole
    assert tz.open_store(store)["A"].sizes["clip_id"] == 1


def test_what_was_asked_for_before_can_be_asked_for_again(store: Path, tmp_path: Path) -> None:
    """Whoever gives a replacement up gets the older videos back, without work."""
    prepare(tz.plan(*replacement(tmp_path / "new")), store, group_mode="w")
    plan = tz.plan(tmp_path / "old" / "tracks", tmp_path / "old" / "loop-frames-ffmpeg.csv")
    summary = tz.create(plan, store, store_mode="a", workers=1)
    assert {str(outcome.result) for outcome in summary.outcomes} == {"skipped"}
    assert tz.finalise(store).done == VIDEOS


def test_a_killed_replacement_is_put_back(store: Path) -> None:
    """It was killed between setting the older group aside and its own receipt."""
    whole, there = snapshot(store), Store.at(store)
    attempt = Attempt.begin(there, "A", there.temp)
    there.group("A").rename(attempt.work / "aside")
    there.group("A").mkdir()
    assert tz.finalise(store).done == VIDEOS
    assert snapshot(store) == whole
    assert not there.temp.exists()


def test_the_listing_counts_only_for_exactly_its_root(store: Path) -> None:
    """It is what a large root need not be parsed for, and never more than that."""
    there, root = Store.at(store), (store / "zarr.json").read_bytes()
    note = json.loads(there.listing_file.read_bytes())
    there.listing_file.write_text(json.dumps(note | {"groups": ["A"]}))
    os.utime(there.root_file, ns=(1, 1))
    assert listed_in(there) == {"A"}, "it is not used"
    there.root_file.write_bytes(root + b" ")
    assert listed_in(there) == set(VIDEOS)
    there.root_file.write_bytes(root[:-9])
    with pytest.raises(tz.Tracks2ZarrError, match="The root of the store is broken"):
        status(store)
    assert tz.finalise(store).done == VIDEOS
    assert json.loads(there.listing_file.read_bytes()) == note


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]"])
def test_a_listing_that_says_nothing_is_written_anew(store: Path, content: bytes | None) -> None:
    there = Store.at(store)
    written = there.listing_file.read_bytes()
    there.listing_file.unlink() if content is None else there.listing_file.write_bytes(content)
    os.utime(there.root_file, ns=(1, 1))
    assert listed_in(there) == set(VIDEOS)
    tz.finalise(store)
    assert there.listing_file.read_bytes() == written


def test_a_listing_that_cannot_be_read_is_not_missed(store: Path) -> None:
    os.utime(store / "zarr.json", ns=(1, 1))
    with unreadable("listing.json", errno.EIO):
        assert status(store).ok


@pytest.mark.parametrize("listed", [None, [], {}, {"metadata": None}, {"metadata": {"A": None}}])
def test_a_root_of_other_writers_lists_nothing(store: Path, listed: object) -> None:
    """Some write null, or other things, where nothing is consolidated."""
    root = {"attributes": {}, "zarr_format": 3, "node_type": "group"}
    (store / "zarr.json").write_text(json.dumps(root | {"consolidated_metadata": listed}))
    found = status(store)
    assert (found.all_done, found.is_listed) == (True, False)
    with unreadable("receipts/B.json", errno.EIO):
        assert tz.finalise(store).done == ("A", "C")
    assert tz.finalise(store).done == VIDEOS


def test_what_cannot_be_told_is_not_put_back(store: Path) -> None:
    """Whether the older group or the newer one is the right one, only the receipt knows."""
    whole, there = snapshot(store), Store.at(store)
    attempt = Attempt.begin(there, "A", there.temp)
    there.group("A").rename(attempt.work / "aside")
    with unreadable("receipts/A.json", errno.EIO):
        finalised = tz.finalise(store)
    assert (finalised.done, finalised.kept) == (("B", "C"), ("A",))
    assert (attempt.work / "aside" / "zarr.json").exists()
    assert tz.finalise(store).done == VIDEOS
    assert snapshot(store) == whole


@contextmanager
def unreadable(part: str, number: int) -> Iterator[None]:
    """Let the reading of files fail whose path has this part."""
    read_bytes, open_file = Path.read_bytes, os.open

    def check(path: object) -> None:
        if part in str(path):
            raise OSError(number, os.strerror(number), str(path))

    def read_bytes_or_fail(self: Path) -> bytes:
        check(self)
        return read_bytes(self)

    def open_or_fail(path: Any, *args: Any, **kwargs: Any) -> int:
        check(path)
        return open_file(path, *args, **kwargs)

    with (
        mock.patch.object(Path, "read_bytes", read_bytes_or_fail),
        mock.patch.object(os, "open", open_or_fail),
    ):
        yield


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("part", ["receipts/B.json", "out.zarr/B/zarr.json"])
def test_what_cannot_be_read_is_an_error(store: Path, part: str, number: int) -> None:
    whole = snapshot(store)
    with unreadable(part, number):
        ended = call("finalise", store)
        described = {video.video: str(video.state) for video in tz.info(store).videos}
        verdicts = {one.video: one.ok for one in tz.verify(store, quick=True, workers=1).videos}
    assert ended.status == 1
    assert ended.stdout.splitlines()[0] == "3 of 3 videos listed"
    assert "listed as it was: B (unknown)" in ended.stdout
    assert os.strerror(number) in ended.stderr
    assert part in ended.stderr
    assert snapshot(store) == whole
    if "receipts" in part:
        assert described == {"A": "done", "B": "unknown", "C": "done"}
        assert verdicts == {"A": True, "B": False, "C": True}
    assert tz.finalise(store).done == VIDEOS


@pytest.mark.parametrize("part", ["receipts/B.json", "tasks/B.json"])
def test_status_of_what_cannot_be_read(store: Path, part: str) -> None:
    record = Store.at(store).record_file("B")
    record.parent.mkdir(exist_ok=True)
    if "tasks" in part:
        Store.at(store).receipt_file("B").unlink()
    with unreadable(part, errno.ESTALE):
        found = status(store)
    states: dict[str, Any] = {video.video: str(video.state) for video in found.videos}
    assert states == {"A": "done", "B": "unknown", "C": "done"}
    assert os.strerror(errno.ESTALE) in str(found.videos[1].why)
    assert not found.ok


def test_create_goes_on_where_a_receipt_cannot_be_read(store: Path, tmp_path: Path) -> None:
    whole = snapshot(store)
    plan = tz.plan(tmp_path / "old" / "tracks", tmp_path / "old" / "loop-frames-ffmpeg.csv")
    with unreadable("receipts/B.json", errno.ESTALE):
        summary = tz.create(plan, store, store_mode="a", workers=1)
    assert [str(one.result) for one in summary.outcomes] == ["skipped", "failed", "skipped"]
    assert "B" in {problem.video for problem in summary.problems}
    assert snapshot(store) == whole


def test_merge_leaves_what_cannot_be_read(store: Path, tmp_path: Path) -> None:
    (tmp_path / "target.zarr").mkdir()
    with unreadable("out.zarr/.tracks2zarr/receipts/B.json", errno.EIO):
        merged = tz.merge(tmp_path / "target.zarr", [store])
    assert not merged.ok
    fates = {one.video: str(one.fate) for one in merged.videos}
    assert fates == {"A": "moved", "B": "left", "C": "moved"}
    assert {"B"} <= listed_in(Store.at(store))
    assert tz.merge(tmp_path / "target.zarr", [store]).ok
