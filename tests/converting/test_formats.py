"""Each format of tracks files goes the whole way: recognised, converted, verified, resumed."""

import gzip
import json
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zstandard
from movement.io import load_bboxes

import tracks2zarr as tz
from support.sample import SAMPLE
from support.tracks_writers import WRITERS
from tracks2zarr.tracks.format_checks import TrackBox

VIDEO = "04.09.2023-01-Right"
CLIPS = {"Loop00": 12, "Loop01": 30}
METADATA = f"""video_name,clip_name,fps,first_frame,last_frame,site,depth
{VIDEO}.mov,{VIDEO}-Loop00.mp4,59.94,100,111,dune,1.5
{VIDEO}.mov,{VIDEO}-Loop01.mp4,59.94,200,229,beach,
"""
OTHERS = [name for name in WRITERS if name != "via"]
each_format = pytest.mark.parametrize("name", WRITERS)


def boxes_of(clip: str) -> list[TrackBox]:
    draw = random.Random(clip)
    places = draw.sample(range(CLIPS[clip] * 9), CLIPS[clip] * 4)
    return [
        TrackBox(
            frame=place // 9,
            track=place % 9 + 3,
            x=draw.randrange(4_000_000) / 1024,
            y=draw.randrange(2_000_000) / 1024,
            width=draw.randrange(90_000) / 1024,
            height=draw.randrange(90_000) / 1024,
            confidence=float(np.float32(draw.random())),
        )
        for place in sorted(places)
    ]


def write(name: str, folder: Path, clips: Sequence[str] = tuple(CLIPS)) -> tuple[Path, Path]:
    tracks, metadata = folder / "tracks", folder / "metadata.csv"
    tracks.mkdir(exist_ok=True)
    for clip in clips:
        WRITERS[name](tracks, f"{VIDEO}-{clip}", boxes_of(clip))
    metadata.write_text(METADATA)
    return tracks, metadata


def assert_holds(store: Path, clip: str) -> None:
    """Check every number of a clip against what was written, by plain numpy."""
    with tz.load_clip(store, VIDEO, clip) as found:
        tracks = found["track_id"].to_numpy()
        position = np.full(found["position"].shape, np.nan, np.float32)
        shape, sure = position.copy(), np.full(found["confidence"].shape, np.nan, np.float32)
        for box in boxes_of(clip):
            one = int(np.flatnonzero(tracks == box.track)[0])
            size = np.array((box.width, box.height), np.float32)
            corner = np.array((box.x, box.y), np.float32)
            position[box.frame, :, one] = corner + size / np.float32(2)
            shape[box.frame, :, one] = size
            sure[box.frame, one] = box.confidence
        np.testing.assert_array_equal(found["position"], position)
        np.testing.assert_array_equal(found["shape"], shape)
        np.testing.assert_array_equal(found["confidence"], sure)


@each_format
def test_a_format_is_recognised_converted_and_verified(name: str, tmp_path: Path) -> None:
    tracks, metadata = write(name, tmp_path)
    plan = tz.plan(tracks, metadata)
    assert [video.format for video in plan.videos] == [name]
    assert not plan.problems
    store = tmp_path / "a.zarr"
    assert tz.create(plan, store, workers=1).ok
    assert tz.verify(store, workers=1).ok
    for clip in CLIPS:
        assert_holds(store, clip)


@each_format
def test_a_change_of_a_file_is_found(name: str, tmp_path: Path) -> None:
    tracks, metadata = write(name, tmp_path)
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    again = tz.create(tz.plan(tracks, metadata), store, workers=1)
    assert [str(one.result) for one in again.outcomes] == ["skipped"]
    source = tracks / tz.plan(tracks, metadata).videos[0].clips[1].source
    changed = next(source.glob("*.csv")) if source.is_dir() else source
    content = bytearray(changed.read_bytes())
    content += b"\n" if name != "movement" else b"\0"
    changed.write_bytes(content)
    kinds = {problem.kind for one in tz.verify(store, workers=1).videos for problem in one.problems}
    assert "source-changed" in kinds


@each_format
def test_another_reader_proves_what_one_read(name: str, tmp_path: Path) -> None:
    tracks, metadata = write(name, tmp_path)
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    (receipt,) = (store / ".tracks2zarr/receipts").iterdir()
    readers = {clip["reader"] for clip in json.loads(receipt.read_text())["clips"]}
    assert readers <= {"compiled", "columns"}


@pytest.mark.parametrize("name", OTHERS)
def test_a_format_has_a_fingerprint_of_its_own(name: str, tmp_path: Path) -> None:
    tracks, metadata = write(name, tmp_path)
    assert tz.create(tz.plan(tracks, metadata), tmp_path / "a.zarr", workers=1).ok
    (tmp_path / "via").mkdir()
    others, metadata = write("via", tmp_path / "via")
    with pytest.raises(tz.Tracks2ZarrError, match=f"of the format {name}, and not via"):
        tz.create(tz.plan(others, metadata), tmp_path / "a.zarr", workers=1)


@pytest.mark.parametrize("name", OTHERS)
def test_a_clip_is_added_to_a_video(name: str, tmp_path: Path) -> None:
    tracks, metadata = write(name, tmp_path, ["Loop00"])
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    write(name, tmp_path, ["Loop01"])
    plan = tz.plan(tracks, metadata)
    assert tz.create(plan, store, store_mode="a", group_mode="a", workers=1).ok
    assert_holds(store, "Loop00")
    assert_holds(store, "Loop01")
    assert tz.verify(store, workers=1).ok


def test_the_format_can_be_named(tmp_path: Path) -> None:
    tracks, metadata = write("mot", tmp_path)
    (tracks / "notes.csv").write_text("a,b\n")
    for file in tracks.glob("*.txt"):
        file.rename(file.with_suffix(".csv"))
    plan = tz.plan(tracks, metadata, format="mot", pattern=f"{VIDEO}*.csv")
    assert plan.videos[0].format == "mot"
    with pytest.raises(tz.Tracks2ZarrError, match="There is no such format of tracks files"):
        tz.plan(tracks, metadata, format="sleap")


def test_ids_of_mot_stay_ids(tmp_path: Path) -> None:
    tracks, metadata = write("mot", tmp_path)
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    tz.export(store, tmp_path / "out", format="mot")
    assert tz.create(tz.plan(tmp_path / "out", metadata), tmp_path / "b.zarr", workers=1).ok
    for one, other in zip(tz.load_clips(store), tz.load_clips(tmp_path / "b.zarr"), strict=True):
        assert one.drop_attrs().identical(other.drop_attrs())


def test_the_benchmark_layout_of_mot(tmp_path: Path) -> None:
    tracks, metadata = write("mot", tmp_path)
    for file in list(tracks.glob("*.txt")):
        folder = tracks / file.stem / "gt"
        folder.mkdir(parents=True)
        rows = file.read_text().splitlines()
        # ground truth has the class and the visibility behind the flag
        flagged = [",".join([*row.split(",")[:6], "1", "1", "0.5"]) for row in rows]
        (folder / "gt.txt").write_text("\n".join(flagged))
        file.unlink()
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    assert tz.verify(store, workers=1).ok
    assert float(tz.load_clip(store, VIDEO, "Loop00")["confidence"].max()) == 1


def test_centroids_that_no_corner_gives_are_counted(tmp_path: Path) -> None:
    tracks, metadata = write("movement", tmp_path)
    path = next(tracks.glob("*Loop00.nc"))
    with xr.open_dataset(path) as found:
        odd = found.load().copy(deep=True)
    place = tuple(np.argwhere(np.isfinite(odd["confidence"].to_numpy()))[0])
    odd["position"].to_numpy()[place[0], :, place[1]] = 1e-8
    odd["shape"].to_numpy()[place[0], :, place[1]] = 80
    odd.to_netcdf(path, engine="h5netcdf")
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    assert tz.verify(store, workers=1).ok
    with tz.load_clip(store, VIDEO, "Loop00") as clip:
        assert np.float32(1e-8) in clip["position"].to_numpy()
    for name, count in {"via": 1, "mot": 1, "coco": 1, "parquet": 0, "movement": 0}.items():
        (video,) = tz.export(store, tmp_path / name, format=name)  # type: ignore[arg-type]
        assert [file.n_rounded for file in video.files] == [count, 0]
    assert "1 box rounded" in str(tz.export(store, tmp_path / "via")[0])


def test_poses_are_named(tmp_path: Path) -> None:
    tracks, metadata = write("via", tmp_path)
    (tracks / f"{VIDEO}-Loop00_tracks.csv").write_text(
        "scorer,DLC,DLC,DLC\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n0,1.0,2.0,0.9\n"
    )
    with pytest.raises(tz.Tracks2ZarrError, match="has poses, not boxes"):
        tz.plan(tracks, metadata)


@pytest.mark.parametrize("fps", [None, 59.94])
def test_what_movement_itself_writes(fps: float | None, tmp_path: Path) -> None:
    """With `fps`, movement counts time in seconds."""
    source = SAMPLE / "tracks" / f"{VIDEO}-Loop00_tracks.csv"
    loaded = load_bboxes.from_via_tracks_file(source, fps=fps, use_frame_numbers_from_file=True)
    tracks = tmp_path / "tracks"
    tracks.mkdir()
    loaded.to_netcdf(tracks / f"{VIDEO}-Loop00.nc", engine="h5netcdf")
    store, metadata = tmp_path / "a.zarr", SAMPLE / "loop-frames-ffmpeg.csv"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    assert tz.verify(store, workers=1).ok
    whole = tmp_path / "via.zarr"
    plan = tz.plan(SAMPLE / "tracks", metadata, pattern=source.name)
    assert tz.create(plan, whole, workers=1).ok
    ours, expected = (tz.load_clip(one, VIDEO, "Loop00") for one in (store, whole))
    for name in ("position", "shape", "confidence"):
        np.testing.assert_array_equal(ours[name], expected[name])
    np.testing.assert_array_equal(ours["track_id"], expected["track_id"])


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link"])
def test_what_is_no_file_in_a_folder_of_octron_is_named(kind: str, tmp_path: Path) -> None:
    tracks, metadata = write("octron", tmp_path)
    folder = next((tracks / "octron_predictions").iterdir())
    odd = folder / "crab_track_99.csv"
    make: dict[str, Callable[[], object]] = {
        "a folder": odd.mkdir,
        "a pipe": lambda: os.mkfifo(odd),
        "a link": lambda: odd.symlink_to("nowhere"),
    }
    make[kind]()
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.plan(tracks, metadata)
    assert str(odd) in str(raised.value)
    assert "--pattern" not in str(raised.value)
    odd.rename(folder / "other.csv")
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    assert tz.verify(store, workers=1).ok


@pytest.mark.parametrize("is_all", [True, False])
@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_tracks_of_octron_count(suffix: str, is_all: bool, tmp_path: Path) -> None:
    tracks, metadata = write("octron", tmp_path)
    for folder in (tracks / "octron_predictions").iterdir():
        for file in list(folder.glob("*.csv"))[: None if is_all else 1]:
            compress = gzip.compress if suffix == ".gz" else zstandard.compress
            file.with_name(f"{file.name}{suffix}").write_bytes(compress(file.read_bytes()))
            file.unlink()
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    assert tz.verify(store, workers=1).ok
    assert_holds(store, "Loop00")


def test_a_folder_of_octron_has_one_video(tmp_path: Path) -> None:
    tracks, metadata = write("octron", tmp_path)
    folder = next((tracks / "octron_predictions").glob("*Loop00*"))
    file = max(folder.glob("*.csv"))
    file.write_text(file.read_text().replace(f"{VIDEO}-Loop00.mp4", "other.mp4"))
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.plan(tracks, metadata)
    (problem,) = raised.value.problems
    assert (problem.kind, problem.file) == ("tracks-of-two-videos", str(folder))
    assert f"other.mp4 in {file.name}" in (problem.found or "")
    assert problem.clip == f"{VIDEO}-Loop00"
