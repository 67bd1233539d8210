"""Clips saved as netCDF open in the GUI of `movement`: napari, with its plugin."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video

pytestmark = [pytest.mark.system, pytest.mark.slow]

PROGRAM = Path(__file__).parents[1] / "support" / "movement_gui.py"
VIDEO = "06.09.2023-02-Left"
SCREEN = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]
#: Arrays by what they are and the name of their file.
type Shown = dict[str, np.ndarray[Any, Any]]
ONE_BOX = Experiment((Video("v", (Clip("c", 7, 9, boxes=(Box(1, 5, 1, 2, 3, 4, 0.5),)),)),))


@pytest.fixture
def clips(sample_store: Path, tmp_path: Path) -> dict[str, xr.Dataset]:
    """Return clips as people save them, by the names of their files."""
    store = tmp_path / "out.zarr"
    assert tz.create(tz.plan(*ONE_BOX.write(tmp_path / "in")), store, workers=1).ok
    whole = tz.load_clip(sample_store, VIDEO, "Loop00")
    return {
        "frames.nc": whole,
        "seconds.nc": tz.load_clip(sample_store, VIDEO, "Loop00", seconds=True),
        "window.nc": tz.load_clip(sample_store, VIDEO, "Loop00", frames=slice(20, 30)),
        "one box.nc": tz.load_clip(store, "v", "c"),
    }


def test_clips_in_the_gui(clips: dict[str, xr.Dataset], tmp_path: Path) -> None:
    for name, clip in clips.items():
        clip.to_netcdf(tmp_path / name)
    assert clips["window.nc"].sizes["individual"] < clips["frames.nc"].sizes["individual"]
    shown = show([*clips], tmp_path)
    for name, clip in clips.items():
        check_boxes(clip, shown, name)
        assert shown[f"fps: {name}"] == 59.94
        assert shown[f"last frame: {name}"] == clip.sizes["time"] - 1  # also without boxes there


def show(names: list[str], folder: Path) -> Shown:
    """Load files in the GUI, on a virtual screen, and return what it shows of them."""
    command = [*SCREEN, sys.executable, "-X", "faulthandler", str(PROGRAM), "shown.npz", *names]
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"QT_QPA_PLATFORM": "xcb", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "shown.npz") as arrays:
        return dict(arrays)


def check_boxes(clip: xr.Dataset, shown: Shown, name: str) -> None:
    """The layers hold the boxes of a clip, and no others, under the names of their individuals."""
    boxes = boxes_of(clip)
    assert boxes
    tracks = [(one, frame, y, x) for one, frame, (x, y, _, _) in boxes]
    np.testing.assert_array_equal(shown[f"tracks: {name}"], tracks)
    np.testing.assert_array_equal(shown[f"points: {name}"], [row[1:] for row in tracks])
    corners = [
        [(frame, y + b * h / 2, x + a * w / 2) for a, b in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
        for _, frame, (x, y, w, h) in boxes
    ]
    np.testing.assert_allclose(shown[f"boxes: {name}"], corners, rtol=1e-6)
    individuals, frames = [row[0] for row in boxes], [row[1] for row in boxes]
    np.testing.assert_array_equal(
        shown[f"individuals: {name}"], clip["individual"].values[individuals]
    )
    np.testing.assert_array_equal(shown[f"times: {name}"], clip["time"].values[frames])
    confidence = clip["confidence"].values[frames, individuals]
    np.testing.assert_array_equal(shown[f"confidence: {name}"], confidence)


def boxes_of(clip: xr.Dataset) -> list[tuple[int, int, tuple[float, ...]]]:
    """Return each box of a clip, one individual after the other: individual, frame, x y w h."""
    order = ("individual", "time", "space")
    centre, size = (clip[name].transpose(*order).values for name in ("position", "shape"))
    return [
        (individual, frame, (*centre[individual, frame], *size[individual, frame]))
        for individual, frame in np.argwhere(np.isfinite(centre).all(axis=2)).tolist()
    ]
