"""What was submitted to the cluster for a store, and with which options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Self

from tracks2zarr.common.documents import Document
from tracks2zarr.store.group_mode import Mode
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import Record

#: What a finalising job verifies: digests, every value against the tracks files, or nothing.
Verify = Literal["quick", "full", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an array job asks the cluster for, for each of its tasks.

    Parameters
    ----------
    memory
        In MiB; None for what the cluster gives by default.
    minutes
        The time limit; None for the cluster's own.
    cpus
        Cores a task.
    max_tasks
        How many tasks may run at the same time.
    options
        Any other options of ``sbatch``, such as ``--partition=cpu``.
    prelude
        Lines of shell that run first.
    """

    memory: int | None = None
    minutes: int | None = None
    cpus: int = 1
    max_tasks: int = 9
    options: tuple[str, ...] = ()
    prelude: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayJob:
    """One array job: the number of a task plus `offset` is the video's index.

    Parameters
    ----------
    job
        The id that SLURM gave it.
    indices
        The indices of the videos that it was submitted for.
    request
        What it asks for; None where a script was submitted by hand, and SLURM could not be asked.
    offset
        Is added to the number of a task.
    """

    job: str
    indices: tuple[int, ...]
    request: Request | None
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission(Document):
    """All that was submitted at once.

    Parameters
    ----------
    number
        Counts the submissions of a store from 1: the clocks of login nodes differ.
    store, cluster
        The folder of the store that it was for, and the cluster that it was submitted to: a
        copy of the store has no jobs.
    submitted
        When, in UTC, ISO 8601.
    user, host
        By whom, and where.
    videos
        All planned videos; the index of an array task counts in them.
    arrays
        The array jobs.
    group_mode
        What a task does where its video is there.
    is_rerun
        Whether it goes on with what earlier ones asked for: their group mode and time count.
    logs
        The folder that the logs of the tasks are written to, absolute.
    finalising_job
        The id of the finalising job; None where there is none.
    finalising_request
        What the finalising job asks for.
    verify
        What the finalising job verifies: ``quick``, ``full`` or ``none``.
    """

    format_key = "tracks2zarr_submission"
    former_names: ClassVar[Mapping[str, str]] = {"finalising_job": "last_job"}

    number: int
    store: str
    cluster: str
    submitted: str
    user: str
    host: str
    videos: tuple[str, ...]
    arrays: tuple[ArrayJob, ...]
    group_mode: Mode
    logs: str
    is_rerun: bool = False
    finalising_job: str | None = None
    finalising_request: Request | None = None
    verify: Verify = "quick"

    @property
    def jobs(self) -> list[str]:
        """The ids of its jobs, the finalising one included."""
        arrays = [array.job for array in self.arrays]
        return [*arrays, self.finalising_job] if self.finalising_job else arrays

    def array(self, job: str) -> ArrayJob | None:
        """Return its array job with this id."""
        return next((array for array in self.arrays if array.job == job), None)

    def tasks(self) -> Iterator[tuple[str, str, int]]:
        """Yield video, job and number of each task that was submitted."""
        for array in self.arrays:
            for index in array.indices:
                yield self.videos[index], array.job, index - array.offset

    def to_json(self) -> str:
        """Return the submission as JSON text, without a line break at its end."""
        return Document.to_json(self).rstrip()


def write_submission(store: Store, submission: Submission) -> Path:
    """Write a submission into its store, and return the file; its first job names it."""
    path = store.submissions_folder / f"{submission.jobs[0]}.json"
    submission.write(store.to_write(path))
    return path


def read_submissions(store: Store) -> list[Submission]:
    """Return what was submitted for a store, the oldest first."""
    return _submissions_in(store.submissions_folder)


def was_replaced(store: Store, job: str | None) -> bool:
    """Tell whether an array job was submitted for an older store that this one has replaced."""
    older = _submissions_in(store.replaced_folder) if job else []
    return any(submission.array(job or "") for submission in older)


def _submissions_in(folder: Path) -> list[Submission]:
    found = (Submission.read(path) for path in folder.glob("*.json"))
    return sorted((one for one in found if one), key=lambda submission: submission.number)


def next_number(store: Store) -> int:
    """Return the number of the store's next submission."""
    return max((submission.number for submission in read_submissions(store)), default=0) + 1


def submission_of(store: Store, job: str | None) -> Submission | None:
    """Return the submission that an array job belongs to."""
    if job is None:
        return None
    for submission in reversed(read_submissions(store)):
        if submission.array(job):
            return submission
    return None


@dataclass(frozen=True, slots=True)
class SubmittedTasks:
    """Which tasks were submitted for each video, over all submissions of a store.

    Parameters
    ----------
    submissions
        The oldest first.
    """

    submissions: tuple[Submission, ...]
    _places: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    _asked: dict[str, Submission] = field(default_factory=dict)

    @classmethod
    def read(cls, store: Store) -> Self:
        """Read what was submitted for a store, but not for one that it is a copy of."""
        return cls.of(sub for sub in read_submissions(store) if sub.store == str(store.path))

    @classmethod
    def of(cls, submissions: Iterable[Submission]) -> Self:
        """Return the tasks of some submissions, the oldest first."""
        tasks = cls(tuple(submissions))
        for submission in tasks.submissions:
            for video, job, number in submission.tasks():
                tasks._places.setdefault(video, []).append((job, number))
                if not submission.is_rerun or video not in tasks._asked:
                    tasks._asked[video] = submission
        return tasks

    @property
    def jobs(self) -> list[str]:
        """The ids of all array jobs."""
        return [array.job for submission in self.submissions for array in submission.arrays]

    @property
    def finalising_jobs(self) -> list[str]:
        """The ids of all finalising jobs, the latest last."""
        return [sub.finalising_job for sub in self.submissions if sub.finalising_job]

    @property
    def finalising_job(self) -> str | None:
        """The id of the latest finalising job."""
        return next(reversed(self.finalising_jobs), None)

    def of_video(self, video: str) -> list[tuple[str, int]]:
        """Return job and number of each task of a video, the latest last."""
        return self._places.get(video, [])

    @property
    def cluster(self) -> str:
        """The cluster that the latest submission went to; empty where nobody knows."""
        return self.submissions[-1].cluster if self.submissions else ""

    def asked_for(self, video: str) -> Submission | None:
        """Return the submission that asked for a video last; a rerun only goes on with it."""
        return self._asked.get(video)

    def replaced_since(self, video: str) -> str:
        """Return when a video's replacement was asked for (UTC, ISO 8601); empty for never."""
        asked = self.asked_for(video)
        return asked.submitted if asked is not None and asked.group_mode == "w" else ""

    def jobs_of(self, video: str, record: Record | None) -> set[str]:
        """Return the array jobs that had a task for a video, one that nobody wrote down too."""
        jobs = {job for job, _ in self.of_video(video)}
        return jobs | {record.last.place.job or ""} if record else jobs

    def videos(self) -> Iterator[str]:
        """Yield the videos that a task was submitted for."""
        yield from self._places

    def array(self, job: str) -> ArrayJob | None:
        """Return the array job with this id."""
        found = (submission.array(job) for submission in reversed(self.submissions))
        return next((array for array in found if array), None)

    def log_folders(self) -> list[Path]:
        """Return the folders that logs were written to."""
        return sorted({Path(submission.logs) for submission in self.submissions})
