"""What a job that somebody else submitted asked the cluster for."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tracks2zarr.slurm.client import Slurm, UnansweredError
from tracks2zarr.slurm.submission import Request

#: The long names of the options of ``sbatch`` that have a letter, too; from sbatch(1).
_LETTERS = {
    **{"-A": "--account", "-C": "--constraint", "-c": "--cpus-per-task", "-p": "--partition"},
    **{"-q": "--qos", "-t": "--time", "-w": "--nodelist", "-x": "--exclude", "-L": "--licenses"},
    **{"-n": "--ntasks", "-N": "--nodes", "-s": "--oversubscribe", "-G": "--gpus"},
    **{"-a": "--array", "-o": "--output", "-e": "--error", "-J": "--job-name", "-D": "--chdir"},
    **{"-d": "--dependency", "-H": "--hold", "-W": "--wait", "-M": "--clusters", "-b": "--begin"},
    **{
        "-i": "--input",
        "-v": "--verbose",
        "-Q": "--quiet",
        "-k": "--no-kill",
        "-m": "--distribution",
    },
}
#: What each submission sets by itself, and what concerned the one that was submitted by hand.
_OWN = frozenset(
    {
        *("--array", "--output", "--error", "--open-mode", "--job-name", "--chdir", "--parsable"),
        *("--dependency", "--hold", "--wait", "--clusters", "--begin", "--input", "--verbose"),
        *("--quiet", "--test-only", "--mem", "--mem-per-cpu", "--time", "--cpus-per-task"),
    }
)
#: The fields of ``scontrol show job`` that options on the command line, or in the environment, set.
_FIELDS = {
    "Partition": "--partition",
    "Account": "--account",
    "QOS": "--qos",
    "Features": "--constraint",
    "Reservation": "--reservation",
    "ReqNodeList": "--nodelist",
    "ExcNodeList": "--exclude",
    "Licenses": "--licenses",
    "MailUser": "--mail-user",
    "MailType": "--mail-type",
}
_UNSET = frozenset({"", "(null)", "N/A", "NONE", "INVALID_DEPEND"})
_UNITS = {"": 1, "K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}
#: Where the lines of a script end that run before its work begins.
_WORK = re.compile(r"^\s*set -euo pipefail|\bslurm task\b")


def request_of_job(slurm: Slurm, job: str) -> Request | None:
    """Return what an array job asks for, by its script and by what SLURM granted.

    Parameters
    ----------
    slurm
        The cluster.
    job
        The id of the array job.

    Returns
    -------
    Request
        Options of the command line count more than those of the script, as for ``sbatch``. None
        where SLURM cannot be asked.
    """
    try:
        details = slurm.job_details(job)
        return request_from(details, slurm.batch_script(job)) if details else None
    except UnansweredError:
        return None


def request_from(details: Mapping[str, str], script: str) -> Request:
    """Return what a job asks for.

    Parameters
    ----------
    details
        The fields of ``scontrol show job``.
    script
        The text of its batch script; empty where it is not known.
    """
    options = dict(_options_of_script(script))
    for field, name in _FIELDS.items():
        if (value := details.get(field, "")) not in _UNSET:
            options[name] = f"{name}={value}"
    gres = details.get("TresPerNode", "").removeprefix("gres:").removeprefix("gres/")
    if gres not in _UNSET:
        options["--gres"] = f"--gres={gres}"
    cpus = int(details.get("CPUs/Task", "1") or 1)
    request = Request(
        memory=_memory(details, cpus),
        minutes=_minutes(details.get("TimeLimit", "")),
        cpus=cpus,
        options=tuple(options.values()),
        prelude=_prelude(script),
    )
    throttle = details.get("ArrayTaskThrottle", "")
    return replace(request, max_tasks=int(throttle)) if throttle.isdecimal() else request


def _options_of_script(script: str) -> Iterator[tuple[str, str]]:
    """Yield the options in a script's lines for ``sbatch``, by name."""
    for line in script.splitlines():
        if not line.startswith("#SBATCH"):
            continue
        try:
            words = shlex.split(line.removeprefix("#SBATCH"), comments=True)
        except ValueError:  # a quote that is not closed
            continue
        yield from _options_of(words)


def _options_of(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    given = [*words]
    while given:
        word = given.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("--"):
            name, value = _LETTERS.get(word[:2], word[:2]), word[2:].removeprefix("=")
        if not value and not equals and given and not given[0].startswith("-"):
            value = given.pop(0)
        if name not in _OWN:
            yield name, f"{name}={value}" if value else name


def _memory(details: Mapping[str, str], cpus: int) -> int | None:
    """Return memory in MiB; None for all that a node has."""
    for field, factor in (("MinMemoryNode", 1), ("MinMemoryCPU", cpus)):
        match = re.fullmatch(r"([0-9.]+)([KMGT]?)", details.get(field, ""))
        if match and float(match[1]):
            return -int(-float(match[1]) * _UNITS[match[2]] * factor // 1)
    return None


def _minutes(limit: str) -> int | None:
    """Return a time limit in minutes; None for the cluster's own, or none at all."""
    match = re.fullmatch(r"(?:([0-9]+)-)?([0-9]+):([0-9]+):([0-9]+)", limit)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return max(1, (24 * days + hours) * 60 + minutes + (seconds > 0))


def _prelude(script: str) -> str:
    """Return the lines that a script runs before its work begins, where they are whole."""
    lines = script.splitlines()
    first = max((n for n, line in enumerate(lines) if line.startswith("#SBATCH")), default=-1) + 1
    work = next((n for n, line in enumerate(lines) if n >= first and _WORK.search(line)), first)
    text = "\n".join(lines[first:work]).strip("\n")
    if not text.strip() or not _is_whole(text):
        return ""
    return f"{text}\n"


def _is_whole(text: str) -> bool:
    """Tell whether lines are no part of something, such as a loop."""
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    return done.returncode == 0
