"""Whatever breaks the tracks format is named, row by row, and fails its own video alone.

The readers of tracks files must never part: what one of them takes, the others take alike.
"""

import csv
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracks2zarr as tz
from support.commands import Ended, call
from support.experiments import METADATA_COLUMNS, VIA_COLUMNS
from support.readers import Read, read_as_create_does, read_with
from support.tree import run_cli
from tracks2zarr.common.problems import Problem, by_rows, errors_of
from tracks2zarr.tracks import column_reader, compiled_reader, row_reader
from tracks2zarr.tracks.formats import UnrecognisedError
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.row_problems import RowProblems

HEADER = ",".join(VIA_COLUMNS) + "\n"
SHAPE = '{"name":"rect","x":1,"y":2,"width":3,"height":4}'
N_FRAMES, FIRST = 10, 100  # every clip has the frames 100 to 109 of its video, counted from 0

FILENAME, FILE_ATTRIBUTES, REGION_COUNT, SHAPES, REGIONS = (
    "filename",
    "file_attributes",
    "region_count",
    "region_shape_attributes",
    "region_attributes",
)


def row(
    frame: int = 0,
    *,
    name: str | None = None,
    size: str = "8888",
    attributes: str = '{"clip":123}',
    count: str = "1",
    region_id: str = "0",
    shape: str = SHAPE,
    region: str = '{"track":1}',
) -> str:
    """Return a row of a tracks file; it is sound where nothing else is said."""
    image = f"frame_{frame:08d}.png" if name is None else name
    text = io.StringIO(newline="")
    cells = [image, size, attributes, count, region_id, shape, region]
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def as_object(values: Mapping[str, str]) -> str:
    """Return a JSON object of values that are JSON already; '' leaves a key out."""
    return "{" + ",".join(f'"{key}":{value}' for key, value in values.items() if value) + "}"


def box(**values: str) -> str:
    """Return a row with other values of its box, written as JSON."""
    sound = {"name": '"rect"', "x": "1", "y": "2", "width": "3", "height": "4"}
    return row(shape=as_object(sound | values))


def region(**values: str) -> str:
    """Return a row with other attributes of its region, written as JSON."""
    return row(region=as_object({"track": "1"} | values))


SOUND = row(9, region='{"track":5,"confidence":0.5}')


#: More rows without a box than are looked at for a plan.
N_EMPTY = 1500
EMPTY_ROWS = row(0, count="0", shape="{}", region="{}") * N_EMPTY


@dataclass(frozen=True)
class Case:
    """What stands below the header and a sound row, and the problem that must be named.

    ``found`` is the whole text, ``expected`` and ``remedy`` are a part. ``rows`` are all rows that
    have a problem, all of this kind.
    """

    content: str | bytes
    kind: str
    column: str | None
    found: str
    expected: str
    remedy: str = "Export the tracks again"
    rows: tuple[int, ...] = (3,)
    sound: str = SOUND
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> bytes:
        content = self.content if isinstance(self.content, bytes) else self.content.encode()
        return (HEADER + self.sound).encode() + content


def bad_json(column: str, text: str) -> Case:
    content = row(shape=text) if column == SHAPES else row(region=text)
    return Case(content, "json", column, text or "an empty cell", "a JSON object")


def bad_number(key: str, value: str, found: str) -> Case:
    expected = "a finite number, or a string of one"
    return Case(box(**{key: value}), "not-a-number", SHAPES, found.format(key=key), expected)


def bad_track(value: str, found: str) -> Case:
    expected = "an integer from 0 to 2**63 - 1, or a string of one"
    return Case(region(track=value), "track", REGIONS, found, expected)


def bad_confidence(value: str, found: str) -> Case:
    expected = "a finite number, a string of one, NaN, null, or none"
    return Case(region(confidence=value), "confidence", REGIONS, f"confidence {found}", expected)


def bad_attribute(value: str, found: str) -> Case:
    """Every row has a frame in its attributes, and one of them is no integer."""
    content = row(attributes=as_object({"frame": value}))
    sound = row(9, attributes='{"frame":9}')
    remedy = "Correct the file, or pass --frame-regexp"
    return Case(
        content,
        "frame-not-integer",
        FILE_ATTRIBUTES,
        found,
        "an integer 'frame'",
        remedy,
        sound=sound,
    )


def outside(content: str, found: str, remedy: str, column: str = FILENAME, **others: Any) -> Case:
    expected = "0 to 9, the frames that the metadata give the clip"
    return Case(content, "frame-outside-clip", column, found, expected, remedy, **others)


def outside_video(frame: int, remedy: str) -> Case:
    return Case(
        row(frame), "frame-outside-clip", FILENAME, f"frame {frame}",
        "100 to 109, the frames that the metadata give the clip", remedy,
        sound=row(109), options={"frames": "video"},
    )  # fmt: skip


NUMBERS = {
    "": "no {key}",
    "null": "no {key}",
    "NaN": "{key} nan",
    '"nan"': "{key} 'nan'",
    "Infinity": "{key} inf",
    "-Infinity": "{key} -inf",
    '"inf"': "{key} 'inf'",
    '"abc"': "{key} 'abc'",
    '""': "{key} ''",
    '"0x10"': "{key} '0x10'",
    '"1_000"': "{key} '1_000'",
    '"\u0661"': "{key} '\u0661'",
    "true": "{key} True",
    "false": "{key} False",
    "[1]": "{key} [1]",
    '{"v":1}': "{key} {{'v': 1}}",
    "1e39": "{key} 1e+39",
    "-1e39": "{key} -1e+39",
    '"3.5e38"': "{key} '3.5e38'",
    "1e400": "{key} inf",
}
TRACKS = {
    "": "no track",
    "null": "no track",
    "-1": "track -1",
    '"-1"': "track '-1'",
    "-1.0": "track -1.0",
    "7.5": "track 7.5",
    '"7.5"': "track '7.5'",
    '"7.0000000000000000001"': "track '7.0000000000000000001'",
    '"4503599627370497.25"': "track '4503599627370497.25'",
    '"1e-400"': "track '1e-400'",
    "9223372036854775808": "track 9223372036854775808",
    '"9223372036854775808"': "track '9223372036854775808'",
    "-9223372036854775809": "track -9.223372036854776e+18",
    "1e19": "track 1e+19",
    '"1e19"': "track '1e19'",
    "18446744073709551616": "track 1.8446744073709552e+19",
    "NaN": "track nan",
    "Infinity": "track inf",
    '"seven"': "track 'seven'",
    '"0x7"': "track '0x7'",
    '"7_0"': "track '7_0'",
    '""': "track ''",
    "true": "track True",
    "false": "track False",
    "[7]": "track [7]",
    '"' + "7" * 5000 + '"': "track '" + "7" * 192 + "…",
}
CONFIDENCES = {
    '"high"': "'high'",
    '""': "''",
    "Infinity": "inf",
    "-Infinity": "-inf",
    '"inf"': "'inf'",
    '"nan(1)"': "'nan(1)'",
    "1e39": "1e+39",
    '"1e39"': "'1e39'",
    "1e400": "inf",
    "true": "True",
    "false": "False",
    "[0.5]": "[0.5]",
    "{}": "{}",
}

CASES = {
    # JSON
    **{
        f"{column} {text or 'empty'}": bad_json(column, text)
        for column in (SHAPES, REGIONS)
        for text in (
            "", " ", "{", '{"x":1', '{"x":1}}', '{"x":1},', '{"x":1} {"x":2}',
            '{"x":1,}', '{"x":+1}', '{"x":.5}', '{"x":5.}', '{"x":01}', "[]", '[{"x":1}]', "5",
            "null", "true", "rect",
        )
    },
    "a control character in JSON": Case(
        row(region='{"track":1,"note":"\x01"}'), "json", REGIONS,
        '{"track":1,"note":"\\x01"}', "a JSON object",
    ),
    "NUL in JSON": Case(
        row(region='{"track":\x001}'), "json", REGIONS, '{"track":\\x001}', "a JSON object"
    ),
    "an object over two rows": Case(
        row(0, region='{"track":1') + row(1, region='"confidence":0.5},{"track":2}'),
        "json", REGIONS, '{"track":1', "a JSON object", rows=(3, 4),
    ),
    "a list over two rows": Case(
        row(0, region='{"track":1,"a":[{}') + row(1, region='{}]},{"track":2}'),
        "json", REGIONS, '{"track":1,"a":[{}', "a JSON object", rows=(3, 4),
    ),
    "a box over two rows": Case(
        row(0, shape=SHAPE[:-1]) + row(1, shape=f'"a":1}},{SHAPE}'),
        "json", SHAPES, SHAPE[:-1], "a JSON object", rows=(3, 4),
    ),
    "two objects in one row, none in the next": Case(
        row(0, region='{"track":1},{"track":2}') + row(1, region=""),
        "json", REGIONS, '{"track":1},{"track":2}', "a JSON object", rows=(3, 4),
    ),
    **{
        f"a key twice: {text}": Case(
            row(shape=text) if '"x"' in text else row(region=text),
            "json-key-twice", SHAPES if '"x"' in text else REGIONS, text.replace("\t", "\\t"),
            "one '",
        )
        for text in (
            '{"track":1,"track":2}', '{"track":1,"track":1}', '{"track":1,"tr\\u0061ck":2}',
            '{"track" :1,"track":2}', '{"track":1,"track"\t:2}', '{"track":1,"track":null}',
            '{"track":1,"confidence" :0.5,"track":2}', '{"track":1,"confidence":0.5,"track" :2}',
            '{"confidence":0.5,"track":1,"confidence":0.25}',
            '{"name" :"rect","x":1,"x":9,"y":2,"width":3,"height":4}',
            '{"name":"rect","x":1,"y":2,"width":3,"height":4,"name":"rect"}',
        )
    },
    "file attributes broken": Case(
        row(attributes='{"clip":123'), "file-attributes", FILE_ATTRIBUTES, '{"clip":123',
        'a JSON object, such as {"clip":123}',
    ),
    "file attributes empty": Case(
        row(attributes=""), "file-attributes", FILE_ATTRIBUTES, "an empty cell", "a JSON object"
    ),
    "file attributes are a list": Case(
        row(attributes="[]"), "file-attributes", FILE_ATTRIBUTES, "[]", "a JSON object"
    ),
    # boxes
    **{
        f"name {name or 'missing'}": Case(
            box(name=name), "not-rect", SHAPES, f"name {found}", "name 'rect'"
        )
        for name, found in {
            '"circle"': "'circle'", '"polygon"': "'polygon'", '"Rect"': "'Rect'",
            '" rect"': "' rect'", '""': "''", "": "None", "null": "None", "5": "5",
            '["rect"]': "['rect']",
        }.items()
    },
    "no shape": Case(row(shape="{}"), "not-rect", SHAPES, "name None", "name 'rect'"),
    **{f"x {value or 'missing'}": bad_number("x", value, NUMBERS[value]) for value in NUMBERS},
    **{
        f"{key} {value or 'missing'}": bad_number(key, value, NUMBERS[value])
        for key in ("y", "width", "height")
        for value in ("", "NaN", "Infinity", '"abc"', "true", "1e39")
    },
    "width negative": Case(
        box(width="-1"), "negative-size", SHAPES, "width -1, height 4", "0 or more"
    ),
    "height negative": Case(
        box(height='"-0.5"'), "negative-size", SHAPES, "width 3, height -0.5", "0 or more"
    ),
    # tracks and confidences
    **{f"track {value[:30] or 'missing'}": bad_track(value, TRACKS[value]) for value in TRACKS},
    "no region": Case(
        row(region="{}"), "track", REGIONS, "no track", "an integer from 0 to 2**63 - 1"
    ),
    **{
        f"confidence {value}": bad_confidence(value, CONFIDENCES[value]) for value in CONFIDENCES
    },
    # frames
    "frame after the clip": outside(
        row(10), "frame 10", "loop_END_frame_ffmpeg would have to be 111 or more."
    ),
    "frame far after the clip": outside(
        row(10_000_000), "frame 10000000",
        "loop_END_frame_ffmpeg would have to be 10000101 or more.",
    ),
    "frames of the video": outside(
        row(105), "frame 104",
        "loop_END_frame_ffmpeg would have to be 206 or more; or the file counts from the video's"
        " first frame: then pass --frames video.",
        sound=row(104), rows=(2, 3),
    ),
    "several frames after the clip": outside(
        row(12) + row(10), "frame 12", "loop_END_frame_ffmpeg would have to be 113 or more.",
        rows=(3, 4),
    ),
    "frame after the clip, without a box": outside(
        row(10, count="0", shape="{}", region="{}"), "frame 10",
        "loop_END_frame_ffmpeg would have to be 111 or more.",
    ),
    "frame attribute after the clip": outside(
        row(attributes='{"frame":10}'), "frame 10",
        "loop_END_frame_ffmpeg would have to be 111 or more.", FILE_ATTRIBUTES,
        sound=row(9, attributes='{"frame":9}'),
    ),
    "frame attribute negative": outside(
        row(attributes='{"frame":-1}'), "frame -1", "Correct the frame.", FILE_ATTRIBUTES,
        sound=row(9, attributes='{"frame":9}'),
    ),
    "frame before the clip, counted in the video": outside_video(
        99, "loop_START_frame_ffmpeg would have to be 100 or less."
    ),
    "frame after the clip, counted in the video": outside_video(
        110, "loop_END_frame_ffmpeg would have to be 111 or more."
    ),
    "frame of the clip, counted in the video": outside_video(
        9, "loop_START_frame_ffmpeg would have to be 10 or less."
    ),
    **{
        f"frame attribute {value}": bad_attribute(value, found)
        for value, found in {
            "7.5": "7.5", '"7.5"': "7.5", '"seven"': "seven", "true": "True", "[7]": "[7]",
            '""': "", '"-"': "-",
        }.items()
    },
    **{
        f"no frame in {name!r}": Case(
            row(name=name), "no-frame", FILENAME, name, "digits before the extension",
            "Pass --frame-regexp",
        )
        for name in ("frame.png", "frame.0003", "12/frame.png", "12\\frame.png", "frame_\u0663.png")
    },
    "no image": Case(
        row(name=""), "no-frame", FILENAME, "", "digits before the extension", "--frame-regexp"
    ),
    "frame regexp does not match": Case(
        row(name="cam1-0003.png"), "no-frame", FILENAME, "cam1-0003.png",
        "an integer where group 1 of 'frame_([0-9a-z]+)' matches", "Pass --frame-regexp",
        options={"frame_regexp": "frame_([0-9a-z]+)"},
    ),
    "frame regexp matches no integer": Case(
        row(name="frame_x.png"), "no-frame", FILENAME, "frame_x.png",
        "an integer where group 1 of 'frame_([0-9a-z]+)' matches", "Pass --frame-regexp",
        options={"frame_regexp": "frame_([0-9a-z]+)"},
    ),
    "one image, two frames": Case(
        row(name="frame_00000009.png", attributes='{"frame":2}'), "image-frame", FILENAME,
        "frame_00000009.png as frame 9 and as frame 2", "one image file name for one frame",
        "Correct the file", sound=row(9, attributes='{"frame":9}'),
    ),
    "two images, one frame": Case(
        row(name="left_9.png"), "image-frame", FILENAME,
        "frame_00000009.png and left_9.png as frame 9", "one image file name for one frame",
        "Correct the file",
    ),
    "box twice": Case(
        row(9, region='{"track":5,"confidence":0.1}'), "duplicate-box", REGIONS,
        "track 5 in frame 9, as in row 2", "one box per track and frame",
    ),
    "box twice, track written otherwise": Case(
        row(9, region='{"track":"5.0"}'), "duplicate-box", REGIONS,
        "track 5 in frame 9, as in row 2", "one box per track and frame",
    ),
    "box three times, far apart": Case(
        row(1) + row(9, region='{"track":5}') + row(2) + row(9, region='{"track":5}'),
        "duplicate-box", REGIONS, "track 5 in frame 9, as in row 2", "one box per track and frame",
        rows=(4, 6),
    ),
    # rows
    "a field too few": Case(
        "frame_00000001.png,8888,{},1,0,{}\n", "row-fields", FILENAME, "6 fields", "7 fields"
    ),
    "a field too many": Case(
        row().removesuffix("\n") + ",x\n", "row-fields", FILENAME, "8 fields", "7 fields"
    ),
    "an empty field too many": Case(
        row().removesuffix("\n") + ",\n", "row-fields", FILENAME, "8 fields", "7 fields"
    ),
    "one field": Case("frame_00000001.png\n", "row-fields", FILENAME, "1 field", "7 fields"),
    "a row broken off": Case(
        row()[:22], "row-fields", FILENAME, "2 fields, and then the file ends", "7 fields",
        "The file was cut off. Copy the file again",
    ),
    "a row broken off in a quote": Case(
        row()[:30], "tracks-cut-off", None, "a quoted cell without its end",
        "a last row that is whole", "Copy the file again",
    ),
    "a row without a box": Case(
        row(count="1", shape="{}", region="{}"), "row-without-box", SHAPES,
        "{} and a region_count of 1", "a box, or a region_count of 0",
    ),
    "a row without a box or a count": Case(
        row(count="", shape="{}", region="{}"), "row-without-box", SHAPES,
        "{} and a region_count of ", "a box, or a region_count of 0",
    ),
    "a box in an empty frame": Case(
        row(count="0"), "box-in-empty-frame", REGION_COUNT, "0", "1 or more, or '{}'"
    ),
    "a box in an empty frame, with spaces": Case(
        row(count=" 0 "), "box-in-empty-frame", REGION_COUNT, " 0 ", "1 or more, or '{}'"
    ),
    "half a box in an empty frame": Case(
        row(count="0", shape="{}"), "box-in-empty-frame", REGION_COUNT, "0", "1 or more, or '{}'"
    ),
    # the file: nothing that its start would show to whoever plans
    "not UTF-8 in the middle": Case(
        b"fr\xe9me_00000001.png,8888,{},0,0,{},{}\n" + row(2).encode(), "tracks-not-utf8", None,
        "byte 0xe9 at position 3 of the row, which is 'é' in Latin-1 (ISO 8859-1) or Windows-1252",
        "a CSV file in UTF-8", "UTF-8", rows=(N_EMPTY + 3,), sound=SOUND + EMPTY_ROWS,
    ),
    "not UTF-8 where nobody looks": Case(
        row(1).encode().replace(b"8888", b"\xff"), "tracks-not-utf8", None,
        "byte 0xff at position 20 of the row, which is 'ÿ' in Latin-1 (ISO 8859-1) or Windows-1252",
        "a CSV file in UTF-8", "UTF-8", rows=(N_EMPTY + 3,), sound=SOUND + EMPTY_ROWS,
    ),
    "a quote that is not closed": Case(
        row(1).replace('"{', '"{', 1).replace('}",1,0', "},1,0") + row(2) + row(3),
        "tracks-csv", None, "',' expected after '\"'", "a CSV file in UTF-8",
    ),
    "a quote that is not closed at the end": Case(
        row(1)[:-2] + "\n" + "\n", "tracks-csv", None, "unexpected end of data",
        "a CSV file in UTF-8",
    ),
    "letters after a quote": Case(
        row(1).replace('}",1,0', '}"x,1,0'), "tracks-csv", None, "',' expected after '\"'",
        "a CSV file in UTF-8",
    ),
    "letters after a quote where nobody looks": Case(
        row(1).replace("8888", '"88"88'), "tracks-csv", None, "',' expected after '\"'",
        "a CSV file in UTF-8",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Converted:
    """What came of all cases of one set of options."""

    folder: Path
    store: Path
    summary: tz.Summary
    stderr: str
    status: int


def write_experiment(folder: Path, files: Mapping[str, bytes]) -> tuple[Path, Path]:
    """Write one video a file, each of one clip of ten frames."""
    tracks = folder / "tracks"
    tracks.mkdir(parents=True)
    lines = [",".join(METADATA_COLUMNS)]
    for video, content in files.items():
        (tracks / f"{video}-c_tracks.csv").write_bytes(content)
        lines.append(f"{video}.mov,{video}-c.mp4,25,{FIRST + 1},{FIRST + N_FRAMES},,")
    metadata = folder / "metadata.csv"
    metadata.write_text("\n".join(lines))
    return tracks, metadata


def key_of(options: Mapping[str, Any]) -> str:
    return json.dumps(options, sort_keys=True)


NUMBER_OF = {name: number for number, name in enumerate(CASES)}


def video_of(name: str) -> str:
    return f"v{NUMBER_OF[name]:03d}"


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Converted]:
    """Convert all cases, between two sound videos, by the library and on the command line."""
    done = {}
    for key in sorted({key_of(case.options) for case in CASES.values()}):
        chosen = {name: case for name, case in CASES.items() if key_of(case.options) == key}
        sound = next(iter(chosen.values())).sound
        files = {"a": HEADER + sound, "z": HEADER + sound}
        folder = tmp_path_factory.mktemp("converted")
        tracks, metadata = write_experiment(
            folder,
            {video: text.encode() for video, text in files.items()}
            | {video_of(name): case.file for name, case in chosen.items()},
        )
        options = json.loads(key)
        plan = tz.plan(tracks, metadata, **options)
        summary = tz.create(plan, folder / "library.zarr", workers=1)
        store = folder / "command.zarr"
        args = [f"--{option.replace('_', '-')}={value}" for option, value in options.items()]
        ended = call("create", tracks, metadata, store, "--workers", 1, *args)
        done[key] = Converted(folder, store, summary, ended.stderr, ended.status)
    return done


@pytest.mark.parametrize("name", CASES)
def test_each_violation(name: str, converted: dict[str, Converted]) -> None:
    case = CASES[name]
    run = converted[key_of(case.options)]
    video = video_of(name)
    (outcome,) = (outcome for outcome in run.summary.outcomes if outcome.video == video)
    assert str(outcome.result) == "failed"
    problems = outcome.problems
    file = str(run.folder / "tracks" / f"{video}-c_tracks.csv")
    assert {(problem.kind, problem.row) for problem in problems} == {
        (case.kind, number) for number in case.rows
    }
    for problem in problems:
        assert problem.is_error
        assert problem.file == file
        assert problem.column == case.column
        assert problem.video == video
        assert case.expected in (problem.expected or "")
        assert case.remedy in (problem.remedy or "")
        assert problem.what.endswith(".")
        assert all(line.isprintable() for line in str(problem).splitlines())
    found = problems[0].found
    assert found == case.found if len(case.found) < 200 else case.found.startswith(found or "x")


@pytest.mark.parametrize("name", CASES)
def test_each_violation_on_the_command_line(name: str, converted: dict[str, Converted]) -> None:
    """The message is whole on stderr, the group is not there, and it is known why."""
    case = CASES[name]
    run = converted[key_of(case.options)]
    video = video_of(name)
    file = f"{video}-c_tracks.csv, row {case.rows[0]}"
    file += f", column {case.column}\n" if case.column else "\n"
    assert file in run.stderr
    said = run.stderr.partition(file)[2].partition("error:")[0]
    assert case.found[:190] in said
    assert case.expected in said
    assert case.remedy in said
    assert f"{video}: FAILED" in run.stderr

    assert not (run.store / video).exists()
    (info,) = tz.info(run.store, video).videos
    assert str(info.state) == "failed"
    assert info.why
    assert info.why in said.partition("  in:")[0] or info.why in run.stderr


def test_the_others_are_done(converted: dict[str, Converted]) -> None:
    for run in converted.values():
        assert run.status == 1
        assert not run.summary.ok
        assert "Traceback" not in run.stderr
        assert "unexpected error" not in run.stderr
        states = {video.video: str(video.state) for video in tz.info(run.store).videos}
        assert {video for video, state in states.items() if state == "done"} == {"a", "z"}
        assert {state for video, state in states.items() if video not in {"a", "z"}} == {"failed"}
        groups = {path.parent.name for path in run.store.glob("*/zarr.json")}
        assert groups == {"a", "z"}
        root = json.loads((run.store / "zarr.json").read_text())
        listed = root["consolidated_metadata"]["metadata"]
        assert {path.partition("/")[0] for path in listed} == {"a", "z"}


def test_nothing_is_left_behind(converted: dict[str, Converted]) -> None:
    for run in converted.values():
        assert {path.name for path in run.folder.iterdir()} == {
            "tracks", "metadata.csv", "library.zarr", "command.zarr",
        }  # fmt: skip


def test_info_shows_failures(converted: dict[str, Converted]) -> None:
    run = converted[key_of({})]
    video = video_of("track -1")
    shown = call("info", run.store)
    assert shown.status == 0
    assert f" of {len(tz.info(run.store).videos)} videos done" in shown.stdout
    assert f"{video}: The track of a box is not a track number." in shown.stdout
    (line,) = (line for line in shown.stdout.splitlines() if line.startswith(f"{video} "))
    assert "failed" in line
    one = call("info", run.store, video)
    assert "failed" in one.stdout
    assert "The track of a box is not a track number." in one.stdout
    documents = json.loads(call("info", run.store, "--json").stdout)["videos"]
    (document,) = (document for document in documents if document["video"] == video)
    assert document["state"] == "failed"
    assert "The track of a box is not a track number." in json.dumps(document)


def test_verify_says_what_is_not_finished(converted: dict[str, Converted]) -> None:
    run = converted[key_of({"frames": "video"})]
    ended = call("verify", run.store, "--workers", 1, "--json")
    assert ended.status == 1
    states = {v["video"]: v["state"] for v in json.loads(ended.stdout)["videos"]}
    assert {states.pop("a"), states.pop("z")} == {"done"}
    assert set(states.values()) == {"failed"}


def convert_one(folder: Path, content: str | bytes, **options: Any) -> tuple[tz.Summary, Path]:
    content = content.encode() if isinstance(content, str) else content
    tracks, metadata = write_experiment(folder / "in", {"v": content})
    store = folder / "out.zarr"
    return tz.create(tz.plan(tracks, metadata, **options), store, workers=1), store


def problems_of(summary: tz.Summary) -> tuple[tz.Problem, ...]:
    (outcome,) = summary.outcomes
    return outcome.problems


def test_a_mended_file_is_converted(tmp_path: Path) -> None:
    summary, store = convert_one(tmp_path, HEADER + SOUND + box(x="true"))
    assert not summary.ok
    file = tmp_path / "in" / "tracks" / "v-c_tracks.csv"
    file.write_text(HEADER + SOUND + box(x="5"))
    plan = tz.plan(file.parent, tmp_path / "in" / "metadata.csv")
    assert tz.create(plan, store, store_mode="a", workers=1).ok
    (info,) = tz.info(store).videos
    assert (str(info.state), info.why, info.n_boxes) == ("done", None, 2)


def test_a_broken_file_does_not_harm_what_is_there(tmp_path: Path) -> None:
    """A video is not replaced by one that fails."""
    summary, store = convert_one(tmp_path, HEADER + SOUND)
    assert summary.ok
    before = {path: path.read_bytes() for path in (store / "v").rglob("*") if path.is_file()}
    file = tmp_path / "in" / "tracks" / "v-c_tracks.csv"
    file.write_text(HEADER + SOUND + box(x="true"))
    plan = tz.plan(file.parent, tmp_path / "in" / "metadata.csv")
    again = tz.create(plan, store, store_mode="a", group_mode="w", workers=1)
    assert not again.ok
    assert {
        path: path.read_bytes() for path in (store / "v").rglob("*") if path.is_file()
    } == before


def test_all_kinds_are_reported_together(tmp_path: Path) -> None:
    content = (
        HEADER
        + box(x="true")
        + region(track="-1")
        + row(10)
        + row(1, region="{")
        + row(name="none.png")
        + "a,b\n"
        + row(2)
    )
    summary, _ = convert_one(tmp_path, content)
    assert {(problem.kind, problem.row) for problem in problems_of(summary)} == {
        ("not-a-number", 2),
        ("track", 3),
        ("frame-outside-clip", 4),
        ("json", 5),
        ("no-frame", 6),
        ("row-fields", 7),
    }


def test_a_mistake_in_many_rows_of_several_files_is_shown_for_the_first(tmp_path: Path) -> None:
    """Files with few such rows are shown in full, and so are other mistakes."""
    found: list[Problem] = []
    for name, count in {"few": 2, "first": 12, "second": 13, "third": 14}.items():
        problems = RowProblems(tmp_path / name)
        for line in range(count):
            problems.add(line + 2, Problem(kind="track", what="Bad.", expected=f"{name} {line}"))
        problems.add(40, Problem(kind="json", what="Odd."))
        found += problems.all()
    shown = by_rows(found)
    of_track = [problem for problem in shown if problem.kind == "track"]
    assert {Path(problem.file or "").name for problem in of_track[:-1]} == {"few", "first"}
    assert len(of_track) == 2 + 10 + 1 + 1
    assert of_track[-1].what == "2 more files have this problem in many rows (3 in all)."
    assert of_track[-1].file == f"{tmp_path / 'second'}, {tmp_path / 'third'}"
    assert len(shown) == len(of_track) + 4


def test_the_first_ten_rows_are_named_and_all_counted(tmp_path: Path) -> None:
    bad = [row(1, region='{"track":-1}') if number % 2 else box(y="") for number in range(26)]
    summary, store = convert_one(tmp_path, HEADER + "".join(bad))
    problems = problems_of(summary)
    for kind, first in (("not-a-number", 2), ("track", 3)):
        of_kind = [problem for problem in problems if problem.kind == kind]
        assert [problem.row for problem in of_kind] == [*range(first, first + 20, 2), None]
        assert of_kind[-1].what == "3 more rows have this problem (13 in all)."
        assert of_kind[-1].file == of_kind[0].file
    recorded = tz.info(store).videos[0]
    assert recorded.why == problems[0].what


def test_ten_rows_are_all_named(tmp_path: Path) -> None:
    summary, _ = convert_one(tmp_path, HEADER + box(y="") * 10)
    assert [problem.row for problem in problems_of(summary)] == [*range(2, 12)]


def test_rows_that_span_lines_are_named_by_their_first(tmp_path: Path) -> None:
    spanning = row(1, attributes='{"note":\n\n1}')
    bad = row(2, attributes='{"note":\n1}', region='{"track":-1}')
    summary, _ = convert_one(tmp_path, HEADER + spanning + "\n" + bad + row(3))
    assert [problem.row for problem in problems_of(summary)] == [6]


def test_frames_in_some_attributes_are_a_warning(tmp_path: Path) -> None:
    content = HEADER + row(3, attributes='{"frame":5}') + row(4)
    summary, store = convert_one(tmp_path, content)
    assert summary.ok
    (warning,) = problems_of(summary)
    assert warning.severity == "warning"
    assert warning.kind == "mixed-frames"
    assert warning.column == FILE_ATTRIBUTES
    assert warning.file == str(tmp_path / "in" / "tracks" / "v-c_tracks.csv")
    assert "the file names count" in warning.what
    clip = tz.load_clip(store, "v", "c")
    assert np.flatnonzero(np.isfinite(clip["confidence"].values[:, 0])).tolist() == []
    with_box = np.isfinite(clip["position"].values).any(axis=(1, 2))
    assert np.flatnonzero(with_box).tolist() == [3, 4]

    tracks, metadata = tmp_path / "in" / "tracks", tmp_path / "in" / "metadata.csv"
    ended = call("create", tracks, metadata, tmp_path / "again.zarr", "--workers", 1, "--quiet")
    assert ended.status == 0
    assert "warning: Only some rows have a frame in their file attributes" in ended.stderr
    assert ended.stdout == ""


def test_frames_in_some_attributes_do_not_count_with_a_regexp(tmp_path: Path) -> None:
    content = HEADER + row(3, attributes='{"frame":5}') + row(4)
    summary, _ = convert_one(tmp_path, content, frame_regexp="([0-9]+)")
    assert summary.ok
    assert problems_of(summary) == ()


# Files of more than one batch.


def long_file(n_bytes: int) -> list[str]:
    """Return the header and the rows of a sound file; each track has one box per frame."""
    first = [row(frame, region='{"track":@}') for frame in range(N_FRAMES)]
    per_track = "".join(first)
    n_tracks = n_bytes // len(per_track)
    text = "".join(per_track.replace("@", str(track)) for track in range(n_tracks))
    return [HEADER, *text.splitlines(keepends=True)]


@pytest.fixture(scope="module")
def long_rows() -> list[str]:
    return long_file(22_000_000)


def test_a_file_that_breaks_in_its_second_batch(long_rows: list[str], tmp_path: Path) -> None:
    assert sum(map(len, long_rows)) > 20_000_000 > compiled_reader.BATCH_BYTES
    bad = len(long_rows) - 5
    content = "".join([*long_rows[:bad], row(3, region='{"track":1.5}'), *long_rows[bad:]])
    summary, store = convert_one(tmp_path, content)
    assert [(problem.kind, problem.row) for problem in problems_of(summary)] == [("track", bad + 1)]
    assert not (store / "v").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out.zarr"}


def test_a_box_that_is_twice_in_two_batches(long_rows: list[str], tmp_path: Path) -> None:
    summary, _ = convert_one(tmp_path, "".join([*long_rows, long_rows[7]]))
    (problem,) = problems_of(summary)
    assert problem.kind == "duplicate-box"
    assert problem.row == len(long_rows) + 1
    assert problem.found == "track 0 in frame 6, as in row 8"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "content",
    [
        pytest.param('frame"_00000001.png,1,{},0,0,{},{}\n', id="in a name"),
        pytest.param('"frame_00000001.png,1,{},0,0,{},{}\n', id="not closed"),
    ],
)
def test_one_quote_does_not_take_minutes(
    content: str, long_rows: list[str], tmp_path: Path
) -> None:
    few = long_rows[:40_000]
    summary, _ = convert_one(tmp_path, "".join([*few[:5], content, *few[5:]]))
    assert not summary.ok
    assert {problem.row for problem in problems_of(summary)} == {6}


# All readers.


@dataclass(frozen=True)
class Boxes:
    """What a road makes of a file, bit by bit."""

    frame: tuple[int, ...]
    track: tuple[int, ...]
    box: bytes
    confidence: tuple[int, ...]
    digest: str
    warnings: tuple[str, ...]


type Answer = Boxes | tuple[tz.Problem, ...]

RULE = FrameRule(N_FRAMES, FIRST, "clip", None)


def answer(boxes: Any, digest: str, warnings: tuple[tz.Problem, ...]) -> Boxes:
    confidence = np.asarray(boxes.confidence)
    # one NaN is as good as another
    bits = np.where(np.isnan(confidence), np.float32(np.nan), confidence).view(np.int32)
    return Boxes(
        tuple(boxes.frame.tolist()),
        tuple(boxes.track.tolist()),
        np.asarray(boxes.box).tobytes(),
        tuple(bits.tolist()),
        digest,
        tuple(warning.kind for warning in warnings),
    )


def answer_of(read: Callable[[], Read]) -> Answer:
    try:
        found = read()
    except tz.Tracks2ZarrError as error:
        return error.problems
    return answer(found.boxes, found.file.digest, found.file.warnings)


def by_all_readers(content: str | bytes, folder: Path, rule: FrameRule = RULE) -> Answer:
    """Return what the readers make of a file; it is one and the same.

    The column reader reads all that the row reader has no complaint about.
    """
    path = folder / "clip.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    by_rows = answer_of(lambda: read_with(row_reader.read_file, path, rule))
    assert answer_of(lambda: read_as_create_does(path, rule)) == by_rows
    if isinstance(by_rows, Boxes):
        assert answer_of(lambda: read_with(column_reader.read_file, path, rule)) == by_rows
    else:
        assert not is_read_by_columns(path, rule)
    return by_rows


def is_read_by_columns(path: Path, rule: FrameRule) -> bool:
    """Tell whether the column reader reads a file, in which no box may be there twice."""
    try:
        boxes = read_with(column_reader.read_file, path, rule).boxes
    except UnrecognisedError:
        return False
    return boxes.first_duplicate() is None


LEGAL_TRACKS = {
    "7": 7, '"7"': 7, '" 7 "': 7, '"7.0"': 7, "7.0": 7, '"7."': 7, '"+7"': 7, '"007"': 7,
    "7e0": 7, '"70e-1"': 7, "1e3": 1000, '"1e3"': 1000, '"1E+3"': 1000, '"0.1e1"': 1,
    "-0": 0, '"-0"': 0, "-0.0": 0, r'"\u0037"': 7, '"7\\u002e0"': 7,
    "9007199254740993": 9007199254740993, '"9007199254740993"': 9007199254740993,
    '"9007199254740993.0"': 9007199254740993, '"9007199254740993e0"': 9007199254740993,
    "9223372036854775807": 2**63 - 1, '"9223372036854775807"': 2**63 - 1,
    '"9223372036854775807.000"': 2**63 - 1, '"9223372036854775806"': 2**63 - 2,
    "1e18": 10**18, '"1e18"': 10**18, "4611686018427387904.0": 2**62,
}  # fmt: skip


@pytest.mark.parametrize(("value", "track"), LEGAL_TRACKS.items())
def test_legal_tracks(value: str, track: int, tmp_path: Path) -> None:
    found = by_all_readers(HEADER + region(track=value), tmp_path)
    assert isinstance(found, Boxes)
    assert found.track == (track,)


LEGAL_NUMBERS = {
    "5": 5.0, '"5"': 5.0, '" 5 "': 5.0, '"5\\t"': 5.0, '"+5"': 5.0, '".5"': 0.5, '"5."': 5.0,
    "1e3": 1e3, '"1e3"': 1e3, '"1E+3"': 1e3, "1E3": 1e3, "-0": 0.0, '"-0"': 0.0, "-0.0": 0.0,
    "-12.5": -12.5, '"-12.5"': -12.5, "0.1": 0.1, '"0.1"': 0.1, "1e38": 1e38, '"-1e38"': -1e38,
    "0.1000000000000000055511151231257827": 0.1, '"0.1000000000000000055511151231257827"': 0.1,
    "5e-324": 5e-324, '"1e-400"': 0.0, "1e-400": 0.0, "16777217": 16777217.0,
    "123456789012345678901234567890": 123456789012345678901234567890.0,
    "18446744073709551615": 2.0**64, r'"\u0037"': 7.0,
}  # fmt: skip


@pytest.mark.parametrize(("value", "number"), LEGAL_NUMBERS.items())
def test_legal_numbers(value: str, number: float, tmp_path: Path) -> None:
    """Each is parsed as float64, rounded to float32, and only then computed with."""
    found = by_all_readers(HEADER + box(x=value, width="0.1"), tmp_path)
    assert isinstance(found, Boxes)
    expected = np.float32(number) + np.float32(0.1) / np.float32(2)
    assert np.frombuffer(found.box, np.float32)[0] == expected
    if number >= 0:
        found = by_all_readers(HEADER + box(height=value), tmp_path)
        assert isinstance(found, Boxes)
        assert np.frombuffer(found.box, np.float32)[3] == np.float32(number)


NAN = float("nan")
LEGAL_CONFIDENCES = {
    "": NAN, "null": NAN, "NaN": NAN, '"NaN"': NAN, '"nan"': NAN, '" nan "': NAN, "0.5": 0.5,
    '"0.5"': 0.5, '".5"': 0.5, '" 0.5 "': 0.5, "1": 1.0, '"1"': 1.0, "-1": -1.0, "0.1": 0.1,
    "1e-45": 1e-45, '"+5e-1"': 0.5, "250": 250.0,
}  # fmt: skip


@pytest.mark.parametrize(("value", "number"), LEGAL_CONFIDENCES.items())
def test_legal_confidences(value: str, number: float, tmp_path: Path) -> None:
    found = by_all_readers(HEADER + region(confidence=value) + SOUND, tmp_path)
    assert isinstance(found, Boxes)
    confidence = np.array(found.confidence, np.int32).view(np.float32)
    np.testing.assert_array_equal(confidence, np.array([number, 0.5], np.float32))


LEGAL_FILES: dict[str, tuple[str | bytes, list[tuple[int, int]]]] = {
    "spaces in JSON": (
        row(2, shape=' { "name" : "rect" , "x" : 1 ,"y":2,"width":3,"height":4 } ',
            region='\t{ "track" : 3 }'),
        [(2, 3)],
    ),
    "line breaks in JSON": (row(2, region='{\n"track":\r\n3}') + row(3), [(2, 3), (3, 1)]),
    "keys in another order": (
        row(2, shape='{"height":4,"width":3,"y":2,"x":1,"name":"rect"}'), [(2, 1)]
    ),
    "escapes in keys": (row(2, region='{"\\u0074rack":3}'), [(2, 3)]),
    "escapes in the name": (row(2, shape=SHAPE.replace("rect", "r\\u0065ct")), [(2, 1)]),
    "further attributes": (
        row(2, shape=SHAPE[:-1] + ',"note":null}',
            region='{"a":{"track":9},"track":3,"b":[{"track":8},"}"],"c":"\\"},{\\"track\\":7"}'),
        [(2, 3)],
    ),
    "a further attribute of 200 kB": (
        row(2, region='{"track":3,"note":"' + "x" * 200_000 + '"}') + row(3), [(2, 3), (3, 1)]
    ),
    "deep further attributes": (
        row(2, region='{"track":3,"note":' + "[" * 500 + "]" * 500 + "}"), [(2, 3)]
    ),
    "Unicode": (row(2, name="é🦀_2.png", region='{"track":3,"né":"🦀\u2028"}'), [(2, 3)]),
    "half an emoji in JSON": (row(2, region='{"track":3,"note":"\\ud83e"}'), [(2, 3)]),
    "quoted line breaks in file attributes": (
        row(2, attributes='{"note":\n"x"}') + row(3, attributes='{"note":\r\n"x"}'),
        [(2, 1), (3, 1)],
    ),
    "quotes in a name": (row(2, name='the "left" one_2.png'), [(2, 1)]),
    "a quote in a name that is not quoted": (row(2).replace("frame_", 'fr"me_') + row(3),
                                             [(2, 1), (3, 1)]),
    "a comma in a name": (row(2, name="left, 2.png"), [(2, 1)]),
    "a line break in a name": (row(2, name="left\n2.png"), [(2, 1)]),
    "everything quoted": (
        ",".join('"' + cell.replace('"', '""') + '"'
                 for cell in next(csv.reader([row(2).strip()]))) + "\n",
        [(2, 1)],
    ),
    "blank lines": ("\n\n" + row(2) + "\n" + row(3) + "\n\n\n", [(2, 1), (3, 1)]),
    "blank lines with carriage returns": (
        ("\n\n" + row(2) + "\n" + row(3) + "\n\n").replace("\n", "\r\n"), [(2, 1), (3, 1)]
    ),
    "no last line break": (row(2) + row(3).removesuffix("\n"), [(2, 1), (3, 1)]),
    "CRLF, no last line feed": ((row(2) + row(3)).replace("\n", "\r\n")[:-1], [(2, 1), (3, 1)]),
    "CRLF and LF": (row(2).replace("\n", "\r\n") + row(3), [(2, 1), (3, 1)]),
    "frames in any order": (row(9) + row(0) + row(5), [(0, 1), (5, 1), (9, 1)]),
    "frames without boxes": (
        row(0, count="0", shape="{}", region="{}") + row(2) + row(9, count="0", shape="{}",
                                                                  region="{}"),
        [(2, 1)],
    ),
    "frames without boxes alone": (row(0, count="0", shape="{}", region="{}"), []),
    "a frame without boxes, count written otherwise": (
        row(0, count="0.0", shape="{}", region=" {} ") + row(2), [(2, 1)]
    ),
    "other counts and ids": (
        row(2, count="17", region_id="x") + row(3, count="", region_id="", size=""),
        [(2, 1), (3, 1)],
    ),
    "a count that is no number": (row(2, count="many"), [(2, 1)]),
    "frames in attributes": (
        row(name="b7.png", attributes='{"frame":2}') + row(name="x.png", attributes='{"frame":"3"}')
        + row(name="", attributes='{"frame":4.0}'),
        [(2, 1), (3, 1), (4, 1)],
    ),
    "a null frame in the attributes": (row(2, attributes='{"frame":null}'), [(2, 1)]),
    "digits in folders and extensions": (
        row(name="day 7/cam3_00000002.jp2") + row(name="C:\\day 7\\cam3_3.jp2"), [(2, 1), (3, 1)]
    ),
    "names without an extension": (row(name="cam3_00000002"), [(2, 1)]),
    "NUL where nobody looks": (row(2, size="88\x0088"), [(2, 1)]),
    "no rows": ("", []),
}  # fmt: skip


@pytest.mark.parametrize("name", LEGAL_FILES)
@pytest.mark.parametrize(
    "header", ["plain", "#filename", "BOM", "BOM and #filename", "quoted", "CRLF"]
)
def test_legal_files(name: str, header: str, tmp_path: Path) -> None:
    content, expected = LEGAL_FILES[name]
    first = {
        "plain": HEADER,
        "#filename": f"#{HEADER}",
        "BOM": f"\ufeff{HEADER}",
        "BOM and #filename": f"\ufeff#{HEADER}",
        "quoted": "\ufeff" + '"' + HEADER.strip().replace(",", '","') + '"\n',
        "CRLF": HEADER.replace("\n", "\r\n"),
    }[header]
    assert isinstance(content, str)
    found = by_all_readers(first + content, tmp_path)
    assert isinstance(found, Boxes), found
    assert list(zip(found.frame, found.track, strict=True)) == expected


# No rule says which of these are legal, but all readers must say the same.
ODD_FILES: dict[str, str | bytes] = {
    "track twice in JSON": row(region='{"track":1,"track":2}'),
    "track twice in JSON, once escaped": row(region='{"track":1,"tr\\u0061ck":2}'),
    "confidence twice in JSON": row(region='{"confidence":1,"track":1,"confidence":2}'),
    "x twice in JSON": row(shape='{"name":"rect","x":1,"x":9,"y":2,"width":3,"height":4}'),
    "name twice in JSON": row(shape='{"name":"circle",' + SHAPE[1:]),
    "name twice in JSON, the other way round": row(shape=SHAPE[:-1] + ',"name":"circle"}'),
    "another key twice in JSON": row(region='{"note":1,"track":1,"note":2}'),
    "a key twice in JSON in JSON": row(region='{"track":1,"note":{"track":1,"track":2}}'),
    "a key in a text in JSON": row(region='{"track":1,"note":"\\"track\\":2"}'),
    "frame twice in JSON": row(attributes='{"frame":1,"frame":2}'),
    "a track that float64 rounds": region(track="9007199254740993.0"),
    "a track near one": region(track="7.0000000000000000001"),
    "a track near none": region(track="1e-400"),
    "a track of no size": region(track='"0e99999999999999999999"'),
    "a track of the least size": region(track='"1e-99999999999999999999"'),
    "a signed NaN": region(confidence='"+nan"'),
    "a track of 5000 digits": region(track='"' + "1" * 5000 + '"'),
    "a track of 5000 digits, no string": region(track="1" * 5000),
    "a frame of 5000 digits": row(name="f" + "1" * 5000 + ".png"),
    "a frame attribute of 5000 digits": row(attributes='{"frame":"' + "1" * 5000 + '"}'),
    "very deep further attributes": row(region='{"track":1,"a":' + "[" * 9000 + "]" * 9000 + "}"),
    "deepest further attributes": row(region='{"track":1,"a":' + "[" * 50_000 + "]" * 50_000 + "}"),
    "deepest file attributes": row(attributes='{"a":' + "[" * 50_000 + "]" * 50_000 + "}"),
    "an empty frame written with spaces": row(count="0", shape="{ }", region="{}"),
    "a box and a count of 0.0": row(count="0.0"),
    "a box and a count of 00": row(count="00"),
    "a box and a count of 0 and a space": row(count="0 "),
    "a carriage return in a number": row(size="88\r88").replace('"', "", 2),
    "a carriage return before a comma": row(region_id="R").replace(",R,", ",0\r,"),
    "a carriage return at the end of a row": row(1).replace("\n", "\r\r\n"),
    "carriage returns for line ends": (row(1) + row(2)).replace("\n", "\r"),
    "a header that ends in a carriage return": "\r" + row(1),
    "a space before a quote": row(1).replace(',"{', ', "{', 1),
    "a quote within a number": row(1).replace("8888", '88"88'),
    "two quotes within a number": row(1).replace("8888", '8"8,8"8'),
    "two empty quotes": row(1).replace("8888", '""""'),
    "NUL in a name": row(name="f\x001.png"),
    "a byte-order mark in the middle": row(1) + "\ufeff" + row(2),
    "a byte-order mark in a cell": row(1, region='\ufeff{"track":1}'),
    "a space that is not ASCII": row(1, region='\u00a0{"track":1}'),
    "a row of commas": row(1) + ",,,,,,\n",
    "form feeds for line ends": row(1).replace("\n", "\x0c") + row(2),
    "control Z at the end": row(1) + "\x1a",
    "a byte-order mark at the end": row(1) + "\ufeff",
    "a quoted cell of two parts": row(1).replace("8888", '"88"","88"'),
    "a number with quotes": row(1).replace('""y"":2', '""y"":"7"2'),
    "three quotes for two": row(1, region='{"track":"9"}').replace('""9""', '"""9"""'),
    "a quote in a number": row(1, region='{"track":1,"confidence":"0.58"}').replace(".5", '.5"'),
    "two quotes in a key": row(1, region='{"track":1,"confidence":1}').replace("fid", '"fid"'),
    "quotes in file attributes": row(1).replace("clip", '"clip"'),
    "quotes in a file name": row(1, name="x").replace("x,", 'a "0" 1.png,'),
    "a quote at the end": row(1).rstrip("\n") + '"',
    "a quote at the end of an empty frame": row(1, count="0", shape="{}", region="{}")[:-1] + '"',
    "a quote in the last cell": row(1, region='{"track":12}')[:-1].replace("12", '1"2'),
    "a quote in the last cell, and a carriage return": (
        row(1, region='{"track":12}')[:-1].replace("12", '1"2') + "\r"
    ),
    "a cell of 20 MiB": row(1, attributes=f'{{"clip":"{"x" * 20 * 2**20}"}}'),
    "no file size": row(1).replace("8888", ""),
    "no file name": row(1).replace("frame_00000001.png", ""),
    "no file attributes": row(1, attributes=""),
    "a quoted cell and a space": row(1).replace("8888", '"8888" '),
    "half a character at the end": row(1).encode() + b"\xf0\x9f",
    "half an emoji in UTF-8": row(1, name="f_\x001.png").encode().replace(b"\x00", b"\xed\xa0\xbd"),
}  # fmt: skip


@pytest.mark.parametrize("batch_bytes", [1, 2**24])
@pytest.mark.parametrize("name", ODD_FILES)
def test_readers_agree_on_odd_files(name: str, batch_bytes: int, tmp_path: Path) -> None:
    content = ODD_FILES[name]
    content = content.encode() if isinstance(content, str) else content
    with mock.patch.object(compiled_reader, "BATCH_BYTES", batch_bytes):
        by_all_readers(HEADER.encode() + content, tmp_path)
        by_all_readers(HEADER.encode() + content + SOUND.encode(), tmp_path)


ODD_HEADERS = {
    "a carriage return": HEADER.replace("\n", "\r"),
    "two carriage returns": HEADER.replace("\n", "\r\r\n"),
    "a carriage return within": HEADER.replace(",file_size", "\r,file_size"),
    "a carriage return and half a row": HEADER.replace("\n", "\rframe_"),
    "two quotes before it": f'""{HEADER}',
    "a quote before it": f'"{HEADER}',
    "a quote in it": HEADER.replace("file_size", 'file"size'),
    "quoted, and more": HEADER.replace("filename", '"filename"x'),
    "a space": f" {HEADER}",
    "two byte-order marks": f"\ufeff\ufeff{HEADER}",
    "two signs": f"##{HEADER}",
    "a blank line before it": f"\n{HEADER}",
    "quoted with a line break": HEADER.replace("filename", '"file\nname"'),
    "NUL": HEADER.replace("\n", "\x00\n"),
    "nothing": "",
    "a byte-order mark alone": "\ufeff",
}


@pytest.mark.parametrize("name", ODD_HEADERS)
def test_readers_agree_on_odd_headers(name: str, tmp_path: Path) -> None:
    """What the plan lets through, all readers can read."""
    content = ODD_HEADERS[name] + row(1) + row(2, region='{"track":2}')
    found = by_all_readers(content, tmp_path)
    tracks, metadata = write_experiment(tmp_path / "in", {"v": content.encode()})
    try:
        tz.plan(tracks, metadata)
    except tz.Tracks2ZarrError as refused:
        kinds = {error.kind for error in refused.problems}
    else:
        kinds = set()
    if isinstance(found, Boxes):
        assert found.frame == (1, 2) or kinds
    else:
        assert len(kinds) == 1


@pytest.mark.parametrize("batch_bytes", [1, 150, 1000])
@pytest.mark.parametrize("name", LEGAL_FILES)
def test_legal_files_in_small_batches(name: str, batch_bytes: int, tmp_path: Path) -> None:
    content, expected = LEGAL_FILES[name]
    assert isinstance(content, str)
    with mock.patch.object(compiled_reader, "BATCH_BYTES", batch_bytes):
        found = by_all_readers(HEADER + content, tmp_path)
    assert isinstance(found, Boxes)
    assert list(zip(found.frame, found.track, strict=True)) == expected


TOKENS = [
    b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"\n\n", b"{", b"}", b"{}", b"[", b"]", b":", b"\\",
    b" ", b"\t", b"0", b"1", b"9", b"-", b"+", b".", b"e", b"e9", b"e400", b"nan", b"NaN", b"null",
    b"true", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xc3\xa9", b"\\u0030", b'""track"":2,',
    b"},{", b"Infinity", b"rect", b"00000000000000000000", b"#",
]  # fmt: skip
BASES = [
    HEADER + row(0) + row(1, region='{"track":"2","confidence":"0.5"}') + SOUND,
    "\ufeff#" + (HEADER + row(0, region='{"track":7.0}') + row(3)).replace("\n", "\r\n"),
    HEADER + row(0, attributes='{"frame":0}') + row(name="x.png", attributes='{"frame":"3"}'),
    HEADER + row(0, count="0", shape="{}", region="{}") + row(1, attributes='{"a":\n1}'),
]


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """Return a small sound file with one to four bytes or words changed, added or removed."""
    content = bytearray(draw(st.sampled_from(BASES)).encode())
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = start + draw(st.sampled_from([0, 0, 0, 1, 1, 2, 5, 40]))
        new = draw(
            st.sampled_from(TOKENS) | st.binary(max_size=2) | st.just(bytes(content[stop:][:9]))
        )
        content[start:stop] = new
    return bytes(content)


@settings(max_examples=150)
@given(mutations(), st.sampled_from([1, 300, 2**24]))
def test_the_readers_never_part(content: bytes, batch_bytes: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(compiled_reader, "BATCH_BYTES", batch_bytes),
    ):
        found = by_all_readers(content, Path(folder))
    if not isinstance(found, Boxes):
        assert errors_of(found)


def test_no_traceback_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Workers, too, must say what is wrong instead of how they found out."""
    tracks, metadata = write_experiment(
        tmp_path,
        {f"v{number}": (HEADER + box(x="true")).encode() for number in range(2)}
        | {"z": (HEADER + SOUND).encode()},
    )
    store = tmp_path / "new.zarr"
    ended = run_cli("create", tracks, metadata, store, "--workers", "2")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("row 2, column region_shape_attributes") == 2
    assert "1 video converted" in ended.stdout
    assert "not done: v0 (failed)" in ended.stdout
    assert not (tmp_path / "new.zarr.temp").exists()


def test_ended_is_what_commands_return() -> None:
    assert isinstance(call("--version"), Ended)
