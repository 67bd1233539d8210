"""Array tasks, started by hand: no SLURM is needed."""

from pathlib import Path

import pytest
import xarray as xr

from support.array_jobs import experiment
from support.commands import Ended, call

type Inputs = tuple[Path, Path]


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return experiment(3).write(tmp_path / "input")


def test_array_jobs_that_replace_each_others_store(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two jobs with mode w: what the second has made is not erased by tasks of the first."""
    store = tmp_path / "out.zarr"

    def task(job: int, number: int) -> Ended:
        options = ("--tracks-dir", inputs[0], "--metadata", inputs[1], "--store-mode", "w")
        last = {"SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "2"}
        env = {"SLURM_ARRAY_JOB_ID": str(job), "SLURM_ARRAY_TASK_ID": str(number), **last}
        for name, value in {**env, "PATH": ""}.items():
            monkeypatch.setenv(name, value)
        return call("slurm", "task", store, *options)

    assert [task(1, 0).status, task(1, 1).status] == [0, 0]
    assert [task(2, 0).status, task(2, 1).status] == [0, 0]
    late = task(1, 2)
    assert late.status == 1
    assert "The store was replaced after this task was submitted." in late.stderr
    assert task(2, 2).status == 0
    with xr.open_datatree(store, engine="zarr") as tree:
        assert len(tree.children) == 3


def test_replacing_needs_an_array_job(inputs: Inputs, tmp_path: Path) -> None:
    options = ("--tracks-dir", inputs[0], "--metadata", inputs[1], "--store-mode", "w")
    ended = call("slurm", "task", tmp_path / "out.zarr", "0", *options)
    assert ended.status == 2
    assert "each task would" in ended.stderr
