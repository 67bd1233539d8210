"""Compressed tracks files are read as they are, by all readers, and predicted by their content."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard
from benchmarks.generate import write_experiment

import tracks2zarr as tz
from support.readers import read_as_create_does, read_with
from tracks2zarr.converting import one_video
from tracks2zarr.planning import cost
from tracks2zarr.tracks import column_reader, compiled_reader, compressed, row_reader
from tracks2zarr.tracks.formats import ReadTracks
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.source_file import read_start
from tracks2zarr.tracks.source_folder import digest_of

READERS: dict[str, ReadTracks] = {"columns": column_reader.read_file, "rows": row_reader.read_file}
if compiled_reader.is_available():
    READERS["compiled"] = compiled_reader.read_file


def zstd_without_size(raw: bytes) -> bytes:
    """Compress as a stream, of which the header does not say how long it is."""
    made = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(made, closefd=False) as stream:
        stream.write(raw)
    return made.getvalue()


def as_pzstd_writes(raw: bytes) -> bytes:
    """Compress with a frame without content before it, which says how long the next one is."""
    frame = zstandard.ZstdCompressor().compress(raw)
    length = len(frame).to_bytes(4, "little")
    return b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + length + frame


def with_large_window(raw: bytes) -> bytes:
    """Compress as ``zstd --long=28`` does."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=28)
    made = io.BytesIO()
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    with compressor.stream_writer(made, closefd=False) as stream:
        stream.write(raw)
    return made.getvalue()


def in_parts(raw: bytes) -> bytes:
    return b"".join(gzip.compress(raw[at : at + 10_000]) for at in range(0, len(raw), 10_000))


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".gz in parts": in_parts,
    ".gz with zeros behind": lambda raw: gzip.compress(raw) + bytes(512),
    ".zst": lambda raw: zstandard.ZstdCompressor().compress(raw),
    ".zst without a size": zstd_without_size,
    ".zst as pzstd writes it": as_pzstd_writes,
    ".zst with a large window": with_large_window,
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tracks file of 1.7 MB."""
    folder = tmp_path_factory.mktemp("plain")
    made = write_experiment(folder, clips=1, frames=150, individuals_in_view=60)
    return next(made.tracks_dir.iterdir())


@pytest.mark.parametrize("how", COMPRESS)
@pytest.mark.parametrize("name", READERS)
def test_each_reader_reads_the_same(name: str, how: str, plain: Path, tmp_path: Path) -> None:
    rule, path = FrameRule(150, 0, "clip", None), tmp_path / f"clip.csv{how.split(maxsplit=1)[0]}"
    path.write_bytes(COMPRESS[how](plain.read_bytes()))
    counts: list[int] = []
    READERS[name](path, rule, lambda _: None, counts.append)
    assert sum(counts) == path.stat().st_size
    found, expected = (
        read_with(READERS[name], path, rule),
        read_with(row_reader.read_file, plain, rule),
    )
    assert found.file.digest == digest_of(path)
    assert found.file.reader == name, "it is as fast as for a plain file"
    for column in ("frame", "track", "box", "confidence"):
        np.testing.assert_array_equal(getattr(found.boxes, column), getattr(expected.boxes, column))


@pytest.mark.parametrize("how", COMPRESS)
def test_the_size_of_the_content_is_predicted(how: str, plain: Path, tmp_path: Path) -> None:
    raw, path = plain.read_bytes(), tmp_path / "clip.csv"
    path.write_bytes(COMPRESS[how](raw))
    predicted = read_start(path).content_size
    assert 0.7 * len(raw) < predicted < 1.4 * len(raw)
    if how in {".gz", ".zst"}:
        assert predicted == len(raw)


@pytest.mark.parametrize("how", [".gz", ".zst"])
@pytest.mark.parametrize("share", [0.3, 0.999])
def test_a_file_that_is_cut_off(how: str, share: float, plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    raw = COMPRESS[how](plain.read_bytes())
    path.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(tz.Tracks2ZarrError) as error:
        read_as_create_does(path, FrameRule(150, 0, "clip", None))
    (problem,) = error.value.problems
    assert (problem.kind, problem.file) == ("tracks-compressed-cut-off", str(path))


def test_one_that_still_grows(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.csv.gz"
    whole = gzip.compress(plain.read_bytes())
    path.write_bytes(whole[:-100])
    rest = [whole[-100:]]

    def grow(_: int) -> None:
        if rest:
            with path.open("ab") as file:
                file.write(rest.pop())

    rule = FrameRule(150, 0, "clip", None)
    with pytest.raises(tz.Tracks2ZarrError) as error:
        column_reader.read_file(path, rule, lambda _: None, grow)
    assert error.value.problems[0].kind == "source-changed"


@pytest.mark.parametrize("how", [".gz", ".zst"])
def test_memory_is_bounded(how: str) -> None:
    """A file of zeros shrinks most: no piece of it may be as large as the whole."""
    raw = COMPRESS[how](bytes(400 * 2**20))
    content = compressed.Expanded(Path("x"), io.BytesIO(raw), "gzip" if how == ".gz" else "zstd")
    buffer, largest = bytearray(1 << 20), 0
    while content.readinto(buffer):
        largest = max(largest, len(content._piece))
    assert content.n_expanded == 400 * 2**20
    assert largest <= 64 * 2**20


def test_a_plan_and_a_second_run(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracks = tmp_path / "tracks"
    tracks.mkdir()
    raw = plain.read_bytes()
    file = tracks / f"{plain.name}.gz"
    file.write_bytes(gzip.compress(raw))
    metadata = next(plain.parent.parent.glob("*.csv"))
    plan = tz.plan(tracks, metadata)
    (video,) = plan.videos
    assert (video.size, video.content_size) == (file.stat().st_size, len(raw))
    of_plain = tz.plan(plain.parent, metadata).videos[0]
    assert video.predicted_memory == of_plain.predicted_memory
    assert video.predicted_verify_memory == of_plain.predicted_verify_memory
    assert cost.requested_minutes(video.content_size) == cost.requested_minutes(of_plain.size)
    assert tz.Plan.from_json(plan.to_json()) == plan

    store = tmp_path / "s.zarr"
    assert tz.create(plan, store, workers=1).ok
    monkeypatch.setattr(one_video, "_read_clip", None)  # nothing is read again
    assert tz.create(tz.plan(tracks, metadata), store, workers=1, store_mode="a").ok
    assert tz.verify(store, workers=1).ok
