"""`tracks2zarr correct`: what it shows, when it asks, and how it ends."""

import io
import json
import shutil
from pathlib import Path

import pytest

from support.commands import call
from support.corrections import (
    box_row,
    empty_row,
    export_stretch,
    make_store,
    renumbered,
    rows_of,
    write_rows,
)
from support.tree import snapshot


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return make_store(tmp_path)


@pytest.fixture
def corrected(store: Path) -> Path:
    """Return frames 2 to 5 of the first clip, with track 9 under the number 12."""
    stretch = export_stretch(store, 2, 6)
    return write_rows(stretch, [renumbered(row, 9, 12) for row in rows_of(stretch)])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def correct(store: Path, *words: str | Path) -> tuple[int, str, str]:
    ended = call("correct", store, "A", "Loop00", *words)
    return ended.status, ended.stdout, ended.stderr


def test_it_shows_what_changes_and_how_to_undo_it(store: Path, corrected: Path) -> None:
    status, out, err = correct(store, corrected, "--yes", "-m", "one crab")
    assert (status, err) == (0, "")
    assert "4 frames from 2 to 5: changes in 3 of them" in out
    assert "9 → 12 in frames 2 to 4" in out
    assert "9 and 12 → 12" in out
    assert "7 boxes before, 7 after" in out
    assert f"tracks2zarr correct {store} A Loop00 --undo" in out
    shown = call("info", store, "A").stdout
    assert "Loop00: 1 correction, last 20" in shown
    assert "3 renumbered (A-Loop00_tracks.corrected-1.csv): one crab" in shown
    table = call("info", store, "--csv").stdout.splitlines()
    assert [line.rpartition(",")[2] for line in table] == ["n_corrections", "1", "0"]


def test_without_a_terminal_it_needs_yes(store: Path, corrected: Path) -> None:
    before = snapshot(store)
    status, out, err = correct(store, corrected)
    assert status == 1
    assert "9 → 12" in out, "what would change is shown"
    assert f"run: tracks2zarr correct {store} A Loop00 {corrected} --yes" in err
    assert snapshot(store) == before
    assert call("correct", store, "A", "Loop00", corrected, "--yes").status == 0
    status, _, err = correct(store, "--undo")
    assert status == 1
    assert f"run: tracks2zarr correct {store} A Loop00 --undo --yes" in err


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 1), ("", 1)])
def test_it_asks_on_a_terminal(
    answer: str, status: int, store: Path, corrected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(store)
    monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
    found, _, err = correct(store, corrected)
    assert found == status
    assert "Correct Loop00 of A? [y/N]" in err
    assert ("Nothing was changed." in err) == (status == 1)
    assert (snapshot(store) == before) == (status == 1)
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert correct(store, "--undo")[0] == status, "there is something to undo, or nothing"
    assert snapshot(store) == before


def test_a_dry_run_and_the_same_file_again_change_nothing(store: Path, corrected: Path) -> None:
    before = snapshot(store)
    assert correct(store, corrected, "--dry-run")[0] == 0
    assert snapshot(store) == before
    assert not list((store.parent / "in/tracks").glob("*corrected*"))
    assert correct(store, corrected, "--yes")[0] == 0
    before = snapshot(store)
    status, out, _ = correct(store, corrected)
    assert status == 0, "nothing changes, so nobody is asked"
    assert out == "4 frames from 2 to 5: nothing changes\n"
    assert snapshot(store) == before
    assert correct(store, "--undo", "--dry-run")[0] == 0
    assert snapshot(store) == before


def test_json_is_one_document(store: Path, corrected: Path) -> None:
    planned = json.loads(correct(store, corrected, "--json", "--dry-run")[1])
    assert planned["corrected"] is False
    assert planned["file"] is None
    assert planned["changes"]["renumbered"] == [
        {"before": 9, "after": 12, "first_frame": 2, "last_frame": 4, "n_boxes": 3}
    ]
    status, out, _ = correct(store, corrected, "--json")
    assert (status, out) == (1, ""), "there is no terminal in which to ask"
    done = json.loads(correct(store, corrected, "--json", "--yes", "-m", "x")[1])
    assert done["corrected"] is True
    assert done["file"] == str(store.parent / "in/tracks/A-Loop00_tracks.corrected-1.csv")
    assert done["correction"]["note"] == "x"
    assert done["changes"] == planned["changes"]
    undone = json.loads(correct(store, "--undo", "--yes", "--json")[1])
    assert undone["undone"] is True
    assert undone["kept"] == done["file"]
    assert undone["file"].endswith("A-Loop00_tracks.csv")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["x.csv", "--undo"],
        ["--undo", "--frames", "0:3"],
        ["--undo", "-m", "why"],
        ["x.csv", "--frames", "3-5"],
        ["x.csv", "--frames", "5:3"],
        ["x.csv", "--frame-regexp", "no group"],
        ["x.csv", "--counts-from", "here"],
    ],
    ids=" ".join,
)
def test_usage(words: list[str], store: Path) -> None:
    status, out, err = correct(store, *words)
    assert (status, out) == (2, "")
    assert "Error: " in err


def test_errors_name_row_and_column(store: Path, corrected: Path) -> None:
    rows = [*rows_of(corrected), box_row("frame_00000005.png", None, (1, 2, 3, 4))]
    status, _, err = correct(store, write_rows(corrected, rows), "--yes")
    assert status == 1
    assert f"in:       {corrected}, row 9, column region_attributes" in err
    assert "Give the box a track number in VIA" in err
    status, _, err = correct(store, corrected.with_name("mistyped.csv"))
    assert status == 1
    assert "mistyped.csv" in err
    assert "Traceback" not in err
    status, _, err = correct(store, corrected.with_name(corrected.name.replace("tr", "rt", 1)))
    assert status == 1
    assert f"Did you mean '{corrected.name}'? Then run: tracks2zarr correct" in err


def test_replacing_a_store_names_the_corrections_that_it_would_lose(
    store: Path, corrected: Path
) -> None:
    assert correct(store, corrected, "--yes")[0] == 0
    inputs = store.parent / "in/tracks", store.parent / "in/loop-frames-ffmpeg.csv"
    ended = call("create", *inputs, store, "--store-mode", "w")
    assert ended.status == 1
    assert "corrected by hand: A, Loop00" in ended.stderr
    ended = call("create", *inputs, store, "--store-mode", "a", "--group-mode", "w")
    assert ended.status == 0
    assert "without the corrections" in ended.stderr
    assert f"tracks2zarr correct {store} A Loop00" in ended.stderr


def test_a_template_with_which_frames_were_exported(store: Path) -> None:
    stretch = export_stretch(store, 2, 6, images="{video}_{video_frame}_2.png")
    lost = write_rows(stretch.with_name("via.csv"), [empty_row("A_13_2.png")])
    assert "1 frame from 3 to 3: changes in 1 of them" in correct(store, lost, "--dry-run")[1]
    elsewhere = Path(shutil.copy(lost, store.parent / "via.csv"))
    rule = ("--frame-regexp", "A_([0-9]+)_", "--counts-from", "video")
    assert "1 frame from 3 to 3" in correct(store, elsewhere, "--dry-run", *rule)[1]


def test_undo_says_what_becomes_of_the_corrected_file(store: Path, corrected: Path) -> None:
    assert correct(store, corrected, "--yes")[0] == 0
    file = store.parent / "in/tracks/A-Loop00_tracks.corrected-1.csv"
    original = file.with_name("A-Loop00_tracks.csv")
    before = snapshot(store)
    status, out, _ = correct(store, "--undo", "--dry-run")
    assert status == 0
    assert f"Loop00 would use {original} again." in out
    assert f"The corrected file would be kept: {file}" in out
    assert snapshot(store) == before
    file.unlink()
    status, out, err = correct(store, "--undo", "--yes")
    assert (status, err) == (0, "")
    assert f"Loop00 uses {original} again." in out
    assert f"The corrected file is gone: {file}" in out
    assert "kept" not in out


def test_frames_past_the_end_are_a_warning(store: Path, corrected: Path) -> None:
    status, _, err = correct(store, corrected, "--frames", "2:99", "--dry-run")
    assert status == 0
    assert "warning: 1 clip of the video ends before the frames that were asked for." in err
