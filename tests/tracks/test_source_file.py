"""A tracks file that changes while it is read is an error, whichever reader reads it."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tracks2zarr as tz
from support.sample import SAMPLE
from tracks2zarr.tracks import column_reader, compiled_reader, row_reader
from tracks2zarr.tracks.formats import ReadTracks
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.source_file import FileStamp, open_source
from tracks2zarr.tracks.source_folder import digest_and_stamp, digest_of

RULE = FrameRule(10_000, 0, "clip", None)
READERS = {"columns": column_reader.read_file, "rows": row_reader.read_file}
if compiled_reader.is_available():
    READERS["compiled"] = compiled_reader.read_file


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a tracks file that may be changed."""
    path = tmp_path / "clip.csv"
    path.write_bytes(sorted((SAMPLE / "tracks").glob("*.csv"))[0].read_bytes())
    return path


def append(path: Path) -> None:
    """Append a byte."""
    with path.open("ab") as file:
        file.write(b"\n")


def rewrite(path: Path) -> None:
    """Write the same bytes again, and set the time of modification back."""
    times = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def replace_file(path: Path) -> None:
    """Replace the file by a copy that has the same size and times."""
    times, copy = path.stat(), path.with_suffix(".new")
    copy.write_bytes(path.read_bytes())
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    copy.rename(path)


CHANGES = [append, rewrite, replace_file, Path.unlink]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_change_while_it_is_read(
    reader: Any, change: Callable[[Path], None], source: Path
) -> None:
    changes = [change]

    def change_once(_: int) -> None:
        if changes:
            changes.pop()(source)

    with pytest.raises(tz.Tracks2ZarrError) as error:
        reader(source, RULE, lambda _: None, change_once)
    (problem,) = error.value.problems
    assert (problem.kind, problem.file) == ("source-changed", str(source))


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_the_stamp_is_that_of_the_bytes(reader: ReadTracks, source: Path) -> None:
    read = reader(source, RULE, lambda _: None, lambda _: None)
    assert (read.digest, read.stamp) == (digest_of(source), FileStamp.of(source.stat()))


def test_a_file_with_less_bytes_than_it_says(source: Path) -> None:
    found = pytest.raises(tz.Tracks2ZarrError, match=r"[0-9]+ bytes read, of a file of [0-9]+")
    with found, open_source(source) as opened:
        opened.check_end()


def test_a_change_while_it_is_hashed(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = Path.stat

    def changed(path: Path, **options: Any) -> os.stat_result:
        append(path)
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", changed)
    with pytest.raises(tz.Tracks2ZarrError, match="changed while it was read"):
        digest_and_stamp(source)


def test_what_was_changed_lately_may_change_unseen() -> None:
    second = 10**9
    stamp = FileStamp(size=1, mtime_ns=10 * second, ctime_ns=10 * second, inode=1)
    assert not stamp.is_older_than(9 * second), "a clock that was ahead"
    assert not stamp.is_older_than(10 * second)
    assert not stamp.is_older_than(12 * second)
    assert stamp.is_older_than(12 * second + 1)
    assert not replace(stamp, ctime_ns=20 * second).is_older_than(13 * second)
