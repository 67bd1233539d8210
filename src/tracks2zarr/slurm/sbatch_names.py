"""The options of ``sbatch``: their names, and which of them take a value."""

from __future__ import annotations

import re

#: The long options that take a value (sbatch(1), SLURM 22.05 to 25.11).
_WITH_VALUE = frozenset(
    {
        *("account", "acctg-freq", "array", "batch", "bb", "bbf", "begin", "chdir"),
        *("cluster-constraint", "clusters", "comment", "constraint", "container", "container-id"),
        *("core-spec", "cores-per-socket", "cpu-freq", "cpus-per-gpu", "cpus-per-task"),
        *("deadline", "delay-boot", "dependency", "distribution", "error", "exclude", "export"),
        *("export-file", "extra", "extra-node-info", "gid", "gpu-bind", "gpu-freq", "gpus"),
        *("gpus-per-node", "gpus-per-socket", "gpus-per-task", "gres", "gres-flags", "hint"),
        *("input", "job-name", "kill-on-invalid-dep", "licenses", "mail-type", "mail-user"),
        *("mcs-label", "mem", "mem-bind", "mem-per-cpu", "mem-per-gpu", "mincpus", "network"),
        *("nodefile", "nodelist", "nodes", "ntasks", "ntasks-per-core", "ntasks-per-gpu"),
        *("ntasks-per-node", "ntasks-per-socket", "oom-kill-step", "open-mode", "output"),
        *("partition", "power", "prefer", "priority", "profile", "qos", "reservation", "segment"),
        *("signal", "sockets-per-node", "switches", "thread-spec", "threads-per-core", "time"),
        *("time-min", "tmp", "tres-bind", "tres-per-task", "uid", "wait-all-nodes"),
        *("wckey", "wrap"),
    }
)
#: Those that take none, or need none: a value stands behind an equals sign then.
_WITHOUT_VALUE = frozenset(
    {
        *("contiguous", "exclusive", "external", "get-user-env", "hold", "ignore-pbs", "nice"),
        *("no-kill", "no-requeue", "overcommit", "oversubscribe", "parsable", "propagate"),
        *("quiet", "reboot", "requeue", "resv-ports", "spread-job", "stepmgr", "test-only"),
        *("use-min-nodes", "verbose", "wait"),
    }
)
#: The long option that a letter stands for.
_LETTERS = {
    **{"A": "account", "a": "array", "B": "extra-node-info", "b": "begin", "C": "constraint"},
    **{"c": "cpus-per-task", "D": "chdir", "d": "dependency", "e": "error", "F": "nodefile"},
    **{"G": "gpus", "H": "hold", "i": "input", "J": "job-name", "k": "no-kill", "L": "licenses"},
    **{"M": "clusters", "m": "distribution", "N": "nodes", "n": "ntasks", "O": "overcommit"},
    **{"o": "output", "p": "partition", "Q": "quiet", "q": "qos", "S": "core-spec"},
    **{"s": "oversubscribe", "t": "time", "v": "verbose", "W": "wait", "w": "nodelist"},
    "x": "exclude",
}


def long_name(option: str) -> str | None:
    """Return the long name of an option of sbatch, without hyphens; None for one it has not.

    Parameters
    ----------
    option
        As it is typed, with or without its value; long names may be cut short.

    Examples
    --------
    >>> long_name("--qos=long"), long_name("-qlong"), long_name("--part main"), long_name("--x")
    ('qos', 'qos', 'partition', None)
    """
    if not option.startswith("--"):
        return _LETTERS.get(option[1:2])
    name = option[2:].replace("=", " ").partition(" ")[0]
    known = _WITH_VALUE | _WITHOUT_VALUE
    if name in known:
        return name
    cut_short = [one for one in known if name and one.startswith(name)]
    return cut_short[0] if len(cut_short) == 1 else None


def with_long_name(option: str) -> str:
    """Return an option of sbatch as ``--name=value``; one that sbatch has not as it is.

    So jobs that follow find it by its name.

    Examples
    --------
    >>> with_long_name("-p main"), with_long_name("-d5"), with_long_name("--exclusive")
    ('--partition=main', '--dependency=5', '--exclusive')
    """
    name = long_name(option)
    if name is None:
        return option
    value = re.sub(r"^(--[\w-]*|-\w)[= ]?", "", option).strip()
    return f"--{name}={value}" if value else f"--{name}"


def needs_value(name: str) -> bool:
    """Tell whether an option needs a value, by its long name."""
    return name in _WITH_VALUE
