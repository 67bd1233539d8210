"""A flipped bit in a chunk is an error in every reader, never another number."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import xarray as xr
from numpy.typing import NDArray

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video
from tracks2zarr.dataset.layout import Layout
from tracks2zarr.group.stored_array import StoredArray
from tracks2zarr.store.store import Store
from tracks2zarr.verifying.one_video import VideoToVerify, verify_video

type Read = Callable[[], NDArray[Any]]

#: Several chunks along frames and individuals in each shard.
LAYOUT = Layout(chunk_frames=4, chunk_individuals=2)
BOXES = tuple(
    Box(frame, track, 10.25 * track + frame, 7 * track, 4 + track, 6.5, 0.5 + track / 9)
    for frame in range(10)
    for track in range(5)
    if (frame + track) % 4
)
CLIPS = (Clip("Loop00", 1, 10, 4, "triggered", BOXES), Clip("Loop01", 11, 17, boxes=BOXES[:9]))
#: Bits of each file that the quick run flips, and the long one: all bits of most files for readers,
#: and one bit of each byte for `verify`, which compares digests.
A_FEW, MANY, ONE_OF_EACH_BYTE = 12, 1000, 125
#: `verify` reads the sources, too, for one of so many flipped bits.
VERIFIED_EACH = 29


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store of one small video; its chunks are compressed, and its shards have many."""
    plan = tz.plan(*Experiment((Video("A", CLIPS),)).write(tmp_path / "input"))
    video = replace(plan.videos[0], layout=LAYOUT)
    assert tz.create(tz.Plan((video,)), tmp_path / "a.zarr").ok
    return tmp_path / "a.zarr"


def chunk_files(store: Path) -> list[Path]:
    files = sorted(path for path in (store / "A").glob("*/c/**/*") if path.is_file())
    assert len({path.relative_to(store / "A").parts[0] for path in files}) >= 15
    return files


def some_bits(path: Path, count: int) -> Iterator[int]:
    """Yield the bits of a file to flip, all of them or about so many, the last one too."""
    n_bits = 8 * path.stat().st_size
    step = max(1, n_bits // count)
    yield from sorted({*range(0, n_bits, step), n_bits - 1})


def flipped(path: Path, bits: Iterator[int]) -> Iterator[int]:
    """Flip one bit of a file at a time, and put it back."""
    whole = path.read_bytes()
    for bit in bits:
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        yield bit
    path.write_bytes(whole)


def readers(store: Path, name: str) -> dict[str, Read]:
    """Return what reads an array anew at each call, by the name of the reader."""
    folder = store / "A" / name
    dataset = xr.open_dataset(
        store, engine="zarr", group="A", cache=False, create_default_indexes=False
    )
    found: dict[str, Read] = {
        "xarray": lambda: dataset[name].values,
        "tracks2zarr": lambda: own_read(folder),
    }
    if dataset[name].dtype.kind != "U":  # TensorStore opens no texts
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(folder)}}
        array = tensorstore.open(spec, read=True).result()
        found["tensorstore"] = lambda: array.read().result()
    return found


def own_read(folder: Path) -> NDArray[Any]:
    array = StoredArray.open(folder)
    return array.read([np.arange(length) for length in array.shape])


def check_reads(store: Path, count: int) -> None:
    n_errors = 0
    for path in chunk_files(store):
        name = path.relative_to(store / "A").parts[0]
        reads = readers(store, name)
        expected = {reader: read() for reader, read in reads.items()}
        for bit in flipped(path, some_bits(path, count)):
            for reader, read in reads.items():
                where = f"{reader} reads bit {bit} of {path}"
                try:
                    values = read()
                except Exception:
                    n_errors += 1
                else:
                    np.testing.assert_array_equal(values, expected[reader], where)
    assert n_errors


def check_verify(store: Path, count: int) -> None:
    plan = Store.at(store).read_plan().videos[0]
    quick = VideoToVerify(store=store, plan=plan, quick=True, tracks_dir=None, metadata_csv=None)
    full, n_flipped = replace(quick, quick=False), 0
    for path in chunk_files(store):
        for bit in flipped(path, some_bits(path, count)):
            assert not verify_video(quick).ok, (path, bit)
            n_flipped += 1
            if n_flipped % VERIFIED_EACH == 0:
                assert not verify_video(full).ok, (path, bit)
    assert verify_video(full).ok


def test_readers_see_a_flipped_bit(store: Path) -> None:
    check_reads(store, A_FEW)


def test_verify_finds_a_flipped_bit(store: Path) -> None:
    check_verify(store, A_FEW)


@pytest.mark.torture
def test_readers_see_any_flipped_bit(store: Path) -> None:
    check_reads(store, MANY)


@pytest.mark.torture
def test_verify_finds_a_flipped_bit_in_any_byte(store: Path) -> None:
    check_verify(store, ONE_OF_EACH_BYTE)
