"""The logs of tasks: which task wrote them, and where they are kept."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tracks2zarr.common.files import make_folder
from tracks2zarr.slurm.client import TaskId
from tracks2zarr.slurm.submission import SubmittedTasks
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import End, read_record

_LOG = re.compile(r"slurm_array\.(?P<job>[0-9]+)-(?P<task>[0-9]+)\..+\.(?P<stream>out|err)")
_READ_ONLY, _WRITABLE = 0o444, 0o222


@dataclass(frozen=True, slots=True)
class Logs:
    """The logs of all tasks of a store, by task."""

    files: dict[TaskId, list[Path]]

    @classmethod
    def find(cls, store: Store, tasks: SubmittedTasks) -> Logs:
        """Find the logs: in the store, and where the tasks of its submissions write them."""
        files: dict[TaskId, list[Path]] = defaultdict(list)
        jobs = set(tasks.jobs)
        for folder in {store.logs, store.failed_logs, *tasks.log_folders()}:
            for path, task in _logs_in(folder):
                if task[0] in jobs:
                    files[task].append(path)
        return cls(files)

    def error_log_of(self, job: str | None, task: int | None) -> Path | None:
        """Return the log of a task that says what went wrong; None where there is no log."""
        if job is None:
            return None
        found = self.files.get((job, task), [])
        errors = [path for path in found if path.suffix == ".err"]
        return max(errors or found, key=lambda path: path.name, default=None)


def _logs_in(folder: Path) -> Iterator[tuple[Path, TaskId]]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        match = _LOG.fullmatch(path.name)
        if match:
            yield path, (match["job"], int(match["task"]))


def sort_logs(
    store: Store, tasks: SubmittedTasks, *, done: set[str], open_tasks: set[TaskId]
) -> None:
    """Move the logs of failed attempts to ``logs_failed``, and keep the others, read-only.

    Parameters
    ----------
    store
        The store.
    tasks
        What was submitted for it.
    done
        The videos that are done.
    open_tasks
        The tasks that run or wait; their logs are left where they are.
    """
    files = Logs.find(store, tasks).files
    for video in tasks.videos():
        for task in tasks.of_video(video):
            if task in open_tasks or task not in files:
                continue
            failed = video not in done or _is_failed_attempt(store, video, task)
            move_logs(files[task], store.failed_logs if failed else store.logs)


def _is_failed_attempt(store: Store, video: str, task: TaskId) -> bool:
    """Tell whether a task of a video that is done now recorded attempts, all without success.

    One that has not ended is about to find that there is nothing to do.
    """
    record = read_record(store, video)
    attempts = record.attempts if record else ()
    ends = {one.end for one in attempts if (one.place.job, one.place.task) == task}
    return bool(ends) and ends.isdisjoint({End.DONE, None})


def move_logs(files: Iterable[Path], folder: Path) -> None:
    """Move logs into a folder, read-only; none takes the place of another."""
    make_folder(folder, within=folder.parent)
    for path in files:
        with contextlib.suppress(OSError):  # gone, or somebody else's: a log is not worth more
            _move_log(path, folder)


def _move_log(path: Path, folder: Path) -> None:
    if path.parent != folder:
        target, number = folder / path.name, 1
        while target.exists():
            target, number = folder / f"{path.stem}.{number}{path.suffix}", number + 1
        path = Path(shutil.move(path, target))
    if path.stat().st_mode & _WRITABLE:
        path.chmod(_READ_ONLY)


def logs_of_task(folder: Path, task: TaskId) -> list[Path]:
    """Return the logs in a folder that a task writes."""
    return [path for path, writer in _logs_in(folder) if writer == task]
