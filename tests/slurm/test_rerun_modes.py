"""What a rerun takes over from the submissions before it; SLURM is played by scripts."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import tracks2zarr as tz
from support.commands import Ended, call
from support.corrections import crossing, export_stretch, renumbered, rows_of, write_rows
from support.tree import groups_of, snapshot
from tracks2zarr.slurm.status import status
from tracks2zarr.slurm.submission import ArrayJob, Submission, SubmittedTasks
from tracks2zarr.store.group_mode import Mode
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import State

type Submit = Callable[..., Ended]
type Task = Callable[[int], Ended]

REPLACE = ("--store-mode", "a", "--group-mode", "w")


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    return crossing().write(tmp_path / "in")


@pytest.fixture
def submit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Submit:
    """Return what runs a command below ``slurm`` whose array job gets an id."""
    programs = tmp_path / "programs"
    programs.mkdir()

    def run(job: int, *command: str | Path) -> Ended:
        for name in ("sbatch", "scontrol", "squeue", "scancel"):
            (programs / name).write_text(f"#!/bin/sh\n[ {name} = sbatch ] && echo {job}\nexit 0\n")
            (programs / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(programs))
        return call("slurm", *command)

    return run


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    """Return what runs the only task of an array job."""

    def run(job: int) -> Ended:
        monkeypatch.setenv("SLURM_ARRAY_JOB_ID", str(job))
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
        ended = call("slurm", "task", tmp_path / "a.zarr")
        monkeypatch.delenv("SLURM_ARRAY_JOB_ID")
        monkeypatch.delenv("SLURM_ARRAY_TASK_ID")
        return ended

    return run


@pytest.fixture
def replaced(tmp_path: Path, inputs: tuple[Path, Path], submit: Submit, task: Task) -> Path:
    """Return a store in which a job has replaced the video."""
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(*inputs), store, workers=1).ok
    assert submit(7, "submit", *inputs, store, *REPLACE).status == 0
    assert task(7).status == 0
    return store


def correct(store: Path) -> Path:
    """Correct a clip, and return the corrected file."""
    rows = rows_of(export_stretch(store, 2, 6))
    swapped = write_rows(store.parent / "swapped.csv", [renumbered(row, 9, 12) for row in rows])
    corrected = tz.correct(store, "A", "Loop00", swapped).file
    assert corrected is not None
    return corrected


def receipt_of(store: Path) -> Receipt:
    receipt = Store(store).read_receipt("A")
    assert receipt is not None
    return receipt


def state_of(store: Path) -> State:
    return status(store).videos[0].state


def test_a_rerun_keeps_a_correction_made_since_a_replacing_job(
    replaced: Path, submit: Submit, task: Task
) -> None:
    correct(replaced)
    before, corrections = groups_of(replaced), receipt_of(replaced).clips[0].corrections
    shutil.rmtree(replaced / "A/position")
    for job in (8, 9):  # a rerun of a rerun, too
        assert "Submitted 1 task" in submit(job, "rerun", replaced).stdout
    ended = task(9)
    assert ended.status == 0
    assert "warning" not in ended.stderr
    assert groups_of(replaced) == before
    assert receipt_of(replaced).clips[0].corrections == corrections
    assert state_of(replaced) is State.DONE
    assert tz.verify(replaced).ok


def test_a_rerun_of_a_correction_whose_original_has_changed_says_what_goes_on(
    replaced: Path, inputs: tuple[Path, Path], submit: Submit, task: Task
) -> None:
    correct(replaced)
    shutil.rmtree(replaced / "A/position")
    source = inputs[0] / "A-Loop00_tracks.csv"
    source.write_bytes(source.read_bytes() + b"\n")
    before = snapshot(replaced)
    ended = submit(8, "rerun", replaced)
    assert (ended.status, ended.stdout) == (1, "")
    assert "another tracks file for Loop00" in ended.stderr
    assert snapshot(replaced) == before
    goes_on = re.search(r"without its corrections, run: (.*)", ended.stderr)
    assert goes_on is not None
    ended = call(*shlex.split(goes_on[1])[1:])
    assert ended.status == 0
    assert tz.verify(replaced).ok


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_rerun_leaves_out_a_damaged_video_whose_corrected_file_is_lost_or_changed(
    is_lost: bool, replaced: Path, submit: Submit
) -> None:
    """Its task would fail, however often it were submitted."""
    corrected = correct(replaced)
    shutil.rmtree(replaced / "A/position")
    if is_lost:
        corrected.unlink()
    else:
        corrected.write_bytes(corrected.read_bytes() + b"\n")
    before = snapshot(replaced)
    ended = submit(8, "rerun", replaced)
    assert (ended.status, ended.stdout) == (1, "")
    assert "A corrected tracks file is not the one that was converted." in ended.stderr
    assert snapshot(replaced) == before
    goes_on = re.search(r"without corrections, run: (.*)", ended.stderr)
    assert goes_on is not None
    assert call(*shlex.split(goes_on[1])[1:]).status == 0
    assert tz.verify(replaced).ok


def test_a_rerun_completes_a_replacement_that_failed(
    tmp_path: Path, inputs: tuple[Path, Path], submit: Submit, task: Task
) -> None:
    """Also of a video that was corrected before the replacement was asked for."""
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(*inputs), store, workers=1).ok
    first = groups_of(store)
    correct(store)
    assert "--group-mode w" in submit(7, "submit", *inputs, store, *REPLACE).stderr
    assert state_of(store) is not State.DONE
    assert submit(8, "rerun", store).status == 0
    assert state_of(store) is not State.DONE
    assert "corrections" in task(8).stderr
    assert groups_of(store) == first
    assert state_of(store) is State.DONE


def test_a_rerun_goes_on_with_what_was_asked_for_each_video() -> None:
    def submission(number: int, video: str, mode: Mode, *, is_rerun: bool = False) -> Submission:
        return Submission(
            number=number,
            store="",
            cluster="",
            submitted=str(number),
            user="",
            host="",
            videos=(video,),
            arrays=(ArrayJob(job=str(number), indices=(0,), request=None),),
            group_mode=mode,
            logs="",
            is_rerun=is_rerun,
        )

    tasks = SubmittedTasks.of(
        [
            submission(1, "A", "w"),
            submission(2, "B", "a"),
            submission(3, "A", "w-", is_rerun=True),
            submission(4, "C", "w-", is_rerun=True),
            submission(5, "B", "w-", is_rerun=True),
        ]
    )
    asked = [tasks.asked_for(video) for video in "ABC"]
    assert [one.number for one in asked if one] == [1, 2, 4]
    assert [tasks.replaced_since(video) for video in "ABCD"] == ["1", "", "", ""]
