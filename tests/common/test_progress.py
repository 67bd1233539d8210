"""`create`, `verify`, `merge` and `report` show progress alike."""

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import tracks2zarr as tz
from support.progress import Noted
from support.sample import SAMPLE
from tracks2zarr.common.progress_shown import BarProgress
from tracks2zarr.merging.one_video import MergedVideo
from tracks2zarr.verifying.one_video import VideoVerdict

INPUT = SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv"
VIDEOS = ["04.09.2023-01-Right", "06.09.2023-02-Left"]

type Function = Callable[[Path, Path, Any], object]


def create(_: Path, folder: Path, progress: Any) -> object:
    return tz.create(tz.plan(*INPUT), folder / "new.zarr", workers=1, progress=progress)


def verify(store: Path, _: Path, progress: Any) -> object:
    return tz.verify(store, quick=True, progress=progress)


def merge(store: Path, folder: Path, progress: Any) -> object:
    (folder / "merged.zarr").mkdir()
    return tz.merge(folder / "merged.zarr", [store], copy=True, progress=progress)


def report(store: Path, folder: Path, progress: Any) -> object:
    return tz.report(store, folder / "r.html", workers=1, progress=progress)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (create, tz.Outcome),
        (verify, VideoVerdict),
        (merge, MergedVideo),
        (report, type(None)),
    ],
)
def test_all_four_tell_the_same_object(
    sample_store: Path, tmp_path: Path, function: Function, kind: type
) -> None:
    noted = Noted()
    assert isinstance(noted, tz.Progress)
    function(sample_store, tmp_path, noted)
    ((videos, total_bytes),) = noted.begun
    assert sorted(videos) == VIDEOS
    assert sorted(noted.results) == VIDEOS
    assert {type(result) for result in noted.results.values()} == {kind}
    assert bool(noted.done_bytes) == (function is create)
    assert noted.running == (set(VIDEOS) if function is create else set())
    if function is create:
        assert max(noted.done_bytes) == total_bytes == sum(v.size for v in tz.plan(*INPUT).videos)


@pytest.mark.parametrize("function", [create, verify, merge, report])
def test_a_line_per_video_where_no_bar_can_move(
    sample_store: Path,
    tmp_path: Path,
    function: Function,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", printed := io.StringIO())
    function(sample_store, tmp_path, True)
    lines = printed.getvalue().splitlines()
    expected: dict[Function, str] = {
        create: f"[1/2] {VIDEOS[0]}: done, 3 clips, 7,382 boxes",
        verify: f"[1/2] {VIDEOS[0]}: verified, 7,382 boxes",
        merge: f"[1/2] {VIDEOS[0]}: copied (CrabTracks.zarr)",
    }
    n_lines: dict[Function, int] = {create: 3, verify: 2, merge: 2, report: 0}
    assert len(lines) == n_lines[function]
    assert expected.get(function) in {*lines, None}


@pytest.mark.parametrize("total_bytes", [None, 1000])
def test_a_bar_in_a_terminal(total_bytes: int | None) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    with BarProgress(console) as bar:
        bar.begin(["A", "B[x]"], total_bytes)
        bar.update(500, ["B[x]"])
        bar.ended("A", "A: done")
        bar._live.refresh()
        with bar.paused():
            pass
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[1/2] A: done" in drawn
    assert "B[x]" in drawn
    assert ("1/2" in drawn.replace("[1/2]", "")) == (total_bytes is None)
    assert ("50%" in drawn) == (total_bytes is not None)


def seen(drawn: str) -> list[str]:
    """Return the lines that a terminal shows in the end."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+", drawn):
        if part == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part.endswith("A"):
            row -= int(part[2:-1])
        elif part[0] not in "\r\x1b":
            lines[row] += part
    return [line for line in lines if line]


def test_what_is_printed_above_a_bar_stays() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    with BarProgress(console, has_lines=False) as bar:
        bar.begin(["A", "B"], None)
        for video in "AB":
            bar._live.refresh()
            with bar.paused():
                console.file.write(f"{video} is done\n")
            bar.ended(video, None)
        bar._live.refresh()
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1/2" in drawn
    assert seen(drawn) == ["A is done", "B is done"]


@pytest.mark.parametrize("function", [create, verify, merge, report])
def test_what_is_no_progress_is_a_type_error(
    sample_store: Path, tmp_path: Path, function: Function
) -> None:
    with pytest.raises(TypeError, match="progress is a str; expected a bool, or an object with"):
        function(sample_store, tmp_path, "yes")


def test_nothing_is_shown_by_default(
    sample_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tz.verify(sample_store, quick=True).ok
    assert capsys.readouterr() == ("", "")
