"""``metadata fetch`` over SSH, with the user's own key, from a real server on 127.0.0.1."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import Ended, call
from support.git_repositories import METADATA, add_settings, annexed_sample, git, own_settings
from support.sample import SAMPLE
from support.ssh_server import SshServer, ssh_server

pytestmark = pytest.mark.system

CONTENT = (SAMPLE / METADATA).read_bytes()


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with own_settings(tmp_path, monkeypatch):
        yield


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    """Return a server that the user's settings of git lead to."""
    with ssh_server(tmp_path / "ssh") as running:
        add_settings(f'[core]\nsshCommand = "{running.command}"\n')
        yield running


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    return annexed_sample(tmp_path / "CrabsField")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def fetch(repository: str) -> Ended:
    return call("metadata", "fetch", repository, "--path", METADATA)


def test_the_key_of_the_user(server: SshServer, origin: Path, work: Path) -> None:
    """The server is one that cannot give single files later: it does not let clients choose."""
    for state in ("cloned", "up to date"):
        ended = fetch(server.url(origin))
        assert ended.status == 0, ended.stderr
        assert f"{state}: 2 videos, 5 clips" in ended.stderr
    assert (work / "CrabsField" / METADATA).read_bytes() == CONTENT
    assert not (work / "CrabsField/tracks/04.09.2023-01-Right-Loop00_tracks.csv").exists()


def test_a_private_repository_on_gin(server: SshServer, origin: Path, work: Path) -> None:
    """HTTPS lets nobody in without a password, so its name leads to SSH."""
    add_settings(
        '[url "http://127.0.0.1:9/"]\ninsteadOf = https://gin.g-node.org/\n'
        f'[url "{server.url(origin)}"]\ninsteadOf = git@gin.g-node.org:/a/CrabsField\n'
    )
    ended = fetch("a/CrabsField")
    assert ended.status == 0, ended.stderr
    assert (work / "CrabsField" / METADATA).read_bytes() == CONTENT
    assert git(work / "CrabsField", "config", "remote.origin.url").startswith("git@gin.g-node.org")


def test_no_access(server: SshServer, origin: Path, work: Path) -> None:
    server.forget_key()
    ended = fetch(server.url(origin))
    assert ended.status == 1
    assert "The repository cannot be accessed." in ended.stderr
    assert "Permission denied (publickey)" in ended.stderr
    assert list(work.iterdir()) == []


def test_an_unknown_host_is_not_asked_about(server: SshServer, origin: Path, work: Path) -> None:
    server.forget_host()
    ended = fetch(server.url(origin))
    assert ended.status == 1
    assert "Host key verification failed" in ended.stderr
    assert list(work.iterdir()) == []


def test_no_such_repository(server: SshServer, origin: Path, work: Path) -> None:
    ended = fetch(server.url(origin.with_name("Nothing")))
    assert ended.status == 1
    assert "There is no such repository" in ended.stderr
    assert list(work.iterdir()) == []


def test_access_that_is_lost_between_clone_and_content(
    server: SshServer, origin: Path, work: Path
) -> None:
    assert fetch(server.url(origin)).status == 0
    git(work / "CrabsField", "annex", "drop", "-q", "--force", METADATA)
    server.forget_key()
    ended = fetch(server.url(origin))
    assert ended.status == 1
    assert "The repository cannot be accessed." in ended.stderr
