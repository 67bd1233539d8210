"""The notebooks run, and what they find is what the tracks files hold."""

import multiprocessing
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tracks2zarr as tz
from support.sample import SAMPLE

pytestmark = pytest.mark.slow

NOTEBOOKS = SAMPLE.parent / "notebooks"
#: Of the sample, by its README: boxes a clip.
BOXES = {"Loop00": 932, "Loop01": 1020, "Loop02": 5430}


def code_of(name: str) -> str:
    """Return the cells of a notebook as one script."""
    import jupytext

    cells = jupytext.read(NOTEBOOKS / f"{name}.md").cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "code")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Return what runs a notebook without a screen, and returns its variables."""
    import matplotlib as mpl

    mpl.use("Agg")
    monkeypatch.chdir(NOTEBOOKS)

    def run_notebook(name: str) -> dict[str, Any]:
        from matplotlib import pyplot as plt

        namespace: dict[str, Any] = {"__name__": "__main__"}
        options: Any = xr
        numbagg = options.get_options()["use_numbagg"]
        # the code is that of the notebook: a warning of a library in it is none of ours
        with plt.rc_context(), options.set_options(use_numbagg=numbagg):
            exec(compile(code_of(name), f"{name}.md", "exec"), namespace)
        plt.close("all")
        return namespace

    return run_notebook


Run = Callable[[str], dict[str, Any]]


def test_every_notebook_has_a_test_and_a_place_in_the_tutorials() -> None:
    names = {path.stem for path in NOTEBOOKS.glob("*.md")}
    assert names == {
        "structure", "trajectories", "filtering", "kinematics", "distributions", "escapes",
        "combining", "dask-workers", "napari",
    }  # fmt: skip
    index = (SAMPLE.parents[1] / "docs/tutorials/index.md").read_text(encoding="utf-8")
    for name in names:
        assert f"]({name}.md)" in index
        assert f"\n{name}\n" in index
        text = code_of(name)
        assert "tz.load_clip" in text
        if name not in {"escapes", "dask-workers"}:  # about what comes after loading
            assert "xr.open_" in text, "plain xarray is shown beside it"


def test_structure(run: Run) -> None:
    found = run("structure")
    clips = found["clips"]
    assert len(clips) == 5
    assert clips["frames"].tolist() == [49, 51, 96, 42, 52]
    assert found["on_the_fourth"] == ["04.09.2023-01-Right"]
    assert found["some"].clip_id.values.tolist() == ["Loop01"]
    np.testing.assert_array_equal(found["clip"].position, found["by_hand"].position)


def test_trajectories(run: Run) -> None:
    found = run("trajectories")
    outbound, escape, clip_id = found["outbound"], found["escape"], "Loop02"
    assert int(outbound.count() + escape.count()) == 2 * BOXES[clip_id]
    assert escape.dropna("time", how="all").time.values[0] == 77  # by the README of the sample
    assert int(found["same"].count()) == int(escape.count())
    assert len(found["one_of_all"]) == 5


def test_filtering(run: Run) -> None:
    found = run("filtering")
    clip, sure, filled = found["clip"], found["sure"], found["filled"]
    boxes = clip.position.notnull().all("space")
    assert int(boxes.sum()) == BOXES["Loop02"]
    assert found["kept"].sel(clip_id="Loop02") == int((boxes.sum("time") >= 10).sum())
    kept = found["long_enough"]
    assert sure.notnull().all("space").equals((kept.confidence >= 0.3).drop_attrs())
    assert sure.where(sure.notnull(), 0).equals(filled.where(sure.notnull(), 0))
    new = filled.notnull().all("space") & sure.isnull().any("space")
    assert longest_run(new.values) == 5  # max_gap
    assert not new.isel(time=0).any()


def longest_run(mask: np.ndarray[Any, Any]) -> int:
    """Return the length of the longest run of true values in any column."""
    longest, runs = 0, np.zeros(mask.shape[1], int)
    for row in mask:
        runs = np.where(row, runs + 1, 0)
        longest = max(longest, int(runs.max()))
    return longest


def test_kinematics(run: Run) -> None:
    found = run("kinematics")
    table = found["table"].set_index(["video", "clip", "when"])
    assert len(table) == 10
    clip = tz.load_clip(found["store"], "06.09.2023-02-Left", "Loop00")
    position = clip.position.transpose("time", "individual", "space").values
    time = np.arange(len(position)) / 59.94
    speed = np.hypot(*np.gradient(position, time, axis=0).transpose(2, 0, 1))
    distance = np.full(speed.shape, np.nan)
    for individual, way in enumerate(position.transpose(1, 0, 2)):
        home = way[np.isfinite(way[:, 0])][0]
        distance[:, individual] = np.hypot(*(way - home).T)
    for when, frames in (("before", slice(None, 34)), ("after", slice(34, None))):
        row = table.loc["06.09.2023-02-Left", "Loop00", when]
        assert row.speed == pytest.approx(np.nanmedian(speed[frames]), rel=1e-3)
        assert row.distance == pytest.approx(np.nanmedian(distance[frames]), rel=1e-3)


def test_distributions(run: Run) -> None:
    found = run("distributions")
    counts, boxes = found["counts"], 11_005
    assert sum(value.sum() for (name, _), value in counts.items() if name == "confidence") == boxes
    in_view = [value.sum() for (name, _), value in counts.items() if name == "crabs in view"]
    assert sum(in_view) == 290  # the frames of all clips
    tracks = [value.sum() for (name, _), value in counts.items() if name == "boxes of a track"]
    assert sum(tracks) == 29 + 81 + 123 + 71 + 126
    assert boxes * 0.95 < found["visits"].sum() <= boxes  # some are beyond the frame's edge


def positions_of(store: Path, video: str, clip: str) -> np.ndarray[Any, Any]:
    """Return positions by time, individual and axis."""
    loaded = tz.load_clip(store, video, clip)
    return np.asarray(loaded.position.transpose("time", "individual", "space"))


def nan_median(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    with warnings.catch_warnings(action="ignore"):  # of frames without crabs
        return np.asarray(np.nanmedian(values, axis=1))


def test_escapes(run: Run) -> None:
    found = run("escapes")
    curves, fps = {}, 59.94
    for row in found["table"].itertuples():
        position = positions_of(found["store"], row.video, row.clip_id)
        time = (np.arange(len(position)) - (row.escape_frame - row.first_frame)) / fps
        speed = np.hypot(*np.gradient(position, time, axis=0).transpose(2, 0, 1))
        x, y = position.transpose(2, 0, 1)
        edge = np.min([x, 4096 - x, y, 2160 - y], axis=0)
        curves[row.video, row.clip_id] = time, nan_median(speed), nan_median(edge)
    assert len(curves) == 5
    for name, place in (("speeds", 1), ("distances", 2)):
        measured = found[name].set_index(clip=["video", "clip_id"])
        assert measured.sizes["time"] == 96  # as in the longest: times coincide
        for clip, curve in curves.items():
            ours = measured.sel(clip=clip).sel(time=curve[0])
            np.testing.assert_allclose(ours, curve[place], rtol=1e-3)
            assert int(measured.sel(clip=clip).count()) == np.isfinite(curve[place]).sum()
    assert np.flatnonzero(found["differs"]).tolist() == [0, 11]
    assert found["same"]
    assert found["at_once"].identical(found["speeds"])
    after = [curve[1][curve[0] >= 0] for clip, curve in curves.items() if clip[1] == "Loop01"]
    median = np.median([np.nanmedian(speed) for speed in after])
    assert found["medians"].sel(clip_escape_type="triggered", when="after") == pytest.approx(
        median, rel=1e-3
    )


def test_combining(run: Run) -> None:
    found = run("combining")
    lengths, without_crabs = [49, 51, 96, 42, 52], [8, 20, 0, 8, 20]  # by the README of the sample
    assert found["own"].sum("time").values.tolist() == lengths
    in_view = found["in_view"]
    assert (in_view == 0).sum("time").values.tolist() == without_crabs
    assert in_view.sum("time").values[:3].tolist() == list(BOXES.values())
    assert found["tracked"].sum("individual").values.tolist() == [29, 81, 123, 71, 126]
    assert found["left"].clip_id.values.tolist() == ["Loop00", "Loop01"]
    assert found["triggered"].video.values.tolist() == ["04.09.2023-01-Right", "06.09.2023-02-Left"]
    assert int(found["count"].count()) == sum(lengths[:3])
    table = found["table"]
    np.testing.assert_allclose(table.crabs_in_view * table.n_frames, table.n_boxes)
    assert len(found["frames"]) == sum(lengths)
    assert found["frames"].crabs.sum() == table.n_boxes.sum()
    assert found["crabs"].sum().values == table.n_boxes.sum()


def test_dask_workers(run: Run) -> None:
    before = multiprocessing.active_children()
    found = run("dask-workers")
    assert found["cluster"].status.name == "closed"
    assert multiprocessing.active_children() == before, "all workers have ended"
    table = found["table"].set_index(["video", "clip_id"])
    assert len(table) == 5
    for video, clip in table.index:
        position = positions_of(found["store"], video, clip)
        speed = np.hypot(*np.gradient(position, 1 / 59.94, axis=0).transpose(2, 0, 1))
        assert table.fastest[video, clip] == pytest.approx(np.nanmax(speed), rel=1e-3)
    assert len(found["done"]) == 5
    assert [name[1] for name in found["failed"]] == ["Loop99"]
    counted = found["counted"]["04.09.2023-01-Right"]
    assert counted.sum("time").values.tolist() == list(BOXES.values())
    assert counted.count("time").values.tolist() == [49, 51, 96]
    assert found["in_loop"].equals(found["measured"])


#: Python, Qt and OpenGL would be taken down in an order of chance, which may end in a segmentation
#: fault when all is done.
CLOSE_AND_LEAVE = """
viewer.close()
import os, sys
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.system
def test_napari(tmp_path: Path) -> None:
    """On a virtual screen, in a process of its own: Qt can be started only once in a process."""
    for name in ("notebooks", SAMPLE.name):
        (tmp_path / name).symlink_to(SAMPLE.parent / name)
    here = tmp_path / "here"
    here.mkdir()
    script = here / "napari_clip.py"
    script.write_text(code_of("napari") + CLOSE_AND_LEAVE, encoding="utf-8")
    env = os.environ | {"QT_QPA_PLATFORM": "xcb", "HOME": str(tmp_path)}
    screen = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]
    done = subprocess.run(
        [*screen, sys.executable, "-X", "faulthandler", str(script)],
        cwd=here, env=env, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "['points: Loop02.nc', 'tracks: Loop02.nc', 'boxes: Loop02.nc']" in done.stdout
    assert "123 -> 103 individuals" in done.stdout
    assert "the same: True" in done.stdout
    taken, committed = (picture(folder / "napari-clip.png") for folder in (here, NOTEBOOKS))
    assert taken.shape == committed.shape == (860, 1400, 4)
    for image in (taken, committed):
        canvas = image[100:700, 340:1000, :3]
        assert len(np.unique(canvas.reshape(-1, 3), axis=0)) > 50, "tracks in many colours"
        assert 0.9 < (canvas.max(axis=2) < 0.1).mean() < 0.999, "on a black canvas"


def picture(path: Path) -> np.ndarray[Any, Any]:
    """Return the pixels of a picture, from 0 to 1."""
    from matplotlib import image

    return np.asarray(image.imread(path))
