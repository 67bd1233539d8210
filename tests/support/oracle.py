"""What a store must hold, worked out by plain loops over the csv module and json.

Nothing here is shared with the package: no code, no parser, no library but numpy. The arrays are
filled one box at a time, so that each line can be held against the format's description.
"""

import csv
import json
import math
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

type Array = npt.NDArray[Any]
type Frames = Literal["clip", "video"]

DATA_VARIABLES = {"position", "shape", "confidence", "escape_state"}
NOT_GROUPS = {"zarr.json", ".tracks2zarr", "logs", "logs_failed"}
EMPTY = {"", "NaN", "NA"}


@dataclass(frozen=True)
class Variable:
    """An array, its dimensions and the attributes that it must have (others it may have)."""

    dims: tuple[str, ...]
    values: Array
    attrs: Mapping[str, str]

    @property
    def zarr_type(self) -> object:
        """The data type in the array's ``zarr.json``."""
        if self.values.dtype.kind != "U":
            return self.values.dtype.name
        longest = max((len(text) for text in self.values.tolist()), default=1)
        length = {"length_bytes": 4 * longest}  # UTF-32
        return {"name": "fixed_length_utf32", "configuration": length}


@dataclass(frozen=True)
class ExpectedVideo:
    """The group of one video."""

    variables: Mapping[str, Variable]
    attrs: Mapping[str, Any]


@dataclass(frozen=True)
class _Row:
    video: str
    clip: str
    fps: float
    first: int
    last: int
    escape: int
    escape_type: str

    @property
    def n_frames(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class _Box:
    frame: int
    track: int
    position: tuple[np.float32, np.float32]
    shape: tuple[np.float32, np.float32]
    confidence: np.float32


@dataclass(frozen=True)
class _Clip:
    row: _Row
    source: str
    boxes: list[_Box]
    tracks: list[int]


def expected_videos(
    tracks_dir: Path,
    metadata_csv: Path,
    *,
    pattern: str = "*.csv",
    frames: Frames = "clip",
    frame_regexp: str | None = None,
    individual_dim: str = "individual",
) -> dict[str, ExpectedVideo]:
    """Read an experiment from disk and say what the store must hold, a group a video."""
    rows = _metadata_rows(metadata_csv)
    videos: dict[str, list[_Clip]] = {}
    for path in tracks_dir.glob(pattern):
        if path.samefile(metadata_csv):
            continue
        stem = path.name.removesuffix(".csv")
        assert stem.endswith("_tracks"), path
        row = rows[stem.removesuffix("_tracks")]
        boxes = _boxes(path, row.first if frames == "video" else 0, frame_regexp)
        assert all(0 <= box.frame < row.n_frames for box in boxes), path
        assert len({(box.frame, box.track) for box in boxes}) == len(boxes), path
        tracks = sorted({box.track for box in boxes})
        source = path.relative_to(tracks_dir).as_posix()
        videos.setdefault(row.video, []).append(_Clip(row, source, boxes, tracks))
    return {
        video: _expected_video(sorted(videos[video], key=lambda c: c.row.clip), individual_dim)
        for video in sorted(videos)
    }


def _metadata_rows(metadata_csv: Path) -> dict[str, _Row]:
    """Return the rows by the stem of their clip's file name."""

    def integer(text: str) -> int:
        assert Decimal(text) == int(Decimal(text)), text
        return int(Decimal(text))

    rows = {}
    with metadata_csv.open(newline="", encoding="utf-8-sig") as file:
        for cells in csv.DictReader(file):
            video = cells["video_name"].rpartition(".")[0]
            stem = cells["loop_clip_name"].rpartition(".")[0]
            assert stem.startswith(f"{video}-"), stem
            assert stem not in rows, stem
            escape, escape_type = -1, "none"
            if cells["escape_START_frame_0_based_idx"] not in EMPTY:
                escape = integer(cells["escape_START_frame_0_based_idx"])
                escape_type = "unknown"
                if cells["escape_type"] not in EMPTY:
                    escape_type = cells["escape_type"].lower()
            rows[stem] = _Row(
                video=video,
                clip=stem.removeprefix(f"{video}-"),
                fps=float(cells["fps"]),
                first=integer(cells["loop_START_frame_ffmpeg"]) - 1,
                last=integer(cells["loop_END_frame_ffmpeg"]) - 1,
                escape=escape,
                escape_type=escape_type,
            )
    return rows


def _boxes(path: Path, first_frame: int, frame_regexp: str | None) -> list[_Box]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header = [name.removeprefix("#") for name in next(reader)]
        rows = [dict(zip(header, cells, strict=True)) for cells in reader]
    attributes = [json.loads(row["file_attributes"]) for row in rows]
    all_have_frame = all("frame" in values for values in attributes)
    boxes = []
    for row, values in zip(rows, attributes, strict=True):
        if frame_regexp is not None:
            match = re.search(frame_regexp, row["filename"])
            assert match, row["filename"]
            frame = int(match.group(1))
        elif all_have_frame:
            frame = values["frame"]
        else:
            frame = int(re.findall(r"[0-9]+", PurePosixPath(row["filename"]).stem)[-1])
        region = json.loads(row["region_attributes"])
        shape = json.loads(row["region_shape_attributes"])
        if row["region_count"] == "0":
            assert region == shape == {}, row
            continue
        assert shape["name"] == "rect", row
        x, y, width, height = (_float32(shape[key]) for key in ("x", "y", "width", "height"))
        assert np.isfinite([x, y, width, height]).all(), row
        assert width >= 0, row
        assert height >= 0, row
        half = np.float32(2)
        boxes.append(
            _Box(
                frame=frame - first_frame,
                track=_track(region["track"]),
                position=(x + width / half, y + height / half),
                shape=(width, height),
                confidence=_float32(region.get("confidence")),
            )
        )
    return boxes


def _float32(value: float | str | None) -> np.float32:
    return np.float32("nan") if value is None else np.float32(float(value))


def _track(value: float | str) -> int:
    number = Decimal(value)
    assert number == int(number), value
    assert 0 <= number < 2**63, value
    return int(number)


def _expected_video(clips: list[_Clip], individual_dim: str) -> ExpectedVideo:
    rows = [clip.row for clip in clips]
    assert len({row.fps for row in rows}) == 1
    n_time = max(row.n_frames for row in rows)
    n_individuals = max(len(clip.tracks) for clip in clips)
    position = np.full((len(clips), n_time, 2, n_individuals), np.nan, np.float32)
    shape = np.full((len(clips), n_time, 2, n_individuals), np.nan, np.float32)
    confidence = np.full((len(clips), n_time, n_individuals), np.nan, np.float32)
    escape_state = np.full((len(clips), n_time), np.nan, np.float32)
    track_id = np.full((len(clips), n_individuals), -1, np.int64)
    first_frame, last_frame = track_id.copy(), track_id.copy()
    n_boxes = np.zeros_like(track_id)
    for c, clip in enumerate(clips):
        for time in range(clip.row.n_frames):
            escaped = clip.row.escape >= 0 and clip.row.first + time >= clip.row.escape
            escape_state[c, time] = 1 if escaped else 0
        for i, track in enumerate(clip.tracks):
            track_id[c, i] = track
            its_frames = [box.frame for box in clip.boxes if box.track == track]
            first_frame[c, i], last_frame[c, i] = min(its_frames), max(its_frames)
            n_boxes[c, i] = len(its_frames)
        for box in clip.boxes:
            i = clip.tracks.index(box.track)
            position[c, box.frame, :, i] = box.position
            shape[c, box.frame, :, i] = box.shape
            confidence[c, box.frame, i] = box.confidence
    pixels = {"units": "pixels"}

    def per_clip(values: Iterable[int | str]) -> Variable:
        array = np.array(list(values))
        return Variable(("clip_id",), array, {})

    variables = {
        "position": Variable(("clip_id", "time", "space", individual_dim), position, pixels),
        "shape": Variable(("clip_id", "time", "space", individual_dim), shape, pixels),
        "confidence": Variable(("clip_id", "time", individual_dim), confidence, {}),
        "escape_state": Variable(("clip_id", "time"), escape_state, {}),
        "clip_id": per_clip(row.clip for row in rows),
        "time": Variable(("time",), np.arange(n_time, dtype=np.int64), {}),
        "space": Variable(("space",), np.array(["x", "y"]), {}),
        individual_dim: Variable(
            (individual_dim,),
            np.array([f"id_{i:05d}" for i in range(n_individuals)], dtype=np.str_),
            {},
        ),
        "clip_first_frame_0idx": per_clip(row.first for row in rows),
        "clip_last_frame_0idx": per_clip(row.last for row in rows),
        "clip_escape_first_frame_0idx": per_clip(row.escape for row in rows),
        "clip_escape_type": per_clip(row.escape_type for row in rows),
        "clip_n_frames": per_clip(row.n_frames for row in rows),
        "clip_n_individuals": per_clip(len(clip.tracks) for clip in clips),
        "track_id": Variable(("clip_id", individual_dim), track_id, {}),
        "track_first_frame": Variable(("clip_id", individual_dim), first_frame, {}),
        "track_last_frame": Variable(("clip_id", individual_dim), last_frame, {}),
        "track_n_boxes": Variable(("clip_id", individual_dim), n_boxes, {}),
    }
    attrs = {
        "video_id": rows[0].video,
        "fps": rows[0].fps,
        "ds_type": "bboxes",
        "time_unit": "frames",
        "source_software": "VIA-tracks",
        "source_file": [unicodedata.normalize("NFC", clip.source) for clip in clips],
        "tracks2zarr_schema": 2,
    }
    return ExpectedVideo(variables, attrs)


def assert_store_equals(store: Path, expected: Mapping[str, ExpectedVideo]) -> None:
    """Hold a finished store against what is expected, through xarray, zarr and bare JSON."""
    folders = {path.name for path in store.iterdir()} - NOT_GROUPS
    assert folders == set(expected)
    _check_consolidated_metadata(store, expected)
    _check_with_xarray(store, expected)
    _check_with_zarr(store, expected)


def _check_consolidated_metadata(store: Path, expected: Mapping[str, ExpectedVideo]) -> None:
    root = json.loads((store / "zarr.json").read_bytes())
    assert root["zarr_format"] == 3
    assert root["node_type"] == "group"
    listed = set(root["consolidated_metadata"]["metadata"])
    arrays = {f"{video}/{name}" for video in expected for name in expected[video].variables}
    assert listed == set(expected) | arrays


def _check_with_xarray(store: Path, expected: Mapping[str, ExpectedVideo]) -> None:
    import xarray as xr

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # of what earlier tests left behind
        tree = xr.open_datatree(store, engine="zarr", chunks={})
        try:
            assert not tree.dataset.variables
            assert set(tree.children) == set(expected)
            assert len(list(tree.subtree)) == 1 + len(expected)
            for video, wanted in expected.items():
                dataset = tree.children[video].to_dataset()
                _check_dataset(dataset, wanted, video)
        finally:
            tree.close()


def _check_dataset(dataset: Any, expected: ExpectedVideo, video: str) -> None:
    assert set(dataset.data_vars) == DATA_VARIABLES, video
    assert set(dataset.coords) == set(expected.variables) - DATA_VARIABLES, video
    assert dict(dataset.attrs) == dict(expected.attrs), video
    for name, wanted in expected.variables.items():
        where = f"{video}/{name}"
        array = dataset[name]
        assert array.dims == wanted.dims, where
        _check_attrs(array.attrs, wanted, where)
        assert_array_exact(array.values, wanted.values, where)


def _check_with_zarr(store: Path, expected: Mapping[str, ExpectedVideo]) -> None:
    import zarr

    root = zarr.open_group(store, mode="r", use_consolidated=False)
    for video, wanted_video in expected.items():
        group = cast("zarr.Group", root[video])
        attrs = {key: value for key, value in group.attrs.items() if key != "coordinates"}
        assert attrs == dict(wanted_video.attrs), video
        names = {path.name for path in (store / video).iterdir()} - {"zarr.json"}
        assert names == set(wanted_video.variables), video
        for name, wanted in wanted_video.variables.items():
            where = f"{video}/{name}"
            array = cast("zarr.Array[Any]", group[name])
            _check_attrs(array.attrs, wanted, where)
            assert_array_exact(np.asarray(array[...]), wanted.values, where)
            _check_array_metadata(store / video / name, wanted, where)


def _check_array_metadata(folder: Path, expected: Variable, where: str) -> None:
    metadata = json.loads((folder / "zarr.json").read_bytes())
    assert metadata["zarr_format"] == 3, where
    assert metadata["data_type"] == expected.zarr_type, where
    assert tuple(metadata["dimension_names"]) == expected.dims, where
    assert tuple(metadata["shape"]) == expected.values.shape, where
    codecs = metadata["codecs"]
    if codecs[0]["name"] == "sharding_indexed":
        codecs = codecs[0]["configuration"]["codecs"]
    assert [codec["name"] for codec in codecs] == ["bytes", "zstd"], where
    assert codecs[1]["configuration"]["checksum"] is True, where
    if expected.zarr_type == "float32":
        assert metadata["fill_value"] == "NaN", where
        for region in _stored_regions(folder, metadata):
            assert not np.isnan(expected.values[region]).all(), f"{where}: only NaN in {region}"


def _stored_regions(folder: Path, metadata: Mapping[str, Any]) -> Iterator[tuple[slice, ...]]:
    """Yield where the chunks lie that are stored, by the files and by the indices of shards."""
    outer = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    codec = metadata["codecs"][0]
    is_sharded = codec["name"] == "sharding_indexed"
    inner = codec["configuration"]["chunk_shape"] if is_sharded else outer
    grid = tuple(a // b for a, b in zip(outer, inner, strict=True))
    for path in folder.rglob("*"):
        if path.name == "zarr.json" or path.is_dir():
            continue
        shard = [int(part) for part in path.relative_to(folder / "c").parts]
        stored: list[int] = [0]
        if is_sharded:
            # Offset and length of each chunk, all bits set where it is absent, and a checksum.
            index = np.frombuffer(path.read_bytes()[-16 * math.prod(grid) - 4 : -4], "<u8")
            stored = np.flatnonzero(index[::2] != 2**64 - 1).tolist()
            assert stored, path
        for number in stored:
            starts = [
                s * a + int(i) * b
                for s, a, i, b in zip(
                    shard, outer, np.unravel_index(number, grid), inner, strict=True
                )
            ]
            yield tuple(
                slice(start, start + length) for start, length in zip(starts, inner, strict=True)
            )


def _check_attrs(attrs: Mapping[str, Any], expected: Variable, where: str) -> None:
    assert isinstance(attrs.get("long_name"), str), where
    assert attrs["long_name"].strip(), where
    for key, value in expected.attrs.items():
        assert attrs.get(key) == value, f"{where}: {key}"


def assert_array_exact(found: Array, expected: Array, where: str = "") -> None:
    """Same shape, same type (texts of any width), same values bit for bit."""
    assert found.shape == expected.shape, where
    if expected.dtype.kind == "U":
        assert found.dtype.kind == "U", where
        assert [str(text) for text in found.flat] == expected.ravel().tolist(), where
        return
    assert found.dtype == expected.dtype, where
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected, where)
        return
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), nan, where)
    # As integers, so that 0.0 and -0.0 differ.
    np.testing.assert_array_equal(found[~nan].view(np.int32), expected[~nan].view(np.int32), where)
