"""Real git-annex repositories, as GIN has them, and a server of them on 127.0.0.1."""

import base64
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.sample import SAMPLE

METADATA = "loop-frames-ffmpeg.csv"
_SETTINGS = """[user]
name = A
email = a@b.example
[init]
defaultBranch = main
[protocol "file"]
allow = always
[annex "security"]
allowed-ip-addresses = 127.0.0.1
"""


@contextmanager
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the settings of whoever runs the tests out; make what git-annex protects removable."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(_SETTINGS)
    monkeypatch.setenv("HOME", str(home))
    for name in os.environ:
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    yield
    for folder in tmp_path.rglob(".git/annex/objects"):
        for path in (folder, *folder.rglob("*")):
            if path.is_dir():
                path.chmod(0o700)


def add_settings(text: str) -> None:
    """Add to the settings of git, as a user does."""
    path = Path(os.environ["HOME"], ".gitconfig")
    path.write_text(path.read_text() + text)


def git(folder: Path, *args: str) -> str:
    """Run git in a folder."""
    ended = subprocess.run(
        ["git", "-C", folder, *args], capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, f"git {args}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def commit(folder: Path, message: str = "add the experiment") -> None:
    """Add all files of a folder to the annex, and commit them."""
    git(folder, "annex", "add", ".")
    git(folder, "commit", "-q", "-a", "-m", message)
    git(folder, "annex", "merge", "-q")  # writes down what it has noted


def unlock(folder: Path) -> None:
    """Unlock all files of a folder, and commit that."""
    git(folder, "annex", "unlock", "-q", ".")
    git(folder, "commit", "-q", "-a", "-m", "unlock")
    git(folder, "annex", "merge", "-q")


def annexed_sample(folder: Path) -> Path:
    """Make a repository with the sample experiment, its files locked, their content there."""
    shutil.copytree(SAMPLE, folder)
    git(folder, "init", "-q")
    git(folder, "annex", "init", "-q", "origin")
    git(folder, "config", "uploadpack.allowFilter", "true")
    commit(folder)
    return folder


@dataclass
class GitServer:
    """What a server does, and has done.

    Parameters
    ----------
    root
        The folder that it serves.
    url
        Its address.
    password
        What it asks for, of the user ``crab``; None for nothing.
    breaks_after
        After how many bytes of the content of a file the connection breaks; None for never.
    stalls_at
        The part of a path at which nothing more is sent; None for never.
    paths
        What was asked for.
    """

    root: Path
    url: str = ""
    password: str | None = None
    breaks_after: int | None = None
    stalls_at: str | None = None
    paths: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def contents_sent(self) -> list[str]:
        """Return the names of the files whose content was asked for."""
        return [path.rpartition("/")[2] for path in self.paths if "/annex/objects/" in path]


@contextmanager
def git_server(root: Path) -> Iterator[GitServer]:
    """Serve the repositories below a folder: with git's own program, below ``/plain`` as files."""
    served = GitServer(root)

    class Handler(_Handler):
        state = served

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.stopping.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: GitServer

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.state.paths.append(self.path)
        if not self._is_let_in():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="crabs"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.state.stalls_at and self.state.stalls_at in self.path:
            self.state.stopping.wait(60)
            return
        path = urlsplit(self.path).path
        if path.startswith("/plain/"):
            self._send_file(self.state.root / path.removeprefix("/plain/"))
        elif path.endswith(("/info/refs", "/git-upload-pack")):
            self._run_git(path)
        else:
            self._send_file(self.state.root / path.lstrip("/"))

    def _is_let_in(self) -> bool:
        if self.state.password is None:
            return True
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        return base64.b64decode(given).decode() == f"crab:{self.state.password}"

    def _send_file(self, path: Path) -> None:
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        limit = self.state.breaks_after
        if limit is not None and "/annex/objects/" in self.path:
            self.wfile.write(content[:limit])
            self.wfile.flush()
            time.sleep(0.1)
            self.connection.close()
        elif self.command != "HEAD":
            self.wfile.write(content)

    def _run_git(self, path: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        env = os.environ | {
            "GIT_PROJECT_ROOT": str(self.state.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": urlsplit(self.path).query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"],
            input=self._body(length),
            env=env,
            capture_output=True,
            check=False,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
        status = next((value for name, value in fields if name == "Status"), "200")
        self.send_response(int(status.split()[0]))
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self, length: int) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(length)
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(pieces)
