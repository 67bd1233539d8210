"""Experiments in a git-annex repository, as GIN hands them out: content is fetched on demand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

import tracks2zarr as tz
from support.commands import call, files_below
from support.git_repositories import METADATA, annexed_sample, git, own_settings, unlock
from support.sample import SAMPLE
from support.tree import snapshot
from tracks2zarr.common.problems import errors_of

pytestmark = pytest.mark.system

type Kind = Literal["locked", "unlocked"]

KINDS: dict[Kind, str] = {"locked": "dangling-link", "unlocked": "annex-pointer"}
FILES = sorted(path.name for path in (SAMPLE / "tracks").glob("*.csv"))


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with own_settings(tmp_path, monkeypatch):
        yield


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """Return a repository with the sample experiment, its files locked, their content there."""
    return annexed_sample(tmp_path / "origin")


def clone_of(origin: Path, kind: Kind) -> Path:
    """Return a clone without any content."""
    if kind == "unlocked":
        unlock(origin)
    folder = origin.with_name("clone")
    git(origin.parent, "clone", "-q", str(origin), str(folder))
    git(folder, "annex", "init", "-q", "clone")
    return folder


def errors_in(folder: Path) -> list[tz.Problem]:
    with pytest.raises(tz.Tracks2ZarrError) as raised:
        tz.plan(folder / "tracks", folder / METADATA)
    return errors_of(raised.value.problems)


def check_remedy(problem: tz.Problem, name: str) -> None:
    assert problem.expected == "the file's content"
    assert f"gin get-content {name}" in (problem.remedy or "")
    assert f"git annex get {name}" in (problem.remedy or "")


def test_the_files_are_what_they_are_taken_for(origin: Path) -> None:
    """Otherwise these tests would test nothing."""
    clone = clone_of(origin, "unlocked")
    for name in FILES:
        pointer = clone / "tracks" / name
        assert not pointer.is_symlink()
        assert pointer.read_bytes().startswith(b"/annex/objects/")


@pytest.mark.parametrize("kind", KINDS)
def test_a_clone_without_content(
    kind: Kind, origin: Path, sample_store: Path, tmp_path: Path
) -> None:
    clone = clone_of(origin, kind)
    errors = errors_in(clone)
    assert {error.kind for error in errors} == {KINDS[kind]}
    assert {error.file for error in errors} == {
        str(clone / METADATA), *(str(clone / "tracks" / name) for name in FILES),
    }  # fmt: skip
    for error in errors:
        assert error.file is not None
        check_remedy(error, Path(error.file).name)
        expected = (
            "a git-annex pointer" if kind == "unlocked" else "a link to ../.git/annex/objects"
        )
        assert (error.found or "").startswith(expected) or error.file.endswith(METADATA)

    store = tmp_path / "new.zarr"
    before = set(tmp_path.iterdir())
    paths = clone / "tracks", clone / METADATA
    for ended in (call("plan", *paths), call("create", *paths, store)):
        assert ended.status == 1
        assert ended.stderr.count("error: The content of a file was not fetched.") == 6
        assert "gin get-content" in ended.stderr
        assert "git annex get" in ended.stderr
        assert "Traceback" not in ended.stderr
    assert set(tmp_path.iterdir()) == before

    git(clone, "annex", "get", "-q", METADATA)
    errors = errors_in(clone)
    assert {Path(error.file or "").name for error in errors} == set(FILES)
    assert {error.video for error in errors} == {"04.09.2023-01-Right", "06.09.2023-02-Left"}

    git(clone, "annex", "get", "-q", ".")
    assert call("create", clone / "tracks", clone / METADATA, store, "--workers", 1).status == 0
    assert snapshot(store) == snapshot(sample_store)
    assert call("verify", store, "--workers", 1).status == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_remedy_works(kind: Kind, origin: Path, tmp_path: Path) -> None:
    """The command that the message names fetches the file, in the folder that it names."""
    clone = clone_of(origin, kind)
    for error in errors_in(clone):
        assert error.file is not None
        command = (error.remedy or "").split("'")[3]
        assert command.startswith("git annex get ")
        git(Path(error.file).parent, *command.split()[1:])
    assert tz.plan(clone / "tracks", clone / METADATA).problems == ()


@pytest.mark.parametrize("kind", KINDS)
def test_one_file_without_content(kind: Kind, origin: Path, tmp_path: Path) -> None:
    """The other video is converted where that is asked for, and this one when it is fetched."""
    clone = clone_of(origin, kind)
    git(clone, "annex", "get", "-q", ".")
    name = "06.09.2023-02-Left-Loop01_tracks.csv"
    git(clone, "annex", "drop", "-q", "--force", f"tracks/{name}")
    (error,) = errors_in(clone)
    assert error.kind == KINDS[kind]
    assert error.video == "06.09.2023-02-Left"
    check_remedy(error, name)

    store = tmp_path / "new.zarr"
    args = clone / "tracks", clone / METADATA, store, "--workers", 1
    assert call("create", *args, "--keep-going").status == 1
    assert [video.video for video in tz.info(store).videos] == ["04.09.2023-01-Right"]
    git(clone, "annex", "get", "-q", f"tracks/{name}")
    assert call("create", *args, "--store-mode", "a").status == 0
    assert [str(video.state) for video in tz.info(store).videos] == ["done", "done"]


@pytest.mark.parametrize("kind", KINDS)
def test_content_that_is_dropped_after_the_plan(kind: Kind, origin: Path, tmp_path: Path) -> None:
    """Then the conversion of that video fails, and nothing else."""
    if kind == "unlocked":
        unlock(origin)
    plan = tz.plan(origin / "tracks", origin / METADATA)
    git(origin, "annex", "drop", "-q", "--force", "tracks/06.09.2023-02-Left-Loop01_tracks.csv")
    store = tmp_path / "new.zarr"
    summary = tz.create(plan, store, workers=1)
    assert [str(outcome.result) for outcome in summary.outcomes] == ["done", "failed"]
    (problem, *_) = summary.outcomes[1].problems
    assert problem.file == str(origin / "tracks" / "06.09.2023-02-Left-Loop01_tracks.csv")
    assert not (store / "06.09.2023-02-Left").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_repository_with_its_content(
    kind: Kind, origin: Path, sample_store: Path, tmp_path: Path
) -> None:
    """Links into the annex are files like others, and nothing in the repository changes."""
    if kind == "unlocked":
        unlock(origin)
    before = files_below(origin / "tracks")
    store = tmp_path / "new.zarr"
    assert tz.create(tz.plan(origin / "tracks", origin / METADATA), store, workers=1).ok
    assert snapshot(store) == snapshot(sample_store)
    assert files_below(origin / "tracks") == before
    assert git(origin, "status", "--porcelain") == ""


def test_verify_without_the_content(origin: Path, tmp_path: Path) -> None:
    """Sources that were dropped are a state of their own."""
    store = tmp_path / "new.zarr"
    assert tz.create(tz.plan(origin / "tracks", origin / METADATA), store, workers=1).ok
    git(origin, "annex", "drop", "-q", "--force", "tracks")
    verification = tz.verify(store, workers=1)
    assert not verification.ok
    assert {str(video.state) for video in verification.videos} == {"unknown"}
    assert tz.verify(store, quick=True).ok


def test_verify_with_pointers(origin: Path, tmp_path: Path) -> None:
    unlock(origin)
    store = tmp_path / "new.zarr"
    assert tz.create(tz.plan(origin / "tracks", origin / METADATA), store, workers=1).ok
    git(origin, "annex", "drop", "-q", "--force", "tracks")
    verification = tz.verify(store, workers=1)
    assert not verification.ok
    assert {str(video.state) for video in verification.videos} == {"unknown"}
