"""``metadata fetch`` from real git-annex repositories: in folders, and over HTTP on 127.0.0.1."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pexpect
import pytest

import tracks2zarr as tz
from support.commands import Ended, call
from support.git_repositories import (
    METADATA,
    GitServer,
    add_settings,
    annexed_sample,
    commit,
    git,
    git_server,
    own_settings,
    unlock,
)
from support.sample import SAMPLE
from support.tree import cli_environment
from tracks2zarr.fetching import problems, programs
from tracks2zarr.fetching.repository import repository_of

pytestmark = pytest.mark.system

type Source = Literal["path", "file", "http", "plain"]
SOURCES: tuple[Source, ...] = ("path", "file", "http", "plain")
CONTENT = (SAMPLE / METADATA).read_bytes()


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with own_settings(tmp_path, monkeypatch):
        yield


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that the commands are run in."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    (tmp_path / "served").mkdir()
    return annexed_sample(tmp_path / "served" / "CrabsField")


@pytest.fixture
def server(origin: Path) -> Iterator[GitServer]:
    with git_server(origin.parent) as served:
        yield served


@pytest.fixture
def url_of(origin: Path, server: GitServer) -> Callable[[Source], str]:
    def url(source: Source) -> str:
        git(origin, "update-server-info")
        return {
            "path": str(origin),
            "file": f"file://{origin}",
            "http": f"{server.url}/CrabsField/.git",
            "plain": f"{server.url}/plain/CrabsField/.git",
        }[source]

    return url


def fetch(repository: str | Path, *options: str | Path) -> Ended:
    return call("metadata", "fetch", repository, "--path", METADATA, *options)


def change(origin: Path, text: str = "spontaneous", to: str = "triggered") -> bytes:
    """Change the metadata CSV upstream, and return its new content."""
    git(origin, "annex", "unlock", "-q", METADATA)
    path = origin / METADATA
    path.write_text(path.read_text().replace(text, to))
    content = path.read_bytes()
    commit(origin, "change the metadata")
    return content


def refs_and_settings(folder: Path) -> dict[str, str]:
    """Return what somebody else's visit must not change."""
    return {
        "refs": git(folder, "for-each-ref", "refs/heads", "refs/tags"),
        "config": (folder / ".git/config").read_text(),
        "status": git(folder, "status", "--porcelain"),
    }


def check_nothing_left(work: Path) -> None:
    assert list(work.iterdir()) == []


# ---- what is fetched


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "unlocked"])
def test_the_content_of_just_one_file_is_fetched(
    source: Source, is_locked: bool, origin: Path, url_of: Callable[[Source], str], work: Path
) -> None:
    if not is_locked:
        unlock(origin)
    url, before = url_of(source), refs_and_settings(origin)
    ended = fetch(url)
    assert ended.status == 0, ended.stderr
    assert ended.stdout == f"CrabsField/{METADATA}\n"
    assert "cloned: 2 videos, 5 clips\n" in ended.stderr
    assert "objects" not in ended.stderr
    clone = work / "CrabsField"
    assert (clone / METADATA).read_bytes() == CONTENT
    assert [path.name for path in work.iterdir()] == ["CrabsField"]
    for path in (clone / "tracks").iterdir():
        assert not path.exists() or path.read_bytes().startswith(b"/annex/objects/")
    assert refs_and_settings(origin) == before
    assert git(clone, "status", "--porcelain") == ""


def test_over_http_no_other_content_is_sent(server: GitServer, work: Path, origin: Path) -> None:
    for number in range(3):
        (origin / "note.txt").write_text(f"note {number}")
        git(origin, "-c", "annex.largefiles=nothing", "add", "note.txt")
        git(origin, "commit", "-q", "-m", "note")
    assert fetch(f"{server.url}/CrabsField/.git").status == 0
    assert len(set(server.contents_sent())) == 1
    clone = work / "CrabsField"
    assert git(clone, "rev-list", "--count", "HEAD").strip() == "1"
    missing = git(clone, "rev-list", "--objects", "--all", "--missing=print")
    assert any(line.startswith("?") for line in missing.splitlines()), "every blob was fetched"
    assert git(clone, "config", "annex.private").strip() == "true"


def test_a_file_that_is_in_git_needs_no_git_annex(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(SAMPLE, plain)
    git(plain, "init", "-q")
    git(plain, "add", ".")
    git(plain, "commit", "-q", "-m", "add")
    only_git(tmp_path, monkeypatch)
    assert fetch(plain).status == 0
    assert (work / "plain" / METADATA).read_bytes() == CONTENT


def only_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *others: str) -> Path:
    """Leave no program on the PATH but git, and others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("git", *others):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_without_git_annex(origin: Path, tmp_path: Path, work: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        only_git(tmp_path, patch)
        ended = fetch(f"file://{origin}")
    assert ended.status == 1
    assert "error: git-annex is not installed." in ended.stderr
    assert "conda install -c conda-forge git-annex" in ended.stderr
    assert fetch(f"file://{origin}").status == 0  # the clone is there, and the content comes


def test_without_git(origin: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(work))
    ended = fetch(origin)
    assert ended.status == 1
    assert "error: git is not installed." in ended.stderr
    check_nothing_left(work)


def test_in_python(origin: Path, work: Path) -> None:
    fetched = tz.fetch_metadata(origin, path=METADATA, to=work / "here")
    assert fetched.ok
    assert fetched.metadata_csv == work / "here" / METADATA
    assert fetched.commit == git(origin, "rev-parse", "HEAD").strip()
    assert str(fetched.state) == "cloned"
    assert len(fetched.checked.rows) == 5


def test_git_tells_how_far_it_is_and_its_messages_are_left_out(origin: Path, work: Path) -> None:
    told: list[str] = []
    url = f"file://{origin}"
    tz.fetch_metadata(url, path=METADATA, on_progress=told.append)
    assert any(re.match(r"Receiving objects: +\d+% \(\d+/\d+\)", text) for text in told)
    assert all(not text or re.match(r"[A-Z][a-z ]+: +\d", text) for text in told)
    assert told[-1] == ""
    change(origin)
    told.clear()
    assert str(tz.fetch_metadata(url, path=METADATA, on_progress=told.append).state) == "updated"
    assert any("Counting objects" in text for text in told)
    assert told[-1] == ""


@pytest.mark.filterwarnings("ignore:.*forkpty:DeprecationWarning")
@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_on_a_terminal_one_line_shows_how_far_git_is(term: str, origin: Path, work: Path) -> None:
    words = ["-m", "tracks2zarr", "metadata", "fetch", f"file://{origin}", "--path", METADATA]
    seen = pexpect.run(
        shlex.join([sys.executable, *words]),
        env=cli_environment() | {"TERM": term},
        timeout=60,
        encoding="utf-8",
    )
    text, erased = str(seen), "\r\x1b[2K"
    assert ("Receiving objects: " in text) == (erased in text) == (term == "xterm")
    *_, shown = text.rpartition(f"Getting {METADATA} ...")
    assert shown.split() == ["cloned:", "2", "videos,", "5", "clips", f"CrabsField/{METADATA}"]
    lines = [line.rpartition(erased)[2] for line in text.split("\r\n")]
    assert [line.partition(" ")[0] for line in lines] == [
        *("Reading", "Getting", "cloned:", f"CrabsField/{METADATA}", "")
    ]


def test_json(origin: Path, work: Path) -> None:
    document = json.loads(fetch(origin, "--json", "--to", "here").stdout)
    assert document["metadata_csv"] == str(work / "here" / METADATA)
    assert document["state"] == "cloned"
    assert [clip["state"] for clip in document["clips"]] == ["ok"] * 5
    assert document["problems"] == []


def test_a_bad_row_is_named_and_the_path_is_printed(origin: Path, work: Path) -> None:
    change(origin, "04.09.2023-01-Right.mov", "04.09.2023-02-Right.mov")
    ended = fetch(origin)
    assert ended.status == 1
    assert ended.stdout == f"CrabsField/{METADATA}\n"
    assert "clip's name does not begin with its video's name" in ended.stderr


# ---- run again


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "unlocked"])
def test_what_changed_upstream_is_fetched(
    source: Source, is_locked: bool, origin: Path, url_of: Callable[[Source], str], work: Path
) -> None:
    if not is_locked:
        unlock(origin)
    assert fetch(url_of(source)).status == 0
    assert "up to date: 2 videos" in fetch(url_of(source)).stderr
    content = change(origin)
    if not is_locked:
        unlock(origin)
    assert content != CONTENT
    ended = fetch(url_of(source))
    assert ended.status == 0, ended.stderr
    assert "updated: 2 videos" in ended.stderr
    assert (work / "CrabsField" / METADATA).read_bytes() == content


@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "unlocked"])
def test_content_that_was_dropped_is_fetched_again(
    is_locked: bool, origin: Path, server: GitServer, work: Path
) -> None:
    if not is_locked:
        unlock(origin)
    url = f"{server.url}/CrabsField/.git"
    assert fetch(url).status == 0
    clone = work / "CrabsField"
    git(clone, "annex", "drop", "-q", "--force", METADATA)
    assert tz.check_metadata(clone / METADATA).problems[0].kind in {
        "dangling-link",
        "annex-pointer",
    }
    assert fetch(url).status == 0
    assert (clone / METADATA).read_bytes() == CONTENT


@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "unlocked"])
def test_changes_of_the_user_are_never_overwritten(
    is_locked: bool, origin: Path, work: Path
) -> None:
    if not is_locked:
        unlock(origin)
    url = f"file://{origin}"
    assert fetch(url).status == 0
    file = work / "CrabsField" / METADATA
    file.unlink()
    file.write_bytes(CONTENT.replace(b"spontaneous", b"unknown"))
    mine = file.read_bytes()
    ended = fetch(url)
    assert ended.status == 0
    assert "warning: The file has changes that are not in the repository." in ended.stderr
    change(origin)
    ended = fetch(url)
    assert ended.status == 1
    assert ended.stdout == ""
    assert "has changes that an update would overwrite" in ended.stderr
    assert METADATA in ended.stderr
    assert "--to" in ended.stderr
    assert file.read_bytes() == mine


def test_commits_of_the_user_are_kept(origin: Path, work: Path) -> None:
    url = f"file://{origin}"
    assert fetch(url).status == 0
    clone = work / "CrabsField"
    (clone / "mine.txt").write_text("mine")
    git(clone, "add", "mine.txt")
    git(clone, "commit", "-q", "-m", "mine")
    assert fetch(url).status == 0
    change(origin)
    ended = fetch(url)
    assert ended.status == 1
    assert "commits that the repository does not have" in ended.stderr
    assert (clone / "mine.txt").read_text() == "mine"


def test_a_clone_at_a_commit_is_not_updated(origin: Path, work: Path) -> None:
    assert fetch(origin).status == 0
    git(work / "CrabsField", "checkout", "-q", "--detach")
    change(origin)
    ended = fetch(origin)
    assert ended.status == 0
    assert "warning: The clone was not updated" in ended.stderr
    assert (work / "CrabsField" / METADATA).read_bytes() == CONTENT


def test_a_file_that_was_removed_from_the_clone(origin: Path, work: Path) -> None:
    assert fetch(origin).status == 0
    file = work / "CrabsField" / METADATA
    file.unlink()
    ended = fetch(origin)
    assert ended.status == 1
    assert "error: The file was removed from the clone." in ended.stderr
    command = ended.stderr.rpartition("run: ")[2].strip()
    subprocess.run(command, shell=True, check=True)
    assert fetch(origin).status == 0


# ---- what is not there, or in the way


def test_the_nearest_name_of_a_file(origin: Path, work: Path) -> None:
    ended = call("metadata", "fetch", origin, "--path", "loop-frames-fmpeg.csv")
    assert ended.status == 1
    assert f"Did you mean '{METADATA}'?" in ended.stderr
    command = ended.stderr.rpartition("run: ")[2].strip()
    assert command == f"tracks2zarr metadata fetch {origin} --path {METADATA}"
    ended = call("metadata", "fetch", origin, "--path", f"crab-loops/{METADATA}")
    assert f"--path {METADATA}" in ended.stderr
    ended = call("metadata", "fetch", origin, "--path", "tracks")
    assert "a folder 'tracks'" in ended.stderr
    assert "tracks/04.09.2023-01-Right-Loop00_tracks.csv" in ended.stderr


@pytest.mark.parametrize("path", ["../x.csv", "/etc/passwd", "", ".git/../../x"])
def test_a_path_that_leaves_the_repository(path: str, origin: Path, work: Path) -> None:
    ended = call("metadata", "fetch", origin, "--path", path)
    assert ended.status == 1
    assert "leads out of the repository" in ended.stderr
    check_nothing_left(work)


@pytest.mark.parametrize("thing", ["file", "folder", "other clone"])
def test_something_else_in_the_place_of_the_clone(
    thing: str, origin: Path, work: Path, tmp_path: Path
) -> None:
    place = work / "CrabsField"
    if thing == "file":
        place.write_text("mine")
    elif thing == "folder":
        place.mkdir()
        (place / "mine.txt").write_text("mine")
    else:
        other = tmp_path / "other"
        other.mkdir()
        git(other, "init", "-q")
        git(tmp_path, "clone", "-q", str(other), str(place))
    ended = fetch(origin)
    assert ended.status == 1
    assert "Something else is in the place of the clone." in ended.stderr
    assert "--to" in ended.stderr
    assert [path.name for path in work.iterdir()] == ["CrabsField"]


def test_an_empty_folder_is_used(origin: Path, work: Path) -> None:
    (work / "CrabsField").mkdir()
    assert fetch(origin).status == 0


def test_a_clone_that_is_there_under_another_url_of_the_same_repository(
    origin: Path, work: Path
) -> None:
    """As `gin get` makes it: with the content of all other files."""
    git(work, "clone", "-q", str(origin))
    git(work / "CrabsField", "annex", "get", "-q", "tracks")
    ended = fetch(f"file://{origin}/")
    assert ended.status == 0, ended.stderr
    assert (work / "CrabsField" / METADATA).read_bytes() == CONTENT


# ---- no access, no connection


def test_no_such_repository(server: GitServer, work: Path) -> None:
    for url in (f"{server.url}/Nothing", f"file://{work}/nothing"):
        ended = fetch(url, "--to", "here")
        assert ended.status == 1
        assert "There is no such repository, or it is hidden from you." in ended.stderr
    check_nothing_left(work)


@pytest.mark.parametrize(
    "name", ["crabs", "a/b/c", "--upload-pack=x", "ext::sh -c x", "", "ftp://a/b"]
)
def test_what_is_no_repository(name: str, work: Path) -> None:
    ended = call("metadata", "fetch", "--", name)
    assert ended.status == 1
    assert "This is not the name of a repository." in ended.stderr
    check_nothing_left(work)


def test_a_folder_with_a_misspelt_name(origin: Path, work: Path) -> None:
    ended = fetch(origin.with_name("CrabsFeild"))
    assert ended.status == 1
    assert f"Did you mean '{origin}'?" in ended.stderr


def test_a_misspelt_path_that_could_be_a_name_on_gin() -> None:
    found = problems.failed(repository_of("nowhere/CrabsFeild"), "repository not found")
    assert "here, so" not in (found.found or "")


@pytest.mark.parametrize("said", ["fatal: repository not found", "Could not resolve host: a"])
def test_a_near_folder_is_named_where_gin_has_no_such_repository(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("server/CrabsField").mkdir(parents=True)
    found = problems.failed(repository_of("server/CrabsFeld"), said)
    assert found.found is not None
    assert "no folder 'server/CrabsFeld' here, so it was looked up on GIN" in found.found
    assert "Did you mean 'server/CrabsField'?" in (found.remedy or "")


def test_a_file_in_place_of_the_repository(origin: Path, work: Path) -> None:
    ended = fetch(origin / METADATA)
    assert ended.status == 1
    assert "A file was given in place of a repository." in ended.stderr
    assert "Pass the repository, and the file in it with --path." in ended.stderr


def test_an_absolute_path_in_the_repository(origin: Path, work: Path) -> None:
    ended = call("metadata", "fetch", origin, "--path", origin / METADATA)
    assert ended.status == 1
    assert ended.stderr.strip().endswith(
        f"run: tracks2zarr metadata fetch {origin} --path {METADATA}"
    )
    check_nothing_left(work)


def test_a_clone_whose_git_is_elsewhere(origin: Path, work: Path) -> None:
    """As that of a submodule is."""
    git(work, "clone", "-q", "--separate-git-dir", str(work / "git"), str(origin), "CrabsField")
    ended = fetch(origin)
    assert ended.status == 0, ended.stderr
    assert (work / "CrabsField" / METADATA).read_bytes() == CONTENT


@pytest.mark.parametrize("userinfo", ["crab:s3cret", ":s3cret"])
def test_a_url_with_a_password_is_refused(userinfo: str, work: Path) -> None:
    ended = fetch(f"https://{userinfo}@gin.example/a/b")
    assert ended.status == 1
    assert "contains a password" in ended.stderr
    assert "credential helper" in ended.stderr
    assert "s3cret" not in ended.stderr
    check_nothing_left(work)


def test_no_access(server: GitServer, work: Path) -> None:
    """Nobody is asked for a password where there is no terminal."""
    server.password = "s3cret"
    ended = fetch(f"{server.url}/CrabsField/.git")
    assert ended.status == 1
    assert "The repository cannot be accessed." in ended.stderr
    assert "could not read Username" in ended.stderr
    check_nothing_left(work)


def test_the_credential_helper_of_the_user(server: GitServer, work: Path) -> None:
    server.password = "s3cret"
    helper = "!f() { echo username=crab; echo password=s3cret; }; f"
    add_settings(f'[credential]\nhelper = "{helper}"\n')
    ended = fetch(f"{server.url}/CrabsField/.git")
    assert ended.status == 0, ended.stderr
    assert (work / "CrabsField" / METADATA).read_bytes() == CONTENT
    for path in (work / "CrabsField/.git").glob("config"):
        assert "s3cret" not in path.read_text()


@pytest.mark.filterwarnings("ignore:.*forkpty:DeprecationWarning")
def test_on_a_terminal_git_asks_for_the_password(server: GitServer, work: Path) -> None:
    """Once for the clone, and perhaps for the content; it is in no file afterwards."""
    server.password = "s3cret"
    words = ["-m", "tracks2zarr", "metadata", "fetch", f"{server.url}/CrabsField/.git"]
    words += ["--path", METADATA]
    with pexpect.spawn(
        sys.executable, words, env=cli_environment(), timeout=60, encoding="utf-8"
    ) as terminal:
        terminal.expect("Username for")
        while True:
            terminal.sendline("crab")
            terminal.expect("Password for")
            terminal.sendline("s3cret")
            if terminal.expect(["Username for", pexpect.EOF]) == 1:
                break
    assert terminal.exitstatus == 0, terminal.before
    assert (work / "CrabsField" / METADATA).read_bytes() == CONTENT
    assert "s3cret" not in (work / "CrabsField/.git/config").read_text()


def test_no_server(work: Path) -> None:
    for url in ("http://127.0.0.1:9/a/b", "ssh://git@127.0.0.1:9/a/b"):
        ended = fetch(url)
        assert ended.status == 1
        assert "The connection to the repository failed." in ended.stderr
    check_nothing_left(work)


def test_a_connection_that_breaks_in_mid_transfer(
    server: GitServer, origin: Path, work: Path
) -> None:
    server.breaks_after = 100
    url = f"{server.url}/CrabsField/.git"
    ended = fetch(url)
    assert ended.status == 1
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    file = work / "CrabsField" / METADATA
    assert not file.exists()
    server.breaks_after = None
    assert fetch(url).status == 0
    assert file.read_bytes() == CONTENT


def test_a_server_that_once_had_no_content(server: GitServer, origin: Path, work: Path) -> None:
    """git-annex notes that, and would never ask again."""
    config = origin / ".git/config"
    settings_there = config.read_text()
    config.write_text(settings_there.partition("[annex]")[0])
    url = f"{server.url}/CrabsField/.git"
    assert fetch(url).status == 1
    git(work / "CrabsField", "config", "remote.origin.annex-ignore", "true")  # as it does itself
    config.write_text(settings_there)
    ended = fetch(url)
    assert ended.status == 0, ended.stderr


def test_a_server_that_falls_silent(
    server: GitServer, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "SILENCE_SECONDS", 1.0)
    url = f"{server.url}/CrabsField/.git"
    server.stalls_at = "git-upload-pack"
    ended = fetch(url)
    assert ended.status == 1
    assert "git clone stopped making progress" in ended.stderr
    check_nothing_left(work)
    server.stalls_at = "/annex/objects/"
    ended = fetch(url)
    assert "git annex stopped making progress" in ended.stderr
    assert not (work / "CrabsField" / METADATA).exists()


@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "unlocked"])
def test_content_that_the_repository_does_not_have(
    is_locked: bool, origin: Path, work: Path
) -> None:
    if not is_locked:
        unlock(origin)
    git(origin, "annex", "drop", "-q", "--force", METADATA)
    ended = fetch(f"file://{origin}")
    assert ended.status == 1
    assert "The content of a file is not available from the repository." in ended.stderr
    assert ended.stderr.count("\n  found:") == 1
    assert "gin upload" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_clone_leaves_nothing_half_made(
    number: signal.Signals, server: GitServer, work: Path
) -> None:
    server.stalls_at = "git-upload-pack"
    url = f"{server.url}/CrabsField/.git"
    words = [sys.executable, "-m", "tracks2zarr", "metadata", "fetch", url, "--path", METADATA]
    with subprocess.Popen(words, env=cli_environment(), stderr=subprocess.PIPE) as process:
        wait_until(lambda: any("git-upload-pack" in path for path in server.paths))
        children = children_of(process.pid)
        assert children
        process.send_signal(number)
        process.wait(20)
    assert not (work / "CrabsField").exists()
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        check_nothing_left(work)
        assert not any(is_running(child) for child in children)
    server.stalls_at = None
    server.stopping.set()
    ended = fetch(url)
    assert ended.status == 0, ended.stderr
    assert [path.name for path in work.iterdir()] == ["CrabsField"]


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    return [child for child, parent in pairs if parent == pid and is_running(child)]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_two_fetches_at_once(server: GitServer, work: Path) -> None:
    url = f"{server.url}/CrabsField/.git"
    words = [sys.executable, "-m", "tracks2zarr", "metadata", "fetch", url, "--path", METADATA]
    runs = [subprocess.Popen(words, env=cli_environment()) for _ in range(3)]
    assert [run.wait(60) for run in runs] == [0, 0, 0]
    assert [path.name for path in work.iterdir()] == ["CrabsField"]


# ---- GIN


def test_a_name_is_that_of_a_repository_on_gin(server: GitServer, work: Path) -> None:
    """The settings of git lead the name to this machine, as they would to a mirror."""
    add_settings(
        f'[url "{server.url}/CrabsField/.git"]\n'
        "insteadOf = https://gin.g-node.org/SainsburyWellcomeCentre/CrabsField\n"
    )
    ended = call("metadata", "fetch", "--path", METADATA)
    assert ended.status == 0, ended.stderr
    assert ended.stdout == f"CrabsField/{METADATA}\n"
    config = (work / "CrabsField/.git/config").read_text()
    assert "https://gin.g-node.org/SainsburyWellcomeCentre/CrabsField" in config
    for url in (
        "git@gin.g-node.org:/SainsburyWellcomeCentre/CrabsField",
        "ssh://git@gin.g-node.org:22/SainsburyWellcomeCentre/CrabsField.git",
    ):
        git(work / "CrabsField", "config", "remote.origin.url", url)
        add_settings(f'[url "{server.url}/CrabsField/.git"]\ninsteadOf = {url}\n')
        assert call("metadata", "fetch", "--path", METADATA).status == 0


@pytest.mark.parametrize("name", ["a/b", "https://gin.g-node.org/a/b"])
def test_where_https_lets_nobody_in_ssh_is_tried(
    name: str, origin: Path, server: GitServer, work: Path
) -> None:
    server.password = "s3cret"
    add_settings(
        f'[url "{server.url}/CrabsField/.git"]\ninsteadOf = https://gin.g-node.org/a/b\n'
        f'[url "{origin}"]\ninsteadOf = git@gin.g-node.org:/a/b\n'
    )
    ended = fetch(name)
    assert ended.status == 0, ended.stderr
    assert (work / "b" / METADATA).read_bytes() == CONTENT


GIN = """#!/bin/sh
echo "$@" >> "{log}"
case "$1" in
--version) echo "{version}" ;;
info) exit {info} ;;
get) git clone -q "{origin}" "$(basename "$2")" ;;
download) git pull -q --ff-only ;;
get-content) git annex get -q "$2" ;;
esac
"""


@pytest.fixture
def gin(tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return what puts a program called gin on the PATH; its log is returned.

    The client cannot be installed here: this stands in for the choice of it, and its words.
    """

    def installed(version: str, info: int) -> Path:
        folder, log = tmp_path / "bin", tmp_path / "log"
        folder.mkdir()
        program = folder / "gin"
        program.write_text(GIN.format(log=log, version=version, info=info, origin=origin))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))
        add_settings(f'[url "{origin}"]\ninsteadOf = https://gin.g-node.org/a/b\n')
        return log

    return installed


CLIENT = "GIN command line client 1.12"


def test_the_gin_client_is_used_where_its_user_is_logged_in(
    gin: Callable[..., Path], origin: Path, work: Path
) -> None:
    log = gin(CLIENT, 0)
    assert fetch("a/b").status == 0
    assert (work / "b" / METADATA).read_bytes() == CONTENT
    asked = log.read_text().splitlines()
    assert asked == ["--version", "info", "get a/b", f"get-content {METADATA}"]
    git(work / "b", "config", "remote.origin.url", "git@gin.g-node.org:/a/b")
    add_settings(f'[url "{origin}"]\ninsteadOf = git@gin.g-node.org:/a/b\n')
    content = change(origin)
    assert fetch("a/b").status == 0
    assert "download" in log.read_text().splitlines()
    assert (work / "b" / METADATA).read_bytes() == content


def test_the_gin_client_does_not_touch_changes(
    gin: Callable[..., Path], origin: Path, work: Path
) -> None:
    log = gin(CLIENT, 0)
    assert fetch("a/b").status == 0
    git(work / "b", "config", "remote.origin.url", "git@gin.g-node.org:/a/b")
    file = work / "b" / METADATA
    file.unlink()
    file.write_text("mine")
    ended = fetch("a/b")
    assert ended.status == 1
    assert f"changes in {METADATA}" in ended.stderr
    assert file.read_text() == "mine"
    assert "download" not in log.read_text()


@pytest.mark.parametrize(("version", "info"), [(CLIENT, 1), ("gin version 0.0.0", 0)])
def test_the_gin_client_is_not_used(
    version: str, info: int, gin: Callable[..., Path], work: Path
) -> None:
    """Where nobody is logged in, or where another program is called gin."""
    log = gin(version, info)
    assert fetch("a/b").status == 0
    assert (work / "b" / METADATA).read_bytes() == CONTENT
    assert "get" not in log.read_text()
