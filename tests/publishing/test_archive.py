"""An archive is the store in one file, whole or not there, and found out if it is damaged."""

import errno
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import tracks2zarr as tz
from support.commands import call, files_below
from support.experiments import Experiment
from support.published import convert_again, moved_boxes, run_program, video
from support.tree import cli_environment

RECORD = ".tracks2zarr/published.json"


@pytest.fixture
def archive(store: Path) -> Path:
    """Return an archive of the store, beside it."""
    path = store.with_name("a.zarr.zip")
    tz.publish(store, path)
    return path


def content_of(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def files_of(store: Path) -> dict[str, bytes]:
    """Return what of a store is to be published."""
    found = files_below(store)
    for name in (".tracks2zarr/identity.json", ".tracks2zarr/listing.json"):
        found.pop(name, None)
    kept = (name for name, one in found.items() if one is not None and "/locks/" not in name)
    return {name: found[name] or b"" for name in kept}


def assert_archived(archive: Path, store: Path) -> None:
    found = content_of(archive)
    del found[RECORD]
    assert found == files_of(store)
    assert not list(archive.parent.glob(".*")), "nothing is left beside it"


# ---- what is in it


def test_all_files_are_there_as_they_are(store: Path, archive: Path) -> None:
    assert_archived(archive, store)
    with zipfile.ZipFile(archive) as opened:
        assert {one.compress_type for one in opened.infolist()} == {zipfile.ZIP_STORED}
        assert opened.namelist()[0] == "zarr.json"


def test_same_bytes_for_the_same_store(store: Path, archive: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere/copy.zarr"
    shutil.copytree(store, copy, copy_function=shutil.copyfile)
    tz.publish(copy, tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == archive.read_bytes()


def test_more_and_larger_files_than_a_zip_file_once_had(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 10)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    tz.publish(store, tmp_path / "b.zip")
    monkeypatch.undo()
    assert_archived(tmp_path / "b.zip", store)
    assert tz.verify(tmp_path / "b.zip", quick=True).ok


def test_unpacked_it_is_the_store(store: Path, archive: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(archive, tmp_path / "unpacked.zarr")
    assert tz.verify(tmp_path / "unpacked.zarr").ok
    assert tz.info(tmp_path / "unpacked.zarr").videos == tz.info(store).videos


def test_videos_that_are_not_finished_are_left_out(store: Path, tmp_path: Path) -> None:
    tracks, metadata = Experiment((video("C"),)).write(tmp_path / "more")
    plan = tz.plan(tracks, metadata)
    next(tracks.iterdir()).unlink()
    assert not tz.create(plan, store, workers=1, store_mode="a").ok
    tz.publish(store, tmp_path / "b.zip")
    assert tz.open_store(tmp_path / "b.zip").videos == ("A", "B")
    assert [str(one.state) for one in tz.info(tmp_path / "b.zip").videos] == [
        *("done", "done", "pending")
    ]


# ---- reading


@pytest.mark.parametrize("chunks", [None, {}])
def test_open_store_takes_it(store: Path, archive: Path, chunks: Any) -> None:
    there, here = tz.open_store(archive, chunks=chunks), tz.open_store(store, chunks=chunks)
    assert list(there) == list(here)
    for name in here:
        assert there[name].position.chunks == here[name].position.chunks
        xr.testing.assert_identical(there[name].load(), here[name].load())


@pytest.mark.parametrize("as_url", [False, True])
def test_the_engine_takes_it(store: Path, archive: Path, as_url: bool) -> None:
    place = archive.as_uri() if as_url else archive
    one = xr.open_dataset(place, engine="tracks2zarr", group="B", chunks={})
    xr.testing.assert_identical(one.load(), tz.open_store(store)["B"].load())
    assert list(xr.open_datatree(place, engine="tracks2zarr").children) == ["A", "B"]
    with pytest.raises(ValueError, match="no video was given"):
        xr.open_dataset(place, engine="tracks2zarr")


def test_zarr_reads_it(store: Path, archive: Path) -> None:
    from zarr.storage import ZipStore

    with ZipStore(archive, mode="r") as opened, xr.open_datatree(store, engine="zarr") as here:
        tree = xr.open_datatree(opened, engine="zarr")  # type: ignore[arg-type]
        xr.testing.assert_identical(tree.load(), here.load())
        one = xr.open_zarr(opened, group="B")
        xr.testing.assert_identical(one.load(), here["B"].to_dataset())


def test_clips(store: Path, archive: Path) -> None:
    assert tz.clips(archive).equals(tz.clips(store))
    for one, other in zip(tz.load_clips(archive), tz.load_clips(store), strict=True):
        xr.testing.assert_identical(pickle.loads(pickle.dumps(one)).load(), other.load())
    frames = slice(1, 4)
    part = tz.load_clip(archive, "B", "Loop01", frames=frames, chunks={})
    xr.testing.assert_identical(part, tz.load_clip(store, "B", "Loop01", frames=frames, chunks={}))


def test_info_and_verify(store: Path, archive: Path) -> None:
    for options in ((), ("B",), ("--csv",)):
        assert call("info", archive, *options) == call("info", store, *options)
    assert call("verify", "--quick", archive) == call("verify", "--quick", store)
    without_quick = call("verify", archive)
    assert without_quick.status == 1
    assert f"Run: tracks2zarr verify --quick {archive}" in without_quick.stderr


def test_it_needs_no_obstore_nor_does_a_folder(store: Path, tmp_path: Path) -> None:
    folder, path = (tmp_path / "b.zarr").as_uri(), tmp_path / "b.zip"
    tz.publish(store, folder)
    program = (
        "import sys; sys.modules['obstore'] = None; import tracks2zarr as tz;"
        "tz.publish(*sys.argv[1:3])\n"
        "for place in sys.argv[2:]:\n"
        " assert tz.verify(place, quick=True).ok; tz.load_clip(place, 'A', 0).load()"
    )
    arguments: list[str | Path] = [sys.executable, "-c", program, store, path, folder]
    subprocess.run(arguments, env=cli_environment(), check=True)


@pytest.mark.parametrize("command", [("report",), ("finalise",), ("slurm", "status")])
def test_other_commands_take_a_folder(archive: Path, command: tuple[str, ...]) -> None:
    ended = call(*command, archive)
    assert (ended.status, ended.stderr.count("error:")) == (1, 1)
    assert "Pass the folder of the store." in ended.stderr


# ---- again


def test_again_it_stays(store: Path, archive: Path) -> None:
    before = identity_of(archive)
    (archive.with_name(".tracks2zarr-a.zarr.zip.new")).write_text("left over by a killed run")
    ended = call("publish", store, archive)
    assert ended.stdout.startswith(f"A: there already\nB: there already\n2 videos at {archive}\n")
    assert identity_of(archive) == before
    assert_archived(archive, store)


def identity_of(path: Path) -> tuple[int, int, int]:
    """Return what changes with the file, unlike the time of access."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def test_a_pickled_dataset_of_an_archive_that_was_replaced(store: Path, archive: Path) -> None:
    clip = tz.load_clip(archive, "A", 0)
    pickled = pickle.dumps(clip)
    assert pickle.loads(pickled).load().identical(clip.load())
    convert_again(store, moved_boxes("A"))
    tz.publish(store, archive)
    with pytest.raises(tz.Tracks2ZarrError, match="was replaced since it was opened"):
        pickle.loads(pickled)


def test_a_changed_store_replaces_it(store: Path, archive: Path) -> None:
    convert_again(store, moved_boxes("A"), video("C"))
    assert {one.result for one in tz.publish(store, archive)} == {"sent"}
    assert_archived(archive, store)
    assert tz.open_store(archive).videos == ("A", "B", "C")


def test_who_reads_the_old_one_goes_on(store: Path, archive: Path) -> None:
    before = tz.open_store(store)["A"].load()
    opened = tz.open_store(archive)["A"]
    convert_again(store, moved_boxes("A"))
    tz.publish(store, archive)
    xr.testing.assert_identical(opened.load(), before)


def test_a_link_leads_to_it(store: Path, archive: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.zip"
    link.symlink_to(archive)
    convert_again(store, moved_boxes("A"))
    tz.publish(store, link)
    assert link.is_symlink()
    assert_archived(archive, store)


# ---- what is in the way


def problem_of(store: Path, path: Path | str) -> tz.Problem:
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.publish(store, path)
    (problem,) = error.value.problems
    return problem


@pytest.mark.parametrize("found", ["text", "another zip", "cut off", "with more in it"])
def test_what_is_not_ours_is_left_alone(store: Path, archive: Path, found: str) -> None:
    if found == "text":
        archive.write_text("precious")
    elif found == "cut off":
        archive.write_bytes(archive.read_bytes()[:-100])
    else:
        with zipfile.ZipFile(archive, "a" if found == "with more in it" else "w") as opened:
            opened.writestr("notes.txt", "precious")
    before = archive.read_bytes()
    assert problem_of(store, archive).kind == "published-otherwise"
    assert archive.read_bytes() == before
    assert not list(archive.parent.glob(".*"))


def test_videos_of_another_store_are_not_dropped(store: Path, archive: Path) -> None:
    other = store.with_name("b.zarr")
    plan = tz.plan(*Experiment((video("A"),)).write(store.with_name("b")))
    assert tz.create(plan, other, workers=1).ok
    problem = problem_of(other, archive)
    assert (problem.kind, problem.found) == ("published-otherwise", "B")
    assert_archived(archive, store)


def test_where_it_cannot_lie(store: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.zip").mkdir()
    assert problem_of(store, tmp_path / "no/b.zip").found == f"no folder {tmp_path}/no"
    assert problem_of(store, store / "b.zip").found == "a file inside the store"
    assert problem_of(store, store / "A/b.zip").found == "a file inside the store"
    for place in (tmp_path / "folder.zip", "s3://crabs/b.zip", f"file://{tmp_path}/b.zip?c.zip"):
        assert problem_of(store, place).kind == "url"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.zarr", "folder.zip", "in"]


@pytest.mark.parametrize("url", ["s3://crabs/b.zip", "gs://crabs/b.zip", "https://a.org/b.zip"])
def test_archives_elsewhere_are_downloaded_first(url: str) -> None:
    ended = call("info", url)
    assert (ended.status, ended.stderr.count("error:")) == (1, 1)
    assert "ownload it" in ended.stderr


def test_two_at_the_same_time(store: Path, tmp_path: Path) -> None:
    from tracks2zarr.common.locks import locked

    with locked(tmp_path / ".tracks2zarr-b.zip.new"):
        assert problem_of(store, tmp_path / "b.zip").kind == "archive-busy"
    tz.publish(store, tmp_path / "b.zip")
    assert_archived(tmp_path / "b.zip", store)


def test_the_next_one_may_begin_when_the_name_is_free(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(_folder: Path) -> None:
        (tmp_path / ".tracks2zarr-b.zip.new").write_text("of the next one")

    monkeypatch.setattr("tracks2zarr.publishing.archive.sync", begun)
    tz.publish(store, tmp_path / "b.zip")
    assert (tmp_path / ".tracks2zarr-b.zip.new").read_text() == "of the next one"


# ---- stopped, full, damaged


#: Publishes, and kills itself, or is interrupted, when so many files were opened.
PROGRAM = """
import os, signal, sys
import tracks2zarr as tz
from tracks2zarr.publishing import archive
opened, calls = archive.open_file, []
def counted(path):
    calls.append(path)
    if len(calls) == int(sys.argv[3]):
        os.kill(os.getpid(), int(sys.argv[4]))
    return opened(path)
archive.open_file = counted
tz.publish(sys.argv[1], sys.argv[2])
"""


@pytest.mark.parametrize("after", [1, 40, 70])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("is_there", [False, True])
def test_stopped_on_the_way(
    store: Path, archive: Path, after: int, number: signal.Signals, is_there: bool
) -> None:
    convert_again(store, moved_boxes("A"))
    before = archive.read_bytes()
    if not is_there:
        archive.unlink()
    moment = str(after), str(int(number))
    arguments: list[str | Path] = [sys.executable, "-c", PROGRAM, store, archive, *moment]
    done = subprocess.run(arguments, env=cli_environment(), check=False, capture_output=True)
    assert done.returncode != 0
    assert (archive.read_bytes() if archive.exists() else None) == (before if is_there else None)
    assert bool(list(archive.parent.glob(".*"))) == (number is signal.SIGKILL)
    tz.publish(store, archive)
    assert_archived(archive, store)


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk(
    store: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    convert_again(store, moved_boxes("A"))
    before = archive.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if failing == "fsync":
            patch.setattr("tracks2zarr.publishing.archive.sync_file", full)
        else:
            patch.setattr(Path, "replace", full)
        problem = problem_of(store, archive)
    assert (problem.kind, problem.file) == ("disk-full", str(archive))
    assert archive.read_bytes() == before
    assert not list(archive.parent.glob(".*"))


def test_a_damaged_file_of_the_store(store: Path, tmp_path: Path) -> None:
    chunk = store / "B/position/c/0/0/0/0"
    chunk.write_bytes(bytes(chunk.stat().st_size))
    problem = problem_of(store, tmp_path / "b.zip")
    assert (problem.kind, problem.video) == ("content-changed", "B")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.zarr", "in"]


def test_a_flipped_bit_is_found(store: Path, archive: Path) -> None:
    """Some bits of the file say nothing, such as those of times; then nothing else is read."""
    content, right = archive.read_bytes(), content_of(archive)
    random_ = random.Random(7)
    n_found = 0
    for _ in range(150):
        place = random_.randrange(len(content))
        flipped = bytes([content[place] ^ 1 << random_.randrange(8)])
        archive.write_bytes(content[:place] + flipped + content[place + 1 :])
        ended = call("verify", "--quick", archive)
        assert "unexpected" not in ended.stderr
        assert "unexpected error" not in ended.stderr, ended.stderr
        if ended.status == 0:
            assert content_of(archive) == right
        n_found += ended.status
    assert n_found > 75


def offset_of(archive: Path, name: str) -> int:
    """Return where the content of an object begins in an archive."""
    with zipfile.ZipFile(archive) as opened:
        header = opened.getinfo(name).header_offset
    with archive.open("rb") as file:
        file.seek(header + 26)
        lengths = file.read(4)
    return (
        header + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
    )


@pytest.mark.parametrize("chunks", [None, {}])
def test_a_damaged_chunk_is_named_and_mended_by_publishing(
    store: Path, archive: Path, chunks: Any
) -> None:
    name = "A/position/c/0/0/0/0"
    content = bytearray(archive.read_bytes())
    content[offset_of(archive, name) + 30] ^= 4
    archive.write_bytes(content)
    verified = tz.verify(archive, quick=True)
    assert [str(one.state) for one in verified.videos] == ["failed", "done"]
    assert verified.videos[0].problems[0].found == f"damaged: {name}"
    opened = tz.open_store(archive, chunks=chunks)["A"]
    with pytest.raises(tz.Tracks2ZarrError) as error:
        opened.position.load()
    assert (error.value.problems[0].kind, error.value.problems[0].video) == ("content-changed", "A")
    assert {one.result for one in tz.publish(store, archive)} == {"sent"}
    assert_archived(archive, store)
    assert tz.verify(archive, quick=True).ok


@pytest.mark.parametrize("name", ["A/zarr.json", ".tracks2zarr/receipts/A.json"])
def test_what_is_damaged_of_a_video_hides_no_other(store: Path, archive: Path, name: str) -> None:
    content = bytearray(archive.read_bytes())
    content[offset_of(archive, name) + 30] ^= 4
    archive.write_bytes(content)
    states = [str(one.state) for one in tz.verify(archive, quick=True).videos]
    assert states == ["failed", "done"]
    assert tz.info(archive).videos[1].n_boxes == tz.info(store).videos[1].n_boxes
    xr.testing.assert_identical(
        tz.load_clip(archive, "B", 0).load(), tz.load_clip(store, "B", 0).load()
    )


def test_a_chunk_that_is_missing_is_no_nan(store: Path, archive: Path) -> None:
    found = content_of(archive)
    del found["A/position/c/0/0/0/0"]
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in found.items():
            opened.writestr(name, content)
    with pytest.raises(tz.Tracks2ZarrError, match="missing or of another size: A/position/c"):
        tz.load_clip(archive, "A", 0)
    assert tz.verify(archive, quick=True).videos[0].problems[0].found == (
        "missing: A/position/c/0/0/0/0"
    )


@pytest.mark.parametrize("size", [0, 10, 5000, -1])
@pytest.mark.parametrize("command", [("info",), ("info", "--csv"), ("verify", "--quick")])
def test_cut_off(archive: Path, size: int, command: tuple[str, ...]) -> None:
    archive.write_bytes(archive.read_bytes()[:size])
    ended = call(*command, archive)
    assert (ended.status, ended.stdout, ended.stderr.count("error:")) == (1, "", 1)
    assert "error: The archive is damaged, cut off, or not a ZIP file." in ended.stderr
    for read in (
        tz.open_store,
        tz.clips,
        lambda path: xr.open_datatree(path, engine="tracks2zarr"),
    ):
        with pytest.raises(tz.Tracks2ZarrError, match="damaged, cut off, or not a ZIP file"):
            read(archive)


def test_nothing_there(archive: Path) -> None:
    ended = call("info", archive.with_name("a.zar.zip"))
    assert ended.status == 1
    assert "Did you mean 'a.zarr.zip'?" in ended.stderr
    with pytest.raises(FileNotFoundError, match="no such file"):
        tz.open_store(archive.with_name("b.zip"))


@pytest.mark.parametrize("command", [("info",), ("verify", "--quick")])
def test_a_store_in_a_folder_of_a_zip_file(
    store: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    path = shutil.make_archive(str(tmp_path / "zipped.zarr"), "zip", tmp_path, "a.zarr")
    ended = call(*command, path)
    assert (ended.status, ended.stdout, ended.stderr.count("error:")) == (1, "", 1)
    assert "a store in the folder 'a.zarr'" in ended.stderr
    unpack = ended.stderr.rpartition("pass the folder: ")[2].strip()
    subprocess.run(unpack, shell=True, check=True)
    assert call(*command, tmp_path / "unpacked/a.zarr").status == 0


def test_a_zip_file_of_something_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as opened:
        opened.writestr("a.zarr/zarr.json", "{}")
    with pytest.raises(FileNotFoundError, match="no root that lists groups"):
        tz.open_store(tmp_path / "b.zip")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "b.zip")
    ended = run_program("info", tmp_path / "b.zip")
    assert (ended.returncode, ended.stderr.count("error:")) == (1, 1)
