"""What `create` writes is what the oracle reads from the same files."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracks2zarr as tz
from support.experiments import ABSENT, Box, Clip, Experiment, FileStyle, Video, crowd, experiments
from support.oracle import ExpectedVideo, assert_array_exact, assert_store_equals, expected_videos

type IndividualDim = Literal["individual", "individuals"]

INDIVIDUAL_DIMS: tuple[IndividualDim, ...] = ("individual", "individuals")
NAN = float("nan")


def convert(
    experiment: Experiment, folder: Path, individual_dim: IndividualDim = "individual"
) -> tuple[Path, dict[str, ExpectedVideo]]:
    """Convert an experiment, and ask the oracle."""
    tracks_dir, metadata_csv = experiment.write(folder / "in")
    store = folder / "out.zarr"
    plan = tz.plan(
        tracks_dir, metadata_csv, individual_dim=individual_dim, **experiment.plan_options
    )
    summary = tz.create(plan, store, workers=1)
    assert summary.ok, [outcome.problems for outcome in summary.outcomes]
    expected = expected_videos(
        tracks_dir, metadata_csv, individual_dim=individual_dim, **experiment.plan_options
    )
    return store, expected


def assert_verified(store: Path) -> None:
    verification = tz.verify(store, workers=1)
    assert verification.ok, [video.problems for video in verification.videos]


@pytest.mark.slow
@given(experiments(), st.sampled_from(INDIVIDUAL_DIMS))
def test_random_experiments(experiment: Experiment, individual_dim: IndividualDim) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, expected = convert(experiment, Path(folder), individual_dim)
        assert_store_equals(store, expected)
        assert_verified(store)


def one_video(*clips: Clip, video: str = "v", **settings: object) -> Experiment:
    return replace(Experiment((Video(video, clips),)), **settings)  # type: ignore[arg-type]


def one_clip(*boxes: Box, n_frames: int = 10, style: FileStyle | None = None) -> Experiment:
    return one_video(Clip("c", 5, 4 + n_frames, boxes=boxes, style=style or FileStyle()))


CASES = {
    "gap at the start": one_clip(Box(3, 1, 1, 2, 3, 4), Box(9, 1, 1, 2, 3, 4)),
    "gap in the middle": one_clip(Box(0, 1, 1, 2, 3, 4), Box(9, 1, 1, 2, 3, 4)),
    "gap at the end": one_clip(Box(0, 1, 1, 2, 3, 4)),
    "gaps with rows": one_video(Clip("c", 1, 9, boxes=(Box(4, 1),), empty_rows=(0, 3, 5, 8))),
    "gaps with rows alone": one_video(Clip("c", 1, 9, empty_rows=(0, 8))),
    "one frame": one_clip(Box(0, 1, 1, 2, 3, 4, 0.5), n_frames=1),
    "no boxes at all": one_clip(),
    "no boxes in one clip of two": one_video(
        Clip("a", 1, 4), Clip("b", 5, 6, escape=5, boxes=crowd(3))
    ),
    "nine, ten, eleven individuals": one_video(
        *(Clip(f"c{n}", 1, 2, boxes=crowd(n)) for n in (9, 10, 11))
    ),
    "more than a hundred individuals": one_clip(*crowd(130, frame=7)),
    "more individuals than a chunk": one_video(
        Clip("a", 1, 3, boxes=(*crowd(2, 0), *crowd(600, 2))), Clip("b", 1, 2, boxes=crowd(257))
    ),
    "a clip longer than a chunk": one_video(
        Clip("a", 1, 2050, escape=1500, boxes=(*crowd(2, 999), *crowd(2, 1000), *crowd(1, 2049))),
        Clip("b", 1, 1000, escape=0, boxes=crowd(130, 0, first_track=2**62)),
    ),
    "tracks of any size": one_clip(
        Box(0, 2**63 - 1), Box(0, str(2**63 - 2)), Box(0, 0), Box(1, "7.0"), Box(2, 7.0), Box(3, 7)
    ),
    "confidence in all forms": one_clip(
        *(
            Box(i, 1, confidence=confidence)
            for i, confidence in enumerate([ABSENT, None, NAN, "NaN", 0.1, "0.1", 1, "1", 1e-30])
        )
    ),
    "no confidence in one chunk of two": one_video(
        Clip("c", 1, 1500, boxes=(Box(3, 1, confidence=0.5), Box(1200, 1)))
    ),
    "no confidence at all": one_clip(Box(0, 1), Box(1, 1)),
    "numbers in all forms": one_clip(
        Box(0, 1, "1e3", "-0.5", "2", "0"),
        Box(1, 1, 1e16, -1e-7, 5e-324, 1e30),
        Box(2, 1, 16777217, 0.1, 1, 0.2),
        Box(3, 1, "0.1000000000000000055511151231257827", "1E+2", 0, 0),
    ),
    "frame attribute": one_clip(
        Box(3, 1), style=FileStyle(frame_source="attribute", image="{shifted}.png")
    ),
    "frame attribute, names without digits": one_clip(
        Box(3, 1), Box(4, 1), style=FileStyle(frame_source="attribute", image="{letters}.png")
    ),
    "frame attribute in some rows": one_clip(
        Box(3, 1), Box(4, 1), Box(5, 1), style=FileStyle(frame_source="some attributes")
    ),
    "digits in the extension": one_clip(Box(3, 1), style=FileStyle(image="f{frame}_l.jp2")),
    "frame numbers of eight digits": one_video(
        Clip("c", 10_000_001, 10_000_009, boxes=(Box(0, 1), Box(8, 1))), frames="video"
    ),
    "frame regexp": one_video(
        Clip("c", 1, 9, boxes=(Box(6, 1),), style=FileStyle(image="f{frame}_cam{shifted}.png")),
        frame_regexp=r"f(\d+)_cam",
    ),
    "CRLF, BOM and #filename": one_clip(
        Box(0, 1, confidence=0.5),
        style=FileStyle(newline="\r\n", bom=True, hash_filename=True, quote_all=True),
    ),
    "no newline at the end": one_clip(Box(0, 1), style=FileStyle(trailing_newline=False)),
    "a bare header without newline": one_clip(style=FileStyle(trailing_newline=False, bom=True)),
    "further attributes": one_clip(
        Box(0, 1, 1.5, "2"), style=FileStyle(further_attributes=True, compact_json=False)
    ),
    "ids that are prefixes": Experiment(
        (
            Video("A-1", (Clip("Loop", 1, 2, boxes=crowd(1)), Clip("Loop_tracks", 3, 4))),
            Video("A", (Clip("Loop", 1, 3, boxes=crowd(2)), Clip("1-Loop0", 1, 2))),
            Video("A-1-Loop", (Clip("0", 1, 4, boxes=crowd(3)),)),
        )
    ),
    "spaces and Unicode": Experiment(
        (
            Video("🦀 two words", (Clip("é 1", 1, 2, boxes=crowd(1)),), extension=".MOV"),
            Video("\uff5e, 'x' [1]%*?", (Clip("ß", 1, 2, boxes=crowd(2)),), extension=".Mp4"),
            Video("a;b#c?d%20&=~", (Clip("e;f#g?h", 1, 2, boxes=crowd(1)),)),
        )
    ),
    "files in folders": one_video(
        Clip("a", 1, 2, boxes=crowd(1), folder="day 2"),
        Clip("b", 1, 2, folder="day 1/é"),
        Clip("c", 1, 2),
        pattern="**/*.csv",
    ),
    "metadata among the tracks": one_video(Clip("a", 1, 2), metadata_in_tracks_dir=True),
    "rows of clips without a file": Experiment(
        (
            Video("v", (Clip("a", 1, 9, has_file=False), Clip("b", 1, 2, boxes=crowd(1)))),
            Video("w", (Clip("a", 1, 9, has_file=False),)),
        )
    ),
    "escapes": one_video(
        Clip("a", 11, 13, escape=10, escape_type="TRIGGERED"),
        Clip("b", 11, 13, escape=12, escape_type=""),
        Clip("c", 11, 14, escape=None, escape_type="spontaneous"),
        Clip("d", 11, 12, escape=11, escape_type="Äußerst", integral_floats=True, empty="NA"),
    ),
}


@pytest.mark.parametrize("experiment", CASES.values(), ids=CASES.keys())
def test_experiments_by_hand(experiment: Experiment, tmp_path: Path) -> None:
    store, expected = convert(experiment, tmp_path)
    assert_store_equals(store, expected)
    assert_verified(store)


@pytest.mark.parametrize("seconds", [False, True])
@pytest.mark.parametrize(
    "case",
    [
        "no boxes in one clip of two",
        "escapes",
        "ids that are prefixes",
        "spaces and Unicode",
        "files in folders",
    ],
)
def test_load_clip(case: str, seconds: bool, tmp_path: Path) -> None:
    store, expected = convert(CASES[case], tmp_path)
    for video, wanted in expected.items():
        for clip in range(wanted.variables["clip_id"].values.size):
            check_clip(store, video, clip, wanted, seconds=seconds)


def check_clip(store: Path, video: str, clip: int, wanted: ExpectedVideo, *, seconds: bool) -> None:
    """Hold one loaded clip against its part of the video."""
    values = {name: variable.values for name, variable in wanted.variables.items()}
    clip_id = str(values["clip_id"][clip])
    dataset = tz.load_clip(store, video, clip_id, seconds=seconds)
    n_frames = values["clip_n_frames"][clip]
    n_individuals = values["clip_n_individuals"][clip]

    for name in ("position", "shape", "confidence"):
        assert not dataset[name].variable._in_memory, name
    assert dataset["position"].dims == ("time", "space", "individual")
    assert dataset["confidence"].dims == ("time", "individual")
    for name in ("position", "shape", "confidence"):
        trimmed = values[name][clip, :n_frames, ..., :n_individuals]
        assert_array_exact(dataset[name].values, trimmed, name)
    escape_state = values["escape_state"][clip, :n_frames]
    assert_array_exact(dataset["escape_state"].values, escape_state)
    for name in ("individual", "space", "clip_id", "clip_escape_type"):
        assert dataset[name].dtype.kind == "U", name
    assert dataset["individual"].values.tolist() == values["individual"][:n_individuals].tolist()
    assert dataset["track_id"].values.tolist() == values["track_id"][clip, :n_individuals].tolist()
    assert dataset["clip_id"].dims == ()
    assert dataset["clip_id"].item() == clip_id

    frames = np.arange(n_frames)
    time = frames / wanted.attrs["fps"] if seconds else frames
    np.testing.assert_array_equal(dataset["time"].values, time)
    assert dataset.attrs["time_unit"] == ("seconds" if seconds else "frames")
    assert dataset.attrs["fps"] == wanted.attrs["fps"]
    assert dataset.attrs["source_file"] == wanted.attrs["source_file"][clip]
    assert dataset.attrs["ds_type"] == "bboxes"
