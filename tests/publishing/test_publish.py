"""A store in a real S3 server is the store, whatever happens on the way."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
import xarray as xr

import tracks2zarr as tz
from support.commands import call
from support.experiments import Box, Clip, Experiment, Video
from support.object_store import BUCKET, S3Server, dropping_proxy, server_with_access
from support.published import URL, convert_again, moved_boxes, run_program, video
from support.tree import cli_environment
from tracks2zarr.common.files import open_file
from tracks2zarr.common.object_store import Location
from tracks2zarr.common.progress import NoProgress

OWN = (".tracks2zarr/published.json",)
pytestmark = pytest.mark.usefixtures("bucket")


def published_files(store: Path) -> dict[str, bytes]:
    """Return what of a store is to be published."""
    files = {
        path.relative_to(store).as_posix(): path for path in store.rglob("*") if path.is_file()
    }
    kept = {name: path for name, path in files.items() if "/locks/" not in name}
    for name in (".tracks2zarr/identity.json", ".tracks2zarr/listing.json"):
        kept.pop(name, None)
    return {name: path.read_bytes() for name, path in kept.items()}


def assert_published(server: S3Server, store: Path) -> None:
    found = server.objects("lab/a.zarr/")
    assert {name: found[name] for name in found if name not in OWN} == published_files(store)


def test_all_objects_are_the_files(server: S3Server, store: Path) -> None:
    videos = tz.publish(store, URL)
    assert [(one.video, one.result) for one in videos] == [("A", "sent"), ("B", "sent")]
    assert_published(server, store)


def test_xarray_opens_it(server: S3Server, store: Path) -> None:
    from obstore.store import from_url
    from zarr.storage import ObjectStore

    tz.publish(store, URL)
    remote: Any = ObjectStore(from_url(URL, client_options={"allow_http": True}), read_only=True)
    with (
        xr.open_datatree(remote, engine="zarr") as there,
        xr.open_datatree(store, engine="zarr") as here,
    ):
        xr.testing.assert_identical(there.load(), here.load())


def test_again_nothing_is_sent(server: S3Server, store: Path) -> None:
    tz.publish(store, URL)
    assert {one.result for one in tz.publish(store, URL)} == {"same"}
    assert_published(server, store)


def test_only_what_changed_is_sent_and_what_is_left_over_removed(
    server: S3Server, store: Path, tmp_path: Path
) -> None:
    tz.publish(store, URL)
    first, second = video("B", 2).clips
    without_boxes = Video("B", (first, replace(second, boxes=())))
    tracks, metadata = Experiment((without_boxes, video("C"))).write(tmp_path / "other")
    plan = tz.plan(tracks, metadata)
    assert tz.create(plan, store, workers=1, store_mode="a", group_mode="w").ok
    server.client().put_object(Bucket=BUCKET, Key="lab/a.zarr/B/own notes.txt", Body=b"keep me")
    results = {one.video: one for one in tz.publish(store, URL)}
    assert results["A"].result == "same"
    assert 0 < results["B"].n_sent < results["C"].n_sent, "the clip's own arrays did not change"
    found = server.objects("lab/a.zarr/")
    assert found.pop("B/own notes.txt") == b"keep me"
    assert {name: found[name] for name in found if name not in OWN} == published_files(store)


@pytest.mark.parametrize("harm", ["changed", "removed"])
def test_what_was_harmed_there_is_sent_again(server: S3Server, store: Path, harm: str) -> None:
    tz.publish(store, URL)
    key = "lab/a.zarr/A/position/c/0/0/0/0"
    if harm == "changed":
        content = bytes(len(server.objects(key)[""]))
        server.client().put_object(Bucket=BUCKET, Key=key, Body=content)
    else:
        server.client().delete_object(Bucket=BUCKET, Key=key)
    (first, second) = tz.publish(store, URL)
    assert (first.n_sent, second.n_sent) == (1, 0)
    assert_published(server, store)


#: Publishes, and ends itself after so many objects were written.
PROGRAM = """
import os, sys
import tracks2zarr as tz
from tracks2zarr.common.object_store import Location
from tracks2zarr.common.progress import NoProgress
write, calls = Location.write, []
def counted(location, path, content):
    if len(calls) == int(sys.argv[3]):
        os._exit(9)
    calls.append(path)
    return write(location, path, content)
Location.write = counted
tz.publish(sys.argv[1], sys.argv[2])
"""


def listed(server: S3Server) -> set[str]:
    root = server.objects("lab/a.zarr/").get("zarr.json")
    if root is None:
        return set()
    names = json.loads(root)["consolidated_metadata"]["metadata"]
    return {name for name in names if "/" not in name}


def check_readers(server: S3Server, store: Path) -> None:
    """What the root lists is whole, of this store or of the one before."""
    objects = server.objects("lab/a.zarr/")
    for name in listed(server):
        files = {path for path in published_files(store) if path.startswith(f"{name}/")}
        assert files <= set(objects), name


@pytest.mark.parametrize("after", [0, 1, 20, 60, 90, 93])
def test_killed_on_the_way(server: S3Server, store: Path, after: int) -> None:
    arguments = [sys.executable, "-c", PROGRAM, str(store), URL, str(after)]
    environment = cli_environment() | server.environment
    subprocess.run(arguments, env=environment, check=False, capture_output=True)
    assert not listed(server) or after > 60
    check_readers(server, store)
    tz.publish(store, URL)
    assert_published(server, store)


def test_a_video_is_unlisted_before_it_is_changed(
    server: S3Server, store: Path, tmp_path: Path
) -> None:
    tz.publish(store, URL)
    tracks, metadata = Experiment((Video("A", (Clip("Loop00", 1, 9, boxes=(Box(3, 1),)),)),)).write(
        tmp_path / "other"
    )
    plan = tz.plan(tracks, metadata)
    assert tz.create(plan, store, workers=1, store_mode="a", group_mode="w").ok
    arguments = [sys.executable, "-c", PROGRAM, str(store), URL, "3"]
    subprocess.run(
        arguments, env=cli_environment() | server.environment, check=False, capture_output=True
    )
    assert listed(server) == {"B"}
    tz.publish(store, URL)
    assert listed(server) == {"A", "B"}
    assert_published(server, store)


def test_dropped_connections(
    server: S3Server, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dropping_proxy(server, every=7) as (through, proxy):
        monkeypatch.setenv("AWS_ENDPOINT_URL", through.endpoint)
        tz.publish(store, URL)
        assert proxy.dropped > 0
    assert_published(server, store)


def problem_of(store: Path, url: str) -> tz.Problem:
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.publish(store, url)
    (problem,) = error.value.problems
    return problem


def test_a_bucket_that_is_not_there(store: Path) -> None:
    problem = problem_of(store, "s3://no-such-bucket/a.zarr")
    assert problem.kind == "object-store-missing"
    assert problem.file == "s3://no-such-bucket/a.zarr"


def test_a_server_that_is_not_there(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert problem_of(store, URL).kind == "object-store"


def test_wrong_credentials(store: Path) -> None:
    with server_with_access() as closed:
        done = run_program("publish", store, URL, environment=closed.environment)
    assert done.returncode == 1
    assert "Check the credentials" in done.stderr
    assert "Traceback" not in done.stderr


NO_URLS = ["s3://", "http://x/y", "a.zarr", "ftp://a/b", "", "file:a.zarr", "file:/a.zarr"]
NO_URLS += ["s3://crabs/a.zarr?versionId=1", "s3://crabs/a.zarr#b", "s3://crabs/a?"]


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url_of_an_object_store(store: Path, url: str) -> None:
    assert problem_of(store, url).kind == "url"


@pytest.mark.parametrize("url", ["file://my a.zarr", "my a.zarr", "file:///", "{}/my a.zarr"])
def test_a_url_with_three_slashes_is_offered_for_a_folder(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    problem = problem_of(store, url.format(tmp_path))
    offered = (tmp_path / "my a.zarr").as_uri()
    assert problem.kind == "url"
    assert str(problem.remedy).endswith(offered) is (url != "file:///")


@pytest.mark.parametrize("url", ["s3:/crabs/a.zarr", "s3:crabs/a.zarr"])
def test_a_url_with_two_slashes_is_offered_for_a_bucket(store: Path, url: str) -> None:
    assert problem_of(store, url).remedy == "Did you mean s3://crabs/a.zarr?"


def test_help_and_message_show_the_url_of_a_folder(store: Path, tmp_path: Path) -> None:
    assert "file:///full/path/CrabTracks.zarr" in call("publish", "--help").stdout
    assert "a path that ends in .zip" in " ".join(call("publish", "--help").stdout.split())
    problem = problem_of(store, "a.zarr")
    assert "file:///" in str(problem.expected)
    assert "a path that ends in .zip" in str(problem.expected)
    assert "a.zarr.zip" in str(problem.remedy)
    notes = tmp_path / "notes.txt"
    notes.touch()
    assert str(problem_of(store, str(notes)).remedy).endswith("notes.txt.zip")


def test_a_store_of_others_is_left_alone(server: S3Server, store: Path) -> None:
    server.client().put_object(Bucket=BUCKET, Key="lab/a.zarr/zarr.json", Body=b"{}")
    assert problem_of(store, URL).kind == "published-otherwise"
    assert server.objects() == {"lab/a.zarr/zarr.json": b"{}"}


def test_a_video_that_is_not_whole_is_not_published(server: S3Server, store: Path) -> None:
    shutil.rmtree(store / "B/position/c")
    assert problem_of(store, URL).kind == "video-unfinished"
    assert server.objects() == {}


def test_a_folder(store: Path, tmp_path: Path) -> None:
    tz.publish(store, (tmp_path / "there").as_uri())
    names = published_files(tmp_path / "there")
    assert {name: names[name] for name in names if name not in OWN} == published_files(store)


def test_on_the_command_line(server: S3Server, store: Path) -> None:
    done = call("publish", store, URL)
    assert done.status == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("A: sent ")
    again = call("publish", store, URL)
    assert again.stdout.startswith(f"A: there already\nB: there already\n2 videos at {URL}\n")


def test_what_it_prints_opens_it(tmp_path: Path, store: Path, place: str) -> None:
    lines = call("publish", store, place).stdout.partition("To open it:\n")[2].splitlines()
    found: dict[str, Any] = {}
    exec("\n".join(line.strip() for line in lines), found)
    assert list(found["dt"].children) == ["A", "B"]


# ---- reading by URL


@pytest.mark.parametrize("chunks", [None, {}])
def test_open_store_takes_the_url(store: Path, chunks: Any) -> None:
    tz.publish(store, URL)
    there, here = tz.open_store(URL, chunks=chunks), tz.open_store(store, chunks=chunks)
    assert list(there) == list(here)
    for name in here:
        assert there[name].position.chunks == here[name].position.chunks
        assert there[name].clip_id.chunks is None
        xr.testing.assert_identical(there[name].load(), here[name].load())
    with pytest.raises(KeyError, match="no such video"):
        there["Z"]


def test_the_engine_takes_the_url(store: Path) -> None:
    tz.publish(store, URL)
    one = xr.open_dataset(URL, engine="tracks2zarr", group="B", chunks={})
    xr.testing.assert_identical(one.load(), tz.open_store(store)["B"].load())
    tree = xr.open_datatree(URL, engine="tracks2zarr")
    assert list(tree.children) == ["A", "B"]
    xr.testing.assert_identical(tree["B"].to_dataset().load(), one)


@pytest.mark.parametrize("url", [URL, "s3://no-such-bucket/a.zarr", "file:///no/such/folder.zarr"])
def test_nothing_at_the_url(url: str) -> None:
    with pytest.raises(FileNotFoundError):
        tz.open_store(url)
    with pytest.raises(FileNotFoundError):
        xr.open_datatree(url, engine="tracks2zarr")
    assert not Path("/no").exists()


# ---- the store changes meanwhile


def before_chunk_is_read(monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]) -> None:
    """Do something once, before the first chunk of a position is opened."""
    lock, done = Lock(), list[Path]()

    def opened(path: Path) -> Any:
        with lock:
            if "/position/c/" in str(path) and not done:
                done.append(path)
                change(path)
            return open_file(path)

    monkeypatch.setattr("tracks2zarr.publishing.publish.open_file", opened)


def test_a_mix_of_two_versions_is_not_listed(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = (tmp_path / "there").as_uri()
    with monkeypatch.context() as patch:
        before_chunk_is_read(patch, lambda _: convert_again(store, moved_boxes("A")))
        problem = problem_of(store, url)
    assert (problem.kind, problem.video) == ("content-changed", "A")
    assert not (tmp_path / "there/zarr.json").exists()
    tz.publish(store, url)
    xr.testing.assert_identical(tz.open_store(url)["A"].load(), tz.open_store(store)["A"].load())


def test_a_damaged_file_is_not_listed(store: Path, tmp_path: Path) -> None:
    chunk = store / "B/position/c/0/0/0/0"
    chunk.write_bytes(bytes(chunk.stat().st_size))
    problem = problem_of(store, (tmp_path / "there").as_uri())
    assert (problem.kind, problem.video) == ("content-changed", "B")
    assert not (tmp_path / "there/zarr.json").exists()


def test_a_file_that_vanishes(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before_chunk_is_read(monkeypatch, lambda path: path.unlink())
    assert problem_of(store, (tmp_path / "there").as_uri()).kind == "disk"


class AddingVideo(NoProgress):
    """Adds a video to a store when the first one was sent."""

    def __init__(self, store: Path, added: Video) -> None:
        self.store, self.added = store, added

    def ended(self, video: str, result: object) -> None:
        if video == "A":
            convert_again(self.store, self.added)


def test_a_video_that_is_added_meanwhile_is_not_listed(store: Path, tmp_path: Path) -> None:
    url = (tmp_path / "there").as_uri()
    tz.publish(store, url, progress=AddingVideo(store, video("C")))
    assert tz.open_store(url).videos == ("A", "B")
    assert "/C/" not in (tmp_path / "there/.tracks2zarr/plan.json").read_text()
    assert tz.publish(store, url)[2].result == "sent"
    assert tz.open_store(url).videos == ("A", "B", "C")


def test_killed_and_then_the_video_changes(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, there = (tmp_path / "there").as_uri(), tmp_path / "there"
    write = Location.write

    def killed(location: Location, path: str, content: Any) -> Any:
        if path == OWN[0] and (there / "A/position/c").exists():
            raise KeyboardInterrupt
        return write(location, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Location, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            tz.publish(store, url)
    convert_again(store, Video("A", (replace(video("A").clips[0], boxes=()),)))
    tz.publish(store, url)
    found = published_files(there)
    assert {name: found[name] for name in found if name not in OWN} == published_files(store)


# ---- what others put there


def test_videos_of_another_store_are_not_dropped(store: Path, tmp_path: Path) -> None:
    url, there = (tmp_path / "there").as_uri(), tmp_path / "there"
    tz.publish(store, url)
    before = published_files(there)
    other = tmp_path / "b.zarr"
    assert tz.create(tz.plan(*Experiment((video("A"),)).write(tmp_path / "b")), other, workers=1).ok
    problem = problem_of(other, url)
    assert (problem.kind, problem.found) == ("published-otherwise", "B")
    assert published_files(there) == before


@pytest.mark.parametrize("path", ["A/position/zarr.json", ".tracks2zarr/plan.json"])
def test_files_of_others_are_not_overwritten(store: Path, tmp_path: Path, path: str) -> None:
    file = tmp_path / "there" / path
    file.parent.mkdir(parents=True)
    file.write_text("precious")
    problem = problem_of(store, (tmp_path / "there").as_uri())
    assert (problem.kind, problem.found) == ("published-otherwise", path)
    assert published_files(tmp_path / "there") == {path: b"precious"}


def test_a_folder_that_holds_other_files_is_left_alone(store: Path, tmp_path: Path) -> None:
    notes = tmp_path / "there/lab/notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("precious")
    problem = problem_of(store, (tmp_path / "there").as_uri())
    assert (problem.kind, problem.found) == ("published-otherwise", "lab/notes.txt")
    assert published_files(tmp_path / "there") == {"lab/notes.txt": b"precious"}


def test_a_prefix_that_holds_other_objects_is_left_alone(server: S3Server, store: Path) -> None:
    server.client().put_object(Bucket=BUCKET, Key="lab/a.zarr/notes.txt", Body=b"precious")
    assert problem_of(store, URL).kind == "published-otherwise"
    assert server.objects() == {"lab/a.zarr/notes.txt": b"precious"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.zarr", "the store itself"),
        ("a.zarr/new", "a folder inside a store"),
        ("a.zarr/A/new", "a folder inside a store"),
        ("no/such/b.zarr", "no folder {}/no/such"),
        ("a file", "a file"),
    ],
)
def test_where_no_folder_can_be(store: Path, tmp_path: Path, path: str, found: str) -> None:
    (tmp_path / "a file").write_text("precious")
    before = {one: one.is_dir() or one.read_bytes() for one in tmp_path.rglob("*")}
    problem = problem_of(store, (tmp_path / path).as_uri())
    assert (problem.kind, problem.found) == ("output", found.format(tmp_path))
    assert {one: one.is_dir() or one.read_bytes() for one in tmp_path.rglob("*")} == before


def test_folders_that_became_empty_are_removed(store: Path, tmp_path: Path) -> None:
    url, there = (tmp_path / "there").as_uri(), tmp_path / "there"
    tz.publish(store, url)
    assert (there / "A/position/c").is_dir()
    convert_again(store, Video("A", (replace(video("A").clips[0], boxes=()),)))
    tz.publish(store, url)
    assert not (there / "A/position/c").exists()
    assert not [one for one in there.rglob("*") if one.is_dir() and not any(one.iterdir())]


@pytest.mark.parametrize("harm", ["removed", "cut"])
def test_missing_objects_are_no_nan(store: Path, tmp_path: Path, harm: str) -> None:
    url, chunk = (tmp_path / "there").as_uri(), tmp_path / "there/A/position/c/0/0/0/0"
    tz.publish(store, url)
    content = chunk.read_bytes()
    chunk.unlink()
    if harm == "cut":
        chunk.write_bytes(content[:-1])
    videos = tz.open_store(url)
    with pytest.raises(tz.Tracks2ZarrError, match="A/position/c/0/0/0/0") as error:
        videos["A"]
    (problem,) = error.value.problems
    assert (problem.kind, problem.video) == ("content-changed", "A")
    assert videos["B"].load()


@pytest.mark.parametrize("chunks", [None, {}])
def test_a_damaged_object(store: Path, tmp_path: Path, chunks: Any) -> None:
    url, chunk = (tmp_path / "there").as_uri(), tmp_path / "there/A/position/c/0/0/0/0"
    tz.publish(store, url)
    opened = tz.open_store(url, chunks=chunks)["A"]
    chunk.write_bytes(bytes(chunk.stat().st_size))
    with pytest.raises(tz.Tracks2ZarrError) as error:
        opened.position.load()
    (problem,) = error.value.problems
    assert (problem.kind, problem.video) == ("content-changed", "A")


# ---- another store


def stores_of_one_name(tmp_path: Path) -> tuple[Path, Path]:
    """Return two stores, each with a video A, which differs."""
    stores = tmp_path / "first.zarr", tmp_path / "second.zarr"
    for store, one in zip(stores, (video("A"), moved_boxes("A")), strict=True):
        plan = tz.plan(*Experiment((one,)).write(tmp_path / f"input of {store.stem}"))
        assert tz.create(plan, store, workers=1).ok
    return stores


@pytest.fixture(params=[URL, "{}/there", "{}/there.zip"], ids=["s3", "folder", "archive"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where to publish to."""
    return str(request.param).format(tmp_path.as_uri())


def test_videos_of_another_store_are_not_replaced(tmp_path: Path, place: str) -> None:
    first, second = stores_of_one_name(tmp_path)
    tz.publish(first, place)
    problem = problem_of(second, place)
    assert (problem.kind, problem.found) == ("published-otherwise", "A")
    xr.testing.assert_identical(tz.open_store(place)["A"].load(), tz.open_store(first)["A"].load())
    ended = call("publish", second, place)
    assert (ended.status, ended.stdout) == (1, "")
    assert f"run: tracks2zarr publish {second} {place} --replace" in ended.stderr
    tz.publish(second, place, replace=True)
    xr.testing.assert_identical(tz.open_store(place)["A"].load(), tz.open_store(second)["A"].load())
    assert problem_of(first, place).kind == "published-otherwise"


def test_a_store_is_known_again_after_it_changed_and_moved(tmp_path: Path, place: str) -> None:
    first, _ = stores_of_one_name(tmp_path)
    tz.publish(first, place)
    convert_again(first, moved_boxes("A"))
    assert tz.publish(first, place)[0].result == "sent"
    moved = shutil.copytree(first, tmp_path / "moved.zarr")
    convert_again(moved, video("A"), video("B"))
    assert [one.result for one in tz.publish(moved, place)] == ["sent", "sent"]


def test_what_was_published_without_an_identity_is_replaced(tmp_path: Path) -> None:
    first, second = stores_of_one_name(tmp_path)
    url, record = (tmp_path / "there").as_uri(), tmp_path / "there/.tracks2zarr/published.json"
    tz.publish(first, url)
    document = json.loads(record.read_text())
    del document["store"]
    record.write_text(json.dumps(document))
    tz.publish(second, url)
    assert problem_of(first, url).kind == "published-otherwise"


def move_away(path: Path) -> None:
    path.rename(path.with_name("moved"))


def test_a_store_that_is_interrupted_is_not_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = stores_of_one_name(tmp_path)
    url = (tmp_path / "there").as_uri()
    with monkeypatch.context() as patch:
        before_chunk_is_read(patch, move_away)
        problem_of(first, url)
    (moved,) = first.rglob("moved")
    moved.rename(moved.with_name("0"))
    assert problem_of(second, url).kind == "published-otherwise"
    assert tz.publish(first, url)[0].result == "sent"


def test_the_unpacked_archive_is_the_same_store(tmp_path: Path) -> None:
    first, _ = stores_of_one_name(tmp_path)
    archive, unpacked = tmp_path / "first.zip", tmp_path / "unpacked.zarr"
    tz.publish(first, archive)
    shutil.unpack_archive(archive, unpacked)
    convert_again(unpacked, moved_boxes("A"))
    tz.publish(unpacked, archive)


def test_a_store_that_cannot_be_written_to_is_known_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = stores_of_one_name(tmp_path)
    url = (tmp_path / "there").as_uri()

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("tracks2zarr.common.documents.write_atomically", refused)
    tz.publish(first, url)
    assert not (first / ".tracks2zarr/identity.json").exists()
    assert tz.publish(first, url)[0].result == "same"
    assert problem_of(second, url).kind == "published-otherwise"
