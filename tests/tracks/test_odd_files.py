"""Whatever other programs make of a file is converted with the right numbers, or said in words."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import tracks2zarr as tz
from support.odd_files import ALL, HEADER, N_FRAMES, ROWS, TABLES, TRACKS, Given, OddFile, markdown
from support.pages import DOCS
from support.readers import read_as_create_does, read_with
from tracks2zarr.common.problems import errors_of
from tracks2zarr.tracks import column_reader, row_reader
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.source_folder import digest_of

RULE = FrameRule(N_FRAMES, 0, "clip", None)
CONVERTED = {name: odd for name, odd in ALL.items() if odd.converts}
REFUSED = {name: odd for name, odd in ALL.items() if not odd.converts}


def spoilt(odd: OddFile, folder: Path) -> Given:
    given = Given(folder, odd.video)
    given.write()
    odd.spoil(given)
    return given


@pytest.mark.parametrize("name", CONVERTED)
def test_the_numbers_are_right(name: str, tmp_path: Path) -> None:
    odd, store = CONVERTED[name], tmp_path / "s.zarr"
    given = spoilt(odd, tmp_path / "in")
    plan = tz.plan(given.tracks, given.metadata)
    summary = tz.create(plan, store, workers=1)
    problems = [*plan.problems, *(p for one in summary.outcomes for p in one.problems)]
    assert [problem.kind for problem in problems] == ([odd.kind] if odd.kind else [])
    assert all(odd.found in str(problem) for problem in problems)

    clip = tz.load_clip(store, odd.video, "Loop00")
    tracks = np.array(() if "header alone" in name else TRACKS, np.float32)
    frame = np.arange(N_FRAMES, dtype=np.float32)
    expected = np.empty((N_FRAMES, 2, len(tracks)), np.float32)
    expected[:, 0] = 10.5 * tracks + frame[:, None] + 4
    expected[:, 1] = 20.25 * tracks + 3
    np.testing.assert_array_equal(clip["position"].values, expected)
    np.testing.assert_array_equal(clip["track_id"].values, tracks)

    verified = tz.verify(store, workers=1)
    assert verified.ok
    assert not verified.problems
    for path in given.tracks.iterdir():
        assert_readers_agree(path)


def assert_readers_agree(path: Path) -> None:
    fast = read_as_create_does(path, RULE)
    for reader in (row_reader.read_file, column_reader.read_file):
        other = read_with(reader, path, RULE)
        assert other.file.digest == fast.file.digest == digest_of(path)
        assert other.file.warnings == fast.file.warnings
        for column in ("frame", "track", "box", "confidence"):
            np.testing.assert_array_equal(getattr(other.boxes, column), getattr(fast.boxes, column))


@pytest.mark.parametrize("name", REFUSED)
def test_one_error_says_what_it_is(name: str, tmp_path: Path) -> None:
    odd = REFUSED[name]
    given = spoilt(odd, tmp_path / "in")
    try:
        plan = tz.plan(given.tracks, given.metadata)
        found = tz.create(plan, tmp_path / "s.zarr", workers=1).outcomes[0].problems
    except tz.Tracks2ZarrError as error:
        found = error.problems
    (problem,) = errors_of(found)
    assert problem.kind == odd.kind
    assert odd.found in str(problem)
    assert problem.remedy
    assert all(line.isprintable() for line in str(problem).splitlines())


def test_the_page_shows_all_of_it() -> None:
    page = (DOCS / "reference" / "input.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- odd files -->\n\n")[2].partition("\n<!-- end -->")[0]
    assert shown == markdown(), "copy what tests/support/odd_files.py prints"
    assert all(TABLES.values())


def test_an_expression_without_frames_is_named_once(tmp_path: Path) -> None:
    given = spoilt(ALL["Separators and line ends: CRLF line ends (Windows)"], tmp_path / "in")
    other = given.file.with_name(given.file.name.replace("Loop00", "Loop01"))
    other.write_bytes(given.file.read_bytes())
    lines = given.metadata.read_text("utf-8").splitlines(keepends=True)
    further = lines[1].replace("Loop00", "Loop01").replace(",1,4,2,", ",11,14,12,")
    given.metadata.write_text("".join([*lines, further]), "utf-8")
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.plan(given.tracks, given.metadata, frame_regexp="img-([0-9]+)")
    (problem,) = error.value.problems
    assert problem.kind == "frame-regexp"
    assert "'img-([0-9]+)' does not match in 'frame_00000000.png'" in (problem.found or "")
    assert "and so in 1 more file" in (problem.found or "")


def test_an_expression_without_frames_in_one_file(tmp_path: Path) -> None:
    """What only the rows show is named once as well, not for each of them."""
    given = spoilt(ALL["Separators and line ends: CRLF line ends (Windows)"], tmp_path / "in")
    plan = tz.plan(given.tracks, given.metadata, frame_regexp="(0000000[0])[.]png")
    (outcome,) = tz.create(plan, tmp_path / "s.zarr", workers=1).outcomes
    (problem,) = outcome.problems
    assert problem.kind == "no-frame"
    assert problem.found == "frame_00000001.png; and so in 5 more rows"


def test_old_macs_have_large_files_too(tmp_path: Path) -> None:
    """Lines that end in carriage returns are read in batches, and quotes may hold some."""
    many = (HEADER + ROWS * 3).replace('{""clip""', '{\n""clip""').replace("\n", "\r")
    numbers = iter(range(1000))  # no track may have two boxes in a frame
    path = tmp_path / "clip.csv"
    path.write_text(re.sub("frame_[0-9]+", lambda _: f"frame_{next(numbers)}", many), newline="")
    rule = FrameRule(1000, 0, "clip", None)
    for size in (1, 100, 700, 1 << 20):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(column_reader, "BATCH_BYTES", size)
            found = read_with(column_reader.read_file, path, rule)
        expected = read_with(row_reader.read_file, path, rule)
        np.testing.assert_array_equal(found.boxes.box, expected.boxes.box)
        assert found.file.digest == expected.file.digest
