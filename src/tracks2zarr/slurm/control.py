"""``slurm wait`` and ``slurm cancel``."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping

from tracks2zarr.slurm.client import Slurm, UnansweredError
from tracks2zarr.slurm.finish import Finished, finish
from tracks2zarr.slurm.finish_record import record_cancelled
from tracks2zarr.slurm.job_states import check_cluster
from tracks2zarr.slurm.status import status
from tracks2zarr.slurm.status_values import StoreStatus
from tracks2zarr.slurm.submission import SubmittedTasks
from tracks2zarr.store.existing import existing_store

#: Between two statuses, in seconds; the longer a job runs, the less often it is asked for.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
#: How long to wait for a SLURM that does not answer, in seconds.
UNREACHABLE_TIMEOUT = 120.0


def wait(
    store: str | os.PathLike[str],
    *,
    slurm: Slurm | None = None,
    on_status: Callable[[StoreStatus], None] = lambda _: None,
    longest_pause: float = _LONGEST_PAUSE,
    unreachable_timeout: float = UNREACHABLE_TIMEOUT,
) -> StoreStatus:
    """Wait until no job of a store runs or waits in the queue, whoever submitted it.

    A SLURM that does not answer is waited for, for some time.

    Parameters
    ----------
    store
        The store.
    slurm
        The cluster.
    on_status
        Called with each status.
    longest_pause
        The most seconds between two statuses.
    unreachable_timeout
        How long to wait for a SLURM that does not answer, in seconds.

    Returns
    -------
    StoreStatus
        The last one; `StoreStatus.is_unreachable` if SLURM did not answer to the end.

    Raises
    ------
    Tracks2ZarrError
        If there is no store, or its plan cannot be read.
    """
    slurm, pause, unreachable_since = slurm or Slurm(), _FIRST_PAUSE, None
    while True:
        found, time_now = status(store, slurm), time.monotonic()
        on_status(found)
        unreachable_since = (unreachable_since or time_now) if found.is_unreachable else None
        gave_up = time_now - (unreachable_since or time_now) > unreachable_timeout
        if gave_up or not (found.is_open or found.is_unreachable):
            return found
        time.sleep(pause)
        pause = min(pause * 1.5, longest_pause)


def cancel(
    store: str | os.PathLike[str],
    *,
    slurm: Slurm | None = None,
    on_cancel: Callable[[Mapping[str, int], bool], None] = lambda _arrays, _finalising: None,
    on_status: Callable[[StoreStatus], None] = lambda _: None,
) -> Finished:
    """Cancel all jobs of a store, wait until they are gone, and list the finished videos.

    Parameters
    ----------
    store
        The store.
    slurm
        The cluster.
    on_cancel
        Called after cancelling, with the number of tasks that ran or waited of each array job, and
        whether a finalising job did.
    on_status
        Called with each status while tasks end.

    Returns
    -------
    Finished
        Nothing is verified.

    Raises
    ------
    Tracks2ZarrError
        If there is no store, or SLURM does not answer.
    """
    there, slurm = existing_store(store), slurm or Slurm()
    tasks = SubmittedTasks.read(there)
    arrays, finalising_jobs = _open_jobs(slurm, tasks)
    if arrays or finalising_jobs:
        slurm.cancel([*arrays, *finalising_jobs])
    on_cancel(arrays, bool(finalising_jobs))
    if arrays or finalising_jobs:
        wait(there.path, slurm=slurm, on_status=on_status, longest_pause=2.0)
    if finalising_jobs:
        record_cancelled(there, tasks)
    return finish(there.path, check="none", slurm=slurm)


def _open_jobs(slurm: Slurm, tasks: SubmittedTasks) -> tuple[Mapping[str, int], list[str]]:
    """Return how many tasks of each array job run or wait, and the finalising jobs that do."""
    try:
        check_cluster(slurm, tasks.cluster)  # another one gives the same ids to other jobs
        queue = slurm.queue([*tasks.jobs, *tasks.finalising_jobs])
    except UnansweredError as error:
        raise error.as_error() from None
    jobs = sorted((job for (job, _), state in queue.items() if state.is_open), key=int)
    finalising = frozenset(tasks.finalising_jobs)
    arrays = Counter(job for job in jobs if job not in finalising)
    return arrays, [job for job in jobs if job in finalising]
