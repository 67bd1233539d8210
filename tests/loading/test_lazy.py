"""The reader of our own groups gives what zarr-python and xarray give."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from benchmarks.generate import write_experiment
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import LocalStore

import tracks2zarr as tz
from tracks2zarr.dataset.layout import Layout
from tracks2zarr.group.stored_array import StoredArray, UnknownFormatError


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a store of one video that is cut into many small chunks, and the video."""
    folder = tmp_path_factory.mktemp("cut")
    made = write_experiment(folder, clips=2, frames=90, individuals_in_view=4, track_frames=12)
    plan = tz.plan(made.tracks_dir, made.metadata_csv)
    small = replace(plan, videos=tuple(replace(v, layout=Layout(16, 8)) for v in plan.videos))
    assert tz.create(small, folder / "s.zarr", workers=1).ok
    return folder / "s.zarr", plan.videos[0].video


def by_zarr(store: Path, video: str, chunks: dict[str, int] | None = None) -> xr.Dataset:
    group = LocalStore(store / video, read_only=True)
    dataset: xr.Dataset = xr.open_zarr(group, chunks=chunks, zarr_format=3)
    return dataset


def is_ours(array: xr.DataArray) -> bool:
    return "LazyArray" in repr(array.variable._data)


@pytest.mark.parametrize("chunks", [None, {}, {"time": -1}])
def test_a_dataset_is_that_of_xarray(cut: tuple[Path, str], chunks: dict[str, int] | None) -> None:
    store, video = cut
    ours, theirs = tz.open_store(store, chunks=chunks)[video], by_zarr(store, video, chunks)
    assert set(ours.variables) == set(theirs.variables)
    xr.testing.assert_identical(ours, theirs)
    for name, variable in theirs.variables.items():
        assert ours[name].dtype == variable.dtype, name
    for name, array in theirs.data_vars.items():
        assert ours[name].chunks == array.chunks, name
        assert ours[name].encoding["preferred_chunks"] == array.encoding["preferred_chunks"]
        assert ours[name].values.tobytes() == array.values.tobytes(), name


def test_all_videos_of_a_store_are_those_of_xarray(sample_store: Path) -> None:
    for video in tz.open_store(sample_store):
        ours = tz.open_store(sample_store)[video]
        assert is_ours(ours.position)
        xr.testing.assert_identical(ours, by_zarr(sample_store, video))


def indices(length: int) -> st.SearchStrategy[Any]:
    number = st.integers(-length, length - 1)
    edge = st.none() | st.integers(-length - 3, length + 3)
    step = st.integers(1, 20) | st.none()
    back = st.builds(slice, st.none(), st.none(), st.integers(-20, -1))
    some = st.lists(number, max_size=6).map(lambda places: np.array(places, np.int64))
    return number | st.builds(slice, edge, edge, step) | back | some


@pytest.fixture(scope="module")
def whole(cut: tuple[Path, str]) -> xr.DataArray:
    position: xr.DataArray = by_zarr(*cut).position.load()
    return position


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_index_gives_what_numpy_gives(
    cut: tuple[Path, str], whole: xr.DataArray, data: st.DataObject
) -> None:
    array = tz.open_store(cut[0])[cut[1]].position
    key = {dim: data.draw(indices(size), dim) for dim, size in array.sizes.items()}
    wanted = whole.isel(key)
    assert is_ours(array)
    found = array.isel(key)
    assert found.dims == wanted.dims
    np.testing.assert_array_equal(found.values, wanted.values)


def test_places_that_go_together_are_read_point_by_point(cut: tuple[Path, str]) -> None:
    theirs = by_zarr(*cut)["shape"]
    ours = tz.open_store(cut[0])[cut[1]]["shape"]
    points = {"time": xr.DataArray([80, 3, 3, 41], dims="p"), "individual": [2, 0, 19]}
    xr.testing.assert_identical(ours.isel(points), theirs.isel(points))


def test_an_index_outside_is_an_error(cut: tuple[Path, str]) -> None:
    with pytest.raises(IndexError):
        _ = tz.open_store(cut[0])[cut[1]].position[0, 90].values


def test_a_dataset_that_was_not_read_can_be_sent(cut: tuple[Path, str]) -> None:
    ours = tz.open_store(*cut[:1])[cut[1]]
    sent = pickle.loads(pickle.dumps(ours))
    assert is_ours(sent.position)
    xr.testing.assert_identical(sent, ours)


def changed(document: dict[str, Any], path: str, value: object) -> None:
    *parents, last = path.split("/")
    inner: Any = document
    for key in parents:
        inner = inner[int(key) if key.isdecimal() else key]
    inner[last] = value


SHARD = "codecs/0/configuration"


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("position", f"{SHARD}/index_location", "start"),
        ("position", f"{SHARD}/codecs", [{"name": "bytes", "configuration": {"endian": "little"}}]),
        ("position", f"{SHARD}/index_codecs", [{"name": "bytes"}]),
        ("position", "chunk_key_encoding/configuration/separator", "."),
        ("position", "data_type", "float16"),
        ("time", "codecs", [{"name": "bytes", "configuration": {"endian": "big"}}]),
        ("time", "chunk_grid", {"name": "rectilinear", "configuration": {"chunk_shape": [90]}}),
        ("clip_id", "codecs", []),
        ("position", "storage_transformers", [{"name": "other"}]),
    ],
)
def test_another_format_is_left_to_zarr(
    cut: tuple[Path, str], name: str, path: str, value: object
) -> None:
    folder = cut[0] / cut[1] / name
    document = json.loads((folder / "zarr.json").read_bytes())
    StoredArray.from_metadata(folder, document)
    changed(document, path, value)
    with pytest.raises(UnknownFormatError):
        StoredArray.from_metadata(folder, document)


def test_a_group_that_does_not_list_its_arrays_is_read_by_zarr(
    cut: tuple[Path, str], tmp_path: Path
) -> None:
    store = tmp_path / "s.zarr"
    shutil.copytree(cut[0], store)
    file = store / cut[1] / "zarr.json"
    document = json.loads(file.read_bytes())
    del document["consolidated_metadata"]
    file.write_text(json.dumps(document))
    opened = tz.open_store(store)[cut[1]]
    assert "CheckedArray" in repr(opened.position.variable._data)
    xr.testing.assert_identical(opened, by_zarr(*cut))


@pytest.mark.parametrize("damage", ["index", "chunk", "cut"])
def test_a_damaged_shard_is_an_error(cut: tuple[Path, str], damage: str, tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    shutil.copytree(cut[0], store)
    (shard, *_) = sorted((store / cut[1] / "position" / "c").rglob("0"))[-1:]
    content = bytearray(shard.read_bytes())
    if damage == "index":
        content[-9] ^= 1
    elif damage == "chunk":
        content[:4] = b"none"
    else:
        del content[: len(content) // 2]
    shard.write_bytes(content)
    with pytest.raises(tz.Tracks2ZarrError, match=r"chunk|index") as raised:
        tz.open_store(store)[cut[1]].position.load()
    (problem,) = raised.value.problems
    assert (problem.kind, problem.file) == ("content-changed", str(shard))
