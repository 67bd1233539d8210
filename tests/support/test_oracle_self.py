"""The oracle and the experiments prove themselves before they judge the package."""

import json
import math
import tempfile
import warnings
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from support.experiments import (
    ABSENT,
    Box,
    Clip,
    Experiment,
    FileStyle,
    Video,
    experiments,
    is_safe_name,
)
from support.oracle import (
    ExpectedVideo,
    Frames,
    Variable,
    assert_array_exact,
    assert_store_equals,
    expected_videos,
)

SAMPLE = Path(__file__).parents[2] / "examples" / "crab-loops"
NAN = math.nan

TRACKS = """\
#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\r
frame_00000003.png,1,{},1,0,"{""name"":""rect"",""x"":1,""y"":2.5,""width"":3,""height"":""4""}","{""track"":""70"",""confidence"":0.5}"\r
frame_00000001.png,1,{},0,0,{},{}\r
frame_00000003.png,1,{},1,0,"{""name"":""rect"",""x"":0.1,""y"":-10,""width"":0.2,""height"":0}","{""track"":9,""confidence"":""0.25""}"\r
frame_00000000.png,1,{},1,0,"{""name"":""rect"",""x"":16777217,""y"":0,""width"":1,""height"":2}","{""track"":""9.0""}"\r
"""
EMPTY_TRACKS = TRACKS.partition("\r\n")[0]
METADATA = """\
loop_clip_name,fps,video_name,loop_START_frame_ffmpeg,loop_END_frame_ffmpeg,escape_START_frame_0_based_idx,escape_type,note
v-b.mp4,25,v.MOV,11,15.0,12.0,Triggered,"a, b"
v-a.mp4,25.0,v.MOV,101,103,NaN,spontaneous,
v-c.mp4,25.0,v.MOV,104,105,NA,,
w-a.mp4,30,w.mov,1,2,,,
"""


@pytest.fixture
def by_hand(tmp_path: Path) -> ExpectedVideo:
    """A clip of five frames and two individuals, and one of three frames without boxes."""
    (tmp_path / "v-b_tracks.csv").write_bytes(TRACKS.encode("utf-8-sig"))
    (tmp_path / "v-a_tracks.csv").write_bytes(EMPTY_TRACKS.encode())
    metadata = tmp_path / "metadata.csv"
    metadata.write_text(METADATA)
    videos = expected_videos(tmp_path, metadata)
    assert list(videos) == ["v"]
    return videos["v"]


class TestByHand:
    def test_position(self, by_hand: ExpectedVideo) -> None:
        position = by_hand.variables["position"]
        assert position.dims == ("clip_id", "time", "space", "individual")
        assert position.attrs == {"units": "pixels"}
        expected = np.full((2, 5, 2, 2), NAN, np.float32)
        expected[1, 0, :, 0] = [16777216, 1]  # the corner is rounded before half a pixel is added
        # 0.1 and 0.2 as float32 and their sum, to more digits than float32 has
        expected[1, 3, :, 0] = [0.20000000298023224, -10]
        expected[1, 3, :, 1] = [2.5, 4.5]
        assert_array_exact(position.values, expected)

    def test_shape_and_confidence(self, by_hand: ExpectedVideo) -> None:
        shape = np.full((2, 5, 2, 2), NAN, np.float32)
        shape[1, 0, :, 0] = [1, 2]
        shape[1, 3, :, 0] = [0.2, 0]
        shape[1, 3, :, 1] = [3, 4]
        assert_array_exact(by_hand.variables["shape"].values, shape)
        confidence = np.full((2, 5, 2), NAN, np.float32)
        confidence[1, 3] = [0.25, 0.5]
        assert_array_exact(by_hand.variables["confidence"].values, confidence)

    def test_escape(self, by_hand: ExpectedVideo) -> None:
        state = np.array([[0, 0, 0, NAN, NAN], [0, 0, 1, 1, 1]], np.float32)
        assert_array_exact(by_hand.variables["escape_state"].values, state)

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("clip_id", ["a", "b"]),
            ("time", [0, 1, 2, 3, 4]),
            ("space", ["x", "y"]),
            ("individual", ["id_00000", "id_00001"]),
            ("clip_first_frame_0idx", [100, 10]),
            ("clip_last_frame_0idx", [102, 14]),
            ("clip_escape_first_frame_0idx", [-1, 12]),
            ("clip_escape_type", ["none", "triggered"]),
            ("clip_n_frames", [3, 5]),
            ("clip_n_individuals", [0, 2]),
            ("track_id", [[-1, -1], [9, 70]]),
            ("track_first_frame", [[-1, -1], [0, 3]]),
            ("track_last_frame", [[-1, -1], [3, 3]]),
            ("track_n_boxes", [[0, 0], [2, 1]]),
        ],
    )
    def test_coordinates(
        self, by_hand: ExpectedVideo, name: str, values: list[int] | list[str]
    ) -> None:
        found = by_hand.variables[name].values
        assert found.tolist() == values
        assert found.dtype.kind in "iU"

    def test_attributes(self, by_hand: ExpectedVideo) -> None:
        assert by_hand.attrs == {
            "video_id": "v",
            "fps": 25.0,
            "ds_type": "bboxes",
            "time_unit": "frames",
            "source_software": "VIA-tracks",
            "source_file": ["v-a_tracks.csv", "v-b_tracks.csv"],
            "tracks2zarr_schema": 2,
        }


@pytest.fixture(scope="module")
def videos() -> dict[str, ExpectedVideo]:
    """Return what a store of the sample experiment must hold."""
    return expected_videos(SAMPLE / "tracks", SAMPLE / "loop-frames-ffmpeg.csv")


class TestSample:
    def test_videos_and_clips(self, videos: dict[str, ExpectedVideo]) -> None:
        clips = {video: videos[video].variables["clip_id"].values.tolist() for video in videos}
        assert clips == {
            "04.09.2023-01-Right": ["Loop00", "Loop01", "Loop02"],
            "06.09.2023-02-Left": ["Loop00", "Loop01"],
        }

    def test_frames_without_boxes_are_nan(self, videos: dict[str, ExpectedVideo]) -> None:
        position = videos["04.09.2023-01-Right"].variables["position"].values
        assert position.shape == (3, 96, 2, 123)
        with_boxes = ~np.isnan(position[:, :, 0]).all(axis=2)
        assert np.flatnonzero(~with_boxes[0]).tolist() == [*range(8), *range(49, 96)]
        assert np.flatnonzero(~with_boxes[1]).tolist() == [*range(17, 37), *range(51, 96)]
        assert with_boxes[2].all()

    def test_first_box(self, videos: dict[str, ExpectedVideo]) -> None:
        variables = videos["04.09.2023-01-Right"].variables
        i = variables["track_id"].values[0].tolist().index(23)
        assert variables["individual"].values[i] == f"id_{i:05d}"
        assert variables["shape"].values[0, 8, :, i].tolist() == [32, 17]
        expected = np.array([1519.83879899263, 755.6823820561458])
        np.testing.assert_allclose(variables["position"].values[0, 8, :, i], expected, rtol=1e-6)
        assert variables["confidence"].values[0, 8, i] == np.float32(0.46582525968551636)

    def test_escape(self, videos: dict[str, ExpectedVideo]) -> None:
        variables = videos["04.09.2023-01-Right"].variables
        # The clip is frames 1200 to 1248 of the video, counted from 0; the escape is at 1240.
        state = variables["escape_state"].values[0]
        assert state[:40].tolist() == [0] * 40
        assert state[40:49].tolist() == [1] * 9
        assert np.isnan(state[49:]).all()
        assert variables["clip_escape_type"].values.tolist() == [
            "spontaneous",
            "triggered",
            "spontaneous",
        ]

    def test_extents(self, videos: dict[str, ExpectedVideo]) -> None:
        variables = videos["06.09.2023-02-Left"].variables
        assert variables["clip_n_frames"].values.tolist() == [42, 52]
        assert variables["clip_n_individuals"].values.tolist() == [71, 126]
        assert variables["clip_first_frame_0idx"].values.tolist() == [1200, 1242]


def one_clip(
    *boxes: Box, style: FileStyle | None = None, empty_rows: tuple[int, ...] = ()
) -> Experiment:
    clip = Clip("c", 11, 20, boxes=boxes, empty_rows=empty_rows, style=style or FileStyle())
    return Experiment((Video("v", (clip,)),))


def expected_of(experiment: Experiment, folder: Path) -> ExpectedVideo:
    tracks_dir, metadata_csv = experiment.write(folder)
    videos = expected_videos(tracks_dir, metadata_csv, **experiment.plan_options)
    (video,) = videos.values()
    return video


class TestFileForms:
    @pytest.mark.parametrize("track", [7, 7.0, "7", "7.0"])
    def test_tracks(self, tmp_path: Path, track: float | str) -> None:
        video = expected_of(one_clip(Box(0, track)), tmp_path)
        assert video.variables["track_id"].values.tolist() == [[7]]

    def test_largest_track(self, tmp_path: Path) -> None:
        video = expected_of(one_clip(Box(0, 2**63 - 1), Box(0, str(2**63 - 2))), tmp_path)
        assert video.variables["track_id"].values.tolist() == [[2**63 - 2, 2**63 - 1]]

    @pytest.mark.parametrize("confidence", [ABSENT, None, NAN, "NaN"])
    def test_no_confidence(self, tmp_path: Path, confidence: float | str | None) -> None:
        box = Box(0, 1, confidence=confidence)
        video = expected_of(one_clip(box), tmp_path)
        assert np.isnan(video.variables["confidence"].values).all()

    @pytest.mark.parametrize(
        ("style", "frame_regexp"),
        [
            (FileStyle(), None),
            (FileStyle(image="{frame}.png"), None),
            (FileStyle(image="cam3_{frame}_left.jp2"), None),
            (FileStyle(frame_source="attribute", image="{letters}.png"), None),
            (FileStyle(frame_source="attribute", image="{shifted}.png"), None),
            (FileStyle(frame_source="some attributes"), None),
            (FileStyle(frame_source="attribute", image="{frame}_{shifted}"), r"(\d+)_"),
            (FileStyle(newline="\r\n", bom=True, hash_filename=True, quote_all=True), None),
            (FileStyle(trailing_newline=False, shuffle_seed=3, reversed_keys=True), None),
            (FileStyle(compact_json=False, further_attributes=True), None),
        ],
    )
    @pytest.mark.parametrize("frames", ["clip", "video"])
    def test_frames(
        self, tmp_path: Path, style: FileStyle, frame_regexp: str | None, frames: Frames
    ) -> None:
        experiment = replace(
            one_clip(Box(4, 5), Box(2, 5), Box(2, 6), style=style, empty_rows=(0, 9)),
            frame_regexp=frame_regexp,
            frames=frames,
        )
        position = expected_of(experiment, tmp_path).variables["position"].values
        assert position.shape == (1, 10, 2, 2)
        assert np.argwhere(~np.isnan(position[0, :, 0])).tolist() == [[2, 0], [2, 1], [4, 0]]

    def test_older_dimension_name(self, tmp_path: Path) -> None:
        tracks_dir, metadata_csv = one_clip(Box(0, 1)).write(tmp_path)
        video = expected_videos(tracks_dir, metadata_csv, individual_dim="individuals")["v"]
        assert "individual" not in video.variables
        assert video.variables["individuals"].dims == ("individuals",)
        assert video.variables["track_id"].dims == ("clip_id", "individuals")

    def test_ids_have_one_width(self, tmp_path: Path) -> None:
        experiment = one_clip(*(Box(0, 5 * i) for i in range(11)))
        names = expected_of(experiment, tmp_path).variables["individual"].values
        assert names.tolist() == [f"id_{i:05d}" for i in range(11)]


@given(experiments())
def test_random_experiments_are_read_as_they_were_meant(experiment: Experiment) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tracks_dir, metadata_csv = experiment.write(Path(folder))
        longest = max(len(p.name.encode()) for p in tracks_dir.rglob("*"))
        found = expected_videos(tracks_dir, metadata_csv, **experiment.plan_options)
    assert longest <= 200
    drawn = {video.id: video for video in experiment.videos}
    assert all(map(is_safe_name, drawn))
    assert set(found) == {
        video.id for video in experiment.videos if any(clip.has_file for clip in video.clips)
    }
    for video, expected in found.items():
        clips = sorted((c for c in drawn[video].clips if c.has_file), key=lambda c: c.id)
        assert expected.variables["clip_id"].values.tolist() == [clip.id for clip in clips]
        for i, clip in enumerate(clips):
            assert boxes_of(expected, i) == {
                (box.frame, int(Decimal(box.track))): float(np.float32(float(box.width)))
                for box in clip.boxes
            }


def boxes_of(video: ExpectedVideo, clip: int) -> dict[tuple[int, int], float]:
    widths = video.variables["shape"].values[clip, :, 0, :]
    tracks = video.variables["track_id"].values[clip]
    return {
        (int(frame), int(tracks[i])): float(widths[frame, i])
        for frame, i in np.argwhere(~np.isnan(widths))
    }


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, dict[str, ExpectedVideo]]:
    """A store written by zarr-python alone, as the oracle wants it."""
    experiment = one_clip(Box(0, 3, 1, 2, 3, 4, 0.5), Box(4, 1, 5, 6, 7, 8))
    tracks_dir, metadata_csv = experiment.write(tmp_path / "in")
    expected = expected_videos(tracks_dir, metadata_csv)
    store = tmp_path / "out.zarr"
    write_store(store, expected)
    return store, expected


def write_store(store: Path, expected: dict[str, ExpectedVideo]) -> None:
    import zarr

    root = zarr.open_group(store, mode="w", zarr_format=3)
    for video, wanted in expected.items():
        group = root.create_group(video, attributes=dict(wanted.attrs))
        for name, variable in wanted.variables.items():
            write_array(group, name, variable, wanted)
    with warnings.catch_warnings(action="ignore"):
        zarr.consolidate_metadata(store)


def write_array(group: object, name: str, variable: Variable, video: ExpectedVideo) -> None:
    import zarr
    from zarr.codecs import ZstdCodec

    assert isinstance(group, zarr.Group)
    attrs: dict[str, Any] = {"long_name": name, **variable.attrs}
    if variable.values.dtype.kind == "f":
        coordinates = (
            other
            for other, coordinate in video.variables.items()
            if other not in coordinate.dims and set(coordinate.dims) <= set(variable.dims)
        )
        attrs["coordinates"] = " ".join(
            other
            for other in coordinates
            if other not in {"position", "shape", "confidence", "escape_state"}
        )
    array = group.create_array(
        name,
        shape=variable.values.shape,
        dtype=variable.values.dtype,
        compressors=[ZstdCodec(level=1, checksum=True)],
        dimension_names=variable.dims,
        fill_value=NAN if variable.values.dtype.kind == "f" else None,
        attributes=attrs,
    )
    array[...] = variable.values


class TestStoreCheck:
    """`assert_store_equals` accepts a right store and refuses each kind of wrong one."""

    def test_right(self, written: tuple[Path, dict[str, ExpectedVideo]]) -> None:
        assert_store_equals(*written)

    def test_value(self, written: tuple[Path, dict[str, ExpectedVideo]]) -> None:
        import zarr

        store, expected = written
        array = zarr.open_array(store / "v" / "confidence", mode="r+")
        array[0, 0, 1] = np.nextafter(np.float32(0.5), np.float32(1))
        with pytest.raises(AssertionError, match="v/confidence"):
            assert_store_equals(store, expected)

    def test_value_in_place_of_nan(self, written: tuple[Path, dict[str, ExpectedVideo]]) -> None:
        import zarr

        store, expected = written
        array = zarr.open_array(store / "v" / "escape_state", mode="r+")
        array[0, 9] = NAN
        with pytest.raises(AssertionError, match="v/escape_state"):
            assert_store_equals(store, expected)

    @pytest.mark.parametrize(
        ("file", "old", "new"),
        [
            ("v/zarr.json", '"fps": 59.94', '"fps": 60'),
            ("v/position/zarr.json", '"units": "pixels"', '"units": "mm"'),
            ("v/time/zarr.json", '"long_name": "time"', '"long_name": ""'),
            ("v/shape/zarr.json", '"clip_id"', '"clip"'),
        ],
    )
    def test_metadata(
        self, written: tuple[Path, dict[str, ExpectedVideo]], file: str, old: str, new: str
    ) -> None:
        store, expected = written
        text = json.dumps(json.loads((store / file).read_text()))
        assert old in text
        (store / file).write_text(text.replace(old, new))
        with pytest.raises(AssertionError):
            assert_store_equals(store, expected)

    def test_folder_too_many(self, written: tuple[Path, dict[str, ExpectedVideo]]) -> None:
        store, expected = written
        (store / "logs").mkdir()
        assert_store_equals(store, expected)
        (store / "x").mkdir()
        with pytest.raises(AssertionError):
            assert_store_equals(store, expected)

    def test_video_missing_from_consolidated_metadata(
        self, written: tuple[Path, dict[str, ExpectedVideo]]
    ) -> None:
        store, expected = written
        root = json.loads((store / "zarr.json").read_bytes())
        root["consolidated_metadata"]["metadata"] = {}
        (store / "zarr.json").write_text(json.dumps(root))
        with pytest.raises(AssertionError):
            assert_store_equals(store, expected)
