"""A real SSH server on 127.0.0.1, for the user who runs the tests."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SERVER = """ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
"""
_CLIENT = """Host *
IdentityFile {folder}/user
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile {folder}/known
GlobalKnownHostsFile none
LogLevel ERROR
"""


@dataclass
class SshServer:
    """An SSH server, and what a user has who may log in.

    Parameters
    ----------
    folder
        Holds the keys and the settings.
    port
        Where it listens.
    """

    folder: Path
    port: int

    @property
    def command(self) -> str:
        """The ssh of a user with a key, for ``core.sshCommand``."""
        return f"ssh -F {self.folder}/client"

    def url(self, path: Path) -> str:
        """Return the URL of a repository."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{path}"

    def forget_key(self) -> None:
        """Let the server know nobody."""
        (self.folder / "user.pub").write_text("")

    def forget_host(self) -> None:
        """Let the user not know the server."""
        (self.folder / "known").write_text("")


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Run an SSH server that knows one key, with all its files in a folder."""
    folder.mkdir()
    for name in ("host", "user"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True)
    server = SshServer(folder, _free_port())
    (folder / "server").write_text(_SERVER.format(port=server.port, folder=folder))
    (folder / "client").write_text(_CLIENT.format(folder=folder))
    key = (folder / "host.pub").read_text()
    (folder / "known").write_text(f"[127.0.0.1]:{server.port} {key}")
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert program is not None
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it locks in what has no rights yet
    log = (folder / "log").open("wb")
    with log, subprocess.Popen([program, "-D", "-e", "-f", folder / "server"], stderr=log) as run:
        try:
            _wait_for(server.port)
            yield server
        finally:
            run.terminate()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)
