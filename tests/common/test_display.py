"""Results in an interpreter are one line, and in a notebook a table."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jupytext
import pytest
from nbclient import NotebookClient

import tracks2zarr as tz
from support.sample import SAMPLE
from tracks2zarr.common.display import Shown, Table

INPUT = SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv"
VIDEO = "04.09.2023-01-Right"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("results")
    (folder / "merged.zarr").mkdir()
    store = folder / "CrabTracks.zarr"
    plan = tz.plan(*INPUT)
    return {
        "Plan": plan,
        "Summary": tz.create(plan, store, workers=1),
        "Verification": tz.verify(store, quick=True),
        "StoreInfo": tz.info(store),
        "Merged": tz.merge(folder / "merged.zarr", [store], copy=True),
        "Finalised": tz.finalise(store),
    }


def parts_of(result: Any) -> Iterator[Any]:
    """Yield a result and what is in it."""
    yield result
    for video in getattr(result, "videos", getattr(result, "outcomes", ())):
        yield video
        yield from getattr(video, "clips", ())


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Plan", "<Plan: 2 videos, 5 clips, 290 frames, 2.2 MB>"),
        ("Summary", "<Summary: 2 videos: 2 done, TIME>"),
        ("Verification", "<Verification: 2 of 2 videos verified (quick: files unchanged)>"),
        ("StoreInfo", "<StoreInfo: CrabTracks.zarr, 2 of 2 videos done>"),
        ("Merged", "<Merged: 2 videos: 2 copied; 2 of 2 videos listed>"),
        ("Finalised", "<Finalised: 2 of 2 videos listed>"),
    ],
)
def test_a_result_and_its_parts_are_one_line(results: dict[str, Any], name: str, line: str) -> None:
    assert re.sub(r"[0-9.]+ s\b", "TIME", repr(results[name])) == line
    for part in parts_of(results[name]):
        shown = repr(part)
        assert shown.startswith(f"<{type(part).__name__}")
        assert "\n" not in shown
        assert len(shown) < 120


def test_a_notebook_shows_tables_with_every_video(results: dict[str, Any]) -> None:
    for result in results.values():
        html = result._repr_html_()
        assert html.count("<tr>") == 3, html
        assert VIDEO in html
        assert f"<b>{type(result).__name__}</b>" in html


def test_texts_are_escaped_and_long_tables_cut(results: dict[str, Any]) -> None:
    plan = results["Plan"]
    bad = replace(plan.videos[0], video="<b>A&\u202e")
    problem = tz.Problem(kind="fps", what="<script>", severity="warning")
    html = tz.Plan((bad,) * 30, (problem,) * 40)._repr_html_()
    assert "&lt;b&gt;A&amp;\\u202e" in html
    assert "<script>" not in html
    assert html.count("&lt;b&gt;") == 25
    assert "... and 5 more" in html
    assert "<details ><summary>40 warnings</summary>" in html
    assert html.count("&lt;script&gt;") == 25


def test_an_empty_result_is_its_line_alone() -> None:
    assert tz.Plan(())._repr_html_() == (
        "<div><div><b>Plan</b>: 0 videos, 0 clips, 0 frames, 0 B</div></div>"
    )


def test_none_is_a_dash_and_numbers_have_commas() -> None:
    assert "<tbody><tr><td" in Table(("a", "b"), [("x", None)]).as_html()
    assert ">-<" in Table(("a", "b"), [("x", None)]).as_html()
    assert ">1,234<" in Table(("a", "b"), [("x", 1234)]).as_html()
    assert issubclass(tz.Plan, Shown)


CELLS = """
import tracks2zarr as tz
plan = tz.plan({tracks!r}, {metadata!r})
plan
---
tz.create(plan, "A.zarr", workers=1, progress=True)
---
tz.verify("A.zarr", quick=True, progress=True)
---
tz.info("A.zarr").videos[0]
---
try:
    tz.create(tz.Plan(plan.videos[:1]), "A.zarr", workers=1, progress=True)
    print("it did not fail")
except FileExistsError:
    pass
"""


@pytest.mark.slow
def test_in_a_notebook(tmp_path: Path) -> None:
    """In a real kernel: tables, and a bar that ends with all videos."""
    code = CELLS.format(tracks=str(INPUT[0]), metadata=str(INPUT[1]))
    notebook = jupytext.reads(code.replace("---", "# %%"), fmt="py:percent")
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [[one.get("data", one) for one in cell.outputs] for cell in notebook.cells]
    assert outputs[0][0]["text/plain"] == "<Plan: 2 videos, 5 clips, 290 frames, 2.2 MB>"
    for bar, result in (outputs[1], outputs[2]):
        assert bar["text/html"].startswith("<div><progress value=")
        assert "2 of 2 videos, " in bar["text/html"]
        assert "<table>" in result["text/html"]
    assert "Loop02" in outputs[3][0]["text/html"]
    assert not outputs[4], "it failed before there was anything to show"
