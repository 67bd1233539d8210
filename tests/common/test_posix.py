"""What reads works without what only POSIX systems have, and what writes says so.

A process of its own has no such modules, functions or signals, nor have its workers: what Python
imports first takes them away. Libraries get the functions from ``posix`` and are not concerned.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import tracks2zarr
from support.sample import SAMPLE
from support.tree import cli_environment

VIDEO = "04.09.2023-01-Right"
METADATA = SAMPLE / "loop-frames-ffmpeg.csv"

AS_ON_WINDOWS = """
import mmap, os, signal, sys

for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
absent = {
    os: "O_NONBLOCK O_DIRECTORY O_NOFOLLOW getuid geteuid getgid fork"
    " killpg getpgid getpriority nice pread pwrite mkfifo fchmod chown lchown getloadavg"
    " posix_fadvise sync fdatasync copy_file_range sendfile",
    signal: "SIGHUP pthread_sigmask setitimer alarm",
    mmap: "MADV_DONTNEED",
}
for module, names in absent.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
signal.Signals = [one for one in signal.Signals if one.name != "SIGHUP"]
"""

READ_ALL = """
import sys
import tracks2zarr as tz

if __name__ == "__main__":
    store, tracks, metadata, video = sys.argv[1:]
    assert sys.modules["fcntl"] is None
    videos = tz.open_store(store)
    assert len(videos) == 2
    assert float(videos[video].position.max()) > 0
    clip = tz.load_clip(store, video, "Loop00")
    assert clip.position.load().sizes["individual"] == 29
    assert [str(one.state) for one in tz.info(store).videos] == ["done", "done"]
    assert len(tz.plan(tracks, metadata).videos) == 2
    assert tz.plot(store, video, "Loop00", "clip.svg").exists()
    assert tz.report(store, "r.html", workers=2).exists()
    assert tz.verify(store, workers=2).ok
    assert tz.verify(store, quick=True).ok
    for write in (
        lambda: tz.create(tz.plan(tracks, metadata), "new.zarr"),
        lambda: tz.finalise(store),
        lambda: tz.merge(store, "other.zarr"),
    ):
        try:
            write()
        except tz.Tracks2ZarrError as error:
            print([problem.kind for problem in error.problems])
"""


def without_posix(folder: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python without what only POSIX systems have."""
    beside = folder / "first"
    beside.mkdir(exist_ok=True)
    (beside / "sitecustomize.py").write_text(AS_ON_WINDOWS)
    return subprocess.run(
        [sys.executable, *map(str, args)],
        cwd=folder,
        env=cli_environment({"PYTHONPATH": str(beside), "MPLBACKEND": "agg"}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_all_that_reads_works_in_python(sample_store: Path, tmp_path: Path) -> None:
    (tmp_path / "read_all.py").write_text(READ_ALL)
    done = without_posix(tmp_path, "read_all.py", sample_store, SAMPLE / "tracks", METADATA, VIDEO)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.splitlines() == ["['needs-posix']"] * 3
    assert not (tmp_path / "new.zarr").exists()


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        (["--help"], "Usage: tracks2zarr"),
        (["slurm", "submit", "--help"], "Usage: tracks2zarr slurm submit"),
        (["info", "STORE"], "2 of 2 videos done"),
        (["plot", "STORE", VIDEO, "Loop00", "-o", "clip.png"], "The picture is in"),
        (["report", "STORE", "-o", "r.html", "--workers", "1"], "The report is in"),
        (["verify", "STORE"], "2 of 2 videos verified"),
        (["metadata", "check", str(METADATA)], "2 videos, 5 clips"),
        (["metadata", "draft", str(SAMPLE / "tracks")], "drafted metadata.csv"),
    ],
)
def test_all_that_reads_works_on_the_command_line(
    sample_store: Path, tmp_path: Path, command: list[str], printed: str
) -> None:
    args = [str(sample_store) if word == "STORE" else word for word in command]
    done = without_posix(tmp_path, "-m", "tracks2zarr", *args)
    assert (done.stderr, done.returncode) == ("", 0)
    assert printed in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["create", SAMPLE / "tracks", METADATA, "new.zarr"],
        ["slurm", "submit", SAMPLE / "tracks", METADATA, "new.zarr"],
        ["plan", SAMPLE / "tracks", METADATA, "--into", "new.zarr"],
        ["metadata", "fetch", "owner/name", "--to", "new.zarr"],
    ],
    ids=lambda command: str(command[:2][-1])[-6:],
)
def test_what_writes_says_what_it_needs(tmp_path: Path, command: list[str | Path]) -> None:
    done = without_posix(tmp_path, "-m", "tracks2zarr", *command)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Writing a store needs Linux, macOS or WSL.\n")
    assert not list(tmp_path.glob("new.zarr*"))


#: Where such names are: in what only writes, or behind a look whether they are there.
GUARDED = {
    "common/durable.py",
    "common/locks.py",  # only with fcntl
    "common/open_files.py",
    "common/provenance.py",
    "fetching/programs.py",  # a clone is made where there are locks
    "parallel/processes.py",
    "parallel/cores.py",
    "slurm/queueing.py",
    "store/held_folder.py",
}
#: Of `os`, `signal`, `mmap` and others, what Windows does not have.
POSIX_ONLY = re.compile(
    r"\b(os\.(O_(NONBLOCK|DIRECTORY|NOFOLLOW|SYNC|CLOEXEC)|statvfs|fstatvfs|get(e?uid|e?gid|pgid|pgrp)"
    r"|sched_\w+|fork\w*|killpg|nice|uname|sysconf|pread\w*|pwrite\w*|fchmod|l?chown|mkfifo|sync\b"
    r"|fdatasync|copy_file_range|sendfile|posix_\w+|wait\w*|set\w*id)|signal\.(SIGHUP|SIGKILL"
    r"|SIGUSR\d|SIGCHLD|SIGALRM|alarm|setitimer|pthread_\w+|sig\w*wait\w*)|mmap\.MADV_\w+"
    r"|(fcntl|resource)\.\w+|dir_fd|import (fcntl|resource|pwd|grp|termios|tty|pty|syslog))\b"
)


def test_what_reads_names_nothing_that_only_posix_has() -> None:
    """The libraries need some of these functions, so that nothing can take them away."""
    package = Path(tracks2zarr.__file__).parent
    found = {}
    for path in package.rglob("*.py"):
        names = {match[0] for match in POSIX_ONLY.finditer(path.read_text(encoding="utf-8"))}
        if names and path.relative_to(package).as_posix() not in {*GUARDED, "common/posix.py"}:
            found[path.relative_to(package).as_posix()] = names
    assert not found
