"""Jobs of an ordinary user, and jobs that run out of memory."""

import contextlib
import grp
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import tracks2zarr as tz
from support.array_jobs import Commands, experiment, job_of, last_attempt, name_of, temporary, until
from support.sample import SAMPLE
from support.slurm_cluster import Cluster, cluster
from support.slurm_daemons import Settings

pytestmark = [pytest.mark.system, pytest.mark.slow]


@dataclass(frozen=True)
class Person:
    """An ordinary user, with a home and a Python that has tracks2zarr."""

    home: Path
    python: Path
    env: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    group: str | None = None

    def run(self, *command: str | Path, status: int = 0) -> str:
        """Run a command as this user; return what it prints."""
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.home,
            env=self.env,
            user=self.user,
            group=self.group,
            extra_groups=None if self.user is None else [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def slurm(self, *words: str | Path, status: int = 0) -> str:
        """Run ``tracks2zarr slurm`` as this user."""
        return self.run(self.python, "-m", "tracks2zarr", "slurm", *words, status=status)


@pytest.fixture
def person(slurm: Cluster) -> Iterator[Person]:
    """Return the user ``nobody`` where the tests run as root, else whoever runs them."""
    folder = Path(tempfile.mkdtemp(prefix="ordinary-", dir="/var/tmp"))
    home = folder / "home"
    home.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1", **slurm.env}
    try:
        if os.getuid() != 0:
            yield Person(home, Path(sys.executable), env)
            return
        nobody = pwd.getpwnam("nobody")
        folder.chmod(0o755)
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        python, packages = open_to_all(folder)
        env |= {"PYTHONPATH": packages, "LD_LIBRARY_PATH": str(folder / "python/lib")}
        yield Person(home, python, env, nobody.pw_name, grp.getgrgid(nobody.pw_gid).gr_name)
    finally:
        shutil.rmtree(folder)


def open_to_all(folder: Path) -> tuple[Path, str]:
    """Copy Python and what it has installed to where everybody can read it.

    The home of root, where they may lie, is closed to others.
    """
    python = copied(Path(sys.base_prefix), folder / "python")
    installed = copied(Path(sysconfig.get_path("purelib")), folder / "packages")
    source = copied(Path(tz.__file__).parent, folder / "source/tracks2zarr").parent
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return python / "bin" / name, f"{source}{os.pathsep}{installed}"


def copied(source: Path, target: Path) -> Path:
    """Copy a folder with hard links where that is possible, for there are many files."""
    target.parent.mkdir(exist_ok=True)
    linked = subprocess.run(
        ["cp", "-a", "--link", source, target], stderr=subprocess.DEVNULL, check=False
    )
    if linked.returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "-a", source, target], check=True)
    target.chmod(0o755)
    return target


def test_an_ordinary_user(person: Person) -> None:
    shutil.copytree(SAMPLE, person.home / "sample")
    person.slurm("submit", "sample/tracks", "sample/loop-frames-ffmpeg.csv", "out.zarr")
    person.slurm("wait", "out.zarr")
    store = person.home / "out.zarr"
    job = job_of(store)
    owner = person.run("squeue", "-h", "-t", "all", "-j", job, "-o", "%u").split()
    assert set(owner) == {pwd.getpwuid(store.stat().st_uid).pw_name}
    assert owner[0] != "root" or os.getuid() != 0
    assert tz.verify(store).ok
    assert temporary(store) == []


@pytest.fixture(params=["held", "looked at"])
def memory_cluster(request: pytest.FixtureRequest, slurm: Cluster) -> Iterator[Cluster]:
    """Return a cluster where cgroups hold a task to its memory, and one that looks each second."""
    if request.param == "held":
        yield slurm
        return
    with cluster(Settings()) as running:
        yield running


def test_a_task_that_runs_out_of_memory_gets_more(memory_cluster: Cluster, tmp_path: Path) -> None:
    is_held = memory_cluster.settings.with_cgroups
    commands = Commands(memory_cluster.env, tmp_path)
    inputs = experiment(2, long=(1,)).write(tmp_path / "input")
    store = tmp_path / "out.zarr"
    asked = 80 if is_held else 100  # what programs share with others is not counted by cgroups
    submitted = commands.run("submit", *inputs, store, "--mem", str(asked))
    assert not is_held or f"for {name_of(1)}\n" in submitted.stderr, "it is warned of"
    if not is_held:
        stop_above(100 * 2**20, store, name_of(1))
    commands.wait(store, status=1)
    known = commands.status(store)[name_of(1)]
    assert (known["state"], known["cause"]) == ("failed", "OUT_OF_MEMORY")
    assert known["why"].startswith(f"It needed more memory than the {asked} MiB that it requested")
    assert is_held or known["peak_memory"] > 90 * 2**20
    said = commands.run("rerun", store).stdout
    assert f"{name_of(1)} gets 256 MiB of memory instead of {asked} MiB" in said
    commands.wait(store)
    assert tz.verify(store).ok
    assert temporary(store) == []


def stop_above(size: int, store: Path, video: str) -> None:
    """Stop the process of a task when it has taken so much memory, until SLURM looks and ends it.

    SLURM's count of a process's memory lags behind, hence a little more than the size.
    """
    process = until(lambda: last_attempt(store, video), pause=0.002)["process"]

    def is_large() -> bool:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") > 1.1 * size

    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        until(is_large, pause=0.002)
        os.kill(process, signal.SIGSTOP)
