"""Clusters for tests: a real SLURM each, started once a session."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from support.slurm_daemons import Settings


@dataclass(frozen=True)
class Cluster:
    """A running cluster: what the environment of a command needs to reach it."""

    env: Mapping[str, str]
    settings: Settings


@contextmanager
def cluster(settings: Settings) -> Iterator[Cluster]:
    """Run a cluster while a block runs; where its daemons do not start, try once more."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(_daemons(settings))
        except ClusterNotStartedError:
            folder = stack.enter_context(_daemons(settings))
        yield Cluster({"SLURM_CONF": str(folder / "slurm.conf")}, settings)


class ClusterNotStartedError(Exception):
    """The daemons of a cluster did not start."""


@contextmanager
def _daemons(settings: Settings) -> Iterator[Path]:
    """Run the daemons of a cluster while a block runs, in a folder."""
    # a short path, because the names of sockets are short; open to all users, who submit jobs
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    program, asked = Path(__file__).with_name("slurm_daemons.py"), json.dumps(asdict(settings))
    with subprocess.Popen(
        [sys.executable, str(program), str(folder), asked],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as daemons:
        assert daemons.stdin is not None
        assert daemons.stdout is not None
        try:
            if daemons.stdout.readline() != "ready\n":
                raise ClusterNotStartedError(f"see {folder}/log")
            yield folder
        finally:
            daemons.stdin.close()
            daemons.wait(120)


@pytest.fixture(scope="session")
def slurm() -> Iterator[Cluster]:
    """Return a cluster with an accounting database, that holds tasks to their memory."""
    with cluster(Settings(cgroups=True)) as running:
        yield running


@pytest.fixture(scope="session")
def slurm_without_accounting() -> Iterator[Cluster]:
    """Return a cluster without accounting, that forgets quickly and takes small arrays."""
    with cluster(Settings(accounting=False, max_array_size=6, min_job_age=5)) as running:
        yield running
