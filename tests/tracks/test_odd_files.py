"""Whatever other programs make of a file is converted with the right numbers, or said in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tracks2zarr as tz
from support.odd_files import ALL, N_FRAMES, TABLES, TRACKS, Given, OddFile, markdown
from support.pages import DOCS
from support.readers import read_as_create_does, read_with
from tracks2zarr.common.problems import errors_of
from tracks2zarr.tracks import column_reader, row_reader
from tracks2zarr.tracks.files import digest_of
from tracks2zarr.tracks.frames import FrameRule

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
    for reader in (row_reader, column_reader):
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
