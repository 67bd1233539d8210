"""Measures `tracks2zarr` beside its references, and writes pages of the documentation.

`make bench` runs it: a few minutes, less than 3 GB in a temporary folder, and
`docs/benchmarks.md`. `make bench-full` adds a field season: half an hour, less than 15 GB,
and `docs/benchmarks-full.md`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.format_references import READ, WRITE
from benchmarks.generate import compress, multiply
from benchmarks.measure import Run, Summary, measure
from benchmarks.plot import write_bars, write_curve
from benchmarks.report import (
    BY_HAND,
    FLOOR,
    FormatResult,
    Result,
    Table,
    conversions,
    formats,
    machine,
    reading,
    start_up,
    write_page,
)

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
FULL_PAGE = PAGE.with_name("benchmarks-full.md")
FORMATS = HERE / "format_references.py"
TRACKS2ZARR = Path(sys.executable).with_name("tracks2zarr")
CREATE, VERIFY = "`tracks2zarr create`", "`tracks2zarr verify`"
TASK = "`tracks2zarr slurm task`"
_NEEDED_BYTES, _NEEDED_FULL = 3 * 10**9, 15 * 10**9

type Command = list[str | Path]


@dataclass(frozen=True, slots=True)
class Input:
    """An experiment to convert, as arguments of the generator."""

    title: str
    videos: int
    clips: int
    frames: int
    individuals_in_view: int
    track_frames: int = 600

    def write(self, folder: Path) -> int:
        """Write it into a folder, and return the bytes of its tracks files."""
        command: Command = [sys.executable, HERE / "generate.py", folder]
        for name in ("videos", "clips", "frames", "individuals_in_view", "track_frames"):
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
SHORTER = Input("One video of shorter clips", 1, 3, 2500, 70)
SHORT = Input("One video of short clips", 1, 3, 300, 70)
EIGHT_CLIPS = Input("One video of eight clips", 1, 8, 13400, 70)
LONGEST = Input("One clip of 47 minutes", 1, 1, 168_000, 94, 1500)
SEASON = Input("A field season, of which each clip is a link to one of 24", 3, 8, 10_200, 70)
THOUSAND = Input("A thousand videos", 1000, 1, 60, 10)
TEN_THOUSAND = Input("Ten thousand videos", 10_000, 1, 60, 10)
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
        self._reads: list[dict[str, float]] = []
        self._task_seconds: list[float] = []
        self.seconds: Mapping[str, float] = {}
        self.season_memory: Sequence[tuple[float, int]] = ()

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
        if input_ in {ONE_VIDEO, TINY[0]}:
            self._reads = self._time_reads(programs)
            self._task_seconds = self._time_tasks(folder)
            self.seconds = {result.program: result.summary.median for result in results}
        shutil.rmtree(folder)
        table = conversions(input_.title, input_.text(n_bytes), n_bytes, results)
        return table, [run.seconds_to_read for run in runs[CREATE] if run.seconds_to_read]

    def _time_reads(self, programs: Mapping[str, Program]) -> list[dict[str, float]]:
        """Return the seconds of each way of reading: by hand's store, ours, ours by our engine."""
        seconds = []
        for name, options in ((BY_HAND, ()), (CREATE, ()), (CREATE, ("--engine", "tracks2zarr"))):
            store = programs[name].makes
            assert store is not None
            (group,) = (entry.name for entry in store.iterdir() if (entry / "position").is_dir())
            command: Command = [sys.executable, HERE / "reads.py", store, group, *options]
            _say(f"reading: {name} {' '.join(options)}")
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            seconds.append(json.loads(done.stdout))
        return seconds

    def _time_tasks(self, folder: Path) -> list[float]:
        """Return the seconds from the start of a task of an array job to the first bytes."""
        store = folder / "task.zarr"
        plan: Command = [TRACKS2ZARR, "plan", folder / "tracks", _metadata_of(folder)]
        seconds = []
        for _ in range(self._rounds):
            shutil.rmtree(store, ignore_errors=True)
            measure([*plan, "--into", store], self._log)
            run = measure([TRACKS2ZARR, "slurm", "task", store, "0"], self._log)
            seconds.append(run.seconds_to_read)
        return [one for one in seconds if one]

    def reads(self) -> Table:
        """Return the table of ways of reading the stores of one video."""
        return reading(*self._reads)

    def alone(self, input_: Input, commands: Sequence[str], links: int = 1) -> Table:
        """Measure some of our commands on an input that is too much for the references.

        Parameters
        ----------
        input_
            What to write.
        commands
            ``create``, and others that take the store.
        links
            How often each tracks file is there, under several names.
        """
        folder = self._folder / "input"
        _say(f"making input: {input_.title.lower()}")
        n_bytes = input_.write(folder)
        if links > 1:
            input_, n_bytes = replace(input_, videos=input_.videos * links), n_bytes * links
            multiply(folder, links)
        tracks, store = folder / "tracks", folder / "ours.zarr"
        create: Command = [TRACKS2ZARR, "create", tracks, _metadata_of(folder), store]
        open_it = "import sys, tracks2zarr as tz; print(len(tz.open_store(sys.argv[1])))"
        programs = {
            "raw columns": Program([sys.executable, HERE / "references.py", "raw", tracks]),
            CREATE: Program(create, store),
            "`tracks2zarr verify --quick`": Program([TRACKS2ZARR, "verify", "--quick", store]),
            "`tracks2zarr plan`": Program([TRACKS2ZARR, "plan", *create[2:4]]),
            "`tracks2zarr info`": Program([TRACKS2ZARR, "info", store]),
            "`tracks2zarr slurm status`": Program([TRACKS2ZARR, "slurm", "status", store]),
            "`tracks2zarr finalise`": Program([TRACKS2ZARR, "finalise", store]),
            "`tz.open_store`": Program([sys.executable, "-c", open_it, store]),
        }
        chosen = {name: program for name, program in programs.items() if name in commands}
        runs = self.in_turn(chosen)
        results = [
            Result(name, Summary.of(runs[name]), _extent(program.makes))
            for name, program in chosen.items()
        ]
        if input_.title == SEASON.title:
            self.season_memory = runs[CREATE][-1].memory
        shutil.rmtree(folder)
        return conversions(input_.title, input_.text(n_bytes), n_bytes, results)

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
        shutil.rmtree(folder, ignore_errors=True)
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
        for program, seconds in ((CREATE, seconds_to_read), (TASK, self._task_seconds)):
            if seconds:
                summary = Summary.of_times(seconds, 0)
                results.append(Result(f"{program} until it reads a clip", summary))
        if seconds_to_read:
            text += (
                " The last lines are from conversions of the one video above: "
                "the time until a tracks file is being read."
            )
        shutil.rmtree(folder)
        return start_up(text, results)

    def formats_in(self, input_: Input) -> Table:
        """Measure reading of each format, beside what a user would take instead."""
        folder, store, text = self._made(input_)
        files = self._files_of_formats(folder, store)
        made, metadata = folder / "made", _metadata_of(folder)
        programs = {
            name: (
                Program([TRACKS2ZARR, "create", files[name], metadata, made], made),
                Program([sys.executable, FORMATS, "read", name, files[name]]),
            )
            for name in READ
        }
        text += " Ours converts and checks a dataset; what is beside it only reads the files."
        sizes = {name: _size(folder) for name, folder in files.items()}
        return self._beside("Formats in", text, programs, READ, sizes)

    def formats_out(self, input_: Input) -> Table:
        """Measure writing of each format, beside what a user would take instead."""
        folder, store, text = self._made(input_)
        made, theirs = folder / "made", folder / "theirs"
        programs = {
            name: (
                Program([TRACKS2ZARR, "export", store, made, "--format", name], made),
                Program([sys.executable, FORMATS, "write", name, store, theirs], theirs),
            )
            for name in WRITE
        }
        text += " Clips are small, because movement's writer takes minutes for long ones."
        sizes = {}
        for name in WRITE:
            measure([TRACKS2ZARR, "export", store, made, "--format", name], self._log)
            sizes[name] = _size(made)
            shutil.rmtree(made)
        return self._beside("Formats out", text, programs, WRITE, sizes)

    def _made(self, input_: Input) -> tuple[Path, Path, str]:
        """Return a folder with an experiment, its store, and how large it is."""
        folder = self._folder / "input"
        shutil.rmtree(folder, ignore_errors=True)
        _say(f"making input: {input_.title.lower()}")
        text, store = input_.text(input_.write(folder)), folder / "ours.zarr"
        measure([TRACKS2ZARR, "create", folder / "tracks", _metadata_of(folder), store], self._log)
        return folder, store, text

    def _files_of_formats(self, folder: Path, store: Path) -> Mapping[str, Path]:
        """Write the tracks files in each format, and return the folder of each."""
        files = {name: folder / name.replace(", .", "-") for name in READ} | {
            "via": folder / "tracks"
        }
        for name in ("mot", "coco", "movement"):
            measure([TRACKS2ZARR, "export", store, files[name], "--format", name], self._log)
        write: Command = [sys.executable, FORMATS, "write", "octron", store, files["octron"]]
        measure(write, self._log)
        for name in ("via, .gz", "via, .zst"):
            shutil.copytree(files["via"], files[name])
            for file in list(files[name].iterdir()):
                compress(file, "gzip" if name.endswith("gz") else "zstd")
        return files

    def _beside(
        self,
        title: str,
        text: str,
        programs: Mapping[str, tuple[Program, Program]],
        libraries: Mapping[str, tuple[object, str]],
        sizes: Mapping[str, int],
    ) -> Table:
        """Return the table of formats, with our program and that of a library for each."""
        flat = {
            f"{name}: {whose}": program
            for name, both in programs.items()
            for whose, program in zip(("ours", "theirs"), both, strict=True)
        }
        runs = {name: Summary.of(found) for name, found in self.in_turn(flat).items()}
        rows = [
            FormatResult(
                name,
                sizes[name],
                runs[f"{name}: ours"],
                libraries[name][1],
                runs[f"{name}: theirs"],
            )
            for name in programs
        ]
        return formats(title, text, rows)

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
    return _size(store), sum(path.is_file() for path in store.rglob("*"))


def _size(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Measure all, show it and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program")
    parser.add_argument("--page", type=Path, help="the page to write")
    parser.add_argument("--tiny", action="store_true", help="tiny inputs, to try this program out")
    parser.add_argument("--full", action="store_true", help="a field season, too")
    given = parser.parse_args()
    # so that the folder is removed then, too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="tracks2zarr-bench-") as folder:
        needed = _NEEDED_FULL if given.full else _NEEDED_BYTES
        if shutil.disk_usage(folder).free < needed:
            _say(f"the temporary folder needs {needed / 1e9:.0f} GB; set TMPDIR to another")
            return 1
        if not given.tiny:
            _say("warming up")
            Bench(Path(folder), 1).convert(TINY[0])
        bench = Bench(Path(folder), given.rounds)
        tables = _season(bench) if given.full else _few_minutes(bench, tiny=given.tiny)
    for table in tables:
        table.show()
    page = given.page or (FULL_PAGE if given.full else PAGE)
    write_page(page, tables, full=given.full)
    if given.full:
        title = "A field season: memory of all processes of create"
        write_curve(page.with_name("benchmarks-memory.svg"), title, bench.season_memory)
    else:
        write_bars(page.with_suffix(".svg"), "One video of long clips: seconds", bench.seconds)
    _say(f"written to {page}")
    return 0


def _few_minutes(bench: Bench, *, tiny: bool) -> list[Table]:
    converted = [bench.convert(input_) for input_ in (TINY if tiny else (ONE_VIDEO, MANY_VIDEOS))]
    tables = [table for table, _ in converted]
    tables.append(bench.formats_in(TINY[1] if tiny else SHORTER))
    tables.append(bench.formats_out(TINY[1] if tiny else SHORT))
    return [*tables, bench.reads(), bench.start(converted[0][1]), machine()]


def _season(bench: Bench) -> list[Table]:
    quick, plan = "`tracks2zarr verify --quick`", "`tracks2zarr plan`"
    info, status = "`tracks2zarr info`", "`tracks2zarr slurm status`"
    of_many = (plan, CREATE, quick, info, status, "`tracks2zarr finalise`", "`tz.open_store`")
    return [
        bench.convert(EIGHT_CLIPS)[0],
        bench.alone(LONGEST, ("raw columns", CREATE)),
        bench.alone(SEASON, (CREATE, quick), links=9),
        bench.alone(THOUSAND, of_many),
        bench.alone(TEN_THOUSAND, of_many),
        machine(),
    ]


if __name__ == "__main__":
    sys.exit(main())
