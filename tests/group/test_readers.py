"""Readers that share no code with zarr-python read the same arrays."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tensorstore
import zarr

from support.oracle import assert_array_exact

JS = Path(__file__).parents[1] / "js"
VIDEOS = ("04.09.2023-01-Right", "06.09.2023-02-Left")
NUMBERS = (
    "position",
    "shape",
    "confidence",
    "escape_state",
    "time",
    "clip_n_frames",
    "track_id",
    "track_first_frame",
    "track_last_frame",
    "track_n_boxes",
)
STRINGS = ("clip_id", "space", "individual", "clip_escape_type")


def read_with_zarr(store: Path, path: str) -> Any:
    group = zarr.open_group(store, mode="r", use_consolidated=False)
    return np.asarray(cast("zarr.Array[Any]", group[path])[...])


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("video", VIDEOS)
def test_tensorstore(sample_store: Path, video: str, name: str) -> None:
    array = tensorstore.open(
        {
            "driver": "zarr3",
            "kvstore": {"driver": "file", "path": str(sample_store / video / name)},
        },
        read=True,
    ).result()
    expected = read_with_zarr(sample_store, f"{video}/{name}")
    assert list(array.domain.labels) == dimension_names(sample_store / video / name)
    assert_array_exact(array.read().result(), expected)


def dimension_names(array: Path) -> list[str]:
    names: list[str] = json.loads((array / "zarr.json").read_bytes())["dimension_names"]
    return names


@pytest.fixture(scope="module")
def read_with_zarrita(sample_store: Path) -> dict[str, dict[str, Any]]:
    """Return every array of the store as zarrita reads it: shape, dtype and flat values."""
    node = shutil.which("node")
    assert node, "Node.js is not installed; run 'make system'"
    assert (JS / "node_modules").is_dir(), "zarrita is not installed; run 'scripts/install-js'"
    paths = [f"{video}/{name}" for video in VIDEOS for name in NUMBERS + STRINGS]
    done = subprocess.run(
        [node, JS / "read.mjs", sample_store, *paths],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    arrays: dict[str, dict[str, Any]] = json.loads(done.stdout)
    assert list(arrays) == paths
    return arrays


@pytest.mark.system
@pytest.mark.parametrize("name", NUMBERS + STRINGS)
@pytest.mark.parametrize("video", VIDEOS)
def test_zarrita(
    sample_store: Path, read_with_zarrita: dict[str, dict[str, Any]], video: str, name: str
) -> None:
    expected = read_with_zarr(sample_store, f"{video}/{name}")
    found = read_with_zarrita[f"{video}/{name}"]
    assert tuple(found["shape"]) == expected.shape
    if name in STRINGS:
        assert found["values"] == [str(text) for text in expected.flat]
        return
    assert found["dtype"] == expected.dtype.name
    if expected.dtype.kind == "i":
        assert [int(value) for value in found["values"]] == expected.ravel().tolist()
        return
    values = np.array([np.nan if v is None else v for v in found["values"]], np.float32)
    np.testing.assert_array_equal(values.reshape(expected.shape), expected)
