"""The notebooks run, and what they find is what the tracks files hold."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
        # the code is that of the notebook: a warning of a library in it is none of ours
        with plt.rc_context():
            exec(compile(code_of(name), f"{name}.md", "exec"), namespace)
        plt.close("all")
        return namespace

    return run_notebook


Run = Callable[[str], dict[str, Any]]


def test_every_notebook_has_a_test_and_a_place_in_the_tutorials() -> None:
    names = {path.stem for path in NOTEBOOKS.glob("*.md")}
    assert names == {
        "structure", "trajectories", "filtering", "kinematics", "distributions", "napari"
    }  # fmt: skip
    index = (SAMPLE.parents[1] / "docs/tutorials/index.md").read_text(encoding="utf-8")
    for name in names:
        assert f"]({name}.md)" in index
        assert f"\n{name}\n" in index
        text = code_of(name)
        assert "tz.load_clip(" in text, "each shows load_clip"
        assert "xr.open_" in text, "and plain xarray beside it"


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
