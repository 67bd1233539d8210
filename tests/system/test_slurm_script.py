"""The script of the older workflow, submitted by hand to a real SLURM."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

import tracks2zarr as tz
from support.array_jobs import Commands, experiment, job_of, name_of, temporary, until
from support.slurm_cluster import Cluster
from support.tree import run_cli, snapshot
from tracks2zarr.slurm.submission import read_submissions
from tracks2zarr.store.store import Store

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "bash_scripts/run_create_zarr_dataset.sh"
NAME = SCRIPT.name

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.fixture
def commands(slurm: Cluster, tmp_path: Path) -> Commands:
    return Commands(slurm.env, tmp_path)


def edited(folder: Path, **values: str) -> None:
    """Edit the script of the repository, as a person does who follows the guide."""
    text = SCRIPT.read_text(encoding="utf-8")
    for name, value in values.items():
        begin = "#SBATCH --array=" if name == "array" else f"{name}="
        (before,) = re.findall(rf"(?m)^{begin}.*$", text)
        text = text.replace(f"\n{before}\n", f"\n{begin}{shlex.quote(value)}\n")
    (folder / NAME).write_text(text, encoding="utf-8")


def installed() -> str:
    return str(Path(sys.executable).with_name("tracks2zarr"))


def write(folder: Path, n_videos: int) -> dict[str, str]:
    tracks_dir, metadata_csv = experiment(n_videos).write(folder / "input")
    return {"VIA_TRACKS_DIR": str(tracks_dir), "METADATA_CSV": str(metadata_csv)}


def local(folder: Path, inputs: dict[str, str]) -> dict[str, str]:
    store = folder / "local.zarr"
    assert tz.create(tz.plan(inputs["VIA_TRACKS_DIR"], inputs["METADATA_CSV"]), store).ok
    return snapshot(store)


def broken_file(inputs: dict[str, str], number: int) -> tuple[Path, bytes]:
    """Break a row of a tracks file; return the file, and what it held."""
    path = Path(inputs["VIA_TRACKS_DIR"], f"{name_of(number)}-Loop00_tracks.csv")
    whole = path.read_bytes()
    path.write_bytes(whole + b"half a row,")
    return path, whole


def submitted(commands: Commands, *options: str) -> str:
    """Submit the script, and wait until all of its tasks have ended."""
    job = commands.slurm("sbatch", "--parsable", *options, NAME)
    until(lambda: not commands.slurm("squeue", "-h", "-j", job, check=False), pause=0.2)
    return job


def test_as_the_guide_tells(commands: Commands, tmp_path: Path) -> None:
    inputs = write(tmp_path, 5)
    edited(tmp_path, **inputs, array="0-4%9", TRACKS2ZARR=installed())
    job = submitted(commands)
    store = tmp_path / f"CrabTracks-slurm{job}.zarr"
    assert snapshot(store) == local(tmp_path, inputs)
    assert temporary(store) == []
    logs = sorted(path.name for path in (store / "logs").iterdir())
    expected = [f"slurm_array.{job}-{n}" for n in range(5) for _ in range(2)]
    assert [name.rsplit(".", 2)[0] for name in logs] == expected
    assert {stat.S_IMODE(path.stat().st_mode) for path in (store / "logs").iterdir()} == {0o444}
    assert not list(tmp_path.glob("slurm_array.*"))
    with xr.open_datatree(store, engine="zarr", chunks={}) as tree:
        assert len(tree.children) == 5
    assert set(commands.states(store).values()) == {"done"}
    assert tz.verify(store).ok


def test_a_subset_a_failure_and_an_index_past_the_end(commands: Commands, tmp_path: Path) -> None:
    inputs = write(tmp_path, 5)
    store = tmp_path / "out.zarr"
    broken, whole = broken_file(inputs, 3)
    edited(tmp_path, **inputs, TRACKS2ZARR=installed(), ZARR_STORE_OUTPUT=str(store))
    job = submitted(commands, "--array=0,3,7")
    with xr.open_datatree(store, engine="zarr", chunks={}) as tree:
        assert {*tree.children} == {name_of(0)}  # listed, although not all videos were asked for
    logs = {path.name.rsplit(".", 2)[0]: path for path in tmp_path.glob("slurm_array.*.err")}
    assert {*logs} == {f"slurm_array.{job}-{n}" for n in (3, 7)}
    said = logs[f"slurm_array.{job}-7"].read_text()
    assert "There is no video with the index of this task." in said
    assert "0 to 4" in said
    assert "Traceback" not in said
    known = commands.status(store)
    states = [known[name_of(n)]["state"] for n in range(5)]
    assert states == ["done", "pending", "pending", "failed", "pending"]
    assert known[name_of(3)]["log"] == str(logs[f"slurm_array.{job}-3"])
    broken.write_bytes(whole)
    commands.run("rerun", store)
    assert any((store / "logs_failed").glob(f"slurm_array.{job}-3.*"))
    commands.wait(store)
    assert snapshot(store) == local(tmp_path, inputs)


def test_a_rerun_asks_for_what_the_script_asked_for(commands: Commands, tmp_path: Path) -> None:
    """Options of the command line, lines of the script, and what the script runs first."""
    inputs = write(tmp_path, 2)
    store = tmp_path / "out.zarr"
    broken, whole = broken_file(inputs, 1)
    edited(tmp_path, **inputs, array="0-1%7", TRACKS2ZARR=installed(), ZARR_STORE_OUTPUT=str(store))
    partition = commands.slurm("sinfo", "-h", "-o", "%R").split()[0]
    file = tmp_path / NAME
    first = (
        f"#SBATCH --mail-user=me@example.org\n#SBATCH --comment='two words'\n#SBATCH -p {partition}"
    )
    text = file.read_text().replace("#SBATCH --open-mode=append", first)
    file.write_text(text.replace("set -euo pipefail", "export ADDED=1\n\nset -euo pipefail", 1))
    job = submitted(commands, "--mem=2G", "--time=30", "--mail-type=FAIL", "--nice=5")
    broken.write_bytes(whole)
    commands.run("rerun", store)
    *_, latest = read_submissions(Store.at(store))
    (array,) = latest.arrays
    assert array.job != job
    assert array.request is not None
    assert (array.request.memory, array.request.minutes, array.request.max_tasks) == (2048, 30, 7)
    assert "export ADDED=1" in array.request.prelude
    assert f"--partition={partition}" in array.request.options
    assert "--comment=two words" in array.request.options
    asked = commands.slurm("squeue", "-h", "-t", "all", "-j", array.job, "-o", "%m %l %P")
    assert asked == f"2G 30:00 {partition}"
    shown = commands.slurm("scontrol", "show", "job", array.job)
    assert "MailUser=me@example.org" in shown
    assert "MailType=FAIL" in shown
    commands.wait(store)
    assert snapshot(store) == local(tmp_path, inputs)


def test_an_array_job_of_ones_own(commands: Commands, tmp_path: Path) -> None:
    """Its tasks are known to the status, and to a rerun, as those of ``submit`` are."""
    inputs = write(tmp_path, 2)
    store = tmp_path / "out.zarr"
    planned = run_cli("plan", *inputs.values(), "--into", store)
    assert planned.returncode == 0, planned.stderr
    broken, whole = broken_file(inputs, 1)
    work = f"{installed()} slurm task {store}"
    options = ("--array=0-1", "--mem=300M", "--time=7", f"--output={tmp_path}/%a.out")
    job = commands.slurm("sbatch", "--parsable", *options, "--wrap", work)
    until(lambda: not commands.slurm("squeue", "-h", "-j", job, check=False), pause=0.2)
    known = commands.status(store)
    assert {name: video["state"] for name, video in known.items()} == {
        name_of(0): "done",
        name_of(1): "failed",
    }
    assert known[name_of(1)]["job"] == job
    broken.write_bytes(whole)
    said = commands.run("rerun", store).stdout
    assert "each task: 300 MiB, 7 min, 1 core" in said
    commands.wait(store)
    assert snapshot(store) == local(tmp_path, inputs)


def test_the_store_is_replaced_once_an_array_job(commands: Commands, tmp_path: Path) -> None:
    inputs = write(tmp_path, 4)
    store = tmp_path / "out.zarr"
    edited(
        tmp_path,
        **inputs,
        array="0-3%9",
        TRACKS2ZARR=installed(),
        ZARR_STORE_OUTPUT=str(store),
        ZARR_STORE_MODE="w",
    )
    submitted(commands)
    of_the_old_store = store / ".tracks2zarr" / "of-the-old-store"
    of_the_old_store.touch()
    job = submitted(commands)
    assert not of_the_old_store.exists()
    assert job_of(store) == job
    assert snapshot(store) == local(tmp_path, inputs)
    assert temporary(store) == []


def test_what_is_set_wrong_is_said(commands: Commands, tmp_path: Path) -> None:
    inputs = write(tmp_path, 1)
    wrong = {
        "VIA_TRACKS_DIR": "VIA_TRACKS_DIR is no folder: /no/such",
        "METADATA_CSV": "METADATA_CSV is no file: /no/such",
        "TRACKS2ZARR": "TRACKS2ZARR is no command: /no/such",
    }
    for variable, message in wrong.items():
        values = {**inputs, "TRACKS2ZARR": installed(), variable: "/no/such", "array": "0-0"}
        edited(tmp_path, **values)
        job = submitted(commands)
        (log,) = tmp_path.glob(f"slurm_array.{job}-0.*.err")
        assert f"error: {message}" in log.read_text()
        assert not list(tmp_path.glob("*.zarr"))
    edited(tmp_path, **inputs, array="0-0")
    job = submitted(commands)
    (log,) = tmp_path.glob(f"slurm_array.{job}-0.*.err")
    assert "Neither TRACKS2ZARR nor GIT_REPOSITORY is set." in log.read_text()


@pytest.mark.timeout(600)
def test_the_environment_is_built_once(commands: Commands, tmp_path: Path) -> None:
    """From a branch of a repository, by the first of three tasks; the next job finds it."""
    repository = tmp_path / "repository"
    repository.mkdir()
    for name in (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "constraints.txt",
        "hatch_build.py",
        "src",
    ):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, repository / name)
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(repository))
    for words in (["init", "-qb", "chosen"], ["add", "-A"], ["commit", "-qm", "chosen version"]):
        subprocess.run([*git, *words], check=True)
    inputs = write(tmp_path, 3)
    environments = tmp_path / "environments"
    edited(
        tmp_path,
        **inputs,
        array="0-2%9",
        GIT_REPOSITORY=f"file://{repository}",
        GIT_BRANCH="chosen",
        PYTHON=sys.executable,
        ENVIRONMENTS=str(environments),
    )
    jobs = [submitted(commands) for _ in range(2)]
    for number, job in enumerate(jobs):
        store = tmp_path / f"CrabTracks-slurm{job}.zarr"
        assert tz.verify(store).ok, job
        logs = [path.read_text() for path in (store / "logs").glob("*.err")]
        assert sum("installing tracks2zarr chosen" in log for log in logs) == (number == 0)
    folders = [path for path in environments.iterdir() if path.name not in {"jobs", ".lock"}]
    assert len(folders) == 1
    assert snapshot(tmp_path / f"CrabTracks-slurm{jobs[0]}.zarr") == local(tmp_path, inputs)


def test_a_script_reads_frames_as_it_is_told(commands: Commands, tmp_path: Path) -> None:
    """The frame is the number in the middle of the images' names, not the last one."""
    inputs = experiment(2).write(tmp_path / "input")
    for file in inputs[0].iterdir():
        file.write_text(re.sub(r"_(\d+)\.png", r"_\1_f7.png", file.read_text()))
    how = ("--frame-regexp", r"_([0-9]+)_f7[.]png$", "--individual-dim", "individuals")
    commands.run("script", *inputs, tmp_path / "out.zarr", *how)
    submitted(commands)
    plan = tz.plan(*inputs, frame_regexp=how[1], individual_dim="individuals")
    assert tz.create(plan, tmp_path / "local.zarr").ok
    assert snapshot(tmp_path / "out.zarr") == snapshot(tmp_path / "local.zarr")


def test_what_could_not_be_installed_is_never_called_ready(tmp_path: Path) -> None:
    """Neither the task that tries it nor the next one uses a half-installed environment."""
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "constraints.txt").touch()
    (repository / "pyproject.toml").write_text(
        "[project]\nname = 'tracks2zarr'\nversion = '1'\n"
        f"dependencies = ['absent @ file://{tmp_path}/absent']\n"
    )
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(repository))
    for words in (["init", "-qb", "main"], ["add", "-A"], ["commit", "-qm", "broken"]):
        subprocess.run([*git, *words], check=True)
    edited(
        tmp_path,
        **write(tmp_path, 1),
        GIT_REPOSITORY=f"file://{repository}",
        PYTHON=sys.executable,
        ENVIRONMENTS=str(tmp_path / "environments"),
    )
    for task in ("0", "1"):
        done = subprocess.run(
            ["bash", tmp_path / NAME],
            env={**os.environ, "SLURM_ARRAY_JOB_ID": "1", "SLURM_ARRAY_TASK_ID": task},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 1
        assert "tracks2zarr main could not be installed" in done.stderr
        assert not list((tmp_path / "environments").rglob(".ready"))
    assert not list(tmp_path.glob("*.zarr"))
