"""The command line as people meet it: help, slips, colours, pipes, and Ctrl-C."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import tracks2zarr as tz
from support.commands import call, files_below
from support.sample import SAMPLE
from support.tree import run_cli
from tracks2zarr.cli import app, guide

TRACKS, METADATA = SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv"
VIDEOS = ["04.09.2023-01-Right", "06.09.2023-02-Left"]
COMMANDS = ["plan", "create", "verify", "info", "report", "plot", "finalise"]
STATES = {"done", "failed", "running", "pending", "cancelled", "missing", "unknown"}

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


def all_commands(group: click.Group = app.app) -> Iterator[click.Command]:
    """Yield every command, those of groups too."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from all_commands(command) if isinstance(command, click.Group) else [command]


def test_every_command_looks_for_options_given_twice() -> None:
    commands = [*all_commands(), guide.command]
    assert len(commands) > 15
    assert {command.name for command in commands if not isinstance(command, app.Command)} == set()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["create", "a", "b", "c", "--workers", "1", "--workers=2"],
         "--workers is given twice: 1 and 2."),
        (["plan", "a", "--frames", "clip", "b", "--frames", "clip"],
         "--frames is given twice: clip and clip."),
        (["report", "a", "-o", "b", "--output", "c", "-od"],
         "--output is given 3 times: b, c and d."),
        (["slurm", "submit", "a", "b", "--mem", "1G", "--mem", "2G"],
         "--mem is given twice: 1G and 2G."),
    ],
)  # fmt: skip
def test_options_given_twice(args: list[str], said: str) -> None:
    ended = call(*args)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.endswith(f"Error: {said}\n")


def test_flags_given_twice() -> None:
    assert call("plan", TRACKS, METADATA, "--json", "--json").status == 0
    assert call("plan", "--frames", "clip", "--frames", "video", "--help").status == 0


WRONG = [
    *(["create", "a", "b", "c", "--workers", value] for value in ("0", "-1", "two", "1.5", "")),
    *(["create", "a", "b", "c", "--memory", value]
      for value in ("2XB", "", "GB", "-1GB", "2 G B", "2iB", "1e9", "lots")),
    *(["create", "a", "b", "c", "--store-mode", value] for value in ("x", "w+", "")),
    ["create", "a", "b", "c", "--group-mode", "x"],
    ["create", "a", "b", "c", "--individual-dim", "id"],
    ["plan", "a", "b", "--frames", "clips"],
    ["create", "a", "b"], ["plan"], ["plan", "a"], ["verify"], ["info"], ["finalise"],
    ["create", "a", "b", "c", "d"], ["plan", "a", "b", "c"],
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
    assert re.search(
        r"2\.2 MB of tracks files in [\d.]+ [kM]B \([\d.]+ times smaller\)", ended.stdout
    )
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


@pytest.mark.parametrize(
    "words", [(name,) for name in COMMANDS] + [("slurm", "submit"), ("slurm", "rerun")]
)
def test_defaults_have_one_form(words: tuple[str, ...]) -> None:
    """In brackets behind the help, without parentheses, whether a value or words."""
    text = " ".join(call(*words, "--help", columns=80).stdout.split())
    before = re.findall(r"(.)default: (.)", text, re.IGNORECASE)
    assert all(left == "[" and right != "(" for left, right in before)


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


@pytest.mark.parametrize("args", [["--debug", "info"], ["info", "--debug"]], ids=" ".join)
def test_debug_shows_a_traceback(args: list[str], tmp_path: Path) -> None:
    ended = run_cli(*args, tmp_path / "no.zarr")
    assert ended.returncode == 1
    assert "Traceback (most recent call last):" in ended.stderr
    assert "error: There is no Zarr store." in ended.stderr
    assert ended.stdout == ""
