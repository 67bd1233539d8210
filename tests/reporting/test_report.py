"""The report: one file that says what is in the store, what is not, and why."""

import errno
import os
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import zarr

import tracks2zarr as tz
from support.commands import call, files_below
from support.experiments import Box, Clip, Experiment, Video
from support.sample import SAMPLE
from tracks2zarr.group.geometry import shard_path
from tracks2zarr.reporting.figures import ImageSize
from tracks2zarr.reporting.images import draw_video
from tracks2zarr.reporting.timeline import timeline
from tracks2zarr.store.overview import ClipInfo
from tracks2zarr.store.store import Store

VIDEO = "04.09.2023-01-Right"
TRACKS, METADATA = SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv"


class Elements(HTMLParser):
    """Collects the elements of a page, and its text outside of style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of one name."""
        return [attributes for name, attributes in self.found if name == tag]


def elements(store: Path, folder: Path) -> Elements:
    return Elements(tz.report(store, folder / "r.html", workers=1).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Elements:
    return elements(sample_store, tmp_path_factory.mktemp("report"))


def test_it_needs_no_other_file(page: Elements) -> None:
    for _, attributes in page.found:
        for name in ("src", "href", "srcset", "action", "data"):
            address = attributes.get(name) or "#"
            assert address.startswith(("#", "data:")), address
    assert not page.all("link") or {link["rel"] for link in page.all("link")} == {"icon"}
    for asset in ("report.css", "report.js"):
        text = (Path(tz.__file__).parent / "reporting/templates" / asset).read_text()
        assert not re.search(r"url\(|@import|https?:|fetch\(|XMLHttpRequest", text)


def test_it_says_what_is_in_the_store(page: Elements) -> None:
    for words in (
        "videos 2", "clips 5", "film in clips 4.8 s", "boxes 11,005",
        "individuals, over all clips 430",
        "Nothing: all 2 planned videos are in the dataset.", "Escapes: spontaneous triggered",
        "tracks2zarr 0.", "zarr 3.", str(TRACKS), str(METADATA),
    ):  # fmt: skip
        assert words in page.text, words


def test_each_clip_has_its_pictures_and_its_text(page: Elements) -> None:
    images = page.all("img")
    assert len(images) == 10
    for image in images:
        assert (image["src"] or "").startswith("data:image/webp;base64,")
        assert len(image["alt"] or "") > 40
        assert (image["width"], image["height"]) == ("960", "600")
    assert len(page.all("details")) == 5
    targets = {attributes.get("id") for _, attributes in page.found}
    links = {link["href"] for link in page.all("a")}
    assert {f"#{target}" for target in targets if target} >= links
    spans = [link for link in page.all("a") if link.get("class", "").startswith("span")]  # type: ignore[union-attr]
    assert len(spans) == 5
    assert "escape (spontaneous) from frame 1,240 on" in (spans[0]["title"] or "")


def test_what_is_missing_is_named_with_its_reason(tmp_path: Path) -> None:
    box = Box(0, 1, 5, 5, 2, 2)
    videos = [Video(name, (Clip("Loop00", 1, 9, boxes=(box,)),)) for name in ("A", "B<i>&", "C")]
    inputs = Experiment(tuple(videos)).write(tmp_path)
    bad = inputs[0] / "B<i>&-Loop00_tracks.csv"
    bad.write_bytes(bad.read_bytes() + b"half a row,")
    store = tmp_path / "out.zarr"
    assert not tz.create(tz.plan(*inputs), store).ok
    page = elements(store, tmp_path)
    assert "2 of 3" in page.text
    assert re.search(r"B<i>& failed [^.]+\. \S*/B<i>&-Loop00_tracks\.csv, row 3", page.text)
    assert not page.all("i")  # the name is text


def test_warnings_are_listed(tmp_path: Path) -> None:
    boxes = (Box(0, 1, 5, 5, 2, 2), Box(1, 1, 5, 5, 2, 2))
    clip = Clip("Loop00", 1, 9, boxes=boxes)
    clip = replace(clip, style=replace(clip.style, frame_source="some attributes"))
    inputs = Experiment((Video("A", (clip,)),)).write(tmp_path)
    store = tmp_path / "out.zarr"
    outcome = tz.create(tz.plan(*inputs), store)
    (warning,) = (p for one in outcome.outcomes if one.receipt for p in one.receipt.warnings)
    assert warning.what in elements(store, tmp_path).text


def test_a_group_that_cannot_be_read_is_said_and_the_others_are_drawn(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    assert tz.create(tz.plan(TRACKS, METADATA), store).ok
    shard = shard_path(store / VIDEO, "position", 0)
    shard.write_bytes(b"x" * shard.stat().st_size)
    page = elements(store, tmp_path)
    assert "The group of a video is damaged, so it was not drawn." in page.text
    assert len(page.all("img")) == 4


def test_the_same_with_any_number_of_workers(sample_store: Path, tmp_path: Path) -> None:
    made = [tz.report(sample_store, tmp_path / f"{n}.html", workers=n).read_text() for n in (1, 2)]
    one, two = (re.sub(r"<dt>this report</dt><dd>[^<]*", "", text) for text in made)
    assert one == two


def test_an_empty_store(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    assert call("plan", TRACKS, METADATA, "--into", store).status == 0
    page = elements(store, tmp_path)
    assert "not converted yet" in page.text
    assert not page.all("img")


def test_a_store_of_the_older_workflow_is_listed(sample_store: Path, tmp_path: Path) -> None:
    import zarr

    store = tmp_path / "out.zarr"
    assert tz.create(tz.plan(TRACKS, METADATA), store).ok
    zarr.open_group(store, mode="a").create_group("Older")
    assert "not in the plan of this store" in elements(store, tmp_path).text


# ---- the commands


def test_the_command_writes_beside_the_store_and_replaces(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    ended = call("create", TRACKS, METADATA, store, "--report", "--workers", "1")
    assert ended.status == 0, ended.stderr
    file = tmp_path / "out.zarr-report.html"
    assert f"The report is in {file}" in ended.stdout
    file.write_text("older")
    assert call("report", store, "--quiet", "--workers", "1").stdout == ""
    assert "older" not in file.read_text(encoding="utf-8")[:100]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out.zarr", file.name]


def test_create_shows_what_failed_in_the_report(tmp_path: Path) -> None:
    clips = (Clip("Loop00", 1, 9, boxes=(Box(0, 1, 5, 5, 2, 2),)),)
    inputs = Experiment((Video("A", clips), Video("B", clips))).write(tmp_path)
    bad = inputs[0] / "B-Loop00_tracks.csv"
    bad.write_bytes(bad.read_bytes() + b"half a row,")
    ended = call("create", *inputs, tmp_path / "o.zarr", "--report", "--workers", "1")
    assert ended.status == 1
    assert "failed" in (tmp_path / "o.zarr-report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", ["nowhere/r.html", "", "out.zarr/r.html"])
def test_a_bad_place_is_refused_before_any_work(
    sample_store: Path, tmp_path: Path, place: str
) -> None:
    output = sample_store / "r.html" if place.startswith("out") else tmp_path / place
    before = files_below(sample_store)
    ended = call("report", sample_store, "-o", output)
    assert ended.status == 1
    assert "error: The file cannot be written there." in ended.stderr
    assert files_below(sample_store) == before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["clip_tracks.csv", "report", "r.txt"])
def test_only_a_page_is_written_or_replaced(sample_store: Path, tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_text("all of a day's work")
    ended = call("report", sample_store, "-o", source)
    assert ended.status == 1
    assert "must end with .html or .htm" in ended.stderr
    assert source.read_text() == "all of a day's work"


def test_a_folder_that_cannot_be_written_to(
    sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # as it is for all users but root
    ended = call("report", sample_store, "-o", tmp_path / "r.html")
    assert ended.status == 1
    assert "found:    a folder that cannot be written to" in ended.stderr


def test_the_last_job_ends_well_where_the_report_cannot_be_written(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    assert tz.create(tz.plan(TRACKS, METADATA), store, workers=1).ok
    file = tmp_path / "out.zarr-report.html"
    file.mkdir()
    ended = call("slurm", "finish", store)
    assert ended.status == 0, ended.stderr
    assert "warning: The file cannot be written there." in ended.stderr
    file.rmdir()
    full = OSError(errno.ENOSPC, "No space left on device", str(file))
    with mock.patch("tracks2zarr.reporting.report.write_atomically", side_effect=full):
        ended = call("slurm", "finish", store)
    assert ended.status == 0
    assert "warning: The disk is full." in ended.stderr
    assert call("slurm", "finish", store).status == 0
    assert file.is_file()


def test_no_store(tmp_path: Path) -> None:
    ended = call("report", tmp_path / "none.zarr")
    assert ended.status == 1
    assert "There is no Zarr store." in ended.stderr


# ---- the timeline


def clip(name: str, first: int, last: int, escape: int = -1) -> ClipInfo:
    return ClipInfo(
        clip=name,
        n_frames=last - first + 1,
        first_frame=first,
        last_frame=last,
        escape_frame=escape,
        escape_type="none" if escape < 0 else "x",
        n_individuals=None,
        n_boxes=None,
        source="",
    )


def test_clips_lie_where_their_frames_are() -> None:
    line = timeline([clip("b", 500, 999, 900), clip("a", 0, 249)])
    assert [(s.clip.clip, s.left, s.width, s.escape, s.lane) for s in line.spans] == [
        ("a", 0.0, 25.0, None, 0),
        ("b", 50.0, 50.0, 80.0, 0),
    ]
    assert line.marks == ((0, 0.0), (200, 20.0), (400, 40.0), (600, 60.0), (800, 80.0))


def test_clips_that_share_frames_lie_in_lanes() -> None:
    line = timeline([clip("a", 0, 10), clip("b", 10, 20), clip("c", 11, 20), clip("d", 21, 22)])
    assert [span.lane for span in line.spans] == [0, 1, 0, 0]
    assert line.lanes == 2


@pytest.mark.parametrize("length", [1, 2, 7, 10, 99, 1000, 161_838, 10**7])
def test_marks_are_round_and_few(length: int) -> None:
    marks = timeline([clip("a", 0, length - 1)]).marks
    assert 1 <= len(marks) <= 6 or length < 12
    assert all(0 <= place < 100 for _, place in marks)


def test_a_damaged_video_is_named(sample_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    shutil.copytree(sample_store, store)
    chunk = shard_path(store / VIDEO, "position", 0)
    content = bytearray(chunk.read_bytes())
    content[len(content) // 3] ^= 1
    chunk.write_bytes(content)
    ended = call("report", store, "--workers", 1)
    assert ended.status == 1
    assert ended.stderr.count("The group of a video is damaged, so it was not drawn.") == 1
    assert f"in:       {store / VIDEO}\n" in ended.stderr


def test_numbers_that_no_box_has_are_no_warnings_of_numpy(
    sample_store: Path, tmp_path: Path
) -> None:
    store = tmp_path / "s.zarr"
    shutil.copytree(sample_store, store)
    receipt = Store.at(store).read_receipt(VIDEO)
    assert receipt is not None
    shape = zarr.open_group(store / VIDEO, mode="r+")["shape"]
    assert isinstance(shape, zarr.Array)
    shape[...] = np.nan
    problem = draw_video(store, receipt, ImageSize.for_clips(1)).problem
    assert problem is not None
    assert problem.found == "numbers that no box has"
