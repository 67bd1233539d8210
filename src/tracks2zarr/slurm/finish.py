"""What the finalising job does when all tasks have ended."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from tracks2zarr.common.problems import Problem
from tracks2zarr.slurm.client import Slurm
from tracks2zarr.slurm.ended_tasks import clean_up_ended_tasks, record_ended_tasks
from tracks2zarr.slurm.status import status, status_with_accounting
from tracks2zarr.slurm.status_values import StoreStatus
from tracks2zarr.slurm.submission import Verify
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.root import Finalised, finalise_store
from tracks2zarr.store.video_state import State
from tracks2zarr.verifying.all_videos import Verification, verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How an experiment stands when its tasks have ended.

    Parameters
    ----------
    status
        How far each video is.
    finalised
        What the root lists.
    verification
        What was found for the videos that are done; None where nothing was verified.
    """

    status: StoreStatus
    finalised: Finalised
    verification: Verification | None

    @property
    def ok(self) -> bool:
        """Whether every planned video is done, listed, and not found to be wrong."""
        verified = self.verification is None or self.verification.ok
        return self.status.ok and verified and not self.finalised.problems

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with what is listed; why videos are not done, their status says."""
        problems = [*self.finalised.problems]
        if self.verification is not None:
            done = {video.video for video in self.status.of_states([State.DONE])}
            verdicts = [verdict for verdict in self.verification.videos if verdict.video in done]
            problems += [problem for verdict in verdicts for problem in verdict.problems]
            problems += self.verification.problems
        return problems


def finish(
    store: str | os.PathLike[str],
    *,
    check: Verify = "quick",
    workers: int | None = None,
    slurm: Slurm | None = None,
) -> Finished:
    """Record how tasks ended, list the finished videos, verify them, and sort the logs.

    It may run at any moment and again; what runs meanwhile is left alone.

    Parameters
    ----------
    store
        The store.
    check
        ``full`` reads all sources again, ``quick`` compares digests, ``none`` nothing.
    workers
        Processes to verify with.
    slurm
        The cluster.

    Returns
    -------
    Finished

    Raises
    ------
    Tracks2ZarrError
        If there is no store, or its plan cannot be read.
    """
    there, slurm = existing_store(store), slurm or Slurm()
    with there.holding() as there, there.run_lock():
        with there.queue_lock():
            before = status_with_accounting(there.path, slurm)
            record_ended_tasks(there, before)
            finalised = finalise_store(there)
            clean_up_ended_tasks(there, before)
        verification = None
        if check != "none":
            verification = verify(there.path, quick=check == "quick", workers=workers)
        after = replace(status(there.path, slurm), finalising=None)  # this may be it
        return Finished(status=after, finalised=finalised, verification=verification)
