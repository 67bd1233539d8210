"""The frame rate in a tracks file is compared with that of its clip, before any work is done."""

import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import tracks2zarr as tz
from support.tracks_writers import write_movement, write_via
from tracks2zarr.tracks.format_checks import TrackBox

BOXES = [TrackBox(frame, track, 1, 2, 3, 4, 0.5) for frame in (0, 4) for track in (3, 5)]
HEADER = "video_name,clip_name,fps,first_frame,last_frame"


def write(folder: Path, fps: float | str | None, *, time_unit: str = "frames") -> tuple[Path, Path]:
    """Write a clip of 20 frames at 59.94 fps, whose file has another rate as an attribute."""
    tracks, metadata = folder / "tracks", folder / "metadata.csv"
    tracks.mkdir()
    file = write_movement(tracks, "crabs-Loop00", BOXES)
    dataset = xr.load_dataset(file, engine="h5netcdf").assign_attrs(time_unit=time_unit)
    if time_unit == "seconds":
        dataset = dataset.assign_coords(time=dataset["time"] / 59.94)
    dataset.attrs = {name: one for name, one in dataset.attrs.items() if name != "fps"}
    dataset.attrs |= {} if fps is None else {"fps": fps}
    dataset.to_netcdf(file, engine="h5netcdf")
    metadata.write_text(f"{HEADER}\ncrabs.mov,crabs-Loop00.mp4,59.94,0,19\n")
    return tracks, metadata


def errors(*arguments: Path, **options: float) -> tuple[tz.Problem, ...]:
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.plan(*arguments, **options)  # type: ignore[arg-type]
    return raised.value.problems


@pytest.mark.parametrize("time_unit", ["frames", "seconds"])
def test_another_rate_in_a_file_stops_the_plan(time_unit: str, tmp_path: Path) -> None:
    # seconds times twice the rate are whole frames, too, and all of them the clip's
    tracks, metadata = write(tmp_path, 2 * 59.94, time_unit=time_unit)
    (problem,) = errors(tracks, metadata)
    assert (problem.kind, problem.column) == ("fps-differs", "fps")
    assert problem.file == str(tracks / "crabs-Loop00.nc")
    assert problem.found == "119.88"
    assert problem.expected == f"59.94, as in row 2 of {metadata}"
    assert problem.remedy is not None
    assert problem.remedy.startswith("Correct the metadata CSV; or")
    assert (problem.video, problem.clip) == ("crabs", "crabs-Loop00")


def test_another_rate_than_that_of_whole_videos(tmp_path: Path) -> None:
    tracks, _ = write(tmp_path, 59.94)
    (problem,) = errors(tracks, fps=30)
    assert (problem.kind, problem.found) == ("fps-differs", "59.94")
    assert problem.expected == "30.0, as given by --fps"
    assert tz.plan(tracks, fps=59.94).videos[0].fps == 59.94


def test_a_wrong_rate_leaves_out_its_video_alone(tmp_path: Path) -> None:
    tracks, metadata = write(tmp_path, 30)
    write_movement(tracks, "ants-Loop00", BOXES)
    metadata.write_text(f"{metadata.read_text()}ants.mov,ants-Loop00.mp4,59.94,0,19\n")
    plan = tz.plan(tracks, metadata, keep_going=True)
    assert [video.video for video in plan.videos] == ["ants"]
    assert [problem.kind for problem in plan.problems] == ["fps-differs"]


@pytest.mark.parametrize("fps", [None, 59.94, 60000 / 1001, "59.94"])
@pytest.mark.parametrize("time_unit", ["frames", "seconds"])
def test_one_rate_in_both(fps: float | str | None, time_unit: str, tmp_path: Path) -> None:
    plan = tz.plan(*write(tmp_path, fps, time_unit=time_unit))
    assert (plan.videos[0].fps, plan.problems) == (59.94, ())


@pytest.mark.parametrize("fps", [59.9, 60.0, 0.0, float("nan"), np.float32(59.9), "119.88"])
def test_rates_that_differ_by_more_are_two(fps: float | str, tmp_path: Path) -> None:
    assert [problem.kind for problem in errors(*write(tmp_path, fps))] == ["fps-differs"]


@pytest.mark.parametrize(
    ("fps", "found"),
    [
        ("25 fps", "'25 fps'"),
        ("", "''"),
        ("None", "'None'"),
        (np.array([]), "[]"),
        (np.array([59.94, 30]), "[59.94, 30.0]"),
    ],
)
def test_a_rate_that_is_no_number_is_named(fps: str, found: str, tmp_path: Path) -> None:
    plan = tz.plan(*write(tmp_path, fps))
    (problem,) = plan.problems
    assert (problem.kind, problem.severity) == ("fps-not-compared", "warning")
    assert (problem.found, problem.clip) == (found, "crabs-Loop00")
    assert len(plan.videos) == 1


def test_seconds_are_frames_by_the_rate_of_the_file(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    assert tz.create(tz.plan(*write(tmp_path, 59.94, time_unit="seconds")), store, workers=1).ok
    assert tz.verify(store, workers=1).ok
    with tz.load_clip(store, "crabs", "Loop00") as clip:
        has_box = clip["position"].notnull().all("space").all("individual")
        assert np.flatnonzero(has_box).tolist() == [0, 4]


def test_what_is_no_netcdf_is_named_once(tmp_path: Path) -> None:
    tracks, metadata = write(tmp_path, 30)
    (tracks / "crabs-Loop00.nc").write_bytes(b"\x89HDF\r\n\x1a\n damaged")
    assert tz.plan(tracks, metadata).problems == (), "the readers name it"
    (tracks / "crabs-Loop00.nc").write_bytes(b"CDF\x01")
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.plan(tracks, metadata, format="movement")
    assert [problem.kind for problem in raised.value.problems] == ["tracks-netcdf"]


def test_the_extra_that_reads_files_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = write(tmp_path, 59.94)
    monkeypatch.setitem(sys.modules, "h5netcdf", None)
    (problem,) = errors(*given)
    assert problem.kind == "extra-missing"
    assert problem.remedy == "Run: pip install 'tracks2zarr[netcdf]'"


def test_formats_without_a_rate(tmp_path: Path) -> None:
    tracks, metadata = write(tmp_path, 30)
    (tracks / "crabs-Loop00.nc").unlink()
    write_via(tracks, "crabs-Loop00", BOXES)
    assert tz.plan(tracks, metadata).problems == ()
