"""`movement` reads the same numbers from the same files, and takes what we make of them."""

import importlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tracks2zarr as tz
from support.experiments import ABSENT, Box, Clip, Experiment, FileStyle, Video, crowd
from support.oracle import assert_array_exact

SAMPLE = Path(__file__).parents[2] / "examples" / "crab-loops"
VARIABLES = ("position", "shape", "confidence")


@pytest.fixture(scope="module")
def movement(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Import `movement` without its log in the home folder and its changes to other libraries."""
    xarray: Any = importlib.import_module("xarray")
    showwarning = warnings.showwarning
    with (
        pytest.MonkeyPatch.context() as patch,
        xarray.set_options(keep_attrs="default", display_expand_data="default"),
    ):
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        modules = SimpleNamespace(
            load=importlib.import_module("movement.io.load"),
            load_bboxes=importlib.import_module("movement.io.load_bboxes"),
            save_bboxes=importlib.import_module("movement.io.save_bboxes"),
            kinematics=importlib.import_module("movement.kinematics"),
            validator=importlib.import_module("movement.validators.datasets").ValidBboxesInputs,
        )
        importlib.import_module("loguru").logger.remove()
        warnings.showwarning = showwarning
        yield modules


def boxes_without_gaps(n_frames: int, n_tracks: int, seed: int) -> tuple[Box, ...]:
    """Individuals that come and go, one of them in every frame, in forms that `movement` reads."""
    rng = np.random.default_rng(seed)
    tracks = rng.permutation(np.arange(3, 3 + 7 * n_tracks, 7)).tolist()
    boxes = []
    for frame in range(n_frames):
        present = [tracks[0], *(track for track in tracks[1:] if rng.random() < 0.4)]
        for track in present:
            x, y = rng.uniform(0, 4096, 2).tolist()
            width, height = rng.uniform(10, 40, 2).tolist()
            score = float(rng.random())
            confidence = [ABSENT, None, score, str(score), "NaN"][rng.integers(5)]
            boxes.append(Box(frame, track, x, y, width, round(height), confidence))
    return tuple(boxes)


def experiment_without_gaps() -> Experiment:
    """Two videos; clips of one frame, of two, and of more; one with a frame attribute."""
    by_attribute = FileStyle(frame_source="attribute", image="{letters}.png", shuffle_seed=1)
    return Experiment(
        (
            Video(
                "04.09.2023-01-Right",
                (
                    Clip("Loop00", 1201, 1240, 1230, boxes=boxes_without_gaps(40, 12, 0)),
                    Clip("Loop01", 1, 25, boxes=boxes_without_gaps(25, 3, 1), style=by_attribute),
                    Clip("Loop02", 2000, 2000, boxes=crowd(4)),
                ),
            ),
            Video("two words", (Clip("é", 1, 2, 1, boxes=boxes_without_gaps(2, 30, 2)),), fps=25.0),
        )
    )


def convert(tracks_dir: Path, metadata_csv: Path, store: Path) -> Path:
    assert tz.create(tz.plan(tracks_dir, metadata_csv), store, workers=1).ok
    assert tz.verify(store, workers=1).ok
    return store


@pytest.fixture(scope="module")
def without_gaps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the tracks files and the store of an experiment without gaps."""
    folder = tmp_path_factory.mktemp("without_gaps")
    tracks_dir, metadata_csv = experiment_without_gaps().write(folder)
    return tracks_dir, convert(tracks_dir, metadata_csv, folder / "out.zarr")


def clips_of(store: Path) -> Iterator[tuple[str, str, xr.Dataset]]:
    """Yield each clip of a store, trimmed by its own extent: video, clip, dataset.

    Without dask: movement 0.17 reports individuals that are often absent, and cannot do so lazily.
    """
    with xr.open_datatree(store, engine="zarr") as tree:
        for video, node in tree.children.items():
            dataset = node.to_dataset()
            for i, clip in enumerate(dataset["clip_id"].values):
                whole = dataset.isel(clip_id=i)
                yield (
                    str(video),
                    str(clip),
                    whole.isel(
                        time=slice(int(whole["clip_n_frames"])),
                        individual=slice(int(whole["clip_n_individuals"])),
                    ),
                )


def assert_same_tracks(ours: xr.Dataset, theirs: xr.Dataset) -> None:
    """Individuals are matched by track number, which `movement` keeps in their names."""
    names = [f"id_{track}" for track in ours["track_id"].values]
    assert sorted(names) == sorted(theirs["individual"].values.tolist())
    theirs = theirs.sel(individual=names)
    for variable in VARIABLES:
        assert ours[variable].dims == theirs[variable].dims
        assert_array_exact(ours[variable].values, theirs[variable].values, variable)


def test_same_numbers(movement: SimpleNamespace, without_gaps: tuple[Path, Path]) -> None:
    tracks_dir, store = without_gaps
    clips = list(clips_of(store))
    assert len(clips) == 4
    for video, clip, trimmed in clips:
        if trimmed.sizes["time"] == 1:
            continue  # movement 0.17 cannot load a file of one frame
        path = tracks_dir / f"{video}-{clip}_tracks.csv"
        theirs = movement.load_bboxes.from_via_tracks_file(path)
        assert trimmed["time"].values.tolist() == theirs["time"].values.reshape(-1).tolist()
        assert_same_tracks(trimmed, theirs)
        assert_same_tracks(tz.load_clip(store, video, clip), theirs)


def test_same_numbers_at_the_frames_that_movement_keeps(
    movement: SimpleNamespace, sample_store: Path
) -> None:
    for video, clip, trimmed in clips_of(sample_store):
        theirs = movement.load_bboxes.from_via_tracks_file(
            SAMPLE / "tracks" / f"{video}-{clip}_tracks.csv", use_frame_numbers_from_file=True
        )
        kept = theirs["time"].values
        assert_same_tracks(trimmed.sel(time=kept), theirs)
        without_boxes = trimmed.drop_sel(time=kept)["position"]
        assert bool(without_boxes.isnull().all())


def check_with_movement(movement: SimpleNamespace, clip: xr.Dataset) -> None:
    """The clip is a dataset of `movement`, and where there is motion, kinematics run on it."""
    movement.validator.validate(clip)
    movement.validator(
        position_array=clip["position"].values,
        shape_array=clip["shape"].values,
        confidence_array=clip["confidence"].values,
        individual_names=clip["individual"].values.tolist(),
        frame_array=clip["time"].values.reshape(-1, 1),
        fps=clip.attrs["fps"],
        source_software=clip.attrs["source_software"],
    )
    if clip.sizes["time"] < 2:
        return
    velocity = movement.kinematics.compute_velocity(clip["position"])
    assert velocity.shape == clip["position"].shape
    with warnings.catch_warnings(action="ignore"):  # it warns of individuals that are mostly absent
        path_length = movement.kinematics.compute_path_length(clip["position"])
    assert path_length.dims == ("individual",)
    assert path_length.sizes == {"individual": clip.sizes["individual"]}
    values = path_length.values
    often_seen = (~clip["position"].isnull()).all("space").sum("time").values >= 2
    assert np.isfinite(values[often_seen]).all()


@pytest.mark.parametrize("name", ["sample", "without gaps"])
def test_trimmed_clips(
    movement: SimpleNamespace, name: str, request: pytest.FixtureRequest
) -> None:
    store = (
        request.getfixturevalue("sample_store")
        if name == "sample"
        else request.getfixturevalue("without_gaps")[1]
    )
    for video, clip, trimmed in clips_of(store):
        check_with_movement(movement, trimmed)
        check_with_movement(movement, tz.load_clip(store, video, clip))


def test_clips_with_few_boxes(movement: SimpleNamespace, tmp_path: Path) -> None:
    clips = (
        Clip("none", 1, 5),
        Clip("none in one frame", 6, 6),
        Clip("one box", 7, 9, boxes=(Box(1, 5, 1, 2, 3, 4),)),
    )
    experiment = Experiment((Video("v", clips),))
    store = convert(*experiment.write(tmp_path / "in"), tmp_path / "out.zarr")
    for video, clip, trimmed in clips_of(store):
        check_with_movement(movement, trimmed)
        check_with_movement(movement, tz.load_clip(store, video, clip))


def test_clip_in_seconds(movement: SimpleNamespace, without_gaps: tuple[Path, Path]) -> None:
    tracks_dir, store = without_gaps
    theirs = movement.load_bboxes.from_via_tracks_file(
        tracks_dir / "two words-é_tracks.csv", fps=25.0
    )
    ours = tz.load_clip(store, "two words", "é", seconds=True)
    np.testing.assert_array_equal(ours["time"].values, theirs["time"].values)
    for attribute in ("time_unit", "fps", "ds_type", "source_software"):
        assert ours.attrs[attribute] == theirs.attrs[attribute]
    for coordinate in ("individual", "space"):
        assert ours[coordinate].dtype.kind == theirs[coordinate].dtype.kind


@pytest.mark.parametrize("seconds", [False, True])
@pytest.mark.parametrize("name", ["sample", "without gaps"])
def test_clips_saved_as_netcdf(
    movement: SimpleNamespace,
    name: str,
    seconds: bool,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    store = (
        request.getfixturevalue("sample_store")
        if name == "sample"
        else request.getfixturevalue("without_gaps")[1]
    )
    for video, clip, _ in clips_of(store):
        loaded = tz.load_clip(store, video, clip, seconds=seconds)
        path = tmp_path / f"{video}-{clip}.nc"
        loaded.to_netcdf(path)
        with xr.open_dataset(path) as opened:  # as the GUI of movement does
            assert opened.identical(loaded)
            movement.validator.validate(opened)
            if not seconds:
                check_with_movement(movement, opened)
            assert opened["time"].dtype.kind == ("f" if seconds else "i")
        # older versions of xarray decode as this one does when it is asked to
        with xr.open_dataset(path, decode_timedelta=True) as opened:
            assert opened["time"].dtype.kind == ("f" if seconds else "i")


def test_netcdf_goes_on_to_tracks_files(
    movement: SimpleNamespace, without_gaps: tuple[Path, Path], tmp_path: Path
) -> None:
    """`movement.io` has no loader for netCDF: xarray opens it; what movement saves, it loads."""
    loaders = movement.load.get_supported_source_software()
    assert not [software for software, suffixes in loaders.items() if ".nc" in suffixes]

    clip = tz.load_clip(without_gaps[1], "04.09.2023-01-Right", "Loop00")
    clip.to_netcdf(tmp_path / "clip.nc")
    with xr.open_dataset(tmp_path / "clip.nc") as opened:
        movement.save_bboxes.to_via_tracks_file(opened, tmp_path / "saved_tracks.csv")
    theirs = movement.load.load_dataset(tmp_path / "saved_tracks.csv")
    assert theirs.attrs["source_software"] == "VIA-tracks"
    theirs = theirs.assign_coords(individual=clip["individual"].values)
    np.testing.assert_allclose(theirs["position"], clip["position"], rtol=0, atol=1e-3)
    np.testing.assert_allclose(theirs["shape"], clip["shape"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(theirs["confidence"], clip["confidence"], rtol=0, atol=1e-6)


def bboxes(movement: SimpleNamespace, n_frames: int, n_individuals: int) -> Any:
    rng = np.random.default_rng(7)
    shape = (n_frames, 2, n_individuals)
    position = rng.uniform(0, 4096, shape).astype(np.float32)
    position[rng.random((n_frames, n_individuals))[:, None].repeat(2, 1) < 0.2] = np.nan
    position[:, :, 0] = 7.25
    confidence = rng.random((n_frames, n_individuals)).astype(np.float32)
    confidence[rng.random((n_frames, n_individuals)) < 0.2] = np.nan
    return movement.load_bboxes.from_numpy(
        position_array=position,
        shape_array=rng.uniform(10, 40, shape).astype(np.float32),
        confidence_array=confidence,
        individual_names=[f"id_{3 * i + 2}" for i in range(n_individuals)],
    )


@pytest.mark.parametrize("prefix", [None, "frame_", "cam3-"])
def test_files_that_movement_wrote(
    movement: SimpleNamespace, prefix: str | None, tmp_path: Path
) -> None:
    experiment = Experiment((Video("v", (Clip("c", 1, 20, has_file=False),)),))
    tracks_dir, metadata_csv = experiment.write(tmp_path)
    path = tracks_dir / "v-c_tracks.csv"
    saved = bboxes(movement, 20, 12)
    movement.save_bboxes.to_via_tracks_file(saved, path, image_file_prefix=prefix)

    store = convert(tracks_dir, metadata_csv, tmp_path / "out.zarr")
    ours = tz.load_clip(store, "v", "c")
    assert_same_tracks(ours, movement.load_bboxes.from_via_tracks_file(path))
    # The file holds six decimals.
    names = [f"id_{track}" for track in ours["track_id"].values]
    wanted = saved.sel(individual=names)
    boxes = ~wanted["position"].isnull().any("space")
    np.testing.assert_allclose(ours["position"], wanted["position"], rtol=0, atol=1e-3)
    np.testing.assert_allclose(ours["shape"], wanted["shape"].where(boxes), rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        ours["confidence"], wanted["confidence"].where(boxes), rtol=0, atol=1e-6
    )
