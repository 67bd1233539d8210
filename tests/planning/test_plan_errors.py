"""Whatever is wrong with an experiment is said by the plan: all of it, before any work is done."""

import csv
import io
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import pytest

import tracks2zarr as tz
from support.commands import call, files_below
from support.experiments import METADATA_COLUMNS, VIA_COLUMNS, Clip, Experiment, Video, crowd
from support.tree import run_cli, snapshot
from tracks2zarr.common.problems import errors_of

VIDEO, CLIP, FPS, START, END, ESCAPE, ESCAPE_TYPE = METADATA_COLUMNS
METADATA = "loop-frames-ffmpeg.csv"
A00 = "tracks/A-Loop00_tracks.csv"
A01 = "tracks/A-Loop01_tracks.csv"
B00 = "tracks/B-Loop00_tracks.csv"

# Rows 2 to 5 of the metadata. C has no tracks file, so it is not selected.
SOUND = Experiment(
    (
        Video(
            "A",
            (
                Clip("Loop00", 1, 10, escape=4, escape_type="spontaneous", boxes=crowd(2)),
                Clip("Loop01", 11, 20, boxes=crowd(1, frame=3)),
            ),
            fps=30.0,
        ),
        Video("B", (Clip("Loop00", 1, 5, boxes=crowd(1)),), fps=25.0),
        Video("C", (Clip("Loop00", 101, 110, has_file=False),), fps=25.0),
    )
)


@dataclass(frozen=True)
class Given:
    """An experiment on disk, to be spoiled."""

    folder: Path

    @property
    def tracks(self) -> Path:
        return self.folder / "tracks"

    @property
    def metadata(self) -> Path:
        return self.folder / METADATA

    def read_rows(self) -> list[list[str]]:
        return list(csv.reader(io.StringIO(self.metadata.read_text(encoding="utf-8"))))

    def write_rows(self, rows: list[list[str]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self.metadata.write_text(text.getvalue(), encoding="utf-8")

    def path(self, name: str) -> Path:
        return self.folder / name if name else self.folder

    def plan(self, **options: Any) -> tz.Plan:
        return tz.plan(self.tracks, self.metadata, **options)


def but_for_c(problems: tuple[tz.Problem, ...]) -> list[tz.Problem]:
    """Return problems but for the warning that the video C has no tracks file."""
    return [problem for problem in problems if problem.kind != "video-without-file"]


type Change = Callable[[Given], object]


@pytest.fixture
def given(tmp_path: Path) -> Given:
    SOUND.write(tmp_path)
    return Given(tmp_path)


def cell(row: int, column: str, value: str) -> Change:
    """Write a cell of the metadata; row 1 is the header."""

    def change(given: Given) -> None:
        rows = given.read_rows()
        rows[row - 1][METADATA_COLUMNS.index(column)] = value
        given.write_rows(rows)

    return change


def header(*columns: str) -> Change:
    def change(given: Given) -> None:
        given.write_rows([list(columns), *given.read_rows()[1:]])

    return change


def without_column(column: str) -> Change:
    def change(given: Given) -> None:
        index = METADATA_COLUMNS.index(column)
        given.write_rows([row[:index] + row[index + 1 :] for row in given.read_rows()])

    return change


def further_row(copied: int, **cells: str) -> Change:
    """Append a copy of a row of the metadata, with other cells."""

    def change(given: Given) -> None:
        rows = given.read_rows()
        named = dict(zip(METADATA_COLUMNS, rows[copied - 1], strict=True)) | cells
        given.write_rows([*rows, [named[column] for column in METADATA_COLUMNS]])

    return change


def content(name: str, new: bytes | str) -> Change:
    new = new.encode() if isinstance(new, str) else new
    return lambda given: given.path(name).write_bytes(new)


def replaced(name: str, old: bytes, new: bytes) -> Change:
    def change(given: Given) -> None:
        before = given.path(name).read_bytes()
        assert old in before
        given.path(name).write_bytes(before.replace(old, new, 1))

    return change


def removed(name: str) -> Change:
    def change(given: Given) -> None:
        path = given.path(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def link(name: str, target: str) -> Change:
    def change(given: Given) -> None:
        given.path(name).unlink()
        given.path(name).symlink_to(target)

    return change


def copy(name: str, to: str) -> Change:
    def change(given: Given) -> None:
        given.path(to).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(given.path(name), given.path(to))

    return change


def video_called(name: str) -> Change:
    """Call the video B otherwise, its clip and its tracks file too."""

    def change(given: Given) -> None:
        cell(4, VIDEO, f"{name}.mov")(given)
        cell(4, CLIP, f"{name}-Loop00.mp4")(given)
        given.path(B00).rename(given.tracks / f"{name}-Loop00_tracks.csv")

    return change


def clip_called(name: str) -> Change:
    """Call the clip of the video B otherwise, and its tracks file."""

    def change(given: Given) -> None:
        cell(4, CLIP, f"B-{name}.mp4")(given)
        given.path(B00).rename(given.tracks / f"B-{name}_tracks.csv")

    return change


def both(*changes: Change) -> Change:
    def change(given: Given) -> None:
        for one in changes:
            one(given)

    return change


def nothing(_given: Given) -> None:
    return


def emptied(given: Given) -> None:
    for path in given.tracks.iterdir():
        path.unlink()


@dataclass(frozen=True)
class Case:
    """What is spoiled, and the problem that the plan must show.

    ``file`` is below the experiment's folder. ``found`` is the whole text, the others a part.
    ``also`` are the kinds of other errors that the same slip may cause.
    """

    change: Change
    kind: str
    file: str | None
    row: int | None
    column: str | None
    found: str
    expected: str
    remedy: str
    options: dict[str, Any] = field(default_factory=dict)
    also: frozenset[str] = frozenset()


def metadata_case(
    kind: str,
    row: int,
    column: str,
    value: str,
    expected: str,
    *,
    remedy: str = "Correct",
    also: frozenset[str] = frozenset(),
) -> Case:
    """One wrong cell, which is what the plan finds."""
    found = f"'{value}'"
    change = cell(row, column, value)
    return Case(change, kind, METADATA, row, column, found, expected, remedy, also=also)


def bad_video_name(value: str, found: str | None = None) -> Case:
    return Case(
        cell(2, VIDEO, value),
        "unsafe-name",
        METADATA,
        2,
        VIDEO,
        f"'{value}'" if found is None else found,
        "the file name of a video",
        "Rename the video",
    )


def unsafe_video(name: str, found: str | None = None) -> Case:
    """A name that is unsafe, though the names of clip and file fit."""
    return Case(
        video_called(name),
        "unsafe-name",
        METADATA,
        4,
        VIDEO,
        f"'{name}.mov'" if found is None else found,
        "the file name of a video",
        "Rename the video",
    )


HEADER_TEXT = ",".join(VIA_COLUMNS)
POINTER = b"/annex/objects/SHA256E-s3260000000--0123456789abcdef.csv\n"
GIN = "gin get-content"
ANNEX = "git annex get"

CASES = {
    # the metadata CSV as a file
    "metadata missing": Case(
        removed(METADATA), "metadata-unreadable", METADATA, None, None,
        "nothing there", "a metadata CSV", "Check the path",
    ),
    "metadata is a folder": Case(
        both(removed(METADATA), lambda given: given.metadata.mkdir()),
        "metadata-unreadable", METADATA, None, None,
        "a folder", "a metadata CSV", "Check the path",
    ),
    "metadata without a byte": Case(
        content(METADATA, b""), "metadata-empty", METADATA, None, None,
        "no rows", "one row per clip", "again",
    ),
    "metadata of blank lines": Case(
        content(METADATA, b"\r\n \n\n"), "metadata-empty", METADATA, None, None,
        "no rows", "one row per clip", "again",
    ),
    "metadata of a byte-order mark": Case(
        content(METADATA, b"\xef\xbb\xbf"), "metadata-empty", METADATA, None, None,
        "no rows", "one row per clip", "again",
    ),
    "metadata of a header": Case(
        content(METADATA, ",".join(METADATA_COLUMNS) + "\n"),
        "metadata-empty", METADATA, None, None, "no rows", "one row per clip", "",
    ),
    "metadata not UTF-8": Case(
        cell(3, ESCAPE_TYPE, "gr\N{LATIN SMALL LETTER O WITH DIAERESIS}"),
        "metadata-not-utf8", METADATA, 3, None, "byte 0xf6 at position ", "a metadata CSV", "UTF-8",
    ),
    "metadata not UTF-8, with a byte-order mark": Case(
        cell(3, ESCAPE_TYPE, "gr\N{LATIN SMALL LETTER O WITH DIAERESIS}"),
        "metadata-not-utf8", METADATA, 3, None, "byte 0xf6 at position ", "a metadata CSV", "UTF-8",
    ),
    "metadata with an open quote": Case(
        replaced(METADATA, b"B.mov", b'"B.mov'), "metadata-unreadable", METADATA, 4, None,
        "unexpected end of data", "quotes closed", "again", also=frozenset({"file-without-row"}),
    ),
    "metadata is a pointer": Case(
        content(METADATA, POINTER), "annex-pointer", METADATA, None, None,
        "a git-annex pointer", "the file's content", GIN,
    ),
    "metadata is a dangling link": Case(
        link(METADATA, ".git/annex/objects/x.csv"), "dangling-link", METADATA, None, None,
        "a link to .git/annex/objects/x.csv, which is not there", "the file's content", ANNEX,
    ),
    # its columns
    **{
        f"column {column} missing": Case(
            without_column(column), "metadata-column", METADATA, 1, column,
            f"the columns {', '.join(name for name in METADATA_COLUMNS if name != column)}",
            f"one column named exactly '{column}'", "Add the column",
        )
        for column in METADATA_COLUMNS
        if column not in {ESCAPE, ESCAPE_TYPE}
    },
    "column misspelt": Case(
        header(VIDEO, CLIP, FPS, "loop_START_frame_fmpeg", *METADATA_COLUMNS[4:]),
        "metadata-column", METADATA, 1, START, "'loop_START_frame_fmpeg'",
        f"one column named exactly '{START}'",
        f"Rename 'loop_START_frame_fmpeg' to '{START}'",
    ),
    "column in capitals": Case(
        header(VIDEO, CLIP, "FPS", *METADATA_COLUMNS[3:]),
        "metadata-column", METADATA, 1, FPS, "'FPS'", "'fps'", "Rename 'FPS' to 'fps'",
    ),
    "column twice": Case(
        both(
            header(*METADATA_COLUMNS, FPS),
            lambda given: given.write_rows(
                [row if FPS in row else [*row, "30"] for row in given.read_rows()]
            ),
        ),
        "metadata-column", METADATA, 1, FPS, "2 columns of this name",
        "one column named exactly 'fps'", "Keep one column 'fps'",
    ),
    "a cell too few": Case(
        lambda given: given.write_rows(
            [row[:-1] if number == 2 else row for number, row in enumerate(given.read_rows())]
        ),
        "metadata-row", METADATA, 3, None, "6 cells", "7 cells", "missing comma",
        also=frozenset({"file-without-row"}),
    ),
    "a cell too many": Case(
        lambda given: given.write_rows(
            [[*row, "x"] if number == 2 else row for number, row in enumerate(given.read_rows())]
        ),
        "metadata-row", METADATA, 3, None, "8 cells", "7 cells", "one too many",
        also=frozenset({"file-without-row"}),
    ),
    # its rows
    "clip twice": Case(
        further_row(2), "duplicate-clip-row", METADATA, 6, CLIP,
        "'A-Loop00', as in row 2", "one row per clip", "Remove one",
    ),
    "clip twice, with another extension": Case(
        further_row(2, loop_clip_name="A-Loop00.avi"), "duplicate-clip-row", METADATA, 6, CLIP,
        "'A-Loop00', as in row 2", "one row per clip", "Remove one",
    ),
    "clip twice, of two videos": Case(
        further_row(2, video_name="A-Loop00.mov"), "duplicate-clip-row", METADATA, 6, CLIP,
        "'A-Loop00', as in row 2", "one row per clip", "Remove one",
        also=frozenset({"clip-not-of-video"}),
    ),
    **{
        f"fps {value!r}": metadata_case("fps", 4, FPS, value, "above 0", remedy="Fill in")
        for value in ("", "NaN", "NA", "0", "0.0", "-30", "fast", "inf", "1e400", "1/30")
    },
    "fps with a comma": metadata_case("fps", 4, FPS, "59,94", "above 0", remedy="decimal points"),
    "fps of two values": Case(
        cell(3, FPS, "29.97"), "fps-differs", METADATA, 3, FPS,
        "29.97", "30.0, as in row 2", "Correct one of the two rows",
    ),
    **{
        f"{column} {value!r}": metadata_case(
            "frame-number", 4, column, value, "an integer from 1 on"
        )
        for column in (START, END)
        for value in ("", "NaN", "1.5", "0", "-3", "two", "1e3", "1_0", "inf")
    },
    "end before start": metadata_case("end-before-start", 3, END, "10", f"11 or more, {START}"),
    "clip of 19 days": metadata_case("clip-too-long", 3, END, "100000011", "less than 100000011"),
    # clip A-Loop00 has the frames 0 to 9 of the video, A-Loop01 10 to 19
    "escape after its clip": metadata_case("escape-outside-clip", 2, ESCAPE, "10", "0 to 9,"),
    "escape before its clip": metadata_case("escape-outside-clip", 3, ESCAPE, "9", "10 to 19,"),
    **{
        f"escape {value!r}": metadata_case(
            "frame-number", 2, ESCAPE, value, "an integer from 0 on"
        )
        for value in ("4.5", "-1", "four", "none")
    },
    # names
    "clip of another video": metadata_case(
        "clip-not-of-video", 3, CLIP, "D-Loop00.mp4", "'A-<clip id>'",
        also=frozenset({"file-without-row"}),
    ),
    "clip is the video": metadata_case(
        "clip-not-of-video", 3, CLIP, "A.mp4", "'A-<clip id>'",
        also=frozenset({"file-without-row"}),
    ),
    "clip without an id": metadata_case(
        "clip-not-of-video", 3, CLIP, "A-.mp4", "'A-<clip id>'",
        also=frozenset({"file-without-row"}),
    ),
    "clip in another case": metadata_case(
        "clip-not-of-video", 3, CLIP, "a-Loop00.mp4", "'A-<clip id>'",
        also=frozenset({"file-without-row"}),
    ),
    **{
        f"video name {value!r}": bad_video_name(value)
        for value in (
            "..", ".", "...", "../A.mov", "/A.mov", "/", "a/A.mov", "a\\A.mov", "..\\A.mov",
            "zarr.json", ".tracks2zarr", "logs", "logs_failed", "__A.mov", "__init__",
        )
    },
    "video name missing": metadata_case(
        "video-name", 2, VIDEO, "", "the file name of a video", remedy="Fill in the file name",
    ),
    "video name with a control character": bad_video_name("A\x07.mov", "'A\\x07.mov'"),
    "video name with a line break": bad_video_name("A\nB.mov", "'A\\nB.mov'"),
    "video name too long": bad_video_name("v" * 201 + ".mov", f"'{'v' * 199}…'"),
    **{
        f"video {name}": unsafe_video(name)
        for name in ("zarr.json", "logs", "logs_failed", "__v", "a\\b")
    },
    "video with a control character": unsafe_video("a\x1bb", "'a\\x1bb.mov'"),
    "video of 201 bytes": unsafe_video("é" * 100 + "v", f"'{'é' * 100}v.mov'"),
    "clip with a control character": Case(
        clip_called("a\tb"), "unsafe-name", METADATA, 4, CLIP, "'B-a\\tb.mp4'",
        "'B-<clip id>'", "Rename the clip",
    ),
    "clip with a path separator": Case(
        clip_called("a\\b"), "unsafe-name", METADATA, 4, CLIP, "'B-a\\b.mp4'",
        "'B-<clip id>'", "Rename the clip",
    ),
    # the folder of tracks files
    "folder missing": Case(
        removed("tracks"), "tracks-dir", "tracks", None, None,
        "nothing there", "a folder with one tracks file per clip", "Check the path",
    ),
    "folder is a file": Case(
        both(removed("tracks"), content("tracks", b"")), "tracks-dir", "tracks", None, None,
        "a file", "a folder", "Check the path",
    ),
    "folder is empty": Case(
        emptied,
        "no-tracks", "tracks", None, None,
        "an empty folder", "files that match '*.csv'", "--pattern",
    ),
    "pattern matches nothing": Case(
        nothing, "no-tracks", "tracks", None, None,
        "a folder that holds A-Loop00_tracks.csv, A-Loop01_tracks.csv, B-Loop00_tracks.csv",
        "files that match '*.txt'", "quoted", options={"pattern": "*.txt"},
    ),
    "pattern matches nothing among many": Case(
        both(*(content(f"tracks/{n:02d}", b"") for n in range(20))),
        "no-tracks", "tracks", None, None,
        "a folder that holds 00, 01, 02, 03, 04, 05, 06, 07, 08, 09 and 13 more",
        "files that match '*.tsv'", "--pattern", options={"pattern": "*.tsv"},
    ),
    "pattern matches a folder alone": Case(
        both(
            emptied,
            lambda given: given.path("tracks/x.csv").mkdir(),
        ),
        "tracks-no-file", "tracks/x.csv", None, None, "a folder", HEADER_TEXT, "Rename or move it",
    ),
    **{
        f"pattern {pattern!r}": Case(
            nothing, "pattern", None, None, None, f"'{pattern}'",
            "relative to the folder", "Correct --pattern", options={"pattern": pattern},
        )
        for pattern in ("", "../*.csv", "/tmp/*.csv", "a/../../*.csv", "..")
    },
    # the tracks files
    "file without a row": Case(
        lambda given: given.path(B00).rename(given.tracks / "B-Loop0O_tracks.csv"),
        "file-without-row", "tracks/B-Loop0O_tracks.csv", None, None,
        "no row with the clip 'B-Loop0O'", "a row with this loop_clip_name",
        "Did you mean 'B-Loop00' (row 4), which has no tracks file? Then correct the names.",
    ),
    "file of quite another name": Case(
        copy(B00, "tracks/notes.csv"), "file-without-row", "tracks/notes.csv", None, None,
        "no row with the clip 'notes'", "a row with this loop_clip_name", "Add the row",
    ),
    "two files in two folders": Case(
        copy(A00, "tracks/again/A-Loop00_tracks.csv"),
        "two-files", "tracks/again/A-Loop00_tracks.csv", None, None,
        "'again/A-Loop00_tracks.csv' beside 'A-Loop00_tracks.csv'",
        "one tracks file per clip", "Remove one", options={"pattern": "**/*.csv"},
    ),
    "two files, one without the suffix": Case(
        copy(A00, "tracks/A-Loop00.csv"), "two-files", A00, None, None,
        "'A-Loop00_tracks.csv' beside 'A-Loop00.csv'", "one tracks file per clip", "Remove one",
    ),
    "file without a byte": Case(
        content(A01, b""), "tracks-empty", A01, None, None, "no header", HEADER_TEXT, "Export",
    ),
    "file of a blank line": Case(
        content(A01, b"\n"), "tracks-header", A01, 1, None, "no header", HEADER_TEXT, "Export",
    ),
    "file with another header": Case(
        content(A01, "a,b\n1,2\n"), "tracks-header", A01, 1, None, "a,b", HEADER_TEXT, "Export",
    ),
    "file without a header": Case(
        replaced(A01, HEADER_TEXT.encode() + b"\n", b""), "tracks-header", A01, 1, None,
        'frame_00000003.png,8888,{"clip":123},1,0,', HEADER_TEXT, "Export",
    ),
    "file with columns in another order": Case(
        replaced(A01, b"filename,file_size", b"file_size,filename"), "tracks-header", A01, 1, None,
        "file_size,filename,file_attributes,region_count,region_id,", HEADER_TEXT, "Export",
    ),
    "file with a further column": Case(
        replaced(A01, b"region_attributes\n", b"region_attributes,note\n"),
        "tracks-header", A01, 1, None, HEADER_TEXT + ",note", HEADER_TEXT, "Export",
    ),
    "file with semicolons": Case(
        replaced(A01, HEADER_TEXT.encode(), HEADER_TEXT.replace(",", ";").encode()),
        "tracks-separator", A01, 1, None, "a header separated by semicolons", HEADER_TEXT,
        "separated by commas",
    ),
    "file in UTF-16": Case(
        lambda given: given.path(A01).write_bytes(given.path(A01).read_text().encode("utf-16")),
        "tracks-not-utf8", A01, None, None, "text in UTF-16 (little-endian)", HEADER_TEXT,
        "CSV UTF-8",
    ),
    "file is binary": Case(
        content(A01, bytes(range(256)) * 9), "tracks-header", A01, 1, None,
        "", HEADER_TEXT, "Export",
    ),
    "file is a pointer": Case(
        content(A01, POINTER), "annex-pointer", A01, None, None,
        "a git-annex pointer", "the file's content", "'git annex get A-Loop01_tracks.csv'",
    ),
    "file is a dangling link": Case(
        link(A01, "../.git/annex/objects/x.csv"), "dangling-link", A01, None, None,
        "a link to ../.git/annex/objects/x.csv, which is not there", "the file's content",
        "'gin get-content A-Loop01_tracks.csv'",
    ),
    "file is a link to itself": Case(
        link(A01, "A-Loop01_tracks.csv"), "link-loop", A01, None, None,
        "a link to A-Loop01_tracks.csv", "a link that leads to a file", "Replace the link",
    ),
    # settings
    "clips without a file": Case(
        removed(A01), "row-without-file", METADATA, 3, CLIP,
        "no file for A-Loop01", "_tracks.csv in ", "Fetch or make the missing files; or",
        options={"require_all": True},
        also=frozenset({"video-without-file"}),  # of the video C
    ),
    **{
        f"frame regexp {regexp}": Case(
            nothing, "frame-regexp", None, None, None, found,
            "whose group 1 is the frame", "Correct --frame-regexp",
            options={"frame_regexp": regexp},
        )
        for regexp, found in {
            "f([0-9]+": "'f([0-9]+': missing ), unterminated subpattern at position 1",
            "[0-9]+": "'[0-9]+', which has no group",
            "": "'', which has no group",
            "(x{4294967296})": "'(x{4294967296})': the repetition number is too large",
        }.items()
    },
}  # fmt: skip

# What is found is said in part only, as it holds more than is worth repeating here.
FOUND_IN_PART = {
    "metadata not UTF-8",
    "metadata not UTF-8, with a byte-order mark",
    "file without a header",
    "file with columns in another order",
    "file is binary",
    *(name for name in CASES if name.startswith("frame regexp")),
}
RE_ENCODED = {
    "metadata not UTF-8": b"",
    "metadata not UTF-8, with a byte-order mark": b"\xef\xbb\xbf",
}


def spoil(given: Given, name: str) -> Case:
    case = CASES[name]
    case.change(given)
    if name in RE_ENCODED:
        text = given.metadata.read_text(encoding="utf-8")
        given.metadata.write_bytes(RE_ENCODED[name] + text.encode("latin-1"))
    return case


def command_line(given: Given, options: dict[str, Any]) -> list[str | Path]:
    args: list[str | Path] = [given.tracks, given.metadata]
    for option, value in options.items():
        args += [f"--{option.replace('_', '-')}"]
        args += [] if value is True else [value]
    return args


def the_problem(errors: list[tz.Problem], given: Given, name: str) -> tz.Problem:
    """Return the one problem that a case is about."""
    case = CASES[name]
    assert {error.kind for error in errors} <= {case.kind, *case.also}, errors
    of_kind = [error for error in errors if error.kind == case.kind]
    assert len(of_kind) == (2 if case.kind in case.also else 1), of_kind
    return of_kind[0]


def check_problem(problem: tz.Problem, given: Given, name: str) -> None:
    case = CASES[name]
    assert problem.is_error
    assert problem.file == (None if case.file is None else str(given.path(case.file)))
    assert problem.row == case.row
    assert problem.column == case.column
    assert problem.found is not None
    if name in FOUND_IN_PART:
        assert case.found in problem.found
    else:
        assert problem.found == case.found
    assert case.expected in (problem.expected or "")
    assert case.remedy in (problem.remedy or "")
    assert problem.expected
    assert problem.remedy
    assert problem.what.endswith(".")


@pytest.mark.parametrize("name", CASES)
def test_each_error(name: str, given: Given) -> None:
    case = spoil(given, name)
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        given.plan(**case.options)
    problem = the_problem(errors_of(raised.value.problems), given, name)
    check_problem(problem, given, name)
    for line in str(problem).splitlines():
        assert line.isprintable(), "a control character must not reach a terminal"


def test_regexp_is_a_matter_of_the_command_line(given: Given) -> None:
    for regexp in ("f([0-9]+", "[0-9]+", "", "(x{4294967296})"):
        ended = call("plan", given.tracks, given.metadata, "--frame-regexp", regexp)
        assert ended.status == 2
        assert "--frame-regexp" in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("frame regexp")])
def test_each_error_on_the_command_line(name: str, given: Given) -> None:
    case = spoil(given, name)
    args = command_line(given, case.options)
    before = files_below(given.folder)
    store = given.folder / "out" / "new.zarr"

    planned = call("plan", *args)
    created = call("create", *args, store)
    for ended in (planned, created):
        assert ended.status == 1
        assert "Traceback" not in ended.stderr
        assert "unexpected error" not in ended.stderr, "foreseen errors are no surprises"
        said = ended.stderr.replace("\n", " ")
        for text in (case.found, case.expected, case.remedy):
            assert text in said
        if case.file is not None:
            assert str(given.path(case.file)) in said
        if case.row is not None:
            assert f"row {case.row}" in said
        if case.column is not None:
            assert f"column {case.column}" in said
    assert created.stdout == ""

    as_json = call("plan", *args, "--json")
    assert as_json.status == 1
    assert "Traceback" not in as_json.stderr
    document = json.loads(as_json.stdout)
    errors = [tz.Problem.from_dict(problem) for problem in document["problems"]]
    errors = errors_of(errors)
    check_problem(the_problem(errors, given, name), given, name)
    assert {video["video"] for video in document["videos"] if video["state"] == "failed"} == {
        error.video for error in errors if error.video
    }

    assert files_below(given.folder) == before, "nothing may be made, or changed"


def test_sound(given: Given) -> None:
    """What the table spoils is sound."""
    plan = given.plan()
    assert [video.video for video in plan.videos] == ["A", "B"]
    assert but_for_c(plan.problems) == []
    ended = call("plan", *command_line(given, {}))
    assert ended.status == 0
    assert "0 errors, 1 warning" in ended.stderr


def test_errors_are_reported_together(given: Given) -> None:
    """One slip in each row and each file, and two in one row."""
    both(
        cell(2, FPS, "x"),
        cell(2, ESCAPE, "10"),
        cell(3, END, "1"),
        cell(4, START, "1.5"),
        content(A00, POINTER),
        content(A01, "a,b\n"),
        link(B00, "nowhere"),
        copy(METADATA, "tracks/another.csv"),
        further_row(4, loop_clip_name="X-Loop01.mp4"),
        further_row(2),
    )(given)
    expected = {
        ("fps", METADATA, 2, FPS),
        ("escape-outside-clip", METADATA, 2, ESCAPE),
        ("end-before-start", METADATA, 3, END),
        ("frame-number", METADATA, 4, START),
        ("clip-not-of-video", METADATA, 6, CLIP),
        ("frame-number", METADATA, 6, START),
        ("duplicate-clip-row", METADATA, 7, CLIP),
        ("fps", METADATA, 7, FPS),
        ("escape-outside-clip", METADATA, 7, ESCAPE),
        ("annex-pointer", A00, None, None),
        ("tracks-header", A01, 1, None),
        ("dangling-link", B00, None, None),
        ("tracks-metadata", "tracks/another.csv", 1, None),
        ("file-without-row", "tracks/another.csv", None, None),
    }
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        given.plan()
    assert {located(error, given) for error in errors_of(raised.value.problems)} == expected
    for problem in raised.value.problems:
        assert str(problem) in str(raised.value)

    created = call("create", *command_line(given, {}), given.folder / "new.zarr")
    assert created.status == 1
    assert created.stderr.count("error:") == len(expected)
    assert not (given.folder / "new.zarr").exists()


def located(problem: tz.Problem, given: Given) -> tuple[str, str, int | None, str | None]:
    assert problem.file is not None
    name = Path(problem.file).relative_to(given.folder).as_posix()
    return problem.kind, name, problem.row, problem.column


def test_all_columns_missing_are_named(given: Given) -> None:
    content(METADATA, "video,loop,frames per second\n1,2,3\n")(given)
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        given.plan()
    assert [error.column for error in raised.value.problems] == list(METADATA_COLUMNS)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_one_problem(separator: str, given: Given) -> None:
    content(METADATA, given.metadata.read_text().replace(",", separator))(given)
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        given.plan()
    assert [error.kind for error in raised.value.problems] == ["metadata-separator"]


SLIPS = (
    "fps 'NaN'",
    "end before start",
    "clip twice",
    "file is a pointer",
    "file without a row",
    "two files, one without the suffix",
)


@pytest.mark.parametrize(
    ("first", "second"),
    [pytest.param(*pair, id=" and ".join(pair)) for pair in combinations(SLIPS, 2)],
)
def test_no_error_hides_another(first: str, second: str, given: Given) -> None:
    cases = [spoil(given, first), spoil(given, second)]
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        given.plan()
    kinds = [problem.kind for problem in raised.value.problems]
    for case in cases:
        assert case.kind in kinds


@pytest.mark.timeout(5)
def test_a_pipe_is_not_waited_for(given: Given) -> None:
    os.mkfifo(given.tracks / "A-Loop02_tracks.csv")
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        given.plan()
    files = {error.file for error in errors_of(raised.value.problems)}
    assert files == {str(given.tracks / "A-Loop02_tracks.csv")}


@pytest.mark.parametrize("column", [START, END, ESCAPE, FPS])
def test_numbers_of_thousands_of_digits(column: str, given: Given) -> None:
    cell(2, column, "1" * 5000)(given)
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        given.plan()
    assert {(error.row, error.column) for error in errors_of(raised.value.problems)} <= {
        (2, column), (2, END), (2, ESCAPE),
    }  # fmt: skip


def test_names_that_are_not_text(given: Given) -> None:
    """File systems allow bytes that are no UTF-8; neither messages nor JSON may break on them."""
    name = os.fsdecode(b"\xff-Loop00_tracks.csv")
    try:
        copy(B00, f"tracks/{name}")(given)
    except OSError:
        pytest.skip("this file system allows text only")
    planned = run_cli("plan", given.tracks, given.metadata)
    assert planned.returncode == 1
    assert "no row in the metadata CSV" in planned.stderr
    as_json = run_cli("plan", given.tracks, given.metadata, "--json")
    assert as_json.returncode == 1
    assert [error["kind"] for error in json.loads(as_json.stdout)["problems"]] == [
        "tracks-unreadable",
        "file-without-row",
    ]


def test_a_folder_whose_name_is_not_text(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"day \xff")
    try:
        SOUND.write(folder)
    except OSError:
        pytest.skip("this file system allows text only")
    store = tmp_path / "new.zarr"
    assert tz.create(Given(folder).plan(), store, workers=1).ok
    assert call("info", store, "--json").status == 0
    assert tz.verify(store, workers=1).ok


def test_an_extension_in_capitals(given: Given) -> None:
    before = given.plan()
    path = given.path(A01)
    path.rename(path.with_suffix(".CSV"))
    after = given.plan()
    assert [len(video.clips) for video in after.videos] == [len(v.clips) for v in before.videos]
    assert after.problems == before.problems


def test_the_nearest_row_is_one_without_a_file(given: Given) -> None:
    path = given.path(A00)
    path.rename(path.with_name("A-Loop0_tracks.csv"))
    with pytest.raises(tz.Tracks2ZarrError) as error:
        given.plan()
    (problem,) = errors_of(error.value.problems)
    assert str(problem.remedy).startswith("Did you mean 'A-Loop00' (row 2), which has no tracks")


def test_renamed_files_are_one_problem_with_the_rows_they_may_belong_to(given: Given) -> None:
    for path in (given.path(A00), given.path(A01), given.path(B00)):
        path.rename(path.with_name(f"2023-{path.name}"))
    with pytest.raises(tz.Tracks2ZarrError) as error:
        given.plan()
    (problem,) = [one for one in error.value.problems if one.kind != "video-without-file"]
    assert problem.what == "3 tracks files have no row in the metadata CSV."
    assert problem.found == (
        "no rows with the clips '2023-A-Loop00', '2023-A-Loop01', '2023-B-Loop00'"
    )
    rows = "'A-Loop00' (row 2), 'A-Loop01' (row 3), 'B-Loop00' (row 4), which have no tracks file?"
    assert rows in str(problem.remedy)
    assert "A" not in str([one.what for one in error.value.problems if one != problem])


def with_cells_of_24_clips(folder: Path, column: str, value: str) -> Given:
    """Write an experiment whose metadata have the same value in all cells of a column."""
    clips = tuple(Clip(f"Loop{n:02}", 1 + 10 * n, 10 + 10 * n, boxes=crowd(1)) for n in range(24))
    Experiment((Video("A", clips),)).write(folder)
    given = Given(folder)
    with given.metadata.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    for row in rows:
        row[header.index(column)] = value
    with given.metadata.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return given


@pytest.mark.parametrize(
    ("column", "cells", "what"),
    [
        (FPS, "59,94", "The frame rate has a decimal comma."),
        (FPS, "5.99E+01", "The frame rate is in scientific notation"),
        (START, "2,778", "A frame number has a thousands separator."),
        (START, "2.778", "A frame number has a thousands separator."),
        (START, "1,0", "A frame number has a decimal comma."),
        (END, "4.36E+03", "A frame number is in scientific notation, in which digits may be lost."),
        (ESCAPE, "1e3", "A frame number is in scientific notation, in which digits may be lost."),
    ],
)
def test_numbers_as_spreadsheets_write_them(
    tmp_path: Path, column: str, cells: str, what: str
) -> None:
    """The same mistake in all rows is said once, with the rows."""
    given = with_cells_of_24_clips(tmp_path, column, cells)
    ended = call("plan", *command_line(given, {}))
    assert ended.status == 1
    assert f"error: {what}" in ended.stderr
    assert f"loop-frames-ffmpeg.csv, rows 2-25, column {column}\n  found:    '{cells}'\n" in (
        ended.stderr
    )
    assert ended.stderr.count("error: ") == 1
    assert "1 error, 0 warnings" in ended.stderr


def test_a_kind_of_mistake_in_many_rows_is_shown_for_the_first_rows(tmp_path: Path) -> None:
    given = with_cells_of_24_clips(tmp_path, ESCAPE, "9999")
    ended = call("plan", *command_line(given, {}))
    assert ended.stderr.count("error: The escape is outside its clip.") == 10
    assert "error: 14 more rows have this problem (24 in all).\n" in ended.stderr
    assert "rows 12-25" in ended.stderr


def test_a_row_that_is_there_twice_overlaps_with_no_other(given: Given) -> None:
    further_row(2)(given)
    with pytest.raises(tz.Tracks2ZarrError) as error:
        given.plan()
    assert "clips-overlap" not in {problem.kind for problem in error.value.problems}


# Warnings.


@dataclass(frozen=True)
class Warned:
    change: Change
    kind: str
    row: int
    column: str | None
    found: str
    what: str


WARNINGS = {
    "clip without a file": Warned(
        removed(A01), "row-without-file", 3, CLIP, "no file for A-Loop01",
        "One of the video's clips has no tracks file.",
    ),
    "clips without a file": Warned(
        both(removed(A01), further_row(2, loop_clip_name="A-Loop02.mp4",
             loop_START_frame_ffmpeg="21", loop_END_frame_ffmpeg="22",
             escape_START_frame_0_based_idx="")),
        "row-without-file", 3, CLIP, "no file for A-Loop01, A-Loop02",
        "2 of the video's clips have no tracks file.",
    ),
    "clips overlap by a frame": Warned(
        cell(3, START, "10"), "clips-overlap", 3, START,
        "'Loop01' starts at 10, before 'Loop00' (row 2) ends at 10",
        "Two clips of a video overlap.",
    ),
    "a clip within another": Warned(
        both(cell(3, START, "5"), cell(3, END, "6")), "clips-overlap", 3, START,
        "'Loop01' starts at 5, before 'Loop00' (row 2) ends at 10",
        "Two clips of a video overlap.",
    ),
    "fps of another video": Warned(
        cell(5, FPS, ""), "fps", 5, FPS, "''", "The frame rate is missing."
    ),
    "two values of fps in another video": Warned(
        further_row(5, fps="50", loop_clip_name="C-Loop01.mp4"),
        "fps-differs", 6, FPS, "50.0", "A video has two different frame rates.",
    ),
    "end before start in another video": Warned(
        cell(5, END, "1"), "end-before-start", 5, END, "'1'", "The clip ends before it starts."
    ),
    "escape of another video": Warned(
        cell(5, ESCAPE, "110"), "escape-outside-clip", 5, ESCAPE, "'110'",
        "The escape is outside its clip.",
    ),
    "frame of another video": Warned(
        cell(5, START, "x"), "frame-number", 5, START, "'x'", "A frame is not a frame number."
    ),
    "clip of another video's name": Warned(
        cell(5, CLIP, "D-Loop00.mp4"), "clip-not-of-video", 5, CLIP, "'D-Loop00.mp4'",
        "The clip's name does not begin with its video's name.",
    ),
    "clip twice in another video": Warned(
        further_row(5), "duplicate-clip-row", 6, CLIP, "'C-Loop00', as in row 5",
        "A clip has two rows in the metadata CSV.",
    ),
    "unsafe name of another video": Warned(
        both(cell(5, VIDEO, "logs.mov"), cell(5, CLIP, "logs-Loop00.mp4")),
        "unsafe-name", 5, VIDEO, "'logs.mov'",
        "The video's name cannot be the name of a group: the name is reserved in the root of a"
        " store.",
    ),
    "a cell too few in another video": Warned(
        lambda given: given.write_rows(
            [row[:-1] if row[0] == "C.mov" else row for row in given.read_rows()]
        ),
        "metadata-row", 5, None, "6 cells",
        "A row of the metadata CSV has a different number of cells than the header.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNINGS)
def test_warnings_stop_nothing(name: str, given: Given) -> None:
    warned = WARNINGS[name]
    warned.change(given)
    plan = given.plan()
    assert [video.video for video in plan.videos] == ["A", "B"]
    (problem,) = but_for_c(plan.problems)
    assert problem.severity == "warning"
    assert problem.kind == warned.kind
    assert problem.what == warned.what
    assert (problem.file, problem.row, problem.column) == (
        str(given.metadata), warned.row, warned.column,
    )  # fmt: skip
    assert problem.found == warned.found
    assert problem.expected
    assert problem.remedy

    planned = call("plan", *command_line(given, {}))
    assert planned.status == 0
    assert "warning:" in planned.stderr
    assert warned.what in planned.stderr
    assert warned.found in planned.stderr
    assert f"0 errors, {len(plan.problems)} warning" in planned.stderr
    assert "warning" not in planned.stdout

    document = json.loads(call("plan", *command_line(given, {}), "--json").stdout)
    assert {found["severity"] for found in document["problems"]} == {"warning"}
    assert {video["state"] for video in document["videos"]} == {"pending"}


def test_a_run_with_warnings_succeeds(given: Given) -> None:
    both(cell(3, START, "10"), cell(5, FPS, ""))(given)
    created = call("create", *command_line(given, {}), given.folder / "new.zarr", "--workers", 1)
    assert created.status == 0, created.stderr
    assert created.stderr.count("warning:") == 2
    assert "error:" not in created.stderr


def test_further_clips_of_a_selected_video_are_checked(given: Given) -> None:
    """The video A is selected, so its rows must be right, those without a file too."""
    both(removed(A01), cell(3, END, "1"))(given)
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        given.plan()
    assert [error.kind for error in errors_of(raised.value.problems)] == ["end-before-start"]


def test_require_all_names_every_video(given: Given) -> None:
    removed(A01)(given)
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        given.plan(require_all=True)
    missing = [(error.what, error.row) for error in raised.value.problems]
    assert missing == [
        ("1 of 3 videos in the metadata CSV has no tracks file: C.", 5),
        ("One of the video's clips has no tracks file.", 3),
    ]


# Videos that are named, and videos without tracks files.


def problems_of(given: Given, *videos: str, **options: Any) -> list[tz.Problem]:
    """Return the problems of a plan of some videos that is refused."""
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        given.plan(videos=videos, **options)
    return [*raised.value.problems]


def test_named_videos_only(given: Given) -> None:
    both(cell(2, FPS, "x"), content(A01, b"no header"), copy(A00, "tracks/A-Loop09_tracks.csv"))(
        given
    )
    plan = given.plan(videos=["B", "B"])
    assert plan.videos == (given.plan(keep_going=True)["B"],)
    assert [(problem.kind, problem.severity) for problem in plan.problems] == [("fps", "warning")]
    assert given.plan(videos="B").videos == plan.videos
    args = [*command_line(given, {}), "--video", "B"]
    document = json.loads(call("plan", *args, "--json").stdout)
    assert [video["video"] for video in document["videos"]] == ["B"]
    kinds = {problem.kind for problem in errors_of(problems_of(given, "A"))}
    assert kinds == {"fps", "file-without-row", "tracks-header"}


def test_named_videos_that_cannot_be_planned(given: Given) -> None:
    said = {(p.kind, p.video, p.remedy) for p in problems_of(given, "A", "a", "C", "zzz", "B.mp4")}
    assert said == {
        ("video-without-row", "a", "Did you mean 'A'?"),
        ("video-without-row", "zzz", "Correct --video, or the file of --videos-from."),
        ("video-without-row", "B.mp4", "Did you mean 'B'?"),
        ("video-without-file", "C", "Fetch or make the missing files, or do not name the video."),
    }
    plan = given.plan(videos=["A", "C"], keep_going=True)
    assert [video.video for video in plan.videos] == ["A"]
    assert [problem.kind for problem in problems_of(given)] == ["setting"]
    emptied(given)
    assert [problem.kind for problem in problems_of(given, "A")] == ["no-tracks"]


def test_require_all_counts_for_named_videos(given: Given) -> None:
    assert given.plan(videos=["A", "B"], require_all=True).problems == ()
    removed(A01)(given)
    assert given.plan(videos=["B"], require_all=True).problems == ()
    (error,) = problems_of(given, "A", "B", require_all=True)
    assert error.kind == "row-without-file"


def test_ids_that_begin_alike(tmp_path: Path) -> None:
    """A clip without a row is of the video with the longest id that its name begins with."""
    clips = (Clip("Loop00", 1, 5, boxes=crowd(1)),)
    Experiment((Video("A", clips), Video("A-B", clips))).write(tmp_path)
    given = Given(tmp_path)
    copy(A00, "tracks/A-B-Loop01_tracks.csv")(given)
    assert [video.video for video in given.plan(videos=["A"]).videos] == ["A"]
    (error,) = problems_of(given, "A-B")
    assert (error.kind, error.file) == (
        "file-without-row", str(given.tracks / "A-B-Loop01_tracks.csv"),
    )  # fmt: skip


def test_ids_of_videos_from_a_file(given: Given) -> None:
    listed = given.folder / "videos.txt"
    listed.write_bytes(b"\xef\xbb\xbf# of today\r\nB\r\n\r\n  B  \r\n")
    args = [*command_line(given, {}), "--videos-from", listed, "--json"]
    document = json.loads(call("plan", *args).stdout)
    assert [video["video"] for video in document["videos"]] == ["B"]
    document = json.loads(call("plan", *args, "--video", "A").stdout)
    assert [video["video"] for video in document["videos"]] == ["A", "B"]
    for text, found in ((b"# B\n\n", "no id"), (b"\xff", "not UTF-8"), (None, "nothing there")):
        listed.unlink()
        if text is not None:
            listed.write_bytes(text)
        for command in (["plan"], ["slurm", "submit"]):
            ended = call(*command, *args[:-1])
            assert (ended.status, ended.stdout) == (1, "")
            assert (
                "error: The file with ids of videos cannot be read, or names no video."
                in ended.stderr
            )
            assert str(listed) in ended.stderr
            assert found in ended.stderr


def test_videos_without_tracks_files(given: Given) -> None:
    further = [
        f"V{n}.mp4,V{n}-Loop00.mp4,25,1,{n + 5},,\n" for n in range(5)
    ]  # in the order of the columns
    with given.metadata.open("a", encoding="utf-8") as metadata:
        metadata.writelines(further)
    (warning,) = given.plan().problems
    assert (warning.kind, warning.severity) == ("video-without-file", "warning")
    what = "6 of 8 videos in the metadata CSV have no tracks file: C, V0, V1, V2, V3 and 1 more."
    assert warning.what == what
    store = given.folder / "new.zarr"
    ended = call("create", *command_line(given, {}), store, "--workers", 1)
    assert ended.status == 0
    assert f"warning: {what}\n" in ended.stderr
    args = [*command_line(given, {}), "--require-all"]
    for command in (["plan"], ["create"], ["slurm", "submit"]):
        ended = call(*command, *args, *([] if command == ["plan"] else [given.folder / "x.zarr"]))
        assert ended.status == 1
        assert f"error: {what}\n" in ended.stderr


# Several patterns.


def test_files_that_match_any_of_several_patterns(given: Given) -> None:
    several = given.plan(pattern=["A*.csv", "./A-Loop00*", "[AB]-Loop00*.csv"])
    assert several.videos == given.plan().videos
    assert several.problems == given.plan().problems
    args = ["--pattern", "A-Loop01*", "--pattern", "B*"]
    document = json.loads(call("plan", given.tracks, given.metadata, *args, "--json").stdout)
    clips = [clip["source"] for video in document["videos"] for clip in video["clips"]]
    assert clips == ["A-Loop01_tracks.csv", "B-Loop00_tracks.csv"]


def test_a_pattern_of_several_that_matches_nothing(given: Given) -> None:
    plan = given.plan(pattern=["*.csv", "*.tsv"])
    (warning,) = but_for_c(plan.problems)
    assert (warning.kind, warning.severity) == ("no-tracks", "warning")
    assert warning.expected == "files that match '*.tsv'"
    for patterns, kind, said in (
        (["*.tsv", "*.txt"], "no-tracks", "'*.tsv' or '*.txt'"),
        (["*.csv", "../*.csv"], "pattern", "relative to the folder"),
        ([], "pattern", "relative to the folder"),
    ):
        with pytest.raises(tz.Tracks2ZarrError) as raised:
            given.plan(pattern=patterns)
        (problem,) = raised.value.problems
        assert problem.kind == kind
        assert said in (problem.expected or "")


# Going on in spite of errors.


def test_keep_going(given: Given) -> None:
    cell(2, ESCAPE, "10")(given)
    with pytest.raises(tz.Tracks2ZarrError):
        given.plan()
    plan = given.plan(keep_going=True)
    assert [video.video for video in plan.videos] == ["B"]
    assert [problem.kind for problem in but_for_c(plan.problems)] == ["escape-outside-clip"]

    store = given.folder / "new.zarr"
    ended = call("create", *command_line(given, {}), store, "--keep-going", "--workers", 1)
    assert ended.status == 1
    assert "error: The escape is outside its clip." in ended.stderr
    assert "row 2" in ended.stderr
    assert [(video.video, video.state) for video in tz.info(store).videos] == [("B", "done")]
    assert not (store / "A").exists()


def test_keep_going_with_a_problem_of_no_video(given: Given) -> None:
    copy(B00, "tracks/notes.csv")(given)
    store = given.folder / "new.zarr"
    ended = call("create", *command_line(given, {}), store, "--keep-going", "--workers", 1)
    assert ended.status == 1
    assert "no row in the metadata CSV" in ended.stderr
    assert [video.video for video in tz.info(store).videos] == ["A", "B"]


@pytest.mark.parametrize("how", ["renamed", "no-row"])
def test_keep_going_leaves_out_the_video_that_a_file_without_row_may_belong_to(
    given: Given, how: str
) -> None:
    if how == "renamed":
        given.path(A00).rename(given.tracks / "2023-A-Loop00_tracks.csv")
    else:
        rows = given.read_rows()
        given.write_rows([rows[0], *rows[2:]])
    plan = given.plan(keep_going=True)
    (error,) = errors_of(plan.problems)
    assert (error.kind, error.video) == ("file-without-row", "A")
    assert [video.video for video in plan.videos] == ["B"]

    summary = tz.create(plan, given.folder / "new.zarr")
    assert (summary.ok, summary.input_errors) == (False, (error,))
    page = tz.report(summary.store, input_errors=summary.input_errors).read_text(encoding="utf-8")
    assert "Nothing: all" not in page
    assert "no row with the clip" in page


def test_keep_going_with_nothing_left(given: Given) -> None:
    both(cell(2, FPS, "0"), cell(4, FPS, "0"))(given)
    before = files_below(given.folder)
    store = given.folder / "new.zarr"
    ended = call("create", *command_line(given, {}), store, "--keep-going")
    assert ended.status == 1
    assert ended.stderr.count("error: The frame rate is not usable.") == 2
    assert files_below(given.folder) == before


def test_keep_going_leaves_out_both_videos_of_an_ambiguous_clip(given: Given) -> None:
    """A-Loop00-x is the clip Loop00-x of A, or the clip x of A-Loop00: nobody can tell."""
    both(
        further_row(2, loop_clip_name="A-Loop00-x.mp4"),
        further_row(2, loop_clip_name="A-Loop00-x.mp4", video_name="A-Loop00.mov"),
        copy(A00, "tracks/A-Loop00-x_tracks.csv"),
    )(given)
    plan = given.plan(keep_going=True)
    assert [problem.kind for problem in errors_of(plan.problems)] == ["duplicate-clip-row"]
    assert [video.video for video in plan.videos] == ["B"]


# Forms of the metadata that say the same.


def edited(edit: Callable[[bytes], bytes]) -> Change:
    return lambda given: given.metadata.write_bytes(edit(given.metadata.read_bytes()))


def cells_where(old: str, new: str) -> Change:
    return lambda given: given.write_rows(
        [[new if value == old else value for value in row] for row in given.read_rows()]
    )


FORMS: dict[str, Change] = {
    "blanks around the names of columns": header(VIDEO, CLIP, " fps ", *METADATA_COLUMNS[3:]),
    "columns reversed": lambda given: given.write_rows([row[::-1] for row in given.read_rows()]),
    "rows reversed": lambda given: given.write_rows(
        [given.read_rows()[0], *given.read_rows()[:0:-1]]
    ),
    "further columns": lambda given: given.write_rows(
        [["note", *row, "fps_of_camera"] for row in given.read_rows()]
    ),
    "further columns of one name": lambda given: given.write_rows(
        [["", *row, ""] for row in given.read_rows()]
    ),
    "integral floats": lambda given: given.write_rows(
        [[f"{value}.0" if value.isdigit() else value for value in row] for row in given.read_rows()]
    ),
    "integral floats with a bare point": lambda given: given.write_rows(
        [[f"{value}." if value.isdigit() else value for value in row] for row in given.read_rows()]
    ),
    "NaN": cells_where("", "NaN"),
    "nan": cells_where("", "nan"),
    "NA": cells_where("", "NA"),
    "a space": cells_where("", " "),
    "byte-order mark": edited(lambda text: b"\xef\xbb\xbf" + text),
    "CRLF": edited(lambda text: text.replace(b"\n", b"\r\n")),
    "byte-order mark and CRLF": edited(lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n")),
    "no last line break": edited(lambda text: text.removesuffix(b"\n")),
    "blank lines": edited(lambda text: text.replace(b"\n", b"\n\n")),
    "lines of commas": edited(lambda text: text + b",,,,,,\n" * 3),
    "all quoted": edited(
        lambda text: b"\n".join(
            b",".join(b'"' + value + b'"' for value in line.split(b","))
            for line in text.splitlines()
        )
    ),
    ".MOV": edited(lambda text: text.replace(b".mov", b".MOV")),
    "other extensions": edited(
        lambda text: text.replace(b".mov", b".Mpeg4").replace(b".mp4", b".AVI")
    ),
    "escape type in capitals": edited(lambda text: text.replace(b"spontaneous", b" Spontaneous ")),
    "fps written otherwise": edited(
        lambda text: text.replace(b",30,", b",3.0e1,").replace(b",30.0,", b",3.0e1,")
    ),
    "hidden files": both(
        copy(A00, "tracks/.hidden.csv"),
        content("tracks/._A-Loop00_tracks.csv", b"\x00\x05\x16\x07"),
        content("tracks/.A-Loop00_tracks.csv.swp", b""),
    ),
    "files that do not match": content("tracks/README.txt", "about"),
    "the line ends of an old Mac": lambda given: given.path(A00).write_bytes(
        given.path(A00).read_bytes().replace(b"\n", b"\r")
    ),
    "files in folders that do not match": copy(A00, "tracks/old/A-Loop00_tracks.csv"),
    "files without the suffix": lambda given: given.path(A00).rename(given.tracks / "A-Loop00.csv"),
    "linked files": lambda given: given.path(A00).symlink_to(
        given.path(A00).rename(given.folder / "elsewhere.csv")
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_that_say_the_same(name: str, given: Given) -> None:
    sound = fingerprints(given.plan())
    FORMS[name](given)
    plan = given.plan()
    assert fingerprints(plan) == sound
    assert but_for_c(plan.problems) == []


@pytest.mark.parametrize("how", ["plain", "by a longer way", "by a link", "hard link"])
@pytest.mark.parametrize("pattern", ["*.csv", "**/*.csv"])
def test_metadata_among_the_tracks(how: str, pattern: str, given: Given) -> None:
    sound = fingerprints(given.plan())
    inside = given.metadata.rename(given.tracks / METADATA)
    metadata = inside
    if how == "by a longer way":
        metadata = given.tracks / ".." / "tracks" / METADATA
    elif how == "by a link":
        metadata = given.folder / "link.csv"
        metadata.symlink_to(inside)
    elif how == "hard link":
        metadata = given.folder / "link.csv"
        metadata.hardlink_to(inside)
    assert fingerprints(tz.plan(given.tracks, metadata, pattern=pattern)) == sound


def test_escape_types(given: Given) -> None:
    both(
        cell(2, ESCAPE_TYPE, "NaN"),
        cell(3, ESCAPE_TYPE, "triggered"),
        cell(4, ESCAPE, "4.0"),
        cell(4, ESCAPE_TYPE, "Two Words"),
    )(given)
    plan = given.plan()
    assert [
        (clip.escape_frame, clip.escape_type) for video in plan.videos for clip in video.clips
    ] == [(4, "unknown"), (-1, "none"), (4, "two words")]


def test_extents(given: Given) -> None:
    plan = given.plan()
    clips = [(c.clip, c.first_frame, c.last_frame, c.n_frames) for c in plan["A"].clips]
    assert clips == [("Loop00", 0, 9, 10), ("Loop01", 10, 19, 10)]
    assert plan["A"].fps == 30.0
    assert plan["A"].longest_clip_frames == 10
    assert [clip.source for clip in plan["A"].clips] == [
        "A-Loop00_tracks.csv", "A-Loop01_tracks.csv",
    ]  # fmt: skip
    assert plan["A"].size == sum(given.path(name).stat().st_size for name in (A00, A01))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a" * 200, id="200 bytes"),
        pytest.param("é" * 100, id="100 letters of 2 bytes"),
        *("..a", "a..", ".a", "-", "_v", "zarr.jso"),
    ],
)
def test_names_at_the_edge_of_what_is_safe(name: str, given: Given) -> None:
    video_called(name)(given)
    plan = given.plan(pattern="[!.]*.csv" if not name.startswith(".") else ".*.csv")
    assert name in [video.video for video in plan.videos]


def test_videos_are_sorted_by_code_point(tmp_path: Path) -> None:
    names = ["b", "B", "a-1", "a", "a1", "é", "\uff5e", "\U0001f980", "10", "9"]
    clips = (Clip("x", 1, 2), Clip("X", 3, 4), Clip("x-1", 5, 6))
    Experiment(tuple(Video(name, clips) for name in names)).write(tmp_path)
    plan = Given(tmp_path).plan()
    assert [video.video for video in plan.videos] == sorted(names)
    assert [clip.clip for clip in plan.videos[0].clips] == ["X", "x", "x-1"]


# The plan as JSON.


def test_json_round_trip(given: Given) -> None:
    both(cell(3, START, "10"), cell(5, FPS, ""), cell(2, ESCAPE_TYPE, 'é, "x"'))(given)
    plan = given.plan(frames="video", frame_regexp=r"_(\d+)", individual_dim="individuals")
    assert len(plan.problems) == 2
    text = plan.to_json()
    again = tz.Plan.from_json(text)
    assert again == plan
    assert again.to_json() == text
    assert fingerprints(again) == fingerprints(plan)


def test_json_of_a_plan_with_errors(given: Given) -> None:
    cell(2, ESCAPE, "10")(given)
    plan = given.plan(keep_going=True)
    assert tz.Plan.from_json(plan.to_json()) == plan


def test_plan_json_on_the_command_line_is_the_plan(given: Given) -> None:
    """With a state added to each video, it is what `Plan.to_json` writes."""
    document = json.loads(call("plan", *command_line(given, {}), "--json").stdout)
    for video in document["videos"]:
        assert video.pop("state") == "pending"
    assert document.pop("escape_types") == {"none": 2, "spontaneous": 1}
    assert document == json.loads(given.plan().to_json())


def changed_json(text: str, **fields: Any) -> str:
    return json.dumps(json.loads(text) | fields)


@pytest.mark.parametrize(
    ("spoil_json", "found"),
    [
        (lambda text: changed_json(text, tracks2zarr_plan=3), "format 3"),
        (lambda text: changed_json(text, tracks2zarr_plan=0), "format 0"),
        (lambda text: changed_json(text, tracks2zarr_plan="2"), "format 2"),
        (lambda text: changed_json(text, tracks2zarr_plan=None), "format None"),
        (lambda text: text.replace("tracks2zarr_plan", "plan"), "KeyError: 'tracks2zarr_plan'"),
        (lambda text: text.replace('"first_frame"', '"start"', 1), "TypeError"),
        (
            lambda text: text.replace('"fps"', '"rate"', 1),
            "TypeError: VideoPlan.__init__() missing 1 required keyword-only argument: 'fps'",
        ),
        (lambda text: changed_json(text, videos=5), "TypeError"),
        (lambda text: changed_json(text, videos=["A"]), "TypeError"),
        (lambda text: changed_json(text, problems=[{"kind": "x"}]), "TypeError"),
        (lambda text: text[:100], "JSONDecodeError"),
        (lambda _: "", "JSONDecodeError"),
        (lambda _: "[]", "TypeError"),
        (lambda _: "5", "TypeError"),
        (lambda _: "null", "TypeError"),
        (lambda _: "[" * 10**5, "too deep"),
    ],
)
def test_what_is_no_plan_is_refused(
    spoil_json: Callable[[str], str], found: str, given: Given
) -> None:
    text = spoil_json(given.plan().to_json())
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.Plan.from_json(text, file="plan.json")
    (problem,) = raised.value.problems
    assert problem.kind == "plan-format"
    assert problem.file == "plan.json"
    assert found in (problem.found or "")
    assert problem.expected == "a plan of format 1 or 2"
    assert problem.remedy


@pytest.mark.parametrize("command", ["info", "verify", "finalise", "create"])
def test_a_store_with_a_plan_of_another_version(command: str, given: Given) -> None:
    store = given.folder / "new.zarr"
    assert tz.create(given.plan(), store, workers=1).ok
    plan_file = store / ".tracks2zarr" / "plan.json"
    plan_file.write_text(changed_json(plan_file.read_text(), tracks2zarr_plan=3))
    before = files_below(given.folder)
    args = (
        [*command_line(given, {}), store, "--store-mode", "a"] if command == "create" else [store]
    )
    ended = call(command, *args)
    assert ended.status == 1
    assert str(plan_file) in ended.stderr
    assert "format 3" in ended.stderr
    assert "a plan of format 1 or 2" in ended.stderr
    assert "Traceback" not in ended.stderr
    after = files_below(given.folder)
    assert {name: after[name] for name in before} == before
    assert not (given.folder / "new.zarr.temp").exists()


# Fingerprints.


def fingerprints(plan: tz.Plan) -> dict[str, str]:
    return {video.video: video.fingerprint() for video in plan.videos}


def test_fingerprints_know_nothing_of_places_and_times(given: Given, tmp_path: Path) -> None:
    sound = fingerprints(given.plan())
    assert sound["A"] != sound["B"]
    moved = Given(tmp_path / "elsewhere, day 2")
    shutil.copytree(given.tracks, moved.tracks)
    metadata = moved.folder / "renamed.csv"
    shutil.copy(given.metadata, metadata)
    os.utime(moved.tracks / "A-Loop00_tracks.csv", ns=(1, 1))
    assert fingerprints(tz.plan(moved.tracks, metadata)) == sound
    assert fingerprints(tz.plan(moved.tracks, metadata, require_all=False)) == sound
    in_folders = moved.tracks / "day 1"
    in_folders.mkdir()
    for path in moved.tracks.glob("*.csv"):
        path.rename(in_folders / path.name)
    assert fingerprints(tz.plan(moved.tracks, metadata, pattern="*/*.csv")) == sound


def test_fingerprints_of_one_video_know_nothing_of_others(given: Given) -> None:
    sound = fingerprints(given.plan())
    given.path(B00).unlink()
    assert fingerprints(given.plan()) == {"A": sound["A"]}


COUNTS: dict[str, Change] = {
    "first frame": both(cell(2, START, "2")),
    "last frame": both(cell(2, END, "9")),
    "extent moved": both(cell(3, START, "12"), cell(3, END, "21")),
    "escape": cell(2, ESCAPE, "5"),
    "no escape": cell(2, ESCAPE, ""),
    "escape type": cell(2, ESCAPE_TYPE, "triggered"),
    "fps": both(cell(2, FPS, "30.000001"), cell(3, FPS, "30.000001")),
    "a clip less": removed(A01),
    "a clip more": both(
        further_row(2, loop_clip_name="A-Loop02.mp4"), copy(A00, "tracks/A-Loop02_tracks.csv")
    ),
    "a clip's name": both(
        cell(3, CLIP, "A-Loop02.mp4"),
        lambda given: given.path(A01).rename(given.tracks / "A-Loop02_tracks.csv"),
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_fingerprints_know_what_decides_the_dataset(name: str, given: Given) -> None:
    sound = fingerprints(given.plan())
    COUNTS[name](given)
    changed = fingerprints(given.plan())
    assert changed["A"] != sound["A"]
    assert changed["B"] == sound["B"]


@pytest.mark.parametrize(
    "options",
    [{"frames": "video"}, {"frame_regexp": "([0-9]+)"}, {"individual_dim": "individuals"}],
    ids=lambda options: next(iter(options)),
)
def test_fingerprints_know_the_settings(options: dict[str, Any], given: Given) -> None:
    sound, changed = fingerprints(given.plan()), fingerprints(given.plan(**options))
    assert changed.keys() == sound.keys()
    assert all(changed[video] != sound[video] for video in sound)


def test_receipts_know_nothing_of_places_and_workers(given: Given, tmp_path: Path) -> None:
    moved = Given(tmp_path / "elsewhere")
    shutil.copytree(given.tracks, moved.tracks)
    shutil.copy(given.metadata, moved.metadata)
    os.utime(moved.path(A00), ns=(1, 1))
    stores = [tmp_path / "one.zarr", tmp_path / "two.zarr"]
    assert tz.create(given.plan(), stores[0], workers=1).ok
    assert tz.create(moved.plan(), stores[1], workers=2, memory=10**12).ok
    assert snapshot(stores[0]) == snapshot(stores[1])
    for video in ("A", "B"):
        receipts = [
            json.loads((store / ".tracks2zarr" / "receipts" / f"{video}.json").read_text())
            for store in stores
        ]
        assert receipts[0]["fingerprint"] == receipts[1]["fingerprint"]
        assert receipts[0]["content"] == receipts[1]["content"]


def test_unknown_settings(given: Given) -> None:
    for options in ({"frames": "clips"}, {"individual_dim": "id"}):
        with pytest.raises(tz.Tracks2ZarrError) as raised:
            given.plan(**options)
        (problem,) = raised.value.problems
        assert problem.kind == "setting"
        assert repr(*options.values()) in (problem.found or "")


def test_the_folder_may_be_relative(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = given.plan()
    monkeypatch.chdir(given.folder)
    assert tz.plan("tracks", METADATA) == sound
    assert replace(sound) == sound


# What a new user gets wrong.


def followed(*args: str | Path) -> None:
    """Check that a command fails, and that the command which its message gives works."""
    ended = call(*args)
    assert ended.status == 1
    (command,) = set(re.findall(r"run: tracks2zarr ([^;\n]+)", ended.stderr))
    assert call(*shlex.split(command)).status == 0


def test_swapped_arguments(given: Given) -> None:
    followed("plan", given.metadata, given.tracks)
    with pytest.raises(tz.Tracks2ZarrError) as error:
        tz.plan(given.metadata, given.tracks)
    assert [problem.kind for problem in error.value.problems] == ["arguments-swapped"]


def test_a_folder_one_level_up(given: Given) -> None:
    followed("create", given.folder, given.metadata, given.folder / "new.zarr", "-q")


@pytest.mark.parametrize("store", ["new.zarr", "old.zarr"])
@pytest.mark.parametrize("order", list(permutations(range(3)))[1:], ids=str)
def test_three_paths_in_another_order(given: Given, order: tuple[int, ...], store: str) -> None:
    right = given.tracks, given.metadata, given.folder / store
    if store == "old.zarr":
        assert call("create", *right, "-q").status == 0
    paths = [right[place] for place in order]
    command = shlex.join(["create", *map(str, right), "-q"])
    ended = call("create", *paths, "-q")
    assert f"run: tracks2zarr {command}\n" in ended.stderr
    assert call(*shlex.split(command)).status == 0


def test_paths_in_order_whose_store_is_a_folder_of_tracks(given: Given) -> None:
    """Files of another format are tracks files as well; what is wrong is the store's path."""
    assert call("create", given.tracks, given.metadata, given.folder / "a.zarr", "-q").status == 0
    tz.export(given.folder / "a.zarr", given.folder / "mot", format="mot")
    (given.folder / "a.zarr").rename(given.folder.with_name("a.zarr"))
    ended = call("create", given.folder / "mot", given.metadata, given.folder)
    assert "There is something else at the path of the store" in ended.stderr
    assert "wrong order" not in ended.stderr


@pytest.mark.parametrize("options", [[], ["--video", "A"]], ids=["all", "one"])
@pytest.mark.parametrize("levels", [1, 2])
def test_a_folder_some_levels_up_with_a_stray_csv(
    given: Given, levels: int, options: list[str]
) -> None:
    folder = given.folder / "one"
    given = Given(folder / "exp" if levels == 2 else folder)
    SOUND.write(given.folder)
    for place in {folder, given.folder}:
        shutil.copyfile(given.metadata, place / "meta0.csv")
    ended = call("create", folder, given.metadata, given.folder / "new.zarr", "-q", *options)
    assert ended.stderr.count("error: ") == 1
    assert f"Did you mean '{given.tracks.relative_to(folder)}'?" in ended.stderr
    followed("create", folder, given.metadata, given.folder / "new.zarr", "-q", *options)


def test_tracks_files_in_several_folders_below(given: Given) -> None:
    shutil.copytree(given.tracks, given.folder / "more")
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.plan(given.folder, given.metadata)
    (error,) = [e for e in raised.value.problems if e.kind == "no-tracks"]
    assert "in its folders more, tracks" in str(error.remedy)


@pytest.mark.parametrize("which", ["tracks", "metadata"])
def test_misspelt_paths(given: Given, which: str) -> None:
    paths = {"tracks": given.tracks, "metadata": given.metadata}
    paths[which] = paths[which].with_name(paths[which].name.replace("a", "o", 1))
    followed("plan", *paths.values())


@pytest.mark.parametrize(
    ("types", "found"),
    [
        (["spontaneous", "Spontanous"], ["'spontanous', in 1 clip"]),
        (["spontaneous", "spontanous", "spontanous"], ["'spontanous', in 2 clips"]),
        (["triggerd", "triggerd"], ["'triggerd', in 2 clips"]),
        (["walks sideways", "walks sidewaes"], ["'walks sideways', in 1 clip"]),
        (["spontaneous", "triggered", "late"], []),
    ],
    ids=" ".join,
)
def test_a_misspelt_escape_type_at_any_ratio(
    tmp_path: Path, types: list[str], found: list[str]
) -> None:
    clips = tuple(
        Clip(f"Loop{n:02}", 1 + 10 * n, 10 + 10 * n, 5 + 10 * n, name, boxes=crowd(1))
        for n, name in enumerate(types)
    )
    Experiment((Video("A", clips),)).write(tmp_path)
    assert [warning.found for warning in Given(tmp_path).plan().problems] == found


def test_a_misspelt_escape_type(tmp_path: Path) -> None:
    types = ["spontaneous", "Spontaneous", "spontanous", "type1", "type1", "type2", "late", "", ""]
    clips = tuple(
        Clip(f"Loop{n:02}", 1 + 10 * n, 10 + 10 * n, 5 + 10 * n, name, boxes=crowd(1))
        for n, name in enumerate(types)
    )
    Experiment((Video("A", clips),)).write(tmp_path)
    given = Given(tmp_path)
    (warning,) = given.plan().problems
    assert (warning.kind, warning.severity, warning.row) == ("escape-type-misspelt", "warning", 4)
    assert (warning.found, warning.expected) == (
        "'spontanous', in 1 clip",
        "'spontaneous', as in 2 clips, or another type",
    )
    counts = "spontaneous 2, type1 2, unknown 2, late 1, spontanous 1, type2 1"
    assert f"escape types, in clips: {counts}\n" in call("plan", *command_line(given, {})).stdout
    document = json.loads(call("plan", *command_line(given, {}), "--json").stdout)
    assert ", ".join(f"{name} {n}" for name, n in document["escape_types"].items()) == counts
