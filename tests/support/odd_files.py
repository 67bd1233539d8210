"""Input as spreadsheets, Macs, editors and accidents leave it, and what each of it gives.

The tests run over these tables, and the page on the input shows them (`markdown`).
"""

from __future__ import annotations

import gzip
import os
import socket
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import zstandard

N_FRAMES, TRACKS = 4, (1, 2)
#: The name has a letter that can be composed; other names are ASCII, as in most experiments.
ACCENTED = "Cräb-01"
HEADER = (
    "filename,file_size,file_attributes,region_count,region_id,"
    "region_shape_attributes,region_attributes\n"
)
METADATA_HEADER = (
    "video_name,loop_clip_name,fps,loop_START_frame_ffmpeg,loop_END_frame_ffmpeg,"
    "escape_START_frame_0_based_idx,escape_type\n"
)


def row(frame: int, track: int) -> str:
    """Return a row as the lab's tracker writes it."""
    x, y = 10.5 * track + frame, 20.25 * track
    return (
        f'frame_{frame:08d}.png,26542080,"{{""clip"":123}}",1,0,'
        f'"{{""name"":""rect"",""x"":{x},""y"":{y},""width"":8,""height"":6}}",'
        f'"{{""track"":""{track}"", ""confidence"":""0.9""}}"\n'
    )


ROWS = "".join(row(frame, track) for frame in range(N_FRAMES) for track in TRACKS)


@dataclass(frozen=True)
class Given:
    """An experiment of one clip, to be spoilt."""

    folder: Path
    video: str = "A-01"

    @property
    def tracks(self) -> Path:
        return self.folder / "tracks"

    @property
    def file(self) -> Path:
        return self.tracks / f"{self.video}-Loop00_tracks.csv"

    @property
    def metadata(self) -> Path:
        return self.folder / "metadata.csv"

    def write(self) -> None:
        self.tracks.mkdir(parents=True)
        self.file.write_text(HEADER + ROWS, encoding="utf-8")
        row = f"{self.video}.mov,{self.video}-Loop00.mp4,59.94,1,{N_FRAMES},2,triggered\n"
        self.metadata.write_text(METADATA_HEADER + row, encoding="utf-8")


type Spoil = Callable[[Given], object]


@dataclass(frozen=True)
class OddFile:
    """Something odd, and what it gives.

    Parameters
    ----------
    what
        What it is, for the page on the input.
    spoil
        Makes it of a sound experiment.
    kind
        The kind of the one problem; of the warning, where it converts. None for neither.
    found
        A part of the problem's text.
    converts
        Whether the clip is converted.
    video
        The name of its video.
    """

    what: str
    spoil: Spoil
    kind: str | None = None
    found: str = ""
    converts: bool = False
    video: str = "A-01"

    @property
    def gives(self) -> str:
        """What it gives, in Markdown."""
        link = f"[`{self.kind}`](../troubleshooting.md#{self.kind})"
        if not self.converts:
            return f"error {link}"
        return "converted" if self.kind is None else f"converted, with the warning {link}"


def content(change: Callable[[bytes], bytes]) -> Spoil:
    """Change the bytes of the tracks file."""
    return lambda given: given.file.write_bytes(change(given.file.read_bytes()))


def text(change: Callable[[str], str]) -> Spoil:
    """Change the text of the tracks file."""
    return content(lambda raw: change(raw.decode()).encode())


def replaced(old: str, new: str) -> Spoil:
    """Replace a text everywhere below the header."""
    return text(lambda file: HEADER + file.removeprefix(HEADER).replace(old, new))


def encoded(encoding: str, mark: bytes = b"") -> Spoil:
    return content(
        lambda raw: mark + raw.replace(b"frame", "främe".encode()).decode().encode(encoding)
    )


def metadata(change: Callable[[bytes], bytes]) -> Spoil:
    """Change the bytes of the metadata CSV."""
    return lambda given: given.metadata.write_bytes(change(given.metadata.read_bytes()))


def instead(make: Callable[[Path], object]) -> Spoil:
    """Make something else under the name of the tracks file."""

    def spoil(given: Given) -> None:
        given.file.unlink()
        make(given.file)

    return spoil


def metadata_instead(make: Callable[[Path], object]) -> Spoil:
    """Make something else under the name of the metadata CSV."""

    def spoil(given: Given) -> None:
        given.metadata.unlink()
        make(given.metadata)

    return spoil


def bound_socket(path: Path) -> None:
    """Make a socket; names of sockets are short, so it is made from within its folder."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def compressed(suffix: str, compress: Callable[[bytes], bytes]) -> Spoil:
    """Compress the tracks file."""

    def spoil(given: Given) -> None:
        given.file.with_name(given.file.name + suffix).write_bytes(
            compress(given.file.read_bytes())
        )
        given.file.unlink()

    return spoil


def zstd(raw: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(raw)


def several(compress: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Compress in two parts, one after the other, as programs with threads do."""
    return lambda raw: compress(raw[:700]) + compress(raw[700:])


def cut(raw: bytes) -> bytes:
    return raw[:-20]


def with_flipped_bit(raw: bytes) -> bytes:
    place = len(raw) // 2
    return raw[:place] + bytes([raw[place] ^ 16]) + raw[place + 1 :]


def decomposed(name: str) -> str:
    return unicodedata.normalize("NFD", name)


def decompose_file(given: Given) -> None:
    given.file.rename(given.tracks / decomposed(given.file.name))


def decompose_metadata(given: Given) -> None:
    given.metadata.write_text(decomposed(given.metadata.read_text("utf-8")), "utf-8")


def both(*spoils: Spoil) -> Spoil:
    def spoil(given: Given) -> None:
        for one in spoils:
            one(given)

    return spoil


def semicolons(file: str) -> str:
    return (
        file.replace(",26542080,", ";26542080;")
        .replace('",', '";')
        .replace(",region", ";region")
        .replace(",file", ";file")
        .replace(",1,0,", ";1;0;")
    )


def lower_case(given: Given) -> None:
    given.file.rename(given.tracks / given.file.name.lower())


def second_video(given: Given) -> None:
    """Add a video whose name differs in its case alone."""
    other = given.video.lower()
    name = given.file.name.replace(given.video, other)
    given.file.with_name(name).write_bytes(given.file.read_bytes())
    lines = given.metadata.read_text("utf-8").splitlines(keepends=True)
    again = lines[1].replace(given.video, other)
    given.metadata.write_text("".join([*lines, again]), encoding="utf-8")


CUT_IN_QUOTE = 40

TRACKS_FILES = {
    "Encoding": (
        OddFile(
            "UTF-8 with a byte-order mark",
            content(lambda raw: b"\xef\xbb\xbf" + raw),
            converts=True,
        ),
        OddFile(
            'UTF-16 with a byte-order mark, little-endian (Excel\'s "Unicode Text")',
            encoded("utf-16-le", b"\xff\xfe"),
            "tracks-not-utf8",
            "text in UTF-16 (little-endian)",
        ),
        OddFile(
            "UTF-16 with a byte-order mark, big-endian",
            encoded("utf-16-be", b"\xfe\xff"),
            "tracks-not-utf8",
            "text in UTF-16 (big-endian)",
        ),
        OddFile(
            "UTF-16 without a mark, little-endian",
            encoded("utf-16-le"),
            "tracks-not-utf8",
            "text in UTF-16 (little-endian)",
        ),
        OddFile(
            "UTF-16 without a mark, big-endian",
            encoded("utf-16-be"),
            "tracks-not-utf8",
            "text in UTF-16 (big-endian)",
        ),
        OddFile(
            "UTF-32", encoded("utf-32-le", b"\xff\xfe\x00\x00"), "tracks-not-utf8", "text in UTF-32"
        ),
        OddFile(
            "Latin-1 (Windows-1252), with letters beyond ASCII",
            encoded("latin-1"),
            "tracks-not-utf8",
            "which is 'ä' in Latin-1",
        ),
        OddFile(
            "Mac Roman, with letters beyond ASCII",
            encoded("mac_roman"),
            "tracks-not-utf8",
            "which is 'ä' in Mac Roman",
        ),
        OddFile(
            "a byte-order mark in the middle",
            text(lambda file: file.replace("frame_00000002", "\ufeffframe_00000002", 1)),
            "tracks-joined",
            "a byte-order mark",
        ),
        OddFile(
            "NUL bytes at the end, as after a crash",
            content(lambda raw: raw + bytes(4096)),
            "tracks-nul-bytes",
            "zero",
        ),
        OddFile(
            "NUL bytes in place of rows",
            content(lambda raw: raw[:300] + bytes(400) + raw[700:]),
            "tracks-nul-bytes",
            "zero",
        ),
        OddFile(
            "NUL bytes alone", content(lambda raw: bytes(len(raw))), "tracks-nul-bytes", "zero"
        ),
        OddFile(
            "an Excel workbook that was named `.csv`",
            content(lambda raw: b"PK\x03\x04" + raw),
            "tracks-not-csv",
            "an Excel workbook (.xlsx)",
        ),
    ),
    "Separators and line ends": (
        OddFile(
            "semicolons in place of commas", text(semicolons), "tracks-separator", "semicolons"
        ),
        OddFile(
            "`sep=;` in the first line, for Excel",
            text(lambda file: "sep=;\n" + semicolons(file)),
            "tracks-separator",
            "semicolons",
        ),
        OddFile(
            "tabs in place of commas",
            text(lambda file: semicolons(file).replace(";", "\t")),
            "tracks-separator",
            "tabs",
        ),
        OddFile(
            "blanks around the names in the header",
            text(lambda file: file.replace(HEADER, HEADER.replace(",", " , "))),
            converts=True,
        ),
        OddFile(
            "CRLF line ends (Windows)", text(lambda file: file.replace("\n", "\r\n")), converts=True
        ),
        OddFile(
            "CR line ends (old Macs)", text(lambda file: file.replace("\n", "\r")), converts=True
        ),
        OddFile(
            "line ends of several kinds",
            text(lambda file: HEADER + ROWS.replace("\n", "\r", 2).replace("\n", "\r\n", 3)),
            converts=True,
        ),
        OddFile(
            "no line end after the last row",
            text(lambda file: file.removesuffix("\n")),
            converts=True,
        ),
    ),
    "Rows and columns": (
        OddFile(
            "rows whose cells are all empty, at the end",
            text(lambda file: file + ",,,,,,\n,,,,,,\n"),
            "blank-rows",
            "2 blank rows",
            converts=True,
        ),
        OddFile(
            "rows whose cells are all empty or blank, anywhere",
            text(lambda file: HEADER + " , ,,,,,\n" + ROWS.replace("\n", '\n"",,,,,,""\n', 1)),
            "blank-rows",
            "2 blank rows",
            converts=True,
        ),
        OddFile(
            "an empty line",
            text(lambda file: file + "\n"),
            "blank-rows",
            "1 blank row.",
            converts=True,
        ),
        OddFile(
            "empty columns behind the last one",
            text(lambda file: file.replace("\n", ",,\n")),
            "tracks-columns",
            "2 empty columns",
        ),
        OddFile(
            "a row with fewer cells",
            text(lambda file: file.replace(',26542080,"{', ',"{', 1)),
            "row-fields",
            "6 fields",
        ),
        OddFile(
            "a row with more cells",
            text(lambda file: file.replace(",26542080,", ",26542080,1,", 1)),
            "row-fields",
            "8 fields",
        ),
        OddFile(
            "a file cut off within a cell",
            text(lambda file: file[:-CUT_IN_QUOTE]),
            "tracks-cut-off",
            "quoted cell without its end",
        ),
        OddFile(
            "a file cut off between cells",
            text(lambda file: file + row(3, 9)[:28]),
            "row-fields",
            "The file was cut off",
        ),
        OddFile(
            "a file cut off within a letter",
            content(lambda raw: raw + b"fr\xc3"),
            "tracks-cut-off",
            "half a character",
        ),
        OddFile(
            "two files joined to one",
            text(lambda file: file + file),
            "tracks-joined",
            "the header again",
        ),
        OddFile("a file without a byte", content(lambda raw: b""), "tracks-empty", "no header"),
        OddFile("the header alone", text(lambda file: HEADER), converts=True),
    ),
    "Cells": (
        OddFile(
            "all cells in quotes",
            text(
                lambda file: (
                    HEADER.replace("filename", '"filename"')
                    + ROWS.replace(",26542080,", ',"26542080",')
                )
            ),
            converts=True,
        ),
        OddFile(
            "columns that are ignored, reformatted by a spreadsheet",
            replaced("26542080", '"2,65E+07"'),
            converts=True,
        ),
        OddFile(
            "decimal commas in JSON numbers",
            replaced('.5,""y"', ',5,""y"'),
            "decimal-comma",
            "more rows",
        ),
        OddFile(
            "decimal commas in JSON text",
            replaced('""0.9""', '""0,9""'),
            "decimal-comma",
            "confidence '0,9'; and so in 7 more rows",
        ),
        OddFile("typographic quotes", replaced('""', "”"), "json-quotes", "typographic quotes"),
        OddFile("single quotes", replaced('""', "'"), "json-quotes", "single quotes"),
        OddFile(
            "quotes within cells that are not doubled",
            replaced('""', '"'),
            "json-quotes",
            "quotes that are not doubled",
        ),
        OddFile(
            "no quotes around JSON cells",
            text(lambda file: HEADER + ROWS.replace('""', "~").replace('"', "").replace("~", '"')),
            "json-quotes",
            "JSON cells without quotes",
        ),
        OddFile(
            "cells that were quoted twice",
            text(
                lambda file: (
                    HEADER + ROWS.replace('""', '""""').replace('"{', '"""{').replace('}"', '}"""')
                )
            ),
            "json-quotes",
            "quotes that were doubled twice",
        ),
        OddFile(
            "JSON keys without quotes", replaced('""', ""), "json-quotes", "keys without quotes"
        ),
    ),
    "Compressed files": (
        OddFile("`.csv.gz`", compressed(".gz", gzip.compress), converts=True),
        OddFile("`.csv.zst`", compressed(".zst", zstd), converts=True),
        OddFile(
            "`.csv.gz` in several parts (`pigz`, `bgzip`)",
            compressed(".gz", several(gzip.compress)),
            converts=True,
        ),
        OddFile(
            "`.csv.zst` in several parts (`pzstd`)",
            compressed(".zst", several(zstd)),
            converts=True,
        ),
        OddFile(
            "`.csv.gz` that a browser has expanded",
            compressed(".gz", lambda raw: raw),
            converts=True,
        ),
        OddFile("gzip under the name `.csv`", content(gzip.compress), converts=True),
        OddFile(
            "`.csv.gz` cut off",
            compressed(".gz", lambda raw: cut(gzip.compress(raw))),
            "tracks-compressed-cut-off",
            "gzip",
        ),
        OddFile(
            "`.csv.zst` cut off",
            compressed(".zst", lambda raw: cut(zstd(raw))),
            "tracks-compressed-cut-off",
            "zstd",
        ),
        OddFile(
            "`.csv.gz` with a changed bit",
            compressed(".gz", lambda raw: with_flipped_bit(gzip.compress(raw))),
            "tracks-compressed-damaged",
            "gzip",
        ),
        OddFile(
            "`.csv.zst` with a changed bit",
            compressed(".zst", lambda raw: with_flipped_bit(zstd(raw))),
            "tracks-compressed-damaged",
            "zstd",
        ),
        OddFile(
            "a file and its compressed copy",
            lambda given: given.file.with_name(given.file.name + ".gz").write_bytes(
                gzip.compress(given.file.read_bytes())
            ),
            "two-files",
            "beside",
        ),
    ),
    "Names": (
        OddFile("a decomposed file name (macOS)", decompose_file, converts=True, video=ACCENTED),
        OddFile(
            "decomposed names in the metadata CSV",
            decompose_metadata,
            converts=True,
            video=ACCENTED,
        ),
        OddFile(
            "decomposed names in both",
            both(decompose_file, decompose_metadata),
            converts=True,
            video=ACCENTED,
        ),
        OddFile(
            "two files whose names differ in this form only",
            lambda given: (given.tracks / decomposed(given.file.name)).write_bytes(
                given.file.read_bytes()
            ),
            "two-files",
            "composed (NFC) and decomposed (NFD)",
            video=ACCENTED,
        ),
        OddFile(
            "a file name that differs from the metadata CSV in its case",
            lower_case,
            "file-without-row",
            "a-01-loop00",
        ),
        OddFile(
            "two videos whose names differ in their case",
            second_video,
            "names-differ-in-case",
            "'a-01' beside 'A-01'",
            converts=True,
        ),
    ),
    "Not a file": (
        OddFile("a folder", instead(Path.mkdir), "tracks-no-file", "a folder"),
        OddFile("a named pipe (FIFO)", instead(os.mkfifo), "tracks-no-file", "a named pipe"),
        OddFile("a socket", instead(bound_socket), "tracks-no-file", "a socket"),
        OddFile(
            "a link to a device",
            instead(lambda path: path.symlink_to("/dev/zero")),
            "tracks-no-file",
            "a device",
        ),
        OddFile(
            "a link to itself",
            instead(lambda path: path.symlink_to(path.name)),
            "link-loop",
            "a link to",
        ),
        OddFile(
            "a link to nothing",
            instead(lambda path: path.symlink_to("nowhere.csv")),
            "dangling-link",
            "not there",
        ),
    ),
}

METADATA_FILES = {
    "The metadata CSV": (
        OddFile(
            "UTF-8 with a byte-order mark",
            metadata(lambda raw: b"\xef\xbb\xbf" + raw),
            converts=True,
        ),
        OddFile(
            "UTF-16",
            metadata(lambda raw: raw.decode().encode("utf-16")),
            "metadata-not-utf8",
            "text in UTF-16",
        ),
        OddFile(
            "UTF-16 without a mark",
            metadata(lambda raw: raw.decode().encode("utf-16-be")),
            "metadata-not-utf8",
            "text in UTF-16 (big-endian)",
        ),
        OddFile(
            "Latin-1 (Windows-1252), with letters beyond ASCII",
            metadata(lambda raw: raw.decode().encode("latin-1")),
            "metadata-not-utf8",
            "which is 'ä' in Latin-1",
            video=ACCENTED,
        ),
        OddFile(
            "semicolons in place of commas",
            metadata(lambda raw: raw.replace(b",", b";")),
            "metadata-separator",
            "semicolons",
        ),
        OddFile(
            "`sep=;` in the first line, for Excel",
            metadata(lambda raw: b"sep=;\n" + raw.replace(b",", b";")),
            "metadata-separator",
            "semicolons",
        ),
        OddFile(
            "tabs in place of commas",
            metadata(lambda raw: raw.replace(b",", b"\t")),
            "metadata-separator",
            "tabs",
        ),
        OddFile(
            "CRLF or CR line ends", metadata(lambda raw: raw.replace(b"\n", b"\r")), converts=True
        ),
        OddFile(
            "blank rows",
            metadata(lambda raw: raw.replace(b"\n", b"\n,,,,,,\n\n") + b" , ,\n"),
            converts=True,
        ),
        OddFile(
            "blanks around the names in the header",
            metadata(lambda raw: raw.replace(b",fps,", b", fps ,")),
            converts=True,
        ),
        OddFile(
            "empty columns behind the last one",
            metadata(lambda raw: raw.replace(b"\n", b",,\n")),
            converts=True,
        ),
        OddFile(
            "rows with blank cells behind the last column",
            metadata(lambda raw: raw.replace(b"triggered\n", b"triggered,,\n")),
            converts=True,
        ),
        OddFile(
            "all cells in quotes",
            metadata(
                lambda raw: (
                    b'"' + raw.strip().replace(b",", b'","').replace(b"\n", b'"\n"') + b'"\n'
                )
            ),
            converts=True,
        ),
        OddFile(
            "a quote that is never closed",
            metadata(lambda raw: raw.replace(b"triggered", b'"triggered')),
            "metadata-unreadable",
            "unexpected end of data",
        ),
        OddFile(
            "an Excel workbook that was named `.csv`",
            metadata(lambda raw: b"PK\x03\x04" + raw),
            "metadata-not-csv",
            "an Excel workbook (.xlsx)",
        ),
        OddFile(
            "NUL bytes at the end, as after a crash",
            metadata(lambda raw: raw + bytes(512)),
            "metadata-nul-bytes",
            "zero",
        ),
        OddFile(
            "a folder",
            metadata_instead(Path.mkdir),
            "metadata-unreadable",
            "a folder",
        ),
        OddFile(
            "a named pipe (FIFO)",
            metadata_instead(os.mkfifo),
            "metadata-unreadable",
            "a pipe",
        ),
    ),
}

TABLES = TRACKS_FILES | METADATA_FILES
ALL = {f"{title}: {odd.what}": odd for title, table in TABLES.items() for odd in table}


def markdown() -> str:
    """Return all tables for the page on the input."""
    parts = []
    for title, table in TABLES.items():
        lines = [f"| {title} | gives |", "|---|---|"]
        lines += [f"| {odd.what} | {odd.gives} |" for odd in table]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
