"""Measures `tracks2zarr` beside its references, and writes `docs/benchmarks.md`.

`make bench` runs it: a few minutes, and less than 3 GB in a temporary folder.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Run, Summary, measure
from benchmarks.report import (
    BY_HAND,
    FLOOR,
    Result,
    Table,
    conversions,
    machine,
    start_up,
    write_page,
)

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
TRACKS2ZARR = Path(sys.executable).with_name("tracks2zarr")
CREATE, VERIFY = "`tracks2zarr create`", "`tracks2zarr verify`"
_NEEDED_BYTES = 3 * 10**9

type Command = list[str | Path]


@dataclass(frozen=True, slots=True)
class Input:
    """An experiment to convert, as arguments of the generator."""

    title: str
    videos: int
    clips: int
    frames: int
    individuals_in_view: int

    def write(self, folder: Path) -> int:
        """Write it into a folder, and return the bytes of its tracks files."""
        command: Command = [sys.executable, HERE / "generate.py", folder]
        for name in ("videos", "clips", "frames", "individuals_in_view"):
            command += [f"--{name.replace('_', '-')}", str(getattr(self, name))]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return sum(path.stat().st_size for path in (folder / "tracks").iterdir())

    def text(self, n_bytes: int) -> str:
        """Say how large it is."""
        clips = self.videos * self.clips
        return (
            f"{n_bytes / 1e6:.0f} MB of CSV: {_counted(self.videos, 'video')}, "
            f"{_counted(clips, 'clip')} of {_counted(self.frames, 'frame')} "
            f"with {self.individuals_in_view} boxes each on average."
        )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + "s" * (count != 1)


ONE_VIDEO = Input("One video of long clips", 1, 3, 7750, 70)
MANY_VIDEOS = Input("Many small videos", 100, 1, 150, 30)
SMALLEST = Input("The smallest job", 1, 1, 1, 1)
TINY = (Input("One video", 1, 2, 200, 10), Input("Many videos", 3, 2, 20, 5))


@dataclass(frozen=True, slots=True)
class Program:
    """A command to measure; `makes` is removed before each of its runs."""

    command: Command
    makes: Path | None = None


class Bench:
    """Runs programs in a folder for what they need and make.

    Parameters
    ----------
    folder
        An empty folder.
    rounds
        How often each program runs.
    """

    def __init__(self, folder: Path, rounds: int) -> None:
        self._folder = folder
        self._log = folder / "log"
        self._rounds = rounds

    def convert(self, input_: Input) -> tuple[Table, list[float]]:
        """Measure all programs that read the tracks files of an input.

        Returns
        -------
        table, seconds_to_read
            The second are the times from the start of `create` to the first bytes of a clip.
        """
        folder = self._folder / "input"
        _say(f"making input: {input_.title.lower()}")
        n_bytes = input_.write(folder)
        programs = self._programs(folder)
        create = programs[CREATE]
        measure(create.command, self._log)
        assert create.makes is not None
        reference = HERE / "references.py"
        measure([sys.executable, reference, "ready", create.makes, folder / "ready"], self._log)
        runs = self.in_turn(programs)
        results = [
            Result(name, Summary.of(runs[name]), _extent(program.makes))
            for name, program in programs.items()
        ]
        shutil.rmtree(folder)
        table = conversions(input_.title, input_.text(n_bytes), n_bytes, results)
        return table, [run.seconds_to_read for run in runs[CREATE] if run.seconds_to_read]

    @staticmethod
    def _programs(folder: Path) -> Mapping[str, Program]:
        python, references, tracks = sys.executable, HERE / "references.py", folder / "tracks"
        hand, floor, ours = (folder / f"{name}.zarr" for name in ("hand", "floor", "ours"))
        create: Command = [TRACKS2ZARR, "create", tracks, _metadata_of(folder), ours]
        return {
            BY_HAND: Program([python, references, "by-hand", tracks, hand], hand),
            FLOOR: Program([python, references, "floor", tracks, folder / "ready", floor], floor),
            CREATE: Program(create, ours),
            VERIFY: Program([TRACKS2ZARR, "verify", ours]),
        }

    def start(self, seconds_to_read: Sequence[float]) -> Table:
        """Measure what programs take that have next to nothing to do."""
        folder = self._folder / "input"
        SMALLEST.write(folder)
        ours = folder / "ours.zarr"
        create: Command = [TRACKS2ZARR, "create", folder / "tracks", _metadata_of(folder), ours]
        python = sys.executable
        programs = {
            "`python -c pass`": Program([python, "-c", "pass"]),
            "`python -c 'import polars, zarr'`": Program([python, "-c", "import polars, zarr"]),
            "`tracks2zarr --help`": Program([TRACKS2ZARR, "--help"]),
            f"{CREATE} of one frame": Program(create, ours),
            f"{CREATE} of one frame, `--workers 1`": Program([*create, "--workers", "1"], ours),
        }
        runs = self.in_turn(programs)
        results = [Result(name, Summary.of(runs[name])) for name in programs]
        text = "Programs that have next to nothing to do."
        if seconds_to_read:
            summary = Summary.of_times(seconds_to_read, 0)
            results.append(Result(f"{CREATE} until it reads a clip", summary))
            text += (
                " The last line is from the conversions of one video above: "
                "the time until a tracks file is being read."
            )
        shutil.rmtree(folder)
        return start_up(text, results)

    def in_turn(self, programs: Mapping[str, Program]) -> Mapping[str, list[Run]]:
        """Run all programs one after the other, and all of that several times."""
        runs: dict[str, list[Run]] = {name: [] for name in programs}
        for number in range(self._rounds):
            for name, program in programs.items():
                if program.makes is not None and program.makes.exists():
                    shutil.rmtree(program.makes)
                run = measure(program.command, self._log)
                runs[name].append(run)
                shown = f"{run.seconds:6.2f} s, {run.peak_memory / 1e6:5.0f} MB"
                _say(f"round {number + 1} of {self._rounds}: {shown}  {name}")
        return runs


def _metadata_of(folder: Path) -> Path:
    return folder / "loop-frames-ffmpeg.csv"


def _extent(store: Path | None) -> tuple[int, int] | None:
    """Return the size of a store and the number of its files."""
    if store is None:
        return None
    sizes = [path.stat().st_size for path in store.rglob("*") if path.is_file()]
    return sum(sizes), len(sizes)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Measure all, show it and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write")
    parser.add_argument("--tiny", action="store_true", help="tiny inputs, to try this program out")
    given = parser.parse_args()
    inputs = TINY if given.tiny else (ONE_VIDEO, MANY_VIDEOS)
    # so that the folder is removed then, too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="tracks2zarr-bench-") as folder:
        if shutil.disk_usage(folder).free < _NEEDED_BYTES:
            _say(f"the temporary folder needs {_NEEDED_BYTES / 1e9:.0f} GB; set TMPDIR to another")
            return 1
        bench = Bench(Path(folder), given.rounds)
        if not given.tiny:
            _say("warming up")
            Bench(Path(folder), 1).convert(TINY[0])
        converted = [bench.convert(input_) for input_ in inputs]
        tables = [*(table for table, _ in converted), bench.start(converted[0][1]), machine()]
    for table in tables:
        table.show()
    write_page(given.page, tables)
    _say(f"written to {given.page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
