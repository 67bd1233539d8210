"""Waiting for what was submitted, and cancelling it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping

from tracks2zarr.slurm.answers import check_cluster
from tracks2zarr.slurm.client import Slurm, UnansweredError
from tracks2zarr.slurm.finish import Finished, finish
from tracks2zarr.slurm.status import status
from tracks2zarr.slurm.status_values import StoreStatus
from tracks2zarr.slurm.submission import Tasks
from tracks2zarr.store.existing import existing_store

#: Between two looks, in seconds; the longer a job runs, the less a look matters.
_FIRST_LOOK, _LONGEST = 1.0, 30.0
#: How long what nobody knows is waited for, in seconds.
_PATIENCE = 120.0


def wait(
    store: str | os.PathLike[str],
    *,
    slurm: Slurm | None = None,
    on_look: Callable[[StoreStatus], None] = lambda _: None,
    longest: float = _LONGEST,
) -> StoreStatus:
    """Wait until no task of a store runs or waits in the queue, and its last job has ended.

    What is unknown, because SLURM does not answer, is waited for two minutes, then given up.

    Parameters
    ----------
    store
        The store.
    slurm
        The cluster.
    on_look
        Called with each status.
    longest
        The most seconds between two looks.

    Returns
    -------
    StoreStatus
        The last one.

    Raises
    ------
    Tracks2ZarrError
        If there is no store, or its plan cannot be read.
    """
    slurm, pause, silent_since = slurm or Slurm(), _FIRST_LOOK, None
    while True:
        known = status(store, slurm)
        on_look(known)
        is_silent = known.unanswered is not None and not known.is_absent
        if not is_silent:
            silent_since = None
        elif silent_since is None:
            silent_since = time.monotonic()
        gave_up = silent_since is not None and time.monotonic() - silent_since > _PATIENCE
        if gave_up or not (known.is_open or is_silent):
            return known
        time.sleep(pause)
        pause = min(pause * 1.5, longest)


def cancel(
    store: str | os.PathLike[str],
    *,
    slurm: Slurm | None = None,
    on_cancel: Callable[[Mapping[str, int], bool], None] = lambda _jobs, _last: None,
    on_look: Callable[[StoreStatus], None] = lambda _: None,
) -> Finished:
    """Cancel all jobs of a store, wait until they are gone, and list what is finished.

    Parameters
    ----------
    store
        The store.
    slurm
        The cluster.
    on_cancel
        Called when SLURM has been told, with the number of tasks that ran or waited of each array
        job, and whether a last job did.
    on_look
        Called with each status while tasks end.

    Returns
    -------
    Finished
        Nothing is verified.

    Raises
    ------
    Tracks2ZarrError
        If there is no store, or SLURM cannot be told.
    """
    there, slurm = existing_store(store), slurm or Slurm()
    tasks = Tasks.of(there)
    arrays, last_jobs = _open_jobs(slurm, tasks)
    if arrays or last_jobs:
        slurm.cancel([*arrays, *last_jobs])
    on_cancel(arrays, bool(last_jobs))
    if arrays or last_jobs:
        wait(there.path, slurm=slurm, on_look=on_look, longest=2.0)
    return finish(there.path, check="none", slurm=slurm)


def _open_jobs(slurm: Slurm, tasks: Tasks) -> tuple[Mapping[str, int], list[str]]:
    """Return how many tasks of each array job run or wait, and the last jobs that do."""
    try:
        check_cluster(slurm, tasks.cluster)  # another one gives the same ids to other jobs
        queue = slurm.queue([*tasks.jobs, *tasks.last_jobs])
    except UnansweredError as error:
        raise error.as_error() from None
    known = sorted((job for (job, _), said in queue.items() if said.is_open), key=int)
    is_last = frozenset(tasks.last_jobs)
    arrays = Counter(job for job in known if job not in is_last)
    return arrays, [job for job in known if job in is_last]
