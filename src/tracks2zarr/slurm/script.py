"""Renders the scripts that are submitted."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from tracks2zarr.common.templates import render
from tracks2zarr.slurm.submission import Request

#: Stands in the name of a store for the id of its first array job.
JOB = "{job}"
#: The names of a task's logs, but for their ending; %A is the array job, %a the task, %N the node.
LOG_NAME = "slurm_array.%A-%a.%N"
FINALISING_LOG_NAME = "slurm_last.%j.%N"


def array_script(store: Path, logs: Path, numbers: Iterable[int], request: Request) -> str:
    """Return the script of an array job.

    Parameters
    ----------
    store
        The store; `JOB` in its name stands for the job's id.
    logs
        The folder of the tasks' logs; `JOB` stands for the job's id there, too.
    numbers
        The numbers of its tasks.
    request
        What it asks for.
    """
    return _render(
        "array.sh.j2",
        name=job_name(store),
        array=f"{ranges(numbers)}%{request.max_tasks}",
        logs=_log_pattern(logs / LOG_NAME, job="%A"),
        request=request,
        command=_command("task", _in_shell(store)),
    )


def finalising_script(
    store: Path, logs: Path, jobs: Iterable[str], request: Request, verify: str
) -> str:
    """Return the script of the finalising job, which runs when some other jobs have ended.

    Parameters
    ----------
    store
        The store.
    logs
        The folder of its logs.
    jobs
        The ids of these jobs.
    request
        What it asks for.
    verify
        ``quick``, ``full`` or ``none``.
    """
    # what the tasks wait for is no matter of the finalising job: it waits for the tasks
    options = (option for option in request.options if not option.startswith("--dependency"))
    request = replace(request, options=tuple(options))
    return _render(
        "finalising.sh.j2",
        name=f"{job_name(store)}-finalise",
        dependency=":".join(["afterany", *after]) if (after := [*jobs]) else None,
        logs=_log_pattern(logs / FINALISING_LOG_NAME),
        request=request,
        command=_command("finish", shlex.quote(str(store)), "--verify", verify),
    )


def guide_script(
    request: Request | None = None,
    *,
    n_videos: int = 27,
    values: Mapping[str, object] | None = None,
) -> str:
    """Return the script that is edited and submitted by hand, as the older workflow's was.

    Parameters
    ----------
    request
        What its array job asks for; the script in the repository asks for what a large
        experiment needs.
    n_videos
        The number of its tasks.
    values
        The values of its variables, in lower case; a sequence becomes an array. Those that are
        missing or None keep their defaults. Without a repository to install from, this
        installation is used.
    """
    given = {name: value for name, value in (values or {}).items() if value is not None}
    if values is not None and "git_repository" not in given:
        given["tracks2zarr"] = str(Path(sys.executable).with_name("tracks2zarr"))
    return _render(
        "run_create_zarr_dataset.sh.j2",
        request=request or Request(memory=4096, minutes=120),
        array=ranges(range(n_videos)),
        values=given,
    )


def job_name(store: Path) -> str:
    """Return the name of the jobs of a store, which tells them apart in ``squeue``.

    >>> job_name(Path("/data/CrabTracks-slurm{job}.zarr"))
    't2z-CrabTracks'
    """
    name = store.name.removesuffix(".zarr").replace(JOB, "").removesuffix("-slurm")
    return f"t2z-{name}"


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers as SLURM has them.

    >>> ranges([0, 1, 2, 5, 7, 8])
    '0-2,5,7-8'
    """
    runs = []
    for _, run in groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0]):
        first, *others = [number for _, number in run]
        runs.append(f"{first}-{others[-1]}" if others else str(first))
    return ",".join(runs)


def time_text(minutes: int) -> str:
    """Return a time limit as SLURM has it.

    >>> time_text(61)
    '01:01:00'
    """
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"


def _command(name: str, *words: str) -> str:
    """Return a command of the environment that renders the script."""
    python = shlex.quote(sys.executable)
    return " ".join([python, "-m", "tracks2zarr", "slurm", name, *words])


def _in_shell(store: Path) -> str:
    """Return the store's path for a shell, with the job's id put in by the task."""
    parts = str(store).split(JOB)
    return '"${SLURM_ARRAY_JOB_ID}"'.join(shlex.quote(part) for part in parts)


def _log_pattern(path: Path, job: str = JOB) -> str:
    """Return a path for ``--output``, in which SLURM fills in what stands behind a ``%``."""
    folder = str(path.parent).replace("%", "%%").replace(JOB, job)
    return f"{folder}/{path.name}"


def _directive(option: str) -> str:
    """Return an option of sbatch as its lines in scripts have it, which it splits at spaces."""
    name, equals, value = option.partition("=")
    if not equals or re.fullmatch(r"[\w%@+:,./=-]*", value):
        return option
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{escaped}"'


def _shell_value(value: object) -> str:
    """Return the value of a variable in a shell; several texts as an array.

    >>> _shell_value("a b"), _shell_value(["a b"]), _shell_value(["a b", "c"])
    ("'a b'", "'a b'", "('a b' c)")
    """
    if isinstance(value, list | tuple):
        words = shlex.join(value)
        return words if len(value) == 1 else f"({words})"
    return shlex.quote(str(value))


def _render(template: str, **values: Any) -> str:
    return render("tracks2zarr.slurm", template, values, filters=_FILTERS, is_html=False)


_FILTERS: Mapping[str, Callable[[Any], str]] = {
    "quote": _shell_value,
    "time": time_text,
    "directive": _directive,
}
