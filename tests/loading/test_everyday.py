"""What people do with a video on the first day, however they open it; plain Zarr, too."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video

FPS = 59.94
TYPES = ("triggered", "spontaneous", "triggered")


def boxes(n_frames: int, n_tracks: int, seed: int) -> tuple[Box, ...]:
    """Return tracks with gaps, of boxes that mostly have a confidence."""
    random = np.random.default_rng(seed)
    return tuple(
        Box(
            frame,
            track,
            float(random.integers(1, 9000)) / 100,
            float(random.integers(1, 9000)) / 100,
            float(random.integers(1, 900)) / 100,
            float(random.integers(1, 900)) / 100,
            float(random.integers(1, 100)) / 100,
        )
        for frame in range(n_frames)
        for track in range(n_tracks)
        if random.uniform() < 0.7 or frame in (0, n_frames - 1)
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of two videos that differ in clips, frames and individuals."""
    folder = tmp_path_factory.mktemp("everyday")
    videos = [
        Video(
            name,
            tuple(
                Clip(
                    f"Loop{n + n_clips:02}",
                    1 + 200 * n,
                    200 * n + n_frames,
                    200 * n + n_frames // 2,
                    kind,
                    boxes(n_frames, n_tracks, n),
                )
                for n, kind in enumerate(TYPES[:n_clips])
            ),
            fps=FPS,
        )
        for name, n_clips, n_frames, n_tracks in (("A", 3, 120, 5), ("B", 2, 90, 7))
    ]
    plan = tz.plan(*Experiment(tuple(videos)).write(folder))
    assert tz.create(plan, folder / "s.zarr", workers=1).ok
    return folder / "s.zarr"


def opened(store: Path, how: str, name: str, chunks: dict[str, int] | None) -> xr.Dataset:
    if how == "open_store":
        return tz.open_store(store, chunks=chunks)[name]
    return xr.open_dataset(store, engine=how, group=name, chunks=chunks)


@pytest.fixture(params=[None, {}], ids=["numpy", "dask"])
def chunks(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=["tracks2zarr", "open_store"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def a(store: Path, how: str, chunks: Any) -> xr.Dataset:
    return opened(store, how, "A", chunks)


@pytest.fixture
def b(store: Path, how: str, chunks: Any) -> xr.Dataset:
    return opened(store, how, "B", chunks)


@pytest.fixture
def loaded(store: Path) -> xr.Dataset:
    """Return the first video in memory, as xarray alone reads it."""
    return opened(store, "zarr", "A", None).load()


@pytest.fixture(autouse=True)
def without_their_warnings() -> Iterator[None]:
    """Leave out what zarr-python, dask and numpy warn of; ours stay errors."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata is currently not part")
        warnings.filterwarnings("ignore", "Setting the shape on a NumPy array")
        warnings.filterwarnings("ignore", "numpy.ndarray size changed")
        warnings.filterwarnings("ignore", category=RuntimeWarning, message=".*(empty|NaN).*")
        yield


# ---- the first afternoon

FIRST: dict[str, Callable[[xr.Dataset, xr.Dataset, Path], object]] = {
    "concat along clips": lambda a, b, _: xr.concat([a, b], "clip_id", join="outer").compute(),
    "concat along videos": lambda a, b, _: xr.concat([a, b], "video", join="outer").compute(),
    "align": lambda a, b, _: [one.compute() for one in xr.align(a, b, join="outer")],
    "merge": lambda a, b, _: xr.merge(
        [a[["position"]], b[["position"]]], join="outer", compat="override"
    ).compute(),
    "reindex": lambda a, b, _: a.reindex_like(b).compute(),
    "group": lambda a, b, _: a.groupby("clip_escape_type").mean().compute(),
    "select by a coordinate": lambda a, b, _: a.where(
        a.clip_escape_type == "triggered", drop=True
    ).compute(),
    "write Zarr": lambda a, b, folder: a.to_zarr(folder / "a.zarr"),
    "write Zarr chunked anew": lambda a, b, folder: a.chunk(time=50).to_zarr(folder / "b.zarr"),
    "write netCDF": lambda a, b, folder: a.to_netcdf(folder / "a.nc"),
    "make a table": lambda a, b, _: a.isel(time=slice(3)).to_dataframe(),
}


@pytest.mark.parametrize("name", FIRST)
def test_the_first_afternoon(a: xr.Dataset, b: xr.Dataset, name: str, tmp_path: Path) -> None:
    FIRST[name](a, b, tmp_path)


def test_plain_zarr_fails_at_one_of_them_at_most(store: Path, tmp_path: Path) -> None:
    failed = []
    for name, do in FIRST.items():
        try:
            do(opened(store, "zarr", "A", None), opened(store, "zarr", "B", None), tmp_path)
        except Exception:
            failed.append(name)
    assert set(failed) <= {"write Zarr chunked anew"}


def test_groups_are_those_of_the_escape_types(a: xr.Dataset, loaded: xr.Dataset) -> None:
    means = a.confidence.groupby("clip_escape_type").mean(...)
    assert means.clip_escape_type.values.tolist() == ["spontaneous", "triggered"]
    triggered = loaded.confidence.isel(clip_id=[0, 2])
    by_hand = [float(loaded.confidence[1].mean()), float(triggered.mean())]
    np.testing.assert_allclose(means.values, by_hand, rtol=1e-6)


def test_clips_of_a_type_are_kept(a: xr.Dataset) -> None:
    kept = a.where(a.clip_escape_type == "triggered", drop=True)
    assert kept.clip_id.values.tolist() == ["Loop03", "Loop05"]
    is_kept = a.clip_escape_type == "triggered"
    assert a.sel(clip_id=is_kept).clip_id.values.tolist() == ["Loop03", "Loop05"]
    assert a.isel(clip_id=is_kept.values).sizes["clip_id"] == 2
    assert a.position[is_kept].sizes["clip_id"] == 2


def test_what_is_written_is_what_was_opened(
    a: xr.Dataset, loaded: xr.Dataset, tmp_path: Path
) -> None:
    a.to_zarr(tmp_path / "a.zarr")
    a.chunk(time=50, clip_id=2).to_zarr(tmp_path / "b.zarr")
    a.isel(clip_id=0).to_netcdf(tmp_path / "a.nc")
    a.position.to_netcdf(tmp_path / "b.nc", encoding={"position": {"zlib": True}})
    for name in ("a.zarr", "b.zarr"):
        xr.testing.assert_identical(xr.open_zarr(tmp_path / name).compute(), loaded)
    with xr.open_dataset(tmp_path / "a.nc") as again:
        xr.testing.assert_equal(again, loaded.isel(clip_id=0))
    with xr.open_dataarray(tmp_path / "b.nc") as again:
        xr.testing.assert_equal(again, loaded.position)


# ---- the first week: each gives what it gives for the dataset that was read with xarray alone

WEEK: dict[str, Callable[[xr.Dataset], xr.Dataset | xr.DataArray]] = {
    "broadcasting": lambda a: a.position - a.position.mean("individual"),
    "differences of individuals": lambda a: (
        a.position - a.position.rename(individual="other").isel(other=0)
    ),
    "arithmetic with a coordinate": lambda a: a.position * a.clip_n_frames,
    "where by a coordinate": lambda a: a.position.where(a.time < a.clip_n_frames),
    "where by a data variable": lambda a: a.position.where(a.confidence > 0.5),
    "interpolation over gaps": lambda a: a.position.interpolate_na("time", max_gap=4),
    "filling of gaps": lambda a: a.position.ffill("time", limit=2),
    "rolling means": lambda a: a.position.rolling(time=5, center=True, min_periods=1).mean(),
    "another fps": lambda a: a.position.interp(time=np.arange(0, 119, FPS / 25)),
    "coarsen": lambda a: a.position.coarsen(time=10, boundary="trim").mean(),
    "stack": lambda a: a.position.stack(track=("clip_id", "individual")),
    "stack and drop what is empty": lambda a: (
        a[["position", "shape"]]
        .stack(track=("clip_id", "individual"))
        .dropna("track", how="all")
        .unstack("track")
    ),
    "sel by labels": lambda a: a.position.sel(clip_id="Loop04", space="x", time=slice(10, 20)),
    "sel of several labels": lambda a: a.sel(individual=["id_00003", "id_00001"]),
    "sel of the nearest": lambda a: a.sel(time=17.4, method="nearest"),
    "vectorised selection": lambda a: a.position.isel(
        clip_id=xr.DataArray([0, 2, 1], dims="event"), time=xr.DataArray([5, 60, 7], dims="event")
    ),
    "vectorised selection by labels": lambda a: a.position.sel(
        clip_id=xr.DataArray(["Loop05", "Loop03"], dims="event"),
        time=xr.DataArray([100, 3], dims="event"),
    ),
    "selection by a coordinate's values": lambda a: a.position.isel(
        time=a.clip_escape_first_frame_0idx - a.clip_first_frame_0idx
    ),
    "groupby and median": lambda a: a.groupby("clip_escape_type").map(
        lambda one: one.compute().median("clip_id")
    ),
    "groupby of bins": lambda a: a.confidence.groupby_bins("time", [-1, 39, 79, 119]).mean(...),
    "sortby": lambda a: a.sortby("clip_escape_type", ascending=False),
    "sortby of values": lambda a: a.sortby(a.track_n_boxes.sum("clip_id")),
    "reset_coords": lambda a: a.reset_coords(["clip_escape_type", "track_id"]),
    "set_index": lambda a: a.set_index(clip_id="clip_escape_type"),
    "swap_dims": lambda a: a.swap_dims(clip_id="clip_escape_type"),
    "to_dataset": lambda a: a.position.to_dataset(dim="space"),
    "to_array": lambda a: a[["position", "shape"]].to_array("side"),
    "weighted": lambda a: a.position.weighted(a.confidence.fillna(0)).mean("individual"),
    "cumsum": lambda a: a.escape_state.cumsum("time"),
    "diff": lambda a: a.position.diff("time"),
    "shift": lambda a: a.position.shift(time=1) - a.position,
    "differentiate": lambda a: a.position.differentiate("time"),
    "speed": lambda a: np.hypot(*(a.position.diff("time").sel(space=one) for one in "xy")),
    "quantile": lambda a: (
        a.confidence.chunk(time=-1).quantile([0.1, 0.9], "time")
        if a.chunks
        else a.confidence.quantile([0.1, 0.9], "time")
    ),
    "apply_ufunc": lambda a: xr.apply_ufunc(np.sqrt, a.position, dask="parallelized"),
    "map_blocks": lambda a: xr.map_blocks(lambda one: one - one.mean("individual"), a.position),
    "assign_coords": lambda a: a.assign_coords(seconds=a.time / a.attrs["fps"]),
    "rename": lambda a: a.rename(individual="individuals"),
    "transpose": lambda a: a.transpose("individual", ...),
    "expand_dims": lambda a: a.expand_dims(video=["A"]),
    "pad": lambda a: a.position.pad(time=(2, 3)),
    "idxmax": lambda a: a.confidence.fillna(0).idxmax("time"),
    "polyfit": lambda a: a.escape_state.polyfit("time", 1),
    "dropna": lambda a: a.compute().dropna("individual", how="all", subset=["position"]),
    "astype": lambda a: a.position.astype("float64").sum("time"),
}


#: What numbagg compiles for half a minute; numpy does it as well.
COMPILED = {"groupby and median", "quantile"}


@pytest.mark.parametrize("name", WEEK)
def test_the_first_week(a: xr.Dataset, loaded: xr.Dataset, name: str) -> None:
    with xr.set_options(use_numbagg=name not in COMPILED):  # type: ignore[no-untyped-call]
        found, wanted = WEEK[name](a).compute(), WEEK[name](loaded)
    assert all(size for size in wanted.sizes.values())
    xr.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    assert set(found.coords) == set(wanted.coords)


def test_a_table_of_boxes(a: xr.Dataset, loaded: xr.Dataset) -> None:
    table = a[["position", "confidence"]].to_dataframe().dropna(subset="position")
    assert len(table) == int(loaded.position.notnull().sum())
    assert {"clip_escape_type", "track_id", "confidence"} <= set(table.columns)
    counts = table.reset_index().groupby("clip_id").position.count() // 2
    assert counts.tolist() == loaded.track_n_boxes.sum("individual").values.tolist()
    assert a.confidence.to_series().notna().sum() == int(loaded.confidence.notnull().sum())


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.mark.xdist_group("workers")
def test_a_dataset_is_sent_to_a_worker_process(
    a: xr.Dataset, loaded: xr.Dataset, workers: ProcessPoolExecutor
) -> None:
    lazy = a.position.sel(clip_id="Loop04")
    assert not lazy.variable._in_memory
    xr.testing.assert_allclose(workers.submit(mean_of, lazy).result(), mean_of(lazy))
    xr.testing.assert_identical(pickle.loads(pickle.dumps(a)).compute(), loaded)
    xr.testing.assert_identical(a.copy(deep=True).compute(), loaded)


def mean_of(array: xr.DataArray) -> xr.DataArray:
    """Return what a worker is asked for."""
    return array.mean("time").compute()


def test_plots(a: xr.Dataset) -> None:
    with mpl.rc_context({"backend": "agg"}):
        import matplotlib.pyplot as plt

        a.confidence.mean("individual").plot.line(x="time", hue="clip_id")
        plt.figure()
        a.isel(clip_id=0, individual=0).position.plot.line(x="time")
        plt.figure()
        a.isel(clip_id=0).confidence.plot()
        plt.figure()
        a.confidence.plot.hist()
        a.position.sel(space="x").plot(col="clip_id")
        plt.close("all")


def test_it_is_shown(a: xr.Dataset) -> None:
    for shown in (repr(a), a._repr_html_(), repr(a.position), a.position._repr_html_()):
        assert "clip_escape_type" in shown
    assert a.nbytes > 0
    assert not a.position.variable._in_memory


def test_values_are_changed_in_memory_only(store: Path, a: xr.Dataset, how: str) -> None:
    changed = a.load()
    changed.position[:] = 0
    changed.clip_n_frames[0] = 7
    again = opened(store, how, "A", None)
    assert again.clip_n_frames[0] == 120
    assert again.position.max() > 1
