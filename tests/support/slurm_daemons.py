"""A real SLURM with one node on 127.0.0.1, as long as this process runs; nothing is shared.

It is started with a folder and settings as JSON, prints ``ready`` when a job can be submitted, and
stops all of its daemons when its standard input is closed: so also when whoever started it dies.
Then it removes the folder.
"""

import contextlib
import getpass
import json
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
_SECONDS_TO_START = 60
#: Below those that systems give to clients, so that no client takes one before its daemon does.
_PORTS = range(12_000, 32_000)
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Settings:
    """What may differ from one cluster to the other."""

    accounting: bool = True
    cpus: int = 32
    memory_mib: int = 64_000
    max_array_size: int = 10_001
    #: How long slurmctld remembers jobs that have ended, in seconds.
    min_job_age: int = 300
    #: Whether a task is held to its memory by cgroups, where that is possible, as on most clusters;
    #: else its size is looked at once a second.
    cgroups: bool = False

    @property
    def with_cgroups(self) -> bool:
        """Whether tasks are really held to their memory by cgroups: of version 1, and as root."""
        parts = [_CGROUPS / name / "tasks" for name in ("freezer", "memory")]
        return self.cgroups and all(path.is_file() and os.access(path, os.W_OK) for path in parts)


@dataclass
class Daemons:
    """The daemons of one cluster, each a child of this process, in the order of their start."""

    folder: Path
    settings: Settings
    ports: Sequence[int]
    #: Makes names of nodes and jobs differ between clusters, which share the machine's cgroups.
    lot: int = field(default_factory=lambda: random.randrange(100, 6000))
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the cluster."""
        return f"test{self.ports[0]}"

    @property
    def env(self) -> dict[str, str]:
        """The environment of the daemons and of SLURM's client programs."""
        return {**os.environ, "PATH": _PATH, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self, name: str, *command: str | Path) -> None:
        """Start a daemon as a child of this process, that ends when this process is killed."""
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            self.running[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *map(str, command)],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in a terminal is for the tests
            )

    def answers(self, *command: str | Path, input: str | None = None) -> str | None:
        """Run a client program; return what it prints, or None where it fails."""
        try:
            done = subprocess.run(
                list(map(str, command)),
                env=self.env,
                input=input or "",
                capture_output=True,
                text=True,
                timeout=10,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
        return None if done.returncode else done.stdout

    def wait_for(self, what: str, ready: Callable[[], Any]) -> None:
        """Wait until a daemon is ready, and fail where it ends before that."""
        deadline = time.monotonic() + _SECONDS_TO_START
        while not ready():
            for name, process in self.running.items():
                if process.poll() is not None:
                    raise SystemExit(f"{name} ended: see {self.folder / 'log'}")
            if time.monotonic() > deadline:
                raise SystemExit(f"{what} did not start: see {self.folder / 'log'}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End all jobs, then the daemons, the last one first."""
        if "slurmd" in self.running:
            self.stop_jobs()
        for process in reversed(self.running.values()):
            process.send_signal(signal.SIGCONT)  # a test may have stopped it
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for folder in _CGROUPS.glob(f"*/slurm_node-{self.lot}"):
            for group in sorted([folder, *folder.rglob("*/")], reverse=True):
                with contextlib.suppress(OSError):
                    group.rmdir()

    def stop_jobs(self) -> None:
        """Cancel all jobs, and kill what still runs: no controller, or a child that got away."""
        jobs = set((self.answers("squeue", "--noheader", "--format=%A") or "").split())
        if jobs and self.answers("scancel", *jobs) is not None:
            deadline = time.monotonic() + 20
            while self.answers("squeue", "--noheader") and time.monotonic() < deadline:
                time.sleep(0.1)
        for process in self.left_of_jobs():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def left_of_jobs(self) -> list[int]:
        """Return the processes of tasks, and those in which slurmd watches over them."""
        ours = f"SLURM_CONF={self.env['SLURM_CONF']}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                name = (process / "comm").read_text().strip()
                variables = (process / "environ").read_bytes().split(b"\0")
                in_job = any(one.startswith(b"SLURM_JOB_ID=") for one in variables)
                if ours in variables and (in_job or name == "slurmstepd"):
                    found.append(int(process.name))
        return found


def start(daemons: Daemons) -> None:
    """Start all daemons, each when those that it needs are ready."""
    for name in ("log", "run", "state", "spool", "database"):
        (daemons.folder / name).mkdir()
    start_munge(daemons)
    write_configuration(daemons)
    if daemons.settings.accounting:
        start_accounting(daemons)
    conf = daemons.folder / "slurm.conf"
    daemons.start("slurmctld", "slurmctld", "-D", "-f", conf)
    daemons.wait_for("slurmctld", lambda: daemons.answers("scontrol", "ping"))
    daemons.start("slurmd", "slurmd", "-D", "-f", conf)
    daemons.wait_for("the node", lambda: daemons.answers("sinfo", "-ho", "%T") == "idle\n")


def start_munge(daemons: Daemons) -> None:
    """Start munge, by which the programs of SLURM know each other."""
    run, key = daemons.folder / "run", daemons.folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    sock = run / "munge"
    options = {
        "key-file": key,
        "socket": sock,
        "pid-file": run / "munge.pid",
        "log-file": daemons.folder / "log/munge.log",
        "seed-file": daemons.folder / "munge.seed",
    }
    texts = [f"--{name}={value}" for name, value in options.items()]
    # --force: the folders above belong to nobody in particular
    daemons.start("munged", "munged", "--foreground", "--force", "--num-threads=2", *texts)
    daemons.wait_for("munged", lambda: daemons.answers("munge", "-n", "-S", sock))


def write_configuration(daemons: Daemons) -> None:
    """Write slurm.conf; see slurm.conf(5)."""
    folder, settings, user = daemons.folder, daemons.settings, getpass.getuser()
    host = socket.gethostname().partition(".")[0]
    controller, node_port, database, _ = daemons.ports
    node = f"node-{daemons.lot}"
    lines = f"""
        ClusterName={daemons.name}
        SlurmctldHost={host}(127.0.0.1)
        SlurmctldPort={controller}
        SlurmdPort={node_port}
        CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
        SlurmUser={user}
        SlurmdUser={user}
        AuthType=auth/munge
        CredType=cred/munge
        AuthInfo=socket={folder}/run/munge,cred_expire=5
        PluginDir={plugin_folder()}
        StateSaveLocation={folder}/state
        SlurmdSpoolDir={folder}/spool
        SlurmctldPidFile={folder}/run/slurmctld.pid
        SlurmdPidFile={folder}/run/slurmd.pid
        SlurmctldLogFile={folder}/log/slurmctld.log
        SlurmdLogFile={folder}/log/slurmd.log
        JobAcctGatherType=jobacct_gather/linux
        JobAcctGatherFrequency=task=1
        JobCompType=jobcomp/none
        MpiDefault=none
        SelectType=select/cons_tres
        SelectTypeParameters=CR_CPU_Memory
        DefMemPerCPU=256
        SchedulerType=sched/backfill
        SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=100000
        PriorityType=priority/basic
        ReturnToService=2
        MinJobAge={settings.min_job_age}
        KillWait=3
        OverTimeLimit=0
        InactiveLimit=0
        MaxArraySize={settings.max_array_size}
        MaxJobCount=20000
        FirstJobId={daemons.lot}0000
        JobRequeue=1
        SlurmdParameters=config_overrides
        NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 CPUs={settings.cpus} \
            RealMemory={settings.memory_mib}
        PartitionName=main Nodes={node} Default=YES DefaultTime=10 MaxTime=INFINITE State=UP
        """
    if settings.accounting:
        lines += f"""
        AccountingStorageType=accounting_storage/slurmdbd
        AccountingStorageHost=127.0.0.1
        AccountingStoragePort={database}
        AccountingStoragePass={folder}/run/munge
        """
    else:
        lines += "AccountingStorageType=accounting_storage/none\n"
    lines += limits_of_memory(folder, settings)
    (folder / "slurm.conf").write_text(re.sub(r"^ +", "", lines, flags=re.MULTILINE))


def limits_of_memory(folder: Path, settings: Settings) -> str:
    """Return the part of slurm.conf that says how tasks are held to their memory."""
    conf = folder / "cgroup.conf"
    if settings.with_cgroups:
        conf.write_text(
            f"CgroupPlugin=cgroup/v1\nCgroupMountpoint={_CGROUPS}\nConstrainRAMSpace=yes\n"
        )
        return "ProctrackType=proctrack/cgroup\nTaskPlugin=task/cgroup\n"
    if slurm_version() >= 23:
        conf.write_text("CgroupPlugin=disabled\n")
    return (
        "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n"
        "JobAcctGatherParams=OverMemoryKill\n"
    )


def plugin_folder() -> Path:
    """Return where Debian puts the plug-ins of SLURM."""
    found = sorted(Path("/usr/lib").glob("*/slurm-wlm"))
    if not found:
        raise SystemExit("the plug-ins of SLURM are not installed")
    return found[0]


def slurm_version() -> int:
    """Return the year of SLURM's version."""
    text = subprocess.run(
        ["slurmctld", "-V"], env={"PATH": _PATH}, capture_output=True, text=True, check=True
    ).stdout
    return int(re.findall("[0-9]+", text)[0])


def start_accounting(daemons: Daemons) -> None:
    """Start a database and slurmdbd, which keeps the accounts in it."""
    folder, user = daemons.folder, getpass.getuser()
    database_port, password = daemons.ports[3], secrets.token_hex(16)
    data, sock = folder / "database", folder / "run/mariadb"
    # a database that starts clears what it takes for its own from the common temporary folder
    temporary = folder / "tmp"
    temporary.mkdir()
    install = ["mariadb-install-db", "--no-defaults", f"--user={user}", f"--datadir={data}"]
    install.append(f"--tmpdir={temporary}")
    subprocess.run(
        [*install, "--auth-root-authentication-method=normal", "--skip-test-db"],
        env=daemons.env,
        stdin=subprocess.DEVNULL,
        stdout=(folder / "log/mariadb-install.out").open("wb"),
        stderr=subprocess.STDOUT,
        check=True,
    )
    options = {
        "user": user,
        "datadir": data,
        "tmpdir": temporary,
        "socket": sock,
        "pid-file": folder / "run/mariadb.pid",
        "bind-address": "127.0.0.1",
        "port": database_port,
        "performance-schema": "OFF",
        "innodb-buffer-pool-size": "64M",
        "innodb-log-file-size": "16M",
        "innodb-lock-wait-timeout": 900,
        "innodb-flush-log-at-trx-commit": 0,
        "innodb-flush-method": "nosync",
    }
    texts = [f"--{name}={value}" for name, value in options.items()]
    daemons.start("mariadbd", "mariadbd", "--no-defaults", "--skip-name-resolve", *texts)
    client = ("mariadb", "--no-defaults", f"--socket={sock}", "-u", "root")
    daemons.wait_for("mariadbd", lambda: daemons.answers(*client, "-e", "select 1"))
    statements = f"""
        create database slurm;
        create user 'slurm'@'127.0.0.1' identified by '{password}';
        grant all on slurm.* to 'slurm'@'127.0.0.1';
        """
    assert daemons.answers(*client, input=statements) is not None
    conf = folder / "slurmdbd.conf"
    conf.touch(0o600)
    conf.write_text(
        f"AuthType=auth/munge\nAuthInfo=socket={folder}/run/munge\n"
        f"DbdHost=localhost\nDbdAddr=127.0.0.1\nDbdPort={daemons.ports[2]}\n"
        f"CommunicationParameters=NoInAddrAny\nSlurmUser={user}\n"
        f"LogFile={folder}/log/slurmdbd.log\nPidFile={folder}/run/slurmdbd.pid\n"
        f"PluginDir={plugin_folder()}\nStorageType=accounting_storage/mysql\n"
        f"StorageHost=127.0.0.1\nStoragePort={database_port}\nStorageLoc=slurm\n"
        f"StorageUser=slurm\nStoragePass={password}\n"
    )
    daemons.start("slurmdbd", "slurmdbd", "-D")
    add = ("sacctmgr", "--immediate", "add", "cluster", daemons.name)
    daemons.wait_for("slurmdbd", lambda: daemons.answers(*add) is not None)


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on."""
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        if len(found) == count:
            break
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
    return found


def main(folder: str, settings: str) -> None:
    """Start a cluster, say so, and stop it when standard input is closed."""
    needed = ("munged", "setpriv", "slurmctld", "slurmd")
    missing = [name for name in needed if not shutil.which(name, path=_PATH)]
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}; run 'make system'")
    daemons = Daemons(Path(folder), Settings(**json.loads(settings)), free_ports(4))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        start(daemons)
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        daemons.stop()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
