"""A published store is named like any other: info, verify --quick, clips and load_clip take it."""

import json
import pickle
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import tracks2zarr as tz
from support.commands import Ended, call
from support.experiments import Experiment
from support.object_store import (
    BUCKET,
    S3Server,
    counting_proxy,
    dropping_proxy,
    server_with_access,
)
from support.published import URL, convert_again, moved_boxes, run_program, video
from tracks2zarr.common.object_store import Location

pytestmark = pytest.mark.usefixtures("bucket")
KEY = "lab/a.zarr"
CHUNK = "B/position/c/1/0/0/0"


@pytest.fixture
def published(store: Path, bucket: None) -> Path:
    """Return a store that is published at the URL."""
    tz.publish(store, URL)
    return store


def put(server: S3Server, path: str, content: bytes) -> None:
    server.client().put_object(Bucket=BUCKET, Key=f"{KEY}/{path}", Body=content)


def remove(server: S3Server, path: str) -> None:
    server.client().delete_object(Bucket=BUCKET, Key=f"{KEY}/{path}")


def content_of(server: S3Server, path: str) -> bytes:
    return server.objects(f"{KEY}/")[path]


# ---- what is there


def test_info_is_that_of_the_store(published: Path) -> None:
    here, there = tz.info(published), tz.info(URL)
    assert there.videos == here.videos
    assert (there.store, there.name) == (URL, "a.zarr")
    assert tz.info(URL, "B").videos == tz.info(published, "B").videos
    assert "a.zarr, 2 of 2 videos done" in repr(there)


def test_info_on_the_command_line(published: Path) -> None:
    for options in ((), ("B",), ("--csv",)):
        assert call("info", URL, *options) == call("info", published, *options)
    document = json.loads(call("info", URL, "--json").stdout)
    here = json.loads(call("info", published, "--json").stdout)
    assert document == here | {"store": URL}


def test_info_of_what_is_planned_only(store: Path, tmp_path: Path) -> None:
    tracks, metadata = Experiment((video("C"),)).write(tmp_path / "more")
    plan = tz.plan(tracks, metadata)
    next(tracks.iterdir()).unlink()
    assert not tz.create(plan, store, workers=1, store_mode="a").ok
    tz.publish(store, URL)
    states = [(one.video, str(one.state), one.why) for one in tz.info(URL).videos]
    assert states == [("A", "done", None), ("B", "done", None), ("C", "pending", "not published")]
    assert tz.verify(URL, quick=True).ok, "it was not published"


def test_info_of_a_video_that_lacks_an_object(server: S3Server, published: Path) -> None:
    remove(server, CHUNK)
    assert [str(one.state) for one in tz.info(URL).videos] == ["done", "missing"]


def test_no_such_video(published: Path) -> None:
    for wrong in (
        lambda: tz.info(URL, "C"),
        lambda: tz.verify(URL, "C", quick=True),
        lambda: tz.load_clip(URL, "C", 0),
    ):
        with pytest.raises(KeyError, match=f"{URL}\n") as error:
            wrong()
        assert isinstance(error.value, tz.Tracks2ZarrError)
        assert error.value.problems[0].kind == "no-such-video"


# ---- clips


@pytest.mark.parametrize("chunks", [None, {}])
def test_clips(published: Path, chunks: Any) -> None:
    assert tz.clips(URL).equals(tz.clips(published))
    there = list(tz.load_clips(URL, "n_frames > 0", chunks=chunks))
    here = list(tz.load_clips(published, "n_frames > 0", chunks=chunks))
    for one, other in zip(there, here, strict=True):
        xr.testing.assert_identical(one.load(), other.load())


def test_a_part_of_a_clip(published: Path) -> None:
    options = {"frames": slice(1, 4), "seconds": True}
    there = tz.load_clip(URL, "B", "Loop01", **options)  # type: ignore[arg-type]
    here = tz.load_clip(published, "B", "Loop01", **options)  # type: ignore[arg-type]
    xr.testing.assert_identical(there.load(), here.load())


def test_no_such_clip(published: Path) -> None:
    with pytest.raises(KeyError, match="no such clip"):
        tz.load_clip(URL, "B", "Loop09")


def test_a_clip_is_sent_without_its_boxes(published: Path) -> None:
    clip = tz.load_clip(URL, "B", 1)
    content = pickle.dumps(clip)
    xr.testing.assert_identical(pickle.loads(content).load(), clip.load())


# ---- how often is asked


@contextmanager
def counted(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count the requests for each object, or each list."""
    with counting_proxy(server) as (through, counts), monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", through.endpoint)
        yield counts


def test_root_and_record_are_read_once(
    server: S3Server, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted(server, monkeypatch) as counts:
        opened = tz.open_store(URL)
        assert counts == {"zarr.json": 1}
        for name in opened:
            opened[name].load()
    with counted(server, monkeypatch) as tree:
        xr.open_datatree(URL, engine="tracks2zarr").load()
    for one in (counts, tree):
        assert (one["zarr.json"], one[".tracks2zarr/published.json"]) == (1, 1)
        assert one["?list"] == 2, "one per video"
        assert {name for name, count in one.items() if count > 1} == {"?list"}


def test_info_asks_for_each_document_once(
    server: S3Server, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted(server, monkeypatch) as counts:
        tz.info(URL)
    receipts = {f".tracks2zarr/receipts/{name}.json": 1 for name in "AB"}
    assert counts == {"zarr.json": 1, ".tracks2zarr/plan.json": 1, "?list": 1} | receipts


def test_verify_reads_each_object_once(
    server: S3Server, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = server.objects(f"{KEY}/")
    with counted(server, monkeypatch) as counts:
        assert tz.verify(URL, quick=True).ok
    metadata = dict.fromkeys(("A/zarr.json", "B/zarr.json"), 2)  # compared with the root, too
    assert counts == {**dict.fromkeys(objects, 1), **metadata, "?list": 1}


def test_clips_of_a_video_are_opened_together(
    server: S3Server, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted(server, monkeypatch) as counts:
        assert len(list(tz.load_clips(URL))) == 3
    assert counts["?list"] == 3, "one for the table, and one per video"
    assert counts["zarr.json"] == 1


# ---- verify


def verified(*options: str) -> Ended:
    return call("verify", "--quick", URL, *options)


def problems_of(ended: Ended) -> list[tuple[str, str]]:
    """Return kind and finding of all problems in the document of ``verify --json``."""
    document = json.loads(ended.stdout)
    per_video = [problem for one in document["videos"] for problem in one["problems"]]
    return [(one["kind"], one["found"]) for one in (*per_video, *document["problems"])]


def test_verify(published: Path) -> None:
    ended = verified()
    assert (ended.status, ended.stderr) == (0, "")
    assert ended.stdout == call("verify", "--quick", published).stdout
    found = tz.verify(URL, "B", quick=True)
    assert (found.ok, found.store, [one.video for one in found.videos]) == (True, URL, ["B"])


@pytest.mark.parametrize("options", [(), ("--tracks-dir", "/")])
def test_verify_needs_quick(published: Path, options: tuple[str, ...]) -> None:
    ended = call("verify", URL, *options)
    assert ended.status == 1
    assert f"Run: tracks2zarr verify --quick {URL}" in ended.stderr
    with pytest.raises(ValueError, match="sources, which were not published"):
        tz.verify(URL)


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def harm_damaged(server: S3Server) -> None:
    put(server, CHUNK, flipped(content_of(server, CHUNK)))


def harm_missing(server: S3Server) -> None:
    remove(server, CHUNK)


def harm_video_missing(server: S3Server) -> None:
    for path in server.objects(f"{KEY}/B/"):
        remove(server, f"B/{path}")


def harm_receipt_missing(server: S3Server) -> None:
    remove(server, ".tracks2zarr/receipts/B.json")


def harm_receipt_broken(server: S3Server) -> None:
    put(server, ".tracks2zarr/receipts/B.json", b"{}")


def harm_root(server: S3Server) -> None:
    content = content_of(server, "zarr.json")
    put(server, "zarr.json", content.replace(b'"pixels"', b'"inches"', 1))


def harm_record(server: S3Server) -> None:
    content = content_of(server, ".tracks2zarr/published.json")
    put(server, ".tracks2zarr/published.json", content.replace(b'"B": {', b'"A2": {', 1))


def harm_plan(server: S3Server) -> None:
    put(server, ".tracks2zarr/plan.json", b"{")


HARMS = {
    harm_damaged: ("content-changed", f"damaged: {CHUNK}"),
    harm_missing: ("content-changed", f"missing: {CHUNK}"),
    harm_video_missing: ("group-missing", "no objects"),
    harm_receipt_missing: ("not-finished", "no receipt"),
    harm_receipt_broken: ("receipt-broken", "KeyError: 'tracks2zarr_receipt'"),
    harm_root: ("stale-metadata", "other metadata"),
    harm_record: ("stale-metadata", "videos that were not published: B"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_harmed_is_named_and_mended_by_publishing(
    server: S3Server, published: Path, harm: Any
) -> None:
    harm(server)
    ended = verified("--json")
    assert ended.status == 1
    assert HARMS[harm] in problems_of(ended)
    assert "run 'tracks2zarr publish' again" in verified().stderr
    if harm is not harm_record:
        tz.publish(published, URL)
        assert verified().status == 0


def test_a_plan_that_is_no_plan(server: S3Server, published: Path) -> None:
    harm_plan(server)
    assert [kind for kind, _ in problems_of(verified("--json"))] == ["plan-format"]


def test_a_receipt_of_another_conversion(server: S3Server, published: Path) -> None:
    convert_again(published, moved_boxes("A"))
    other = (published / ".tracks2zarr/receipts/A.json").read_bytes()
    put(server, ".tracks2zarr/receipts/A.json", other)
    ended = verified("--json")
    kinds = [kind for kind, _ in problems_of(ended)]
    assert kinds == ["receipt-differs", "content-changed"]
    tz.publish(published, URL)
    assert verified().status == 0


def test_what_is_left_over(server: S3Server, published: Path) -> None:
    put(server, "B/position/c/9/0/0/0", b"old")
    put(server, "Z/zarr.json", b"{}")
    put(server, "A/own notes.txt", b"keep me")
    put(server, "notes.txt", b"keep me")
    ended = verified("--json")
    assert ended.status == 1
    assert problems_of(ended) == [
        ("foreign-arrays", "own notes.txt"),
        ("content-changed", "left over: B/position/c/9/0/0/0"),
        ("extra-group", "Z/zarr.json"),
        ("extra-file", "notes.txt"),
    ]
    states = [one["state"] for one in json.loads(ended.stdout)["videos"]]
    assert states == ["done", "failed", "unknown"]


def test_a_publication_that_was_stopped(
    server: S3Server, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tz.publish(store, URL)
    convert_again(store, video("C"))
    write = Location.write

    def stopped(location: Location, path: str, content: Any) -> Any:
        if path == "C/zarr.json":
            raise KeyboardInterrupt
        return write(location, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Location, "write", stopped)
        with pytest.raises(KeyboardInterrupt):
            tz.publish(store, URL)
    assert [str(one.state) for one in tz.verify(URL, quick=True).videos] == [
        "done",
        "done",
        "pending",
    ]
    tz.publish(store, URL)
    assert tz.verify(URL, quick=True).ok


@pytest.mark.parametrize("command", [("info",), ("verify", "--quick")])
def test_a_first_publication_that_was_stopped(
    server: S3Server, store: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    write = Location.write

    def stopped(location: Location, path: str, content: Any) -> Any:
        if path.startswith("B/"):
            raise KeyboardInterrupt
        return write(location, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Location, "write", stopped)
        ended = call("publish", store, URL)
    assert ended.status == 130
    assert ended.stdout.startswith("A: sent ")
    assert ended.stderr == "Interrupted. To continue, run the same command again.\n"
    shown = call(*command, URL)
    assert (shown.status, shown.stdout, shown.stderr.count("error:")) == (1, "", 1)
    assert "has not been published completely" in shown.stderr
    assert f"run it again: tracks2zarr publish STORE {URL}" in shown.stderr
    assert call("publish", store, URL).stdout.startswith("A: there already\n")


def test_a_copy_by_other_means_has_no_record(server: S3Server, store: Path) -> None:
    for file in (one for one in store.rglob("*") if one.is_file()):
        put(server, file.relative_to(store).as_posix(), file.read_bytes())
    assert tz.verify(URL, quick=True).ok
    assert tz.info(URL).videos == tz.info(store).videos
    harm_damaged(server)
    (problem,) = tz.verify(URL, "B", quick=True).videos[0].problems
    assert problem.kind == "content-changed"


def test_a_store_that_is_published_anew_while_it_is_open(published: Path) -> None:
    opened = tz.open_store(URL)
    opened["B"].load()
    convert_again(published, moved_boxes("A"))
    tz.publish(published, URL)
    xr.testing.assert_identical(opened["A"].load(), tz.open_store(published)["A"].load())


# ---- what goes wrong


NO_STORES = ["s3://crabs/other.zarr", "s3://no-such-bucket/a.zarr", "file:///no/such/folder.zarr"]


@pytest.mark.parametrize("url", NO_STORES)
@pytest.mark.parametrize("command", [("info",), ("info", "--csv"), ("verify", "--quick")])
def test_nothing_at_the_url(url: str, command: tuple[str, ...]) -> None:
    ended = call(*command, url)
    assert (ended.status, ended.stdout, ended.stderr.count("error:")) == (1, "", 1)
    with pytest.raises(FileNotFoundError):
        tz.clips(url)


@pytest.mark.parametrize("command", [("info",), ("verify", "--quick")])
def test_wrong_credentials(command: tuple[str, ...]) -> None:
    with server_with_access() as closed:
        ended = run_program(*command, URL, environment=closed.environment)
    assert (ended.returncode, ended.stderr.count("error:")) == (1, 1)
    assert "Check the credentials" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_dropped_connections(
    server: S3Server, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dropping_proxy(server, every=7) as (through, proxy):
        monkeypatch.setenv("AWS_ENDPOINT_URL", through.endpoint)
        assert tz.verify(URL, quick=True).ok
        assert proxy.dropped > 0


@pytest.mark.parametrize(
    "command",
    [
        ("report",),
        ("finalise",),
        ("export", "out"),
        ("merge", "b.zarr"),
        ("plot", "A", "Loop00", "-o", "a.png"),
        ("slurm", "status"),
        ("slurm", "rerun"),
    ],
)
def test_other_commands_take_a_folder(command: tuple[str, ...]) -> None:
    place = 2 if command[0] == "slurm" else 1
    ended = call(*command[:place], URL, *command[place:])
    assert ended.status == 1
    assert "expected: the path of a file or folder on this machine" in ended.stderr
    assert "tracks2zarr info" in ended.stderr
