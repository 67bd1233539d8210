"""The command line as people meet it: help, slips, colours, pipes, and Ctrl-C."""

import contextlib
import importlib.metadata
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pexpect
import pytest
import xarray as xr

import tracks2zarr as tz
from support.commands import call, files_below
from support.experiments import METADATA_COLUMNS, VIA_COLUMNS
from support.sample import SAMPLE
from support.tree import cli_environment, run_cli, snapshot
from tracks2zarr.cli import app, guide
from tracks2zarr.store.store import Store

TRACKS, METADATA = SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv"
VIDEOS = ["04.09.2023-01-Right", "06.09.2023-02-Left"]
COMMANDS = ["plan", "create", "verify", "info", "report", "plot", "finalise"]
STATES = {"done", "failed", "running", "pending", "missing", "unknown"}

_PLAN = ["--pattern", "--frames", "--frame-regexp", "--require-all"]
OPTIONS = {
    "plan": [*_PLAN, "--json"],
    "create": [
        *_PLAN, "--workers", "--memory", "--store-mode", "--group-mode", "--individual-dim",
        "--keep-going", "--report", "--yes", "--quiet",
    ],
    "verify": ["--quick", "--tracks-dir", "--metadata", "--json"],
    "info": ["--json"],
    "report": ["--output", "--workers", "--quiet"],
    "plot": ["--output", "--panel", "--title", "--dpi"],
    "finalise": [],
}  # fmt: skip
ARGUMENTS = {
    "plan": "TRACKS_DIR METADATA_CSV",
    "create": "TRACKS_DIR METADATA_CSV STORE",
    "verify": "STORE",
    "info": "STORE [VIDEO]",
    "report": "STORE",
    "plot": "STORE VIDEO CLIP",
    "finalise": "STORE",
}
GUIDE_OPTIONS = [
    "--via_tracks_dir", "--metadata_csv", "--zarr_store", "--temp_zarr_store",
    "--zarr_mode_store", "--zarr_mode_group", "--via_tracks_glob_pattern",
]  # fmt: skip


@pytest.fixture
def store(sample_store: Path, tmp_path: Path) -> Path:
    """Return a finished store of the sample that may be changed."""
    copy = tmp_path / "CrabTracks.zarr"
    shutil.copytree(sample_store, copy)
    return copy


# Help.


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_all_options(name: str, flag: str) -> None:
    ended = call(name, flag, columns=80)
    assert ended.status == 0
    assert ended.stderr == ""
    assert f"tracks2zarr {name} [OPTIONS] {ARGUMENTS[name]}" in ended.stdout
    said = set(re.findall(r"(?<![\w-])--[\w-]+", ended.stdout))
    assert said >= {*OPTIONS[name], "--help", "--debug"}


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_of_the_guides_command(flag: str) -> None:
    ended = call(flag, program="create-zarr-dataset", columns=80)
    assert ended.status == 0
    assert "Usage: create-zarr-dataset [OPTIONS]" in ended.stdout
    said = set(re.findall(r"(?<![\w-])--[\w-]+", ended.stdout))
    assert said >= set(GUIDE_OPTIONS)
    for default in ("[default: w-]", "[default: *.csv]", "[default: <store>.temp]"):
        assert default in " ".join(ended.stdout.split())


def test_every_option_has_a_help_text() -> None:
    context = click.Context(app.app)
    commands: list[click.Command] = [app.app, guide.command]
    for name in app.app.list_commands(context):
        command = app.app.get_command(context, name)
        assert command is not None
        commands.append(command)
    for command in commands:
        assert command.help
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (command.name, parameter.name)


def test_help_lists_all_commands() -> None:
    ended = call("--help", columns=80)
    assert ended.status == 0
    listed = re.findall(r"^  (\w[\w-]*)  ", ended.stdout.partition("Commands:")[2], re.MULTILINE)
    assert set(listed) >= set(COMMANDS)
    for command in listed:
        assert call(command, "--help").status == 0


def test_without_a_command_the_help_is_shown() -> None:
    ended = call()
    assert ended.status == 2
    assert "Commands:" in ended.stdout + ended.stderr


@pytest.mark.parametrize("program", ["tracks2zarr", "create-zarr-dataset"])
def test_version(program: str) -> None:
    ended = call("--version", program=program)
    assert ended.status == 0
    assert ended.stdout == f"{program}, version {importlib.metadata.version('tracks2zarr')}\n"
    assert tz.__version__ == importlib.metadata.version("tracks2zarr")


@pytest.mark.parametrize("program", ["tracks2zarr", "create-zarr-dataset"])
def test_installed_programs(program: str) -> None:
    """The programs that pip installs are these; the rest of the tests call them in Python."""
    path = Path(sysconfig.get_path("scripts"), program)
    ended = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith(f"{program}, version ")


# Slips.


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("creat", "create"), ("paln", "plan"), ("Verify", "verify"), ("inof", "info"),
     ("finalize", "finalise"), ("CREATE", "create"), ("status", "slurm status"),
     ("wait", "slurm wait")],
)  # fmt: skip
def test_mistyped_commands(typed: str, meant: str) -> None:
    ended = call(typed, "x")
    assert ended.status == 2
    assert f"No such command '{typed}'. Did you mean '{meant}'?" in ended.stderr
    assert ended.stdout == ""


def test_mistyped_commands_of_a_group() -> None:
    ended = call("slurm", "stat", "x")
    assert ended.status == 2
    assert "No such command 'stat'. Did you mean 'status'?" in ended.stderr


def test_unknown_commands() -> None:
    ended = call("qqq")
    assert ended.status == 2
    assert "No such command 'qqq'." in ended.stderr
    assert "Did you mean" not in ended.stderr


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        (["create", "a", "b", "c", "--worker", "2"], "--workers"),
        (["create", "a", "b", "c", "--storemode", "a"], "--store-mode"),
        (["plan", "a", "b", "--patern", "*"], "--pattern"),
        (["verify", "a", "--quik"], "--quick"),
        (["info", "a", "--jsn"], "--json"),
    ],
)
def test_mistyped_options(args: list[str], meant: str) -> None:
    ended = call(*args)
    assert ended.status == 2
    assert re.search(rf"No such option '.+'\. Did you mean '{meant}'\?\n", ended.stderr)
    assert ended.stdout == ""


WRONG = [
    *(["create", "a", "b", "c", "--workers", value] for value in ("0", "-1", "two", "1.5", "")),
    *(["create", "a", "b", "c", "--memory", value]
      for value in ("2XB", "", "GB", "-1GB", "2 G B", "2iB", "1e9", "lots")),
    *(["create", "a", "b", "c", "--store-mode", value] for value in ("x", "w+", "")),
    ["create", "a", "b", "c", "--group-mode", "x"],
    ["create", "a", "b", "c", "--individual-dim", "id"],
    ["plan", "a", "b", "--frames", "clips"],
    ["create", "a", "b"], ["plan"], ["plan", "a"], ["verify"], ["info"], ["finalise"],
    ["create", "a", "b", "c", "d"], ["plan", "a", "b", "c"], ["verify", "a", "b"],
    ["info", "a", "b", "c"], ["finalise", "a", "b"],
    ["create", "a", "b", "c", "--workers"],
    ["verify", "a", "--workers", "0"],
    ["--nonsense"],
]  # fmt: skip


@pytest.mark.parametrize("args", WRONG, ids=" ".join)
def test_wrong_command_lines(
    args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = call(*args)
    assert ended.status == 2
    assert ended.stdout == ""
    assert "Error: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


GUIDE_WRONG = [
    [],
    ["--via_tracks_dir", "a", "--metadata_csv", "b"],
    ["--via_tracks_dir", "a", "--zarr_store", "c"],
    ["--metadata_csv", "b", "--zarr_store", "c"],
    ["--via_tracks_dir", "a", "--metadata_csv", "b", "--zarr_store", "c", "--zarr_mode_store", "x"],
    ["--via_tracks_dir", "a", "--metadata_csv", "b", "--zarr_store", "c", "--zarr_mode_group", "r"],
    ["--via_tracks_dir", "a", "--metadata_csv", "b", "--zarr_store", "c", "--store-mode", "a"],
    ["a", "b", "c"],
]


@pytest.mark.parametrize("args", GUIDE_WRONG, ids=" ".join)
def test_wrong_command_lines_of_the_guides_command(
    args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = call(*args, program="create-zarr-dataset")
    assert ended.status == 2
    assert "Error: " in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "size", ["500MB", "2GB", "2gb", "2G", "1.5GB", "2 GB", "512MiB", "1TB", "64kB", "9B"]
)
def test_sizes(size: str, tmp_path: Path) -> None:
    """They are sizes, so that only the paths are wrong."""
    ended = call("create", tmp_path / "a", tmp_path / "b", tmp_path / "c", "--memory", size)
    assert ended.status == 1
    assert "nothing there" in ended.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["plan", "nowhere", "no.csv"],
        ["create", "nowhere", "no.csv", "new.zarr"],
        ["verify", "no.zarr"],
        ["verify", "no.zarr", "--json"],
        ["info", "no.zarr"],
        ["info", "no.zarr", "video"],
        ["info", "no.zarr", "--json"],
        ["finalise", "no.zarr"],
        ["info", "folder"],
        ["info", "file"],
        ["info", "file/below"],
    ],
    ids=" ".join,
)
def test_paths_that_are_not_there(
    args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = files_below(tmp_path)
    monkeypatch.chdir(tmp_path)
    ended = call(*args)
    assert ended.status == 1
    assert ended.stdout == ""
    assert args[1] in ended.stderr
    assert "expected:" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert files_below(tmp_path) == before


def test_a_missing_store_suggests_those_beside_it(store: Path) -> None:
    ended = call("info", store.with_name("CrabTrack.zarr"))
    assert ended.status == 1
    assert "Did you mean 'CrabTracks.zarr'?" in ended.stderr
    assert "Beside it there is CrabTracks.zarr." in call("info", store / "../x").stderr


@pytest.mark.parametrize("typed", ["04.09.2023-01-Rigth", "04.09.2023-01-right", "RIGHT", "04.09"])
def test_mistyped_videos(typed: str, sample_store: Path) -> None:
    ended = call("info", sample_store, typed)
    assert ended.status == 1
    assert ended.stdout == ""
    assert f"'{typed}'" in ended.stderr
    assert "Did you mean '04.09.2023-01-Right'?" in ended.stderr


@pytest.mark.parametrize("typed", ["Loop2", "loop02", "Loop002"])
def test_mistyped_clips(typed: str, sample_store: Path) -> None:
    with pytest.raises(tz.Tracks2ZarrError) as caught:
        tz.load_clip(sample_store, VIDEOS[0], typed)
    (problem,) = caught.value.problems
    assert (problem.found, problem.remedy) == (f"'{typed}'", "Did you mean 'Loop02'?")


def test_unknown_clips_are_told_which_there_are(sample_store: Path) -> None:
    with pytest.raises(tz.Tracks2ZarrError, match=r"one of Loop00, Loop01, Loop02") as caught:
        tz.load_clip(sample_store, VIDEOS[0], "xyz")
    assert "Did you mean" not in str(caught.value)


def test_unknown_videos_are_told_which_there_are(sample_store: Path) -> None:
    ended = call("info", sample_store, "zzz", "--json")
    assert ended.status == 1
    assert ended.stdout == ""
    assert all(video in ended.stderr for video in VIDEOS)
    assert "Did you mean" not in ended.stderr


# JSON.


def documents(store: Path) -> dict[str, Any]:
    """Return what each command with --json prints, which must be JSON and nothing else."""
    lines: dict[str, list[str | Path]] = {
        "plan": ["plan", TRACKS, METADATA, "--json"],
        "info": ["info", store, "--json"],
        "info of a video": ["info", store, VIDEOS[0], "--json"],
        "verify --quick": ["verify", store, "--quick", "--json"],
        "verify": ["verify", store, "--workers", "1", "--json"],
    }
    return {name: json.loads(call(*line).stdout) for name, line in lines.items()}


def spoiled(store: Path) -> None:
    """Make one video fail, another go missing, and add one that nobody knows."""
    receipts = store / ".tracks2zarr" / "receipts"
    shutil.rmtree(store / VIDEOS[0])
    (receipts / f"{VIDEOS[1]}.json").unlink()
    shutil.copytree(store / VIDEOS[1], store / "unknown")


@pytest.mark.parametrize("state", ["finished", "spoiled"])
def test_json_lists_videos_with_their_states(state: str, store: Path) -> None:
    if state == "spoiled":
        spoiled(store)
    for name, document in documents(store).items():
        assert isinstance(document, dict), name
        videos = document["videos"]
        assert isinstance(videos, list), name
        assert all(video["state"] in STATES for video in videos), name
        names = [video["video"] for video in videos]
        assert names == sorted(names), name
        assert set(names) >= ({VIDEOS[0]} if name == "info of a video" else set(VIDEOS)), name
        if state == "finished" and name != "plan":
            assert {video["state"] for video in videos} == {"done"}, name


def test_states_of_a_spoiled_store(store: Path) -> None:
    spoiled(store)
    found = documents(store)
    states = {video["video"]: video["state"] for video in found["info"]["videos"]}
    assert states[VIDEOS[0]] == "missing"
    assert states[VIDEOS[1]] in {"pending", "missing"}
    assert states["unknown"] == "unknown"
    assert not found["verify"]["ok"]
    assert call("verify", store, "--quick").status == 1
    assert call("finalise", store).status == 1
    shown = call("info", store)
    assert shown.status == 0
    assert "0 of 3 videos done" in shown.stdout


def test_json_leaves_stdout_to_json_when_there_are_warnings(tmp_path: Path) -> None:
    shutil.copytree(TRACKS, tmp_path / "tracks")
    (tmp_path / "tracks" / "04.09.2023-01-Right-Loop01_tracks.csv").unlink()
    ended = call("plan", tmp_path / "tracks", METADATA, "--json")
    assert ended.status == 0
    (problem,) = json.loads(ended.stdout)["problems"]
    assert problem["severity"] == "warning"


# What is printed.


def test_quiet(tmp_path: Path) -> None:
    ended = call("create", TRACKS, METADATA, tmp_path / "new.zarr", "--quiet", "--workers", 1)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "", "")
    ended = call("create", TRACKS, METADATA, tmp_path / "new.zarr", "-q", "--store-mode", "a")
    assert (ended.status, ended.stdout, ended.stderr) == (0, "", "")


def test_quiet_still_says_what_is_wrong(tmp_path: Path) -> None:
    ended = call("create", TRACKS, METADATA, tmp_path / "new.zarr", "-q", "--pattern", "x")
    assert ended.status == 1
    assert ended.stdout == ""
    assert "error: No tracks file matches the pattern." in ended.stderr


def test_what_create_prints(tmp_path: Path) -> None:
    store = tmp_path / "new.zarr"
    ended = call("create", TRACKS, METADATA, store, "--workers", 1)
    assert ended.status == 0
    for number, video in enumerate(VIDEOS, start=1):
        assert f"[{number}/2] {video}: done, " in ended.stderr
    info = tz.info(store)
    n_boxes = sum(video.n_boxes or 0 for video in info.videos)
    assert "2 videos converted" in ended.stdout
    assert f"5 clips, {n_boxes:,} boxes" in ended.stdout
    assert re.search(r"2\.2 MB of CSV in [\d.]+ [kM]B \([\d.]+ times smaller\)", ended.stdout)
    assert re.search(r"^[\d.]+ s, [\d.]+ [kMG]B/s$", ended.stdout, re.MULTILINE)

    lines = ended.stdout.partition("To open it:\n")[2].splitlines()
    names: dict[str, Any] = {}
    exec("\n".join(line.strip() for line in lines), names)
    assert sorted(names["dt"].children) == VIDEOS

    again = call("create", TRACKS, METADATA, store, "--store-mode", "a")
    assert again.status == 0
    assert "0 videos converted, 2 videos done before" in again.stdout
    assert [*map(str.strip, again.stderr.splitlines())] == ["2 videos, 2.2 MB of tracks files"]


def test_info_of_a_video(sample_store: Path) -> None:
    ended = call("info", sample_store, VIDEOS[0])
    assert ended.status == 0
    assert "59.94 fps" in ended.stdout
    rows = [line.split() for line in ended.stdout.splitlines() if line.startswith("Loop")]
    assert [row[:6] for row in rows] == [
        ["Loop00", "spontaneous", "1,240", "1,200", "1,248", "49"],
        ["Loop01", "triggered", "1,290", "1,249", "1,299", "51"],
        ["Loop02", "spontaneous", "1,377", "1,300", "1,395", "96"],
    ]


def test_info_of_a_video_that_is_in_no_plan(store: Path) -> None:
    (store / ".tracks2zarr/plan.json").unlink()
    why = f"{VIDEOS[0]}: not in the plan of this store"
    assert call("info", store, VIDEOS[0]).stdout == f"{VIDEOS[0]}: unknown\n{why}\n"
    row = call("info", store).stdout.splitlines()[1]
    assert row.split() == [VIDEOS[0], "unknown", *"------"]


def commands_below(group: click.Group, *words: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of all commands of a group, and of the group itself."""
    yield words
    context = click.Context(group)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        if isinstance(command, click.Group):
            yield from commands_below(command, *words, word)
        else:
            yield (*words, word)


@pytest.mark.parametrize("words", [*commands_below(app.app)], ids=" ".join)
def test_help_fits_80_columns_and_is_not_cut(words: tuple[str, ...]) -> None:
    ended = call(*words, "--help", columns=80)
    assert ended.status == 0
    assert max(map(len, ended.stdout.splitlines())) <= 80
    summary, _, others = ended.stdout.partition("Commands:")
    assert re.search(r"^  \S.+\.$", summary, re.MULTILINE)
    assert "..." not in others


def test_output_fits_80_columns(store: Path) -> None:
    lines: list[list[str | Path]] = [
        ["plan", TRACKS, METADATA],
        ["info", store],
        ["info", store, VIDEOS[0]],
        ["verify", store, "--quick"],
        ["finalise", store],
        ["create", TRACKS, METADATA, store, "--store-mode", "a"],
        ["slurm", "status", store],
    ]
    for line in lines:
        ended = call(*line, columns=80)
        assert ended.status == 0
        for text in (ended.stdout + ended.stderr).splitlines():
            if str(store) not in text:  # a path is not broken up
                assert len(text) <= 80, (line, text)
        assert "…" not in ended.stdout, line


def test_pipes_get_a_row_a_line(sample_store: Path) -> None:
    assert call("info", sample_store, columns=40) == call("info", sample_store, columns=200)


STYLE = re.compile(r"\x1b\[[0-9;]*m")
COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-7]|9[0-7]|38;[0-9;]+)m")


# pexpect forks, and so do the other tests of terminals; the child runs another program at once.
on_terminals = pytest.mark.filterwarnings("ignore:.*forkpty:DeprecationWarning")


def on_a_terminal(
    *args: str | Path,
    no_colour: bool = False,
    answer: str | None = None,
    columns: int = 100,
    term: str = "xterm-256color",
) -> tuple[int, str]:
    """Run a command on a terminal; return its status and what is seen there."""
    env = {**cli_environment(), "TERM": term, "COLUMNS": str(columns)}
    if not no_colour:
        del env["NO_COLOR"]
    child = pexpect.spawn(
        sys.executable,
        ["-m", "tracks2zarr", *map(str, args)],
        env=env,
        encoding="utf-8",
        timeout=60,
        dimensions=(30, columns),
    )
    seen = io.StringIO()
    child.logfile_read = seen
    if answer is not None:
        child.expect(r"\[y/N\]")
        child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus is not None
    return child.exitstatus, seen.getvalue()


@on_terminals
def test_colours_on_terminals_only(sample_store: Path) -> None:
    status, seen = on_a_terminal("info", sample_store)
    assert status == 0
    assert COLOUR.search(seen)
    status, seen = on_a_terminal("info", sample_store, no_colour=True)
    assert status == 0
    assert not COLOUR.search(seen)

    env = {name: value for name, value in cli_environment().items() if name != "NO_COLOR"}
    piped = subprocess.run(
        [sys.executable, "-m", "tracks2zarr", "info", sample_store],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\x1b" not in piped.stdout
    assert "\x1b" not in piped.stderr


@on_terminals
@pytest.mark.parametrize("columns", [50, 60])
def test_narrow_terminals_lose_nothing(columns: int, sample_store: Path) -> None:
    wide = call("info", sample_store).stdout
    narrow = re.sub(STYLE, "", on_a_terminal("info", sample_store, columns=columns)[1])
    numbers = set(re.findall(r"(?<= )[\d,.]+(?= |$)", wide, re.MULTILINE))
    assert len(numbers) > 10
    assert numbers <= set(narrow.split())
    assert max(map(len, narrow.splitlines())) <= columns
    for video in VIDEOS:  # perhaps over several lines
        assert Counter(video) <= Counter(narrow)
        assert video in narrow or columns == 50


@on_terminals
def test_terminals_that_cannot_move(tmp_path: Path) -> None:
    status, seen = on_a_terminal("create", TRACKS, METADATA, tmp_path / "new.zarr", term="dumb")
    assert status == 0
    assert "\x1b" not in seen
    assert "━" not in seen
    assert "[2/2]" in seen


@on_terminals
def test_a_bar_on_terminals(tmp_path: Path) -> None:
    status, seen = on_a_terminal("create", TRACKS, METADATA, tmp_path / "new.zarr")
    assert status == 0
    assert "━" in seen
    assert "2.2 MB" in seen
    assert "[2/2]" in seen
    assert "2 videos converted" in seen


@on_terminals
@pytest.mark.parametrize(("answer", "status"), [("n", 1), ("", 1), ("y", 0)])
def test_replacing_asks_on_a_terminal(answer: str, status: int, store: Path) -> None:
    (store / VIDEOS[0] / "zarr.json").unlink()
    before = files_below(store)
    ended, seen = on_a_terminal(
        "create", TRACKS, METADATA, store, "--store-mode", "w", answer=answer
    )
    assert "Replace " in seen
    assert "2 videos" in seen or "1 video" in seen
    assert ended == status
    assert (files_below(store) == before) is (status == 1)
    assert not store.with_name(f"{store.name}.temp").exists()
    assert "Traceback" not in seen


def test_pipes_that_are_closed_early(sample_store: Path) -> None:
    for args in (["info", sample_store, "--json"], ["plan", TRACKS, METADATA], ["--help"]):
        process = subprocess.Popen(
            [sys.executable, "-m", "tracks2zarr", *args],
            env=cli_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        process.wait(30)


def test_head(sample_store: Path) -> None:
    command = shlex.join([sys.executable, "-m", "tracks2zarr", "info", str(sample_store), "--json"])
    ended = subprocess.run(
        f"{command} | head -1", shell=True, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "{\n"
    assert ended.stderr == ""


@pytest.mark.parametrize("args", [["--debug", "info"], ["info", "--debug"]], ids=" ".join)
def test_debug_shows_a_traceback(args: list[str], tmp_path: Path) -> None:
    ended = run_cli(*args, tmp_path / "no.zarr")
    assert ended.returncode == 1
    assert "Traceback (most recent call last):" in ended.stderr
    assert "error: There is no Zarr store." in ended.stderr
    assert ended.stdout == ""


# The guide's command.


def guide_call(store: Path, *args: str | Path) -> Any:
    return call(
        "--via_tracks_dir", TRACKS, "--metadata_csv", METADATA, "--zarr_store", store, *args,
        program="create-zarr-dataset",
    )  # fmt: skip


def test_the_guides_command_writes_the_same(sample_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "new.zarr"
    ended = guide_call(store)
    assert ended.status == 0, ended.stderr
    assert "2 videos converted" in ended.stdout
    assert snapshot(store) == snapshot(sample_store)
    assert [path.name for path in tmp_path.iterdir()] == ["new.zarr"]


def test_modes_of_the_guides_command(sample_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "new.zarr"
    assert guide_call(store, "--via_tracks_glob_pattern", "04*.csv").status == 0
    before = files_below(store)
    refused = guide_call(store)
    assert refused.status == 1, "w- is the default"
    assert "The store exists." in refused.stderr
    assert files_below(store) == before
    assert [path.name for path in tmp_path.iterdir()] == ["new.zarr"]

    assert guide_call(store, "--zarr_mode_store", "a").status == 0
    assert snapshot(store) == snapshot(sample_store)

    (store / "mark").touch()
    assert guide_call(store, "--zarr_mode_store", "w").status == 0, "w needs no confirmation"
    assert snapshot(store) == snapshot(sample_store)


def test_group_modes_of_the_guides_command(sample_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "new.zarr"
    assert guide_call(store, "--via_tracks_glob_pattern", "*Loop00*.csv").status == 0
    refused = guide_call(store, "--zarr_mode_store", "a")
    assert refused.status == 1, "w- is the default"
    added = guide_call(store, "--zarr_mode_store", "a", "--zarr_mode_group", "a")
    assert added.status == 0
    assert snapshot(store) == snapshot(sample_store)


def test_advice_of_the_guides_command_can_be_followed(tmp_path: Path) -> None:
    """What it tells people to pass are options that it has."""
    store = tmp_path / "new.zarr"
    assert guide_call(store, "--via_tracks_glob_pattern", "*Loop00*.csv").status == 0
    for ended in (
        guide_call(store),
        guide_call(store, "--zarr_mode_store", "a"),
        guide_call(tmp_path / "other.zarr", "--via_tracks_glob_pattern", "x"),
        guide_call(tmp_path / "other.zarr", "--via_tracks_glob_pattern", "/x"),
    ):
        assert ended.status == 1
        advised = set(re.findall(r"(?<![\w-])--[\w-]+", ended.stderr))
        assert advised <= set(GUIDE_OPTIONS)


def test_a_temporary_store_on_another_disk(
    other_disk: Path, sample_store: Path, tmp_path: Path
) -> None:
    assert other_disk.stat().st_dev != tmp_path.stat().st_dev
    store = tmp_path / "out" / "new.zarr"
    (other_disk / "mine").touch()
    ended = guide_call(store, "--temp_zarr_store", other_disk)
    assert ended.status == 0, ended.stderr
    assert snapshot(store) == snapshot(sample_store)
    assert [path.name for path in store.parent.iterdir()] == ["new.zarr"]
    assert [path.name for path in other_disk.iterdir()] == ["mine"]


def test_a_temporary_store_that_is_new(sample_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "new.zarr"
    ended = guide_call(store, "--temp_zarr_store", tmp_path / "a" / "b")
    assert ended.status == 0, ended.stderr
    assert snapshot(store) == snapshot(sample_store)
    assert not (tmp_path / "a" / "b").exists()
    assert not (tmp_path / "new.zarr.temp").exists()


def test_an_empty_folder_for_temporary_stores_is_not_removed(tmp_path: Path) -> None:
    """It may be the scratch folder of a job, which others need."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert guide_call(tmp_path / "new.zarr", "--temp_zarr_store", scratch).status == 0
    assert scratch.is_dir()
    assert list(scratch.iterdir()) == []


class RunAnother:
    """A progress that runs something once, in the middle of a video."""

    def __init__(self, scratch: Path, run: Callable[[], object]) -> None:
        self.scratch, self.run, self.ran = scratch, run, False

    def begin(self, total_bytes: int, videos: Any) -> None:
        pass

    def update(self, done_bytes: int, running: Any) -> None:
        if not self.ran and list(self.scratch.glob("*")):
            self.ran = True
            self.run()

    def ended(self, outcome: Any) -> None:
        pass


def test_two_stores_may_share_a_temporary_folder(tmp_path: Path) -> None:
    """A run must not take what another is at work on for the leftovers of a dead one."""
    plan, scratch = tz.plan(TRACKS, METADATA), tmp_path / "scratch"

    def other() -> None:
        assert tz.create(plan, tmp_path / "other.zarr", temp=scratch, workers=1).ok

    progress = RunAnother(scratch, other)
    summary = tz.create(plan, tmp_path / "one.zarr", temp=scratch, workers=1, progress=progress)
    assert progress.ran
    assert summary.ok, [outcome.problems for outcome in summary.outcomes]
    assert snapshot(tmp_path / "one.zarr") == snapshot(tmp_path / "other.zarr")


# Signals.

N_VIDEOS = 6


@dataclass(frozen=True)
class Large:
    """An experiment of 60 MB, which takes some seconds."""

    tracks: Path
    metadata: Path

    def plan(self) -> tz.Plan:
        return tz.plan(self.tracks, self.metadata)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Large:
    folder = tmp_path_factory.mktemp("large")
    n_frames, n_tracks = 500, 110
    rows = [
        f'frame_{frame:08d}.png,8888,"{{""clip"":123}}",1,0,"{{""name"":""rect"",""x"":{frame}.25,'
        f'""y"":{track}.0,""width"":32,""height"":17.5}}","{{""track"":""{track}"",'
        f'""confidence"":""0.{track:03d}{frame:03d}""}}"\n'
        for frame in range(n_frames)
        for track in range(n_tracks)
    ]
    content = ",".join(VIA_COLUMNS) + "\n" + "".join(rows)
    tracks = folder / "tracks"
    tracks.mkdir()
    lines = [",".join(METADATA_COLUMNS)]
    for number in range(N_VIDEOS):
        (tracks / f"v{number}-c_tracks.csv").write_text(content)
        lines.append(f"v{number}.mov,v{number}-c.mp4,25,1,{n_frames},,")
    metadata = folder / "metadata.csv"
    metadata.write_text("\n".join(lines))
    return Large(tracks, metadata)


@pytest.fixture(scope="module")
def uninterrupted(large: Large, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the digests of the store that a run makes to which nothing happens."""
    store = tmp_path_factory.mktemp("uninterrupted") / "store.zarr"
    assert tz.create(large.plan(), store, workers=2).ok
    return snapshot(store)


@contextlib.contextmanager
def running(*args: str | Path | int) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a group of processes of its own, as a shell does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tracks2zarr", *map(str, args)],
        env=cli_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


@contextlib.contextmanager
def never_ending(store: Path, large: Large) -> Iterator[None]:
    """Begin a store whose last video is locked, so that no run is done before it is interrupted."""
    assert call("plan", large.tracks, large.metadata, "--into", store).status == 0
    with Store.at(store).video_lock(f"v{N_VIDEOS - 1}"):
        yield


def done_in(store: Path) -> list[str]:
    return sorted(path.stem for path in store.glob(".tracks2zarr/receipts/v*.json"))


def check_interrupted(store: Path, large: Large, uninterrupted: dict[str, str]) -> None:
    """Check that a store is sound though unfinished, and that the next run completes it."""
    assert not store.with_name(f"{store.name}.temp").exists()
    done = done_in(store)
    assert len(done) < N_VIDEOS, "the signal came too late to test anything"
    with xr.open_datatree(store, engine="zarr", chunks={}) as tree:
        assert sorted(tree.children) == done
    states = {video.video: str(video.state) for video in tz.info(store).videos}
    assert {video for video, state in states.items() if state == "done"} == set(done)
    assert "running" not in states.values()
    complete(store, large, uninterrupted)


def complete(store: Path, large: Large, uninterrupted: dict[str, str]) -> None:
    done = done_in(store)
    summary = tz.create(large.plan(), store, store_mode="a", workers=1)
    assert summary.ok
    skipped = [outcome.video for outcome in summary.outcomes if str(outcome.result) == "skipped"]
    assert skipped == done
    assert snapshot(store) == uninterrupted
    assert not store.with_name(f"{store.name}.temp").exists()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("number", "to_all", "status"),
    [
        pytest.param(signal.SIGINT, True, 130, id="Ctrl-C"),
        pytest.param(signal.SIGINT, False, 130, id="SIGINT"),
        pytest.param(signal.SIGTERM, False, 143, id="SIGTERM"),
        pytest.param(signal.SIGTERM, True, 143, id="SIGTERM to all"),
    ],
)
def test_interrupted_runs_stop_cleanly(
    *,
    number: int,
    to_all: bool,
    status: int,
    workers: int,
    large: Large,
    uninterrupted: dict[str, str],
    tmp_path: Path,
) -> None:
    store = tmp_path / "store.zarr"
    with (
        never_ending(store, large),
        running("create", large.tracks, large.metadata, store, "--workers", workers) as process,
    ):
        wait_until(lambda: done_in(store) or process.poll() is not None)
        os.killpg(process.pid, number) if to_all else process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == status
    assert "Traceback" not in stderr
    assert "Interrupted." in stderr
    assert "run the same command again" in stderr
    assert re.search(r"^\d videos? converted", stdout)
    for video in {f"v{n}" for n in range(N_VIDEOS)} - set(done_in(store)):
        assert f"not done: {video}" in stdout
    check_interrupted(store, large, uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0, 0.05, 0.2])
def test_interrupted_while_the_workers_start(
    delay: float, large: Large, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    store = tmp_path / "store.zarr"
    with (
        never_ending(store, large),
        running("create", large.tracks, large.metadata, store, "--workers", 2) as process,
    ):
        wait_until(lambda: len(family(process.pid)) > 2 or process.poll() is not None)
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=15)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "Interrupted." in stderr
    check_interrupted(store, large, uninterrupted)


def one_video(large: Large, folder: Path) -> tuple[Path, Path]:
    """Write the files of the large experiment as clips of one video."""
    tracks = folder / "in"
    tracks.mkdir()
    lines = [",".join(METADATA_COLUMNS)]
    for number in range(4):
        os.link(large.tracks / "v0-c_tracks.csv", tracks / f"v-c{number}_tracks.csv")
        lines.append(f"v.mov,v-c{number}.mp4,25,1,500,,")
    metadata = folder / "metadata.csv"
    metadata.write_text("\n".join(lines))
    return tracks, metadata


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted_within_a_video(workers: int, large: Large, tmp_path: Path) -> None:
    """Clips of one video are brought in side by side; none of it is left."""
    tracks, metadata = one_video(large, tmp_path)
    store = tmp_path / "store.zarr"
    with running("create", tracks, metadata, store, "--workers", workers) as process:
        temp = store.with_name("store.zarr.temp")
        wait_until(lambda: list(temp.glob("v.*/clips/*/frame")) or process.poll() is not None)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert not temp.exists()
    assert [str(video.state) for video in tz.info(store).videos] == ["pending"]
    assert not (store / "v").exists()


@pytest.mark.slow
def test_interrupted_verification(
    large: Large, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    store = tmp_path / "store.zarr"
    assert tz.create(large.plan(), store, workers=2).ok
    assert snapshot(store) == uninterrupted
    before = files_below(store)
    with running("verify", store, "--workers", 2) as process:
        wait_until(lambda: len(family(process.pid)) > 2 or process.poll() is not None)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=15)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "verified" not in stdout
    assert files_below(store) == before


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    command: str


def processes() -> dict[int, Process]:
    """Return all processes that have not ended."""
    listed = subprocess.run(
        ["ps", "-e", "-ww", "-o", "pid=,ppid=,stat=,args="],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (line.split(maxsplit=3) for line in listed.stdout.splitlines())
    return {
        int(pid): Process(int(pid), int(parent), " ".join(command))
        for pid, parent, state, *command in lines
        if not state.startswith("Z")
    }


def family(pid: int) -> set[int]:
    """Return a process and all below it."""
    now = processes()
    found = {pid}
    while more := {process.pid for process in now.values() if process.parent in found} - found:
        found |= more
    return found


def alive(pids: set[int]) -> set[int]:
    return pids & processes().keys()


def workers_of(pid: int) -> list[int]:
    """Return the worker processes of a run, those without the helper of multiprocessing."""
    now = processes()
    return sorted(
        child for child in family(pid) if "spawn_main" in now.get(child, NO_PROCESS).command
    )


NO_PROCESS = Process(0, 0, "")


@pytest.mark.slow
@pytest.mark.parametrize("when", ["while they start", "in the middle"])
def test_a_worker_that_is_killed(
    when: str, large: Large, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    """Too little memory is the usual reason; the run must end, and say so."""
    store = tmp_path / "store.zarr"
    last_locked = contextlib.ExitStack()
    last_locked.enter_context(never_ending(store, large))
    with (
        last_locked,
        running("create", large.tracks, large.metadata, store, "--workers", 2) as process,
    ):
        if when == "in the middle":
            wait_until(lambda: done_in(store) or process.poll() is not None)
        wait_until(lambda: len(workers_of(process.pid)) == 2 or process.poll() is not None)
        time.sleep(0.1)
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        last_locked.close()
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert "error: " in stderr
    assert "worker" in stderr
    assert not store.with_name("store.zarr.temp").exists()
    failed = set(re.findall(r"(v\d): FAILED", stderr))
    if when == "in the middle":
        assert failed
    states = {video.video: str(video.state) for video in tz.info(store).videos}
    assert {video for video, state in states.items() if state == "failed"} == failed
    complete(store, large, uninterrupted)


@pytest.mark.slow
def test_one_video_that_is_killed_within(large: Large, tmp_path: Path) -> None:
    """One video is one process, by threads, whatever the number of workers."""
    tracks, metadata = one_video(large, tmp_path)
    store = tmp_path / "store.zarr"
    with running("create", tracks, metadata, store, "--workers", 2) as process:
        temp = store.with_name("store.zarr.temp")
        wait_until(lambda: list(temp.glob("v.*/clips/*/frame")) or process.poll() is not None)
        assert workers_of(process.pid) == []
        process.kill()
        process.communicate(timeout=20)
    (info,) = tz.info(store).videos
    assert str(info.state) == "pending"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    assert not temp.exists()


@pytest.mark.slow
def test_workers_end_when_the_main_process_is_killed(
    large: Large, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    store = tmp_path / "store.zarr"
    with (
        never_ending(store, large),
        running("create", large.tracks, large.metadata, store, "--workers", 2) as process,
    ):
        wait_until(lambda: done_in(store) or process.poll() is not None)
        pids = family(process.pid)
        assert len(pids) >= 3
        process.kill()
        process.wait()
        assert process.returncode == -signal.SIGKILL
        wait_until(lambda: not alive(pids), seconds=10)
    done = done_in(store)
    assert len(done) < N_VIDEOS, "the signal came too late to test anything"
    complete(store, large, uninterrupted)
