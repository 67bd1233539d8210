"""What the Tab key offers, asked of click and of real shells."""

import subprocess
import sysconfig
from pathlib import Path

import click
import pexpect
import pytest
from click.shell_completion import ShellComplete

from support.commands import call
from support.sample import SAMPLE
from support.tree import cli_environment
from tracks2zarr.cli import app, completion, guide

VIDEOS = ["04.09.2023-01-Right", "06.09.2023-02-Left"]


def offered(*words: str | Path, program: click.Command = app.app) -> list[tuple[str, str]]:
    """Return what is offered for the last word, and of which type it is."""
    *before, last = map(str, words)
    asked = ShellComplete(program, {}, "tracks2zarr", "_TRACKS2ZARR_COMPLETE")
    return [(item.value, item.type) for item in asked.get_completions(before, last)]


def names(*words: str | Path) -> list[str]:
    return [value for value, _ in offered(*words)]


def test_commands_and_options() -> None:
    assert names("in") == ["info"]
    assert names("slurm", "s") == ["submit", "status", "script"]
    assert names("create", "a", "b", "c", "--store") == ["--store-mode"]
    assert names("create", "a", "b", "c", "--store-mode", "") == ["w-", "w", "a"]


def test_ids_of_videos(sample_store: Path) -> None:
    assert names("info", sample_store, "") == VIDEOS
    assert names("info", sample_store, "06") == VIDEOS[1:]
    assert names("info", sample_store, "zzz") == []
    assert names("slurm", "task", sample_store, "") == ["0", "1"]


def test_ids_of_videos_in_a_metadata_csv() -> None:
    metadata = SAMPLE / "loop-frames-ffmpeg.csv"
    assert names("create", "tracks", metadata, "--video", "") == VIDEOS
    assert names("slurm", "submit", "tracks", metadata, "a.zarr", "--video", "06") == VIDEOS[1:]
    assert names("slurm", "task", "a.zarr", "--metadata", metadata, "--video", "") == VIDEOS
    assert names("plan", "tracks", "no-such.csv", "--video", "") == []


def test_ids_of_clips(sample_store: Path) -> None:
    """For commands with the arguments STORE VIDEO CLIP."""
    context = click.Context(app.app)
    context.params = {"store": sample_store, "video": VIDEOS[1]}
    found = completion.clips(context, click.Argument(["clip"]), "Loop")
    assert [item.value for item in found] == ["Loop00", "Loop01"]


@pytest.mark.parametrize("spoiled", ["nothing", "plan"])
def test_a_store_that_cannot_be_read_offers_nothing(spoiled: str, tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    if spoiled == "plan":
        (store / ".tracks2zarr").mkdir(parents=True)
        (store / ".tracks2zarr/plan.json").write_text("{}")
    assert names("info", store, "") == []


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["info", "Cr"], "dir"),
        (["create", "tr"], "dir"),
        (["create", "tracks", "lo"], "file"),
        (["create", "tracks", "loop.csv", "Cr"], "dir"),
        (["verify", "a", "--tracks-dir", "tr"], "dir"),
        (["verify", "a", "--metadata", "lo"], "file"),
        (["merge", "a", "b"], "dir"),
    ],
)
def test_paths_are_left_to_the_shell(words: list[str], kind: str) -> None:
    assert offered(*words) == [(words[-1], kind)]


def test_the_guides_command() -> None:
    assert offered("--zarr_mode_st", program=guide.command) == [("--zarr_mode_store", "plain")]


@pytest.mark.system
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_lines_for_each_shell(shell: str, tmp_path: Path) -> None:
    ended = call("completion", shell)
    assert (ended.status, ended.stderr) == (0, "")
    for program in ("tracks2zarr", "create-zarr-dataset"):
        assert f" {program}" in ended.stdout
    script = tmp_path / "script"
    script.write_text(ended.stdout)
    check = "--no-execute" if shell == "fish" else "-n"
    subprocess.run([shell, check, script], check=True)


def test_unknown_shells() -> None:
    ended = call("completion", "ksh")
    assert ended.status == 2
    assert "'bash', 'zsh', 'fish'" in ended.stderr


@pytest.mark.filterwarnings("ignore:.*forkpty:DeprecationWarning")
def test_a_real_bash(sample_store: Path, tmp_path: Path) -> None:
    """As a person has it: the line in a start file, and the Tab key."""
    start = tmp_path / "bashrc"
    start.write_text(call("completion", "bash").stdout + "PS1='$ '\n")
    scripts = sysconfig.get_path("scripts")
    env = {**cli_environment(), "TERM": "dumb", "INPUTRC": "/dev/null"}
    env["PATH"] = f"{scripts}:{env['PATH']}"
    bash = pexpect.spawn(
        "bash",
        ["--noprofile", "--rcfile", str(start), "-i"],
        env=env,
        cwd=str(sample_store.parent),
        encoding="utf-8",
        timeout=30,
        dimensions=(30, 200),
    )
    bash.expect_exact("$ ")
    bash.send("tracks2zarr inf\t")
    bash.expect_exact("tracks2zarr info ")
    bash.send("Crab\t")
    bash.expect_exact("CrabTracks.zarr/")
    bash.send(" 06\t\n")
    bash.expect_exact(f" {VIDEOS[1]}")
    bash.expect_exact(f"{VIDEOS[1]}: done, 59.94 fps")
    bash.sendline("exit")
    bash.expect(pexpect.EOF)
    bash.close()
