"""The script of the older workflow, as it is rendered; no SLURM is needed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tracks2zarr as tz
from support.array_jobs import experiment, name_of
from support.commands import call
from support.sample import SAMPLE
from support.tree import cli_environment
from tracks2zarr.slurm.script import guide_script

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "bash_scripts/run_create_zarr_dataset.sh"
NAME = SCRIPT.name


def test_the_script_in_the_repository_is_the_one_that_is_rendered() -> None:
    assert SCRIPT.read_text(encoding="utf-8") == guide_script()
    assert os.access(SCRIPT, os.X_OK)


def test_the_variables_and_logs_are_those_of_the_guide() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    for variable in (
        "VIA_TRACKS_DIR",
        "METADATA_CSV",
        "VIA_TRACKS_GLOB_PATTERN",
        "ZARR_STORE_OUTPUT",
        "ZARR_STORE_MODE",
        "ZARR_MODE_GROUP",
        "GIT_BRANCH",
    ):
        assert re.search(rf"^{variable}=", text, re.MULTILINE), variable
    assert "#SBATCH --output=slurm_array.%A-%a.%N.out\n" in text
    assert "#SBATCH --error=slurm_array.%A-%a.%N.err\n" in text


def test_the_script_is_written_with_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inputs = (SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv")
    written = call("slurm", "script", *inputs, "my store.zarr", "--mem", "3G", "--time", "90")
    assert written.status == 0
    text = (tmp_path / NAME).read_text()
    assert "#SBATCH --array=0-1%9\n" in text
    assert "#SBATCH --mem=3072M\n" in text
    assert "#SBATCH --time=01:30:00\n" in text
    assert f"VIA_TRACKS_DIR={inputs[0]}\n" in text
    assert f"METADATA_CSV={inputs[1]}\n" in text
    assert f"ZARR_STORE_OUTPUT='{tmp_path}/my store.zarr'\n" in text
    assert f"TRACKS2ZARR={Path(sys.executable).with_name('tracks2zarr')}\n" in text
    subprocess.run(["bash", "-n", tmp_path / NAME], check=True)
    refused = call("slurm", "script", *inputs)
    assert refused.status == 1
    assert "The script exists" in refused.stderr
    assert "--force" in refused.stderr
    assert "FRAMES=clip\n" in text
    assert "FRAME_REGEXP=''\n" in text
    assert "INDIVIDUAL_DIM=individual\n" in text
    how = ["--frames", "video", "--frame-regexp", r"_(\d+)\.png$"]
    how += ["--individual-dim", "individuals", "--force", "--partition=a"]
    how += ["--git-repository", "ssh://x/y", "--qos=b", "--reservation=c", "--nodelist=d[1-2]"]
    how += ["--exclude=e1", "--gres=tmp:1G", "--sbatch=-L f", "--sbatch=--comment=a=b c"]
    assert call("slurm", "script", *inputs, *how).status == 0
    text = (tmp_path / NAME).read_text()
    assert "FRAMES=video\n" in text
    assert r"FRAME_REGEXP='_(\d+)\.png$'" in text
    assert "INDIVIDUAL_DIM=individuals\n" in text
    assert "GIT_REPOSITORY=ssh://x/y\n" in text
    assert "TRACKS2ZARR=''\n" in text
    for option in (
        "partition=a",
        "qos=b",
        "reservation=c",
        "exclude=e1",
        "gres=tmp:1G",
        "licenses=f",
    ):
        assert f"#SBATCH --{option}\n" in text
    assert '#SBATCH --nodelist="d[1-2]"\n' in text
    assert '#SBATCH --comment="a=b c"\n' in text
    low = call("slurm", "script", *inputs, "--mem", "20M", "--force")
    assert low.status == 0
    assert "warning: Each task gets 20 MiB, and " in low.stderr


@pytest.mark.parametrize(
    ("options", "written", "edited"),
    [
        (["--pattern", "Video000*", "--pattern", "Video002*"],
         "('Video000*' 'Video002*')", "'Video001*'"),
        (["--video", "Video000", "--video", "Video002"], "(Video000 Video002)", "Video001"),
    ],
)  # fmt: skip
def test_a_task_of_a_script_for_some_videos(
    options: list[str], written: str, edited: str, tmp_path: Path
) -> None:
    """The script is run as SLURM runs it: as it was written, and after a person edited it."""
    inputs = experiment(3).write(tmp_path / "input")
    store, script = tmp_path / "out.zarr", tmp_path / NAME
    assert call("slurm", "script", *inputs, store, *options, "-o", script).status == 0
    assert "#SBATCH --array=0-1%9\n" in script.read_text()
    by_hand = script.read_text().replace(f"={written}\n", f"={edited}\n")
    for text, index, videos in ((script.read_text(), 1, (0, 2)), (by_hand, 0, (1,))):
        script.write_text(text)
        env = {
            **cli_environment(),
            "SLURM_ARRAY_TASK_ID": str(index),
            "SLURM_SUBMIT_DIR": str(tmp_path),
        }
        subprocess.run(["bash", script], env=env, check=True, capture_output=True)
        known = {video.video: str(video.state) for video in tz.info(store).videos}
        assert [*known] == [name_of(number) for number in videos]
        assert known[name_of(videos[index])] == "done"
        shutil.rmtree(store)


def test_the_script_looks_for_files_of_the_format(tmp_path: Path) -> None:
    store, tracks = tmp_path / "a.zarr", tmp_path / "mot"
    metadata = SAMPLE / "loop-frames-ffmpeg.csv"
    assert tz.create(tz.plan(SAMPLE / "tracks", metadata), store, workers=1).ok
    tz.export(store, tracks, format="mot")
    script = tmp_path / "run.sh"
    ended = call("slurm", "script", tracks, metadata, tmp_path / "b.zarr", "-o", script)
    assert ended.status == 0, ended.stderr
    assert "VIA_TRACKS_GLOB_PATTERN='*.txt'" in script.read_text()
