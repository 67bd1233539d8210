"""What `verify` finds in the metadata CSV and in receipts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video
from tracks2zarr.common.problems import errors_of
from tracks2zarr.verifying import sources

BOXES = (Box(1, 3, 10.0, 2, 3, 4), Box(2, 4, 11.0, 2, 3, 4))
CLIPS = (Clip("Loop00", 1, 10, 4, "triggered", BOXES), Clip("Loop01", 11, 20, boxes=BOXES))
MADE = Experiment((Video("A", CLIPS), Video("B", CLIPS)))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a finished store, beside the folder `in` of its experiment."""
    plan = tz.plan(*MADE.write(tmp_path / "in"))
    assert tz.create(plan, tmp_path / "out.zarr", workers=1).ok
    return tmp_path / "out.zarr"


def found(store: Path) -> dict[str, list[str]]:
    """Return the kinds of problems that `verify` finds, by video."""
    videos = tz.verify(store, workers=1).videos
    return {video.video: [problem.kind for problem in video.problems] for video in videos}


def add_row_twice(text: str) -> str:
    row = next(line for line in text.splitlines() if "A-Loop00" in line)
    return text + row.replace(",4,", ",5,") + "\n"


def add_other_fps(text: str) -> str:
    row = next(line for line in text.splitlines() if "A-Loop01" in line)
    return text + row.replace("A-Loop01", "A-Loop02").replace("59.94", "30") + "\n"


@pytest.mark.parametrize(
    ("change", "kind"), [(add_row_twice, "duplicate-clip-row"), (add_other_fps, "fps-differs")]
)
def test_metadata_that_create_refuses(
    store: Path, tmp_path: Path, change: Callable[[str], str], kind: str
) -> None:
    metadata = tmp_path / "in/loop-frames-ffmpeg.csv"
    metadata.write_text(change(metadata.read_text()))
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.plan(tmp_path / "in/tracks", metadata)
    assert [problem.kind for problem in errors_of(error.value.problems)] == [kind]
    problems = found(store)
    assert kind in problems["A"]
    assert problems["B"] == []


def test_metadata_that_cannot_be_read(store: Path, tmp_path: Path) -> None:
    (tmp_path / "in/loop-frames-ffmpeg.csv").write_bytes(b"\xff")
    for kinds in found(store).values():
        assert kinds == ["metadata-not-utf8", "metadata-changed", "metadata-changed"]


@pytest.mark.parametrize("count", ["n_boxes", "n_individuals"])
def test_a_false_count(store: Path, count: str) -> None:
    path = store / ".tracks2zarr/receipts/A.json"
    receipt = json.loads(path.read_text())
    receipt["clips"][1][count] += 1
    path.write_text(json.dumps(receipt))
    verification = tz.verify(store, workers=1)
    (problem,) = verification.videos[0].problems
    assert (problem.kind, problem.clip) == ("receipt-differs", "Loop01")
    assert not verification.ok


def test_a_source_that_is_written_to_while_it_is_read(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in/tracks/A-Loop00_tracks.csv"
    monkeypatch.setattr(sources, "_report", lambda _: source.write_text(source.read_text()))
    (problem,) = tz.verify(store, workers=1).videos[0].problems
    assert (problem.kind, problem.file) == ("source-changed", str(source))
    assert problem.what == "A tracks file changed while it was read."
