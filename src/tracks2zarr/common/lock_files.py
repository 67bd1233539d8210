"""Locks where the file system has none: a file for each holder, whose name says who that is."""

from __future__ import annotations

import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tracks2zarr.common.files import make_folder, remove_if_empty
from tracks2zarr.common.posix import is_alive

#: How often a holder shows that it lives.
_BEAT_SECONDS = 60.0
#: A holder on another machine that has not shown that for so long is dead.
_SILENT_SECONDS = 3600.0
#: How often a lock is tried that is not waited for: two that come at once both step back.
_TRIES = 5
_PAUSE_SECONDS = 0.05
_ALONE, _SHARED = "alone", "shared"
#: In the name of a holder's file.
_COMMAS = 4

#: The files of this process.
_held: set[Path] = set()
_beating = threading.Event()


def acquire(path: Path, *, shared: bool, wait: bool) -> Path | None:
    """Take a lock, and return the file to `release`; None where another process holds the lock.

    Whoever wants a lock leaves its own file first and looks for others then, so that of two at
    least one sees the other. A file is never taken over, and a dead holder's can be removed safely.

    Parameters
    ----------
    path
        The file that stands for the lock.
    shared
        Whether others may hold the lock at the same time, in the same way.
    wait
        Whether to wait for the lock where another process holds it.
    """
    tries = 0
    while wait or tries < _TRIES:
        mine = _leave_file(_folder(path), _SHARED if shared else _ALONE)
        others = [other for other in _living(_folder(path)) if other != mine]
        if shared:
            others = [other for other in others if other.name.startswith(_ALONE)]
        if not others and mine.exists():  # the folder may have been moved away meanwhile
            _held.add(mine)
            _begin_to_beat()
            return mine
        release(mine)
        tries += 1
        time.sleep(random.uniform(0, _PAUSE_SECONDS))
    return None


def release(mine: Path) -> None:
    """Give a lock back."""
    _held.discard(mine)
    mine.unlink(missing_ok=True)
    remove_if_empty(mine.parent)


def is_held_alone(path: Path) -> bool:
    """Tell whether a process that may live holds a lock alone."""
    return any(holder.name.startswith(_ALONE) for holder in _living(_folder(path)))


def _folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.holders")


def _leave_file(folder: Path, how: str) -> Path:
    pid = os.getpid()
    parts = (how, socket.gethostname(), str(pid), str(_start_of(pid)), secrets.token_hex(4))
    file = folder / ",".join(parts)
    while True:
        make_folder(folder)
        try:
            file.touch(exist_ok=False)
        except FileNotFoundError:
            continue  # another holder removed the empty folder
        return file


def _living(folder: Path) -> Iterator[Path]:
    """Yield the files of holders that may live; those of dead ones are removed."""
    try:
        files = list(folder.iterdir())
    except FileNotFoundError:
        return
    for file in files:
        if file.name.count(",") != _COMMAS:
            continue  # such as what NFS leaves of a file that is still open
        if _may_live(file):
            yield file
        else:
            with suppress(OSError):  # a store that is read-only
                file.unlink(missing_ok=True)


def _may_live(file: Path) -> bool:
    _, host, pid, started, _ = file.name.split(",")
    if host == socket.gethostname():
        return _start_of(int(pid)) == started
    try:
        return time.time() - file.stat().st_mtime < _SILENT_SECONDS
    except FileNotFoundError:
        return False


def _start_of(pid: int) -> str | None:
    """Return when a process of this machine began, in ticks since the start of the machine.

    It is empty where the system does not tell, and None where there is no such process.
    """
    if not is_alive(pid):
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]  # field 22 of proc(5); a name may hold spaces


def _begin_to_beat() -> None:
    if not _beating.is_set():
        _beating.set()
        threading.Thread(target=_beat, daemon=True).start()


def _beat() -> None:
    while True:
        time.sleep(_BEAT_SECONDS)
        for file in list(_held):
            with suppress(OSError):
                os.utime(file)
