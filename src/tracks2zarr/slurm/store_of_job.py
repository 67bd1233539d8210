"""Finds the store that a job of SLURM works for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.slurm.client import Slurm, UnansweredError
from tracks2zarr.slurm.submission import read_submissions
from tracks2zarr.store.existing import stores_beside_text
from tracks2zarr.store.store import Store

_JOB = re.compile(r"(?P<job>[0-9]+)(_[0-9]+)?")


def job_in(text: str) -> str | None:
    """Return the id of the job in ``64``, or in ``64_3``; None for any other text."""
    match = _JOB.fullmatch(text)
    return match["job"] if match else None


def store_of_job(job: str, slurm: Slurm | None = None) -> Path:
    """Return the folder of the store that a job works for.

    SLURM knows where the job writes its logs, and where it was submitted. Where it has forgotten
    the job, the stores in the current folder are searched.

    Parameters
    ----------
    job
        The id of an array job, of one of its tasks, or of a finalising job.
    slurm
        The cluster.

    Raises
    ------
    Tracks2ZarrError
        If no store is found that the job was submitted for.
    """
    slurm = slurm or Slurm()
    try:
        details = slurm.job_details(job)
        found = f"job {job}, which is not one of tracks2zarr" if details else None
    except UnansweredError as error:
        details, found = {}, f"no answer of SLURM: {error.why}"
    job = details.get("ArrayJobId", job)
    for path in _candidates(details):
        if any(job in submission.jobs for submission in read_submissions(Store.at(path))):
            return path
    raise Tracks2ZarrError(
        _no_store(job, found or f"job {job}, which SLURM does not know any more")
    )


def _candidates(details: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders that may be the store of a job, the most likely one first."""
    if "StdOut" in details:
        logs = Path(details["StdOut"]).parent
        yield logs.parent
        yield Path(str(logs.parent).replace("%%", "%"))  # as in the script
    for folder in (Path(details.get("WorkDir", ".")), Path()):
        yield from sorted(folder.glob("*.zarr"))


def _no_store(job: str, found: str) -> Problem:
    return Problem(
        kind="no-store-of-job",
        what="The store of a job was not found.",
        found=found,
        expected="a job that SLURM remembers, submitted for a store; or the folder of a store",
        remedy="Pass the folder of the store: tracks2zarr slurm status STORE."
        + stores_beside_text(Path(job).absolute()),
    )
