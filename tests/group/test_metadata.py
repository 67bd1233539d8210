"""The metadata of arrays are what zarr-python writes for them, and open without a warning."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video

BOXES = (Box(0, 4, x=1, width=2), Box(2, 4, x=1, width=2), Box(1, 9, height=3))
EXPERIMENTS = {
    "boxes": (Clip("Loop00", 1, 4, 2, "Triggered", BOXES), Clip("Lööp🦀", 5, 6)),
    "no boxes": (Clip("Loop00", 1, 4),),
    "one letter": (Clip("a", 1, 4, boxes=BOXES),),
}


@pytest.fixture(params=EXPERIMENTS)
def group(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the group of one video."""
    experiment = Experiment((Video("A", EXPERIMENTS[request.param]),))
    assert tz.create(tz.plan(*experiment.write(tmp_path / "input")), tmp_path / "a.zarr").ok
    return tmp_path / "a.zarr" / "A"


def written_by_zarr(array: Any) -> dict[str, Any]:
    """Return the metadata that zarr-python writes for the same array."""
    copy = zarr.create_array(
        MemoryStore(),
        shape=array.shape,
        dtype=array.dtype,
        chunks=array.chunks,
        shards=array.shards,
        compressors=[ZstdCodec(level=1, checksum=True)],
        fill_value=array.fill_value,
        attributes=dict(array.attrs),
        dimension_names=array.metadata.dimension_names,
        zarr_format=3,
    )
    document: dict[str, Any] = json.loads(json.dumps(copy.metadata.to_dict(), default=str))
    return document


def test_metadata(group: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # of what earlier tests left behind
        arrays: dict[str, Any] = dict(zarr.open_group(group, mode="r").arrays())
        for name, array in arrays.items():
            own = json.loads((group / name / "zarr.json").read_bytes())
            assert own == written_by_zarr(array), name
            assert array[...].shape == array.shape


def test_names_are_as_wide_as_the_longest(group: Path) -> None:
    for name in ("clip_id", "space", "individual", "clip_escape_type"):
        array: Any = zarr.open_array(group / name, mode="r")
        values: NDArray[Any] = array[...]
        longest = max(map(len, values.tolist()), default=1)
        assert array.dtype == np.dtype(f"<U{longest}")


def test_every_chunk_has_a_checksum(group: Path) -> None:
    """The bit of the frame's header says so: a descriptor without it is another codec's."""
    has_checksum = 4  # https://datatracker.ietf.org/doc/html/rfc8878#section-3.1.1.1
    chunks = [path for path in group.glob("*/c/**/*") if path.is_file()]
    assert chunks
    for path in chunks:  # a shard begins with its first chunk
        content = path.read_bytes()
        assert content[:4] == b"\x28\xb5\x2f\xfd"
        assert content[4] & has_checksum
