"""Kills a run after each of its side effects, and runs it again; a program of its own.

    python crash_driver.py FOLDER SCENARIO STEP

Python reports every file that is opened for writing, renamed or removed, and every folder
that is made, before it happens (`sys.addaudithook`). For each such event of a run, a
process is forked that kills itself with SIGKILL when the event comes up; a second one then
runs the same command again. The result must equal that of a run that was not killed.

While a group is written in its attempt's folder, one side effect is like the next: but for the
first scenario, one in eight of those is tried. Of all that are left, every STEP-th is tried.
"""

import errno
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

# all that a run imports, so that a forked process starts at once; none of it starts threads
import numcodecs.zstd
import polars
import zarr.storage

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video
from support.tree import snapshot
from tracks2zarr.correcting import correct, undo
from tracks2zarr.group import comparison, reader, writer
from tracks2zarr.merging import merge
from tracks2zarr.store.commit import recover_all
from tracks2zarr.store.store import Store
from tracks2zarr.tracks import compiled_reader

assert all((numcodecs, polars, zarr, comparison, writer, merge, compiled_reader, reader))
assert all((correct, undo))

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = {f"os.{name}" for name in ("rename", "link", "mkdir", "rmdir", "remove", "truncate")}
CHANGES |= {"shutil.copyfile"}


@dataclass(frozen=True)
class Scenario:
    """What is there before the run, the run, and how it is repeated."""

    before: Callable[[Path], None]
    run: Callable[[Path], bool]
    again: Callable[[Path], bool]
    stride: int = 8
    stores: tuple[str, ...] = ("out.zarr",)
    is_verified: bool = True


def experiment(n_clips: int = 1, x: float = 1.5) -> Experiment:
    """Return a small video; `x` makes its boxes differ from another's."""

    def clip(number: int) -> Clip:
        start = 1 + 10 * number
        boxes = (Box(2, 7, x, 2, 3, 4), Box(3, 1, x, 2, 3, 4), Box(5, 7, x, 2, 3, 4))
        return Clip(f"Loop{number:02}", start, start + 7, start + 4, "triggered", boxes)

    clips = tuple(clip(number) for number in range(n_clips))
    return Experiment((Video("A", clips),))


def moved_into(name: str, made: Experiment) -> Experiment:
    """Return an experiment of one video whose tracks files lie in a folder within the other's."""
    (video,) = made.videos
    clips = tuple(replace(clip, folder=name) for clip in video.clips)
    return Experiment((replace(video, clips=clips),))


INPUTS = {
    "old": experiment(x=9),
    "new": experiment(),
    "moved": moved_into("deep", experiment(x=9)),
    "more": experiment(2, 9),
    "other": Experiment((replace(experiment().videos[0], id="B"),)),
    "both": Experiment((*experiment().videos, replace(experiment().videos[0], id="B"))),
}


def create(folder: Path, source: str, store_mode: Any, group_mode: Any) -> bool:
    """Convert an experiment below the folder in this process."""
    inputs = (folder / source / "tracks", folder / source / "metadata.csv")
    plan = tz.plan(*inputs, pattern="**/*.csv")
    try:
        summary = tz.create(
            plan, folder / "out.zarr", store_mode=store_mode, group_mode=group_mode, workers=1
        )
    except tz.Tracks2ZarrError as error:
        return error.problems[0].kind == "store-exists"
    return summary.ok


def runs(source: str, store_mode: str, group_mode: str) -> Callable[[Path], bool]:
    """Return the conversion of an experiment with these modes."""
    return lambda folder: create(folder, source, store_mode, group_mode)


def nothing(_folder: Path) -> None:
    """Start from an empty folder."""


def old_store(folder: Path) -> None:
    """Start from a store of the old experiment."""
    assert create(folder, "old", "w-", "w-")


SCENARIOS = {
    "new": Scenario(nothing, runs("new", "w-", "w-"), runs("new", "w-", "w-"), stride=1),
    "replace-videos": Scenario(old_store, runs("new", "a", "w"), runs("new", "a", "w")),
    "replace-store": Scenario(old_store, runs("new", "w", "w-"), runs("new", "w", "w-")),
    "resume-replaced-store": Scenario(old_store, runs("new", "w", "w-"), runs("new", "a", "w")),
    "add-clips": Scenario(old_store, runs("more", "a", "a"), runs("more", "a", "a")),
    "moved-sources": Scenario(old_store, runs("moved", "a", "w-"), runs("moved", "a", "w-"), 1),
}


def corrects(folder: Path) -> bool:
    """Put the new experiment's boxes in the place of the old one's, from its tracks file."""
    corrected = folder / "new/tracks/A-Loop00_tracks.csv"
    found = tz.correct(folder / "out.zarr", "A", "Loop00", corrected, frames=slice(None))
    assert bool(found.changes) == found.is_done
    left = sorted(path.name for path in (folder / "old/tracks").iterdir())
    return left == ["A-Loop00_tracks.corrected-1.csv", "A-Loop00_tracks.csv"]


def corrects_anew(folder: Path) -> bool:
    """Correct where no earlier run has left a corrected file."""
    for left in (folder / "old/tracks").glob("*corrected*"):
        left.unlink()
    return corrects(folder)


def corrected_store(folder: Path) -> None:
    """Start from a store of the old experiment that was corrected."""
    old_store(folder)
    assert corrects_anew(folder)


def undoes(folder: Path) -> bool:
    """Undo the correction, unless that is done."""
    try:
        return tz.undo_correction(folder / "out.zarr", "A", "Loop00").is_done
    except tz.Tracks2ZarrError as error:
        return error.problems[0].kind == "correct-none"


SCENARIOS |= {
    "correct": Scenario(old_store, corrects_anew, corrects),
    "undo-correction": Scenario(corrected_store, undoes, undoes),
}


def two_stores(source: str) -> Callable[[Path], None]:
    """Return what makes a store of A and, from a source, `two.zarr`, with logs and a record."""

    def make(folder: Path) -> None:
        old_store(folder)
        plan = tz.plan(folder / source / "tracks", folder / source / "metadata.csv")
        assert tz.create(plan, folder / "two.zarr", workers=1).ok
        for name in ("out.zarr", "two.zarr"):
            for log in ("logs/slurm_array.1-0.node.out", "logs_failed/deep/slurm.err"):
                path = folder / name / log
                path.parent.mkdir(parents=True)
                path.write_text(f"{log} of {name}")
                path.chmod(0o444)
        record = folder / "two.zarr/.tracks2zarr/tasks/B.json"
        record.parent.mkdir()
        record.write_text("{}")

    return make


def empty_folder(folder: Path) -> None:
    """Start from an empty folder, and a store beside it."""
    two_stores("both")(folder)
    shutil.rmtree(folder / "out.zarr")
    (folder / "out.zarr").mkdir()


def older_stores(folder: Path) -> None:
    """Start from a store of A and B of this workflow, and one of the older, which has C."""
    two_stores("both")(folder)
    from support.older_workflow import write_older_store

    made = Experiment((replace(experiment().videos[0], id="C"),))
    tracks, _ = made.write(folder / "scratch")
    shutil.rmtree(folder / "two.zarr")
    write_older_store(folder / "two.zarr", made, tracks)
    shutil.rmtree(folder / "scratch")


def merges(**options: Any) -> Callable[[Path], bool]:
    """Return the merge of `two.zarr` into `out.zarr`."""
    return lambda folder: tz.merge(folder / "out.zarr", [folder / "two.zarr"], **options).ok


def merges_without_links(folder: Path) -> bool:
    """Merge where files cannot be shared, as between two disks."""

    with mock.patch("os.link", side_effect=OSError(errno.EXDEV, "another disk")):
        return merges()(folder)


def after_others(again: Callable[[Path], bool]) -> Callable[[Path], bool]:
    """Return what is run again, after what every other run does to both stores first."""

    def run(folder: Path) -> bool:
        for name in STORES:
            recover_all(Store.at(folder / name))
            tz.finalise(folder / name)
        return again(folder)

    return run


STORES = ("out.zarr", "two.zarr")
REPLACING = merges(on_conflict="replace")
OLDER = merges(individual_dim="individual")
SCENARIOS |= {
    "merge": Scenario(two_stores("other"), merges(), merges(), stores=STORES),
    "merge-into-new": Scenario(empty_folder, merges(), merges(), stores=STORES),
    "merge-by-copying": Scenario(
        two_stores("other"), merges_without_links, merges_without_links, stores=STORES
    ),
    "merge-copies": Scenario(
        two_stores("other"), merges(copy=True), merges(copy=True), stores=STORES
    ),
    "merge-replaces": Scenario(
        two_stores("both"), REPLACING, after_others(REPLACING), stores=STORES
    ),
    "merge-older": Scenario(
        older_stores, OLDER, after_others(OLDER), stores=STORES, is_verified=False
    ),
}


def in_child(work: Callable[[], bool]) -> int:
    """Do some work in a forked process and return its wait status."""
    process = os.fork()
    if process == 0:
        try:
            os._exit(0 if work() else 3)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(4)
    return os.waitpid(process, 0)[1]


def kill_at(number: int, folder: Path, stride: int) -> None:
    """Kill this process when its side effect of this number, from 0, comes up.

    Of those within the group of an attempt, one in `stride` counts.
    """
    seen = within = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen, within
        if event == "open":
            path, _mode, flags = args
            if not flags & WRITES:
                return
        elif event in CHANGES:
            path = args[0]
        else:
            return
        if not isinstance(path, str | os.PathLike) or not str(path).startswith(str(folder)):
            return
        if re.search(r"\.temp/[^/]*/group/", str(path)):
            within += 1
            if within % stride:
                return
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    sys.addaudithook(hook)


def killed_run(scenario: Scenario, folder: Path, number: int) -> bool:
    """Run and kill; return whether the run came so far."""

    def work() -> bool:
        kill_at(number, folder, scenario.stride)
        return scenario.run(folder)

    status = in_child(work)
    if os.WIFSIGNALED(status):
        return True
    assert status == 0, f"an undisturbed run ended with {status}"
    return False


def picture(folder: Path, scenario: Scenario) -> dict[str, str]:
    """Return the digests of all groups and roots, and the names of all else but locks."""
    files: dict[str, str] = {}
    for name in scenario.stores:
        files |= {f"{name}/{file}": digest for file, digest in snapshot(folder / name).items()}
        for path in (folder / name).rglob("*"):
            relative = path.relative_to(folder / name)
            if path.is_file() and "locks" not in relative.parts and path.suffix != ".new":
                files.setdefault(f"{name}/{relative}", path.name)
            if relative.parts[0].startswith("logs") and path.is_file():
                files[f"{name}/{relative}"] = path.read_text()
    return files


def check(folder: Path, scenario: Scenario, expected: dict[str, str], number: int) -> None:
    """Check the stores after they were mended."""
    found = picture(folder, scenario)
    differing = sorted(name for name in found.keys() | expected.keys()
                       if found.get(name) != expected.get(name))  # fmt: skip
    assert not differing, f"killed at {number}: these differ: {differing}"
    left = sorted(path.name for path in folder.iterdir())
    assert left == sorted([*INPUTS, *scenario.stores]), f"killed at {number}: left behind: {left}"
    for name in scenario.stores:
        quick = tz.verify(folder / name, quick=True)
        assert quick.ok or not scenario.is_verified, f"killed at {number}: {quick}"
        assert not quick.problems, f"killed at {number}: {quick}"


def main(folder: Path, scenario: Scenario, step: int) -> int:
    """Try every `step`-th side effect; return how many there are."""
    for name, new in INPUTS.items():
        tracks, metadata = new.write(folder / name)
        tracks.rename(folder / name / "tracks")
        metadata.rename(folder / name / "metadata.csv")

    def before() -> bool:
        scenario.before(folder)
        return True

    assert in_child(before) == 0
    template = folder.with_name(f"{folder.name}-before")
    shutil.copytree(folder, template)

    def restart() -> None:
        for name in scenario.stores:
            for left in folder.glob(f"{name}*"):
                shutil.rmtree(left)
            if (template / name).exists():
                shutil.copytree(template / name, folder / name)

    assert in_child(lambda: scenario.run(folder)) == 0
    expected = picture(folder, scenario)
    number = 0
    while True:
        restart()
        if not killed_run(scenario, folder, number):
            return number
        status = in_child(lambda: scenario.again(folder))
        assert status == 0, f"killed at {number}: the run again ended with {status}"
        check(folder, scenario, expected, number)
        number += step


if __name__ == "__main__":
    count = main(Path(sys.argv[1]), SCENARIOS[sys.argv[2]], int(sys.argv[3]))
    print(json.dumps({"side_effects": count}))
