"""What people see on terminals and through pipes, which take processes of their own."""

import io
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pexpect
import pytest

import tracks2zarr
from support.commands import call, files_below
from support.corrections import export_stretch, make_store, renumbered, rows_of, write_rows
from support.sample import SAMPLE
from support.tree import cli_environment

TRACKS, METADATA = SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv"
VIDEOS = ["04.09.2023-01-Right", "06.09.2023-02-Left"]


@pytest.fixture
def store(sample_store: Path, tmp_path: Path) -> Path:
    """Return a finished store of the sample that may be changed."""
    copy = tmp_path / "CrabTracks.zarr"
    shutil.copytree(sample_store, copy)
    return copy


STYLE = re.compile(r"\x1b\[[0-9;]*m")
CTRL_C = "\x03"
#: What terminals are told to erase a line.
ERASED = "\x1b[2K"
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
        child.send(answer if answer == CTRL_C else f"{answer}\n")
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
def test_a_bar_for_corrections_is_away_while_they_ask(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    corrected = export_stretch(store, 2, 6)
    write_rows(corrected, [renumbered(row, 9, 12) for row in rows_of(corrected)])
    status, seen = on_a_terminal("correct", store, "A", "Loop00", corrected, answer="y")
    assert status == 0
    reading, _, converting = seen.partition("Correct Loop00 of A? [y/N]")
    assert "━" in reading
    assert "9 → 12 in frames 2 to 4" in reading.rpartition("━")[2]
    assert ERASED in reading.rpartition("━")[2]
    assert "━" in converting
    assert "Loop00 now uses " in converting.rpartition("━")[2]

    status, seen = on_a_terminal("correct", store, "A", "Loop00", "--undo", answer="y")
    assert status == 0
    asking, _, converting = seen.partition("Undo it? [y/N]")
    assert "━" not in asking
    assert "━" in converting
    assert "uses " in converting.rpartition("━")[2]


@on_terminals
@pytest.mark.parametrize(
    ("answer", "status", "end"), [("n", 1, "Nothing was changed."), (CTRL_C, 130, "Interrupted.")]
)
@pytest.mark.parametrize("is_undo", [False, True])
def test_a_correction_that_is_not_wanted_ends_with_the_answer(
    *, is_undo: bool, answer: str, status: int, end: str, tmp_path: Path
) -> None:
    store = make_store(tmp_path)
    corrected = export_stretch(store, 2, 6)
    write_rows(corrected, [renumbered(row, 9, 12) for row in rows_of(corrected)])
    if is_undo:
        assert call("correct", store, "A", "Loop00", corrected, "--yes").status == 0
    before = files_below(tmp_path)
    given = "--undo" if is_undo else corrected
    ended, seen = on_a_terminal("correct", store, "A", "Loop00", given, answer=answer)
    assert ended == status
    _, _, after = seen.partition("[y/N]")
    assert "\x1b" not in after, "no bar any more"
    assert after.endswith(f"{end}\r\n")
    assert files_below(tmp_path) == before


def test_all_questions_are_asked_in_one_place() -> None:
    asking = re.compile(r"click\.(?:confirm|prompt|pause)\(|\binput\(")
    package = Path(tracks2zarr.__file__).parent
    found = [path.name for path in package.rglob("*.py") if asking.search(path.read_text("utf-8"))]
    assert found == ["confirm.py"]


@on_terminals
@pytest.mark.parametrize(("answer", "status"), [("n", 1), ("", 1), (CTRL_C, 130), ("y", 0)])
def test_replacing_asks_on_a_terminal(answer: str, status: int, store: Path) -> None:
    (store / VIDEOS[0] / "zarr.json").unlink()
    before = files_below(store)
    ended, seen = on_a_terminal(
        "create", TRACKS, METADATA, store, "--store-mode", "w", answer=answer
    )
    assert "Replace " in seen
    assert "2 videos" in seen or "1 video" in seen
    assert ended == status
    assert (files_below(store) == before) is (status != 0)
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
