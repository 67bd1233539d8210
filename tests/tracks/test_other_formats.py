"""What a file of another format gives: the same from both readers, or a named problem."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import tracks2zarr as tz
from support.readers import Read, read_with
from support.tracks_writers import write_movement, write_octron
from tracks2zarr.tracks.format_checks import TrackBox
from tracks2zarr.tracks.formats import (
    ReaderName,
    ReadFile,
    UnrecognisedError,
    format_named,
    reader_named,
)
from tracks2zarr.tracks.frames import FrameRule

RULE = FrameRule(20, 0, "clip", None)
STEM = "crabs-Loop00"
MOT_ROWS = [f"{frame},{track},{frame}.5,2,3,4,0.5" for frame in (1, 2, 3) for track in (1, 7)]
BOXES = [TrackBox(frame, track, 1, 2, 3, 4, 0.5) for frame in (0, 4) for track in (3, 5)]


def read(name: str, reader: ReaderName, path: Path, rule: FrameRule = RULE) -> Read:
    return read_with(reader_named(format_named(name), reader), path, rule)


def kinds_of(name: str, path: Path, rule: FrameRule = RULE) -> set[str]:
    """Return what the row reader names, where the other one does not take the file, either."""
    with pytest.raises(UnrecognisedError):
        read(name, "columns", path, rule)
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        read(name, "rows", path, rule)
    return {problem.kind for problem in raised.value.problems}


def same(name: str, path: Path) -> Read:
    """Return what the readers read, who must agree wherever the fast one takes the file."""
    slow = read(name, "rows", path)
    try:
        fast = read(name, "columns", path)
    except UnrecognisedError:
        return slow
    for column in ("frame", "track", "box", "confidence"):
        np.testing.assert_array_equal(getattr(fast.boxes, column), getattr(slow.boxes, column))
    assert last_frame(fast) == last_frame(slow)
    return slow


def last_frame(found: Read) -> int:
    """Return the last frame that a file names, with or without a box."""
    assert isinstance(found.file, ReadFile)
    return int(found.file.frame_of_image.max())


# ---- MOTChallenge


def mot(folder: Path, text: str | bytes) -> Path:
    path = folder / f"{STEM}.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "\r".join(MOT_ROWS),
        "\r\n".join(MOT_ROWS),
        "\n".join([*MOT_ROWS[:3], "\r".join(MOT_ROWS[3:])]),
        "\ufeff" + "\n".join(MOT_ROWS),
        "\n\n".join([f" {row.replace(',', ' , ')} " for row in MOT_ROWS]),
        "\n".join([*MOT_ROWS[:-1], f"{MOT_ROWS[-1]},{'x' * 200_000}"]),
        "\n".join(row.replace(",1,", ",1.0,") for row in MOT_ROWS),
    ],
    ids=["CR", "CRLF", "mixed", "mark", "blanks", "long", "whole floats"],
)
def test_mot_has_all_its_boxes(text: str, tmp_path: Path) -> None:
    boxes = same("mot", mot(tmp_path, text)).boxes
    assert boxes.frame.tolist() == [0, 0, 1, 1, 2, 2]
    assert set(boxes.track.tolist()) == {1, 7}


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ("1.00000000000000001,1,1,2,3,4", "frame-not-integer"),
        ("1e-400,1,1,2,3,4", "frame-not-integer"),
        ("1,-1,1,2,3,4", "track"),
        (f"1,{2**63},1,2,3,4", "track"),
        ("1,1,1_0,2,3,4", "not-a-number"),
        ("1,1,0x1,2,3,4", "not-a-number"),
        ("1,1,\u0663,2,3,4", "not-a-number"),
        ("1,1,inf,2,3,4", "not-a-number"),
        ("1,1,1,2,-3,4", "negative-size"),
        ("0,1,1,2,3,4", "frame-outside-clip"),
        ("21,1,1,2,3,4", "frame-outside-clip"),
        ("1,1,1,2,3", "row-fields"),
        ("1,1,1,2,3,4,high", "confidence"),
        ("\ufeff2,1,1,2,3,4", "frame-not-integer"),
    ],
)
def test_mot_names_a_bad_row(row: str, kind: str, tmp_path: Path) -> None:
    assert kinds_of("mot", mot(tmp_path, "\n".join([*MOT_ROWS, row]))) == {kind}


def test_a_second_mark_at_the_start_of_mot_is_no_number(tmp_path: Path) -> None:
    path = mot(tmp_path, "\ufeff\ufeff" + "\n".join(MOT_ROWS))
    assert kinds_of("mot", path) == {"frame-not-integer"}


def test_large_ids_of_mot_are_exact(tmp_path: Path) -> None:
    path = mot(tmp_path, f"1,{2**63 - 1},1,2,3,4\n1,{2**53 + 1},1,2,3,4\n")
    assert same("mot", path).boxes.track_ids.tolist() == [2**53 + 1, 2**63 - 1]


# ---- COCO


def coco(folder: Path, images: object, annotations: object) -> Path:
    path = folder / f"{STEM}.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def annotation(image: object = 1, **other: object) -> dict[str, object]:
    return {"image_id": image, "bbox": [1, 2, 3, 4], "track_id": 3} | other


def test_images_of_coco_without_boxes_count(tmp_path: Path) -> None:
    images = [
        {"id": 1, "file_name": "f_1.png", "frame_index": 7},
        {"id": 2, "file_name": "f_9.png"},
    ]
    found = same("coco", coco(tmp_path, images, [annotation()]))
    assert found.boxes.frame.tolist() == [1], "not all images have a frame_index"
    assert last_frame(found) == 9


@pytest.mark.parametrize(
    ("images", "annotations", "kind"),
    [
        ([{"id": 1.0, "file_name": "f_1.png"}], [annotation(1.0)], "tracks-json"),
        ([{"id": None, "file_name": "f_1.png"}], [annotation(None)], "tracks-json"),
        ({}, "", "tracks-json"),
        ([{"id": 1, "file_name": "f_20231128091500123.png"}], [annotation()], "frame-outside-clip"),
        ([{"id": 1, "frame_index": 1e38}], [annotation()], "frame-outside-clip"),
        (
            [{"id": 1, "frame_index": 1}, {"id": 2, "frame_index": 5000}],
            [annotation()],
            "frame-outside-clip",
        ),
        ([{"id": 1, "frame_index": 1}], [annotation(2)], "tracks-annotation"),
        ([{"id": 1, "frame_index": 1}], [annotation(bbox=[1, 2, 3])], "tracks-annotation"),
        ([{"id": 1, "frame_index": 1}], [annotation(bbox=[True, 2, 3, 4])], "not-a-number"),
        ([{"id": 1, "frame_index": 1}], [annotation(track_id=None)], "track"),
    ],
)
def test_coco_names_what_is_wrong(
    images: object, annotations: object, kind: str, tmp_path: Path
) -> None:
    assert kinds_of("coco", coco(tmp_path, images, annotations)) == {kind}


# ---- OCTRON


def octron(folder: Path, change: Callable[[str], str]) -> Path:
    path = write_octron(folder, STEM, BOXES)
    file = path / "crab_track_3.csv"
    file.write_text(change(file.read_text()))
    return path


def test_a_row_of_octron_without_a_box_is_a_frame(tmp_path: Path) -> None:
    more = "2,12,3,crab,NaN,1,2,nan,nan,nan,nan,9,1,1\n"
    found = same("octron", octron(tmp_path, lambda text: text + more))
    assert found.boxes.frame.tolist() == [0, 0, 4, 4]
    assert last_frame(found) == 12


def test_octron_with_carriage_returns(tmp_path: Path) -> None:
    found = same("octron", octron(tmp_path, lambda text: text.replace("\n", "\r")))
    assert len(found.boxes.frame) == 4


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda text: text.replace(",area\n", ",confidence\n"), "tracks-header"),
        (lambda text: text + "2,1,-1,crab,NaN,1,2,nan,nan,nan,nan,9,1,1\n", "track"),
        (lambda text: text + "2,.5,3,crab,NaN,1,2,nan,nan,nan,nan,9,1,1\n", "frame-not-integer"),
        (lambda text: text + "2,1,3,crab,NaN,1,2,nan,1,2,3,9,1,1\n", "not-a-number"),
        (lambda text: text + "2,1,3,crab,NaN,1,2,5,1,2,3,9,1,1\n", "negative-size"),
        (lambda text: text + "2,4,3,crab,1,1,2,1,2,1,2,9,1,1\n", "duplicate-box"),
        (lambda text: text + "2,1\n", "row-fields"),
    ],
)
def test_octron_names_what_is_wrong(
    change: Callable[[str], str], kind: str, tmp_path: Path
) -> None:
    path = octron(tmp_path, change)
    if kind == "duplicate-box":
        assert read("octron", "columns", path).boxes.first_duplicate() is not None
        with pytest.raises(tz.Tracks2ZarrError, match="two boxes in one frame"):
            read("octron", "rows", path)
    else:
        assert kinds_of("octron", path) == {kind}


def with_another_column(text: str) -> str:
    """Put a column before the others, as another version of OCTRON might."""
    before, first, table = text.partition("frame_counter,")
    header, *rows = f"{first}{table}".splitlines()
    return "\n".join([f"{before}mean_area,{header}", *(f"5.5,{row}" for row in rows)])


@pytest.mark.parametrize("batch_bytes", [1, 1 << 20])
@pytest.mark.parametrize(
    "change",
    [
        with_another_column,
        str.strip,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: f"\ufeff{text}",
        lambda text: text.replace(",crab,", ',"crab\n, ""blue""",'),
        lambda text: text.replace(",area\n", ',"an ""area"""\n'),
        lambda text: text.replace(".mp4", '.mp4 "'),
    ],
)
def test_tracks_of_octron_are_read_together(
    change: Callable[[str], str],
    batch_bytes: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tracks2zarr.tracks.octron_readers._BATCH_BYTES", batch_bytes)
    boxes = [TrackBox(f, t, f, t, 3, 4, 0.5) for t in (3, 5, 7, 9) for f in (t, t + 8)]
    path = write_octron(tmp_path, STEM, boxes)
    for track in (3, 7, 9):
        file = path / f"crab_track_{track}.csv"
        file.write_text(change(file.read_text()), newline="")
    for reader in ("columns", "rows"):
        found = read("octron", reader, path).boxes
        assert found.track.tolist() == [3, 5, 7, 9, 3, 5, 7, 9]
        assert found.frame.tolist() == [3, 5, 7, 9, 11, 13, 15, 17]
        assert found.box[:, 0].tolist() == [frame + 1.5 for frame in found.frame]


def test_a_header_of_octron_on_two_lines_is_left_to_the_other_reader(tmp_path: Path) -> None:
    path = octron(tmp_path, lambda text: text.replace(",area\n", ',"an\narea"\n'))
    with pytest.raises(UnrecognisedError):
        read("octron", "columns", path)
    assert len(read("octron", "rows", path).boxes) == 4


def test_a_track_of_octron_without_rows_has_no_boxes(tmp_path: Path) -> None:
    found = same("octron", octron(tmp_path, lambda text: text[: text.index("\n0,")]))
    assert found.boxes.track.tolist() == [5, 5]


@pytest.mark.parametrize("end", ['2,12,3,"crab,', "2,12,3", '2,1,3,crab,1,1,2,1,2,1,2,9,1,"(4'])
def test_a_track_of_octron_cut_off_does_not_join_the_next(end: str, tmp_path: Path) -> None:
    assert kinds_of("octron", octron(tmp_path, lambda text: text + end))


# ---- movement


def movement(folder: Path, change: Callable[[xr.Dataset], xr.Dataset]) -> Path:
    path = write_movement(folder, STEM, BOXES)
    with xr.open_dataset(path) as found:
        dataset = change(found.load())
    dataset.to_netcdf(path, engine="h5netcdf")
    return path


def with_ids(ids: list[object]) -> Callable[[xr.Dataset], xr.Dataset]:
    return lambda dataset: dataset.assign_coords(track_id=("individual", ids))


def with_names(names: list[object]) -> Callable[[xr.Dataset], xr.Dataset]:
    return lambda dataset: dataset.assign_coords(individual=names)


def with_encoding(name: str, **encoding: object) -> Callable[[xr.Dataset], xr.Dataset]:
    def change(dataset: xr.Dataset) -> xr.Dataset:
        dataset[name].encoding = encoding
        return dataset

    return change


@pytest.mark.parametrize(
    ("change", "tracks"),
    [
        (with_ids([2, 7]), [2, 7]),
        (with_ids([2.0, 7.0]), [2, 7]),
        (with_names(["crab-4", "crab-9"]), [4, 9]),
        (with_names(["x1.5", "x2.5"]), [0, 1]),
        (with_names(["a_-1", "b_-2"]), [0, 1]),
        (with_names(["a", "b"]), [0, 1]),
        (with_names(["a1", "b1"]), [0, 1]),
        (with_names(["a3\n", "b4\n"]), [0, 1]),
        (with_names(["é1", "é2"]), [1, 2]),
        (with_names([11, 12]), [11, 12]),
        (lambda dataset: dataset.transpose("individual", "space", "time"), [3, 5]),
    ],
)
def test_tracks_of_movement(
    change: Callable[[xr.Dataset], xr.Dataset], tracks: list[int], tmp_path: Path
) -> None:
    assert same("movement", movement(tmp_path, change)).boxes.track_ids.tolist() == tracks


@pytest.mark.parametrize(
    "change",
    [
        with_ids(["7", "9"]),
        with_ids([-1, 5]),
        with_ids([1.5, 2]),
        with_names(["a20000000000000000007", "b8"]),
        with_encoding("position", _FillValue=-9999.0),
        with_encoding("confidence", _FillValue=-1.0),
        with_encoding("position", scale_factor=0.5, dtype="i2", _FillValue=-1),
        lambda dataset: dataset.assign_attrs(ds_type="poses"),
        lambda dataset: dataset.assign_attrs(time_unit="seconds", fps=0.3),
        lambda dataset: dataset.assign_coords(time=dataset["time"] + 0.5),
        lambda dataset: dataset.assign_coords(time=dataset["time"] * 1e300),
        lambda dataset: dataset.drop_vars("time"),
        lambda dataset: dataset.drop_vars("shape"),
    ],
)
def test_what_movement_would_not_write_is_named(
    change: Callable[[xr.Dataset], xr.Dataset], tmp_path: Path
) -> None:
    assert kinds_of("movement", movement(tmp_path, change)) == {"tracks-netcdf"}


def test_a_frame_of_netcdf_that_is_there_twice(tmp_path: Path) -> None:
    times = [0, 0, 1, 2, 3]
    path = movement(tmp_path, lambda dataset: dataset.assign_coords(time=times))
    assert kinds_of("movement", path) == {"duplicate-box"}


@pytest.mark.parametrize("together", [True, False])
def test_two_individuals_of_netcdf_with_one_track(together: bool, tmp_path: Path) -> None:
    def change(dataset: xr.Dataset) -> xr.Dataset:
        is_there = (dataset["time"] == 0) == (dataset["individual"] == dataset["individual"][0])
        return with_ids([3, 3])(dataset if together else dataset.where(is_there))

    problem = the_problem(movement(tmp_path, change))
    assert problem.found == "track_id 3 of two individuals"


def the_problem(path: Path) -> tz.Problem:
    """Return the one problem of a netCDF file that neither reader takes."""
    assert kinds_of("movement", path) == {"tracks-netcdf"}
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        read("movement", "rows", path)
    (problem,) = raised.value.problems
    return problem


def with_seconds(fps: object) -> Callable[[xr.Dataset], xr.Dataset]:
    return lambda dataset: dataset.assign_attrs(time_unit="seconds", fps=fps)


@pytest.mark.parametrize(
    ("fps", "found"),
    [
        (np.array([]), "[]"),
        (np.array([1.0, 2.0]), "[1.0, 2.0]"),
        (np.float32(0), "0.0"),
        (-1, "-1"),
        (np.nan, "nan"),
        (np.inf, "inf"),
        ("", "''"),
        ("25 fps", "'25 fps'"),
    ],
)
def test_a_rate_of_netcdf_that_is_not_one_number(fps: object, found: str, tmp_path: Path) -> None:
    problem = the_problem(movement(tmp_path, with_seconds(fps)))
    assert problem.found == f"fps {found}"
    assert problem.expected == "one number above 0, as time_unit is 'seconds'"
    path = movement(tmp_path, lambda dataset: dataset.assign_attrs(fps=fps))
    assert len(same("movement", path).boxes) == 4, "frames need no rate"


@pytest.mark.parametrize("fps", [1, np.float32(1), np.array([1.0]), "1"])
def test_a_rate_of_netcdf_that_is_one_number(fps: object, tmp_path: Path) -> None:
    assert last_frame(same("movement", movement(tmp_path, with_seconds(fps)))) == 4


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            lambda dataset: dataset.assign_coords(time=dataset["time"].astype("M8[ns]")),
            "time with the units 'nanoseconds since 1970-01-01 00:00:00'",
        ),
        (
            lambda dataset: dataset.assign_coords(time=dataset["time"].assign_attrs(units="s")),
            "time with the units 's'",
        ),
        (lambda dataset: dataset.assign_coords(time=dataset["time"].astype(str)), "time of text"),
        (lambda dataset: dataset.assign_attrs(time_unit="minutes"), "time_unit 'minutes'"),
        (with_names([True, False]), "names of individuals that are True or False"),
        (
            lambda dataset: dataset.assign_coords(time=dataset["time"] + 0.5),
            "time_unit 'frames', fps 59.94, time 0.5",
        ),
    ],
)
def test_why_netcdf_is_not_what_movement_writes(
    change: Callable[[xr.Dataset], xr.Dataset], found: str, tmp_path: Path
) -> None:
    assert the_problem(movement(tmp_path, change)).found == found
