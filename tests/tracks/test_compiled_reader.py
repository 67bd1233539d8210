"""The compiled reader recognises rows of the tracker, and nothing that others read otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.readers import problems_of, read_as_create_does, read_with
from tracks2zarr.dataset.clip_boxes import ClipBoxes
from tracks2zarr.native import library
from tracks2zarr.tracks import column_reader, row_reader, via
from tracks2zarr.tracks.column_reader import decode
from tracks2zarr.tracks.compiled_reader import scan_records
from tracks2zarr.tracks.frames import FrameRule, Image

HEADER = ",".join(via.HEADER) + "\n"
#: What is found out of images later, by all readers.
IMAGE_PROBLEMS = {"file-attributes", "frame-not-integer", "no-frame", "frame-outside-clip"}
CELLS = ("frame_00000007.png", '{"clip":123}')
RULE = FrameRule(10**7, 0, "clip", None)


def row(
    frame: int = 7,
    *,
    x: str = "1.25",
    y: str = "3.5",
    width: str = "5",
    height: str = "6",
    track: str = "8",
    confidence: str = "0.5",
    count: str = "1",
    attributes: str = '""clip"":123',
) -> str:
    """Return a row as the tracker writes it."""
    return (
        f'frame_{frame:08d}.png,8888,"{{{attributes}}}",{count},0,'
        f'"{{""name"":""rect"",""x"":{x},""y"":{y},""width"":{width},""height"":{height}}}",'
        f'"{{""track"":""{track}"", ""confidence"":""{confidence}""}}"\n'
    )


def n_recognised(text: str) -> int:
    scanned = scan_records(text.encode())
    return 0 if scanned is None else len(text.splitlines()) - len(scanned.other_rows)


def assert_same(ours: ClipBoxes, slow: ClipBoxes) -> None:
    for name in ("frame", "track", "box", "confidence", "track_ids"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(slow, name), name)


def assert_readers_agree(text: str, folder: Path) -> None:
    """Check that all readers read a file alike, which has nothing wrong."""
    path = folder / "clip_tracks.csv"
    path.write_text(HEADER + text, newline="")
    by_rows = read_with(row_reader.read_file, path, RULE)
    for other in (read_with(column_reader.read_file, path, RULE), read_as_create_does(path, RULE)):
        assert_same(other.boxes, by_rows.boxes)
        assert other.file.digest == by_rows.file.digest


@pytest.mark.parametrize(
    "text",
    [
        row(),
        row(x="-0.25", y="0.0", width="1", height="4096"),
        row(x="0", y="4095.123456789012", confidence="1"),
        row(confidence="1e-05"),
        row(track="9007199254740991"),
        row(count="73"),
        'frame_00000007.png,8888,"{}",0,0,"{}","{}"\n',
        row().replace("\n", "\r\n"),
        "a b;c" + row(),
        row(attributes='""clip"":""ä""'),
        row().replace("8888", ""),
    ],
)
def test_rows_of_the_tracker_are_recognised(text: str, tmp_path: Path) -> None:
    assert n_recognised(text) == 1
    assert_readers_agree(text, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *(row(x=x) for x in ("01.5", "+1.5", ".5", "1.", "1.5e3", "NaN", "inf", '""1""', "1 ", "")),
        *(row(width=width) for width in ("05", "+5", "-5", "5.", "1e1", "")),
        *(row(track=track) for track in ("-1", "1.0", "9007199254740992", "", "x")),
        *(row(confidence=confidence) for confidence in ("inf", "x", "", "1e60")),
        *(row(count=count) for count in ("00", "", '"1"', "x")),
        row(attributes='""clip"":123,""frame"":7'),
        row().replace('""y""', '""z""'),
        row().replace("rect", "oval"),
        row().replace(", ", ","),
        row().replace("png,", "p\rng,"),
        "\ufeff" + row(),
        '"' + row(),
        'frame_00000007.png,8888,"{}",1,0,"{}","{}"\n',
        'frame_00000007.png,8888,"{}",00,0,"{}","{}"\n',
        'frame_00000007.png,8888,"{}",0,0,"{}","{ }"\n',
        row(count="0"),
    ],
)
def test_other_rows_are_not(text: str) -> None:
    assert n_recognised(text) == 0


@pytest.mark.parametrize(
    "text",
    [
        *(row(width=width) for width in ("0", "5.0", "5.25", "99999999999")),
        row(x="123456789012345678901234567890"),
        row(y="0.00000000000000000000000000001"),
        row(confidence="123456789e-30"),
        row(confidence="5E-3"),
        row(track="007"),
    ],
)
def test_rows_that_may_be_recognised(text: str, tmp_path: Path) -> None:
    assert_readers_agree(text, tmp_path)


@pytest.mark.parametrize("gone", ["frame_00000007.png", "8888", '"{""clip"":123}"'])
@pytest.mark.parametrize("number", [0, 1])
def test_an_empty_cell_of_an_image(gone: str, number: int) -> None:
    """It is an image of its own; whether it may be is found out for all images together."""
    lines = [row(7), row(7, track="9")]
    lines[number] = lines[number].replace(gone, "")
    scanned = scan_records("".join(lines).encode())
    assert scanned is not None
    names = [Image(*image) for image in scanned.found.images]
    empty = Image(*("" if cell == gone.replace('""', '"').strip('"') else cell for cell in CELLS))
    assert names[number] == empty
    assert names[1 - number] == Image(*CELLS)


@pytest.mark.parametrize("line", ["\n", "a\n", "\r\n", "1234567890\n" * 2 + "\n"])
def test_a_file_of_short_lines_takes_no_room_for_boxes(line: str) -> None:
    assert scan_records(line.encode() * 100) is None or not n_recognised(line * 100)
    scanner = library.compiled()
    assert scanner is not None
    assert library.scan_lines(line.encode() * 100, scanner) is None


@pytest.mark.parametrize("blank", ["", ",,,,,,", " ,\t,", ",,,,,,\r"])
def test_blank_lines_are_counted(blank: str, tmp_path: Path) -> None:
    text = row(1) + f"{blank}\n" + row(2) + f"{blank}\n"
    scanned = scan_records(text.encode())
    assert scanned is not None
    assert (scanned.n_blank, scanned.n_recognised, scanned.others) == (2, 2, b"")
    assert_readers_agree(text, tmp_path)


def test_others_keep_their_place(tmp_path: Path) -> None:
    lines = [
        row(1, track="1"),
        row(1, track="2", confidence="nan"),
        row(2, x="1.5e2"),
        'frame_00000003.png,8888,"{""clip"":123}",0,0,"{}","{}"\n',
        row(4),
        row(5, width="5e0"),
        row(6, y='""7""'),
    ]
    scanned = scan_records("".join(lines).encode())
    assert scanned is not None
    assert scanned.rows.tolist() == [0, 4]
    assert scanned.other_rows.tolist() == [1, 2, 5, 6]
    assert scanned.others.decode() == "".join(lines[n] for n in (1, 2, 5, 6))
    assert_readers_agree("".join(lines), tmp_path)


def test_a_row_within_quotes_is_none(tmp_path: Path) -> None:
    inside = 'a"",' + row().replace('"', '""')
    text = row(1) + f'"{inside}.png",8888,"{{}}",0,0,"{{}}","{{}}"\n' + row(2)
    assert scan_records(text.encode()) is None or n_recognised(text) == 2
    path = tmp_path / "clip_tracks.csv"
    path.write_text(HEADER + text)
    if not problems_of(row_reader.read_file, path, RULE):
        assert_readers_agree(text, tmp_path)


def slips() -> Iterator[str]:
    """Yield a row of the tracker with one slip: a character more, less, or another one."""
    good = row()
    for place in range(len(good) - 1):
        yield good[:place] + good[place + 1 :]
        for character in '"{}:,.-+e0 5_\t\x00é':
            yield good[:place] + character + good[place:]
            yield good[:place] + character + good[place + 1 :]


def assert_numbers_are_read_as_python_does(texts: list[str]) -> None:
    """Check each number where it is a coordinate, and where it is a confidence."""
    records = "".join(row(x=text.lstrip("-"), confidence=text) for text in texts).encode()
    scanned = scan_records(records)
    assert scanned is not None
    assert len(scanned.rows) == len(texts)
    expected = [np.float32(float(text)) for text in texts]
    by_columns = (decode(records, rows_are_sound=sound)[0].boxes for sound in (False, True))
    for boxes in (scanned.found.boxes, *by_columns):
        np.testing.assert_array_equal(boxes.confidence, expected)
        np.testing.assert_array_equal(boxes.corner[:, 0], np.abs(expected))


@given(st.lists(st.floats(1e-4, 1e15) | st.floats(-1e15, -1e-4), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numbers_are_rounded_as_python_rounds_them(numbers: list[float]) -> None:
    assert_numbers_are_read_as_python_does([f"{number!r}" for number in numbers])


def test_numbers_between_two_of_float32_are_rounded_as_python_rounds_them() -> None:
    """Halfway, and as little above and below as 17 digits and a double can be."""
    rng = np.random.default_rng(1)
    lower = rng.uniform(1e-4, 5000, 3000).astype(np.float32)
    middle = (lower.astype(float) + np.nextafter(lower, np.float32(np.inf)).astype(float)) / 2
    texts = []
    for number in middle.tolist():
        near = number
        for _ in range(4):
            near = np.nextafter(near, 0.0)
        for _ in range(8):
            near = float(np.nextafter(near, np.inf))
            texts.append(np.format_float_positional(near, unique=True, trim="0"))
        exact = Decimal(number)
        texts += [f"{exact:.17f}", f"{exact.next_minus():.18f}", f"{exact.next_plus():.18f}"]
    short = [text for text in texts if sum(map(str.isdigit, text.lstrip("0."))) <= 19]
    assert len(short) > 20_000
    assert_numbers_are_read_as_python_does(short)


@pytest.mark.slow
def test_a_slip_is_read_as_by_the_row_reader_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "clip_tracks.csv"
    n_read = 0
    for text in set(slips()):
        scanned = scan_records(text.encode())
        if scanned is None or not len(scanned.rows):
            continue
        n_read += 1
        path.write_text(HEADER + text, newline="")
        kinds = {problem.kind for problem in problems_of(row_reader.read_file, path, RULE)}
        assert kinds <= IMAGE_PROBLEMS, repr(text)
        if kinds:
            continue
        ours, theirs = scanned.found.boxes, read_with(row_reader.read_file, path, RULE).boxes
        centre = ours.corner + ours.size / np.float32(2)
        box = np.concatenate([centre, ours.size], axis=1)
        np.testing.assert_array_equal(box, theirs.box, repr(text))
        np.testing.assert_array_equal(ours.confidence, theirs.confidence, text)
        np.testing.assert_array_equal(ours.track, theirs.track, text)
    assert n_read > 100
