"""The tables of a benchmark: on the terminal, and as a page of the documentation."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import SAMPLE_SECONDS, Summary
from tracks2zarr.native import library

BY_HAND, FLOOR = "by hand", "floor"
_PACKAGES = ("tracks2zarr", "polars", "zarr", "numpy", "xarray", "movement")

_INTRODUCTION = f"""\
# Benchmarks

`make bench` makes this page. It generates its input, runs each program several times in turn
(A B C A B C), each run as a process of its own from start to end, and measures all of them on the
same machine within minutes of each other. Compare the ratios: seconds depend on the machine and on
what else it does.

{BY_HAND}
: What a researcher would write: `movement`'s `load_bboxes.from_via_tracks_file` for each clip,
  `xarray.concat`, and `to_zarr(group=video)`.

{FLOOR}
: `polars.scan_csv(...).collect()` of the raw columns of all clips, then a write of ready arrays in
  our layout with zarr-python: what a converter takes that does nothing in between.

`tracks2zarr create`
: The conversion. It also reads back what it wrote, and holds it against the source.

`tracks2zarr verify`
: Reads all sources again by another road, and compares every number.

- Seconds are wall time, start-up included: the median, then the shortest and the longest.
  Programs have run before, so that Python has their byte code.
- MB/s are bytes of CSV over the median; 1 MB is a million bytes. The CSV is in the page cache.
- Memory is the highest sum of the resident memory of a program and all its worker processes, looked
  at every {SAMPLE_SECONDS * 1000:.0f} ms, or the highest of any one of them where that is more.
  Pages that processes share count in each of them.
"""


_FULL_INTRODUCTION = """\
# Benchmarks of a field season

`make bench-full` makes this page. [Benchmarks](benchmarks.md) says what the programs are, and how
they are measured. `raw columns` reads all columns as text with polars, and does nothing with them:
for what is too large for the references.

![Memory of all processes while a field season is converted](benchmarks-memory.svg)
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured of one program.

    `stored` is the size in bytes and the number of files of the store that it wrote.
    """

    program: str
    summary: Summary
    stored: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class FormatResult:
    """What was measured of one format: our program, and the library beside it.

    `n_bytes` is the size of the files of that format.
    """

    name: str
    n_bytes: int
    ours: Summary
    library: str
    theirs: Summary


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a heading, a text below it, and a first column of names."""

    title: str
    text: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def as_markdown(self) -> str:
        """Return a section of a page."""
        lines = [f"## {self.title}", "", self.text, ""] if self.text else [f"## {self.title}", ""]
        lines += [_line(self.head), "|---" + "|---:" * (len(self.head) - 1) + "|"]
        return "\n".join([*lines, *map(_line, self.rows)]) + "\n"

    def show(self) -> None:
        """Print it on the terminal."""
        from rich.console import Console
        from rich.table import Table as RichTable

        console = Console()
        if not console.is_terminal:
            console.width = 120
        table = RichTable(*self.head, title=self.title, caption=self.text or None)
        for column in table.columns[1:]:
            column.justify = "right"
        for column in table.columns[:3]:
            column.no_wrap = True
        for row in self.rows:
            table.add_row(*(cell.replace("`", "") for cell in row))
        console.print(table)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def machine() -> Table:
    """Return what was measured on, and with."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    rows = [
        ("system", f"{platform.system()}, {platform.machine()}"),
        ("cores", str(len(os.sched_getaffinity(0)))),
        ("memory", f"{memory / 2**30:.0f} GiB"),
        ("Python", platform.python_version()),
        ("rows are read by", "compiled code" if library.compiled() else "polars"),
        *((package, version(package)) for package in _PACKAGES),
    ]
    return Table("Machine and versions", "", ("", ""), rows)


def conversions(title: str, text: str, n_bytes: int, results: Sequence[Result]) -> Table:
    """Return the table of programs that read the same sources.

    Parameters
    ----------
    title, text
        What the input is.
    n_bytes
        The size of the sources.
    results
        What was measured; the references may be among them.
    """
    head = (
        *("program", "s", "min–max", "MB/s", "peak MB", "store MB", "files"),
        *(f"times faster than {BY_HAND}", f"times the {FLOOR}"),
    )
    median = {result.program: result.summary.median for result in results}
    rows = []
    for result in results:
        seconds = result.summary.median
        size, files = result.stored or (None, None)
        rows.append(
            (
                result.program,
                *_times(result.summary),
                f"{n_bytes / seconds / 1e6:.0f}",
                _megabytes(result.summary.peak_memory),
                "" if size is None else f"{size / 1e6:.1f}",
                "" if files is None else str(files),
                f"{median[BY_HAND] / seconds:.1f}" if BY_HAND in median else "",
                f"{seconds / median[FLOOR]:.1f}" if FLOOR in median else "",
            )
        )
    return Table(title, text, head, rows)


def reading(
    by_hand: Mapping[str, float], with_xarray: Mapping[str, float], ours: Mapping[str, float]
) -> Table:
    """Return the table of ways of reading a store, in seconds.

    Parameters
    ----------
    by_hand
        The store that was made by hand, with xarray.
    with_xarray, ours
        Our store, with xarray's engine ``zarr``, and with our own.
    """
    rows = [
        (
            name,
            *(f"{1000 * one[name]:.1f}" for one in (by_hand, with_xarray, ours)),
            *(f"{by_hand[name] / one[name]:.1f}" for one in (with_xarray, ours)),
        )
        for name in ours
    ]
    text = (
        "The stores of one video of long clips, opened and read in a process that has all imported:"
        ' with xarray\'s `engine="zarr"`, and ours also with `engine="tracks2zarr"`, which'
        " `tz.open_store` and `tz.load_clip` use, too."
    )
    head = (
        *("what is read", f"{BY_HAND}, ms", "ours, `zarr`, ms", "ours, `tracks2zarr`, ms"),
        *("`zarr`: times faster", "`tracks2zarr`: times faster"),
    )
    return Table("Reading", text, head, rows)


def formats(title: str, text: str, results: Sequence[FormatResult]) -> Table:
    """Return the table of formats.

    Parameters
    ----------
    title, text
        What was done.
    results
        What was measured of each format.
    """
    measured = ("s", "min–max", "peak MB")
    head = ("format", "MB", *measured, "beside it", *measured, "ratio")
    rows = [
        (
            f"`{result.name}`",
            _megabytes(result.n_bytes),
            *_times(result.ours),
            _megabytes(result.ours.peak_memory),
            result.library,
            *_times(result.theirs),
            _megabytes(result.theirs.peak_memory),
            f"{result.ours.median / result.theirs.median:.2f}",
        )
        for result in results
    ]
    return Table(title, text, head, rows)


def start_up(text: str, results: Sequence[Result]) -> Table:
    """Return the table of programs that have next to nothing to do."""
    head = ("program", "s", "min–max", "peak MB", "times the first")
    first = results[0].summary.median
    rows = [
        (
            result.program,
            *_times(result.summary),
            _megabytes(result.summary.peak_memory) if result.summary.peak_memory else "",
            f"{result.summary.median / first:.1f}",
        )
        for result in results
    ]
    return Table("Start-up", text, head, rows)


def _times(summary: Summary) -> tuple[str, str]:
    return f"{summary.median:.2f}", f"{summary.shortest:.2f}–{summary.longest:.2f}"


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.0f}"


def write_page(path: Path, tables: Sequence[Table], *, full: bool) -> None:
    """Write the page of the documentation; only numbers change from run to run."""
    sections = [
        _FULL_INTRODUCTION if full else _INTRODUCTION,
        *(table.as_markdown() for table in tables),
    ]
    path.write_text("\n".join(sections), encoding="utf-8")
