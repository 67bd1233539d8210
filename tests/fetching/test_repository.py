"""What a user may call a repository."""

from pathlib import Path

import pytest

from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.fetching.repository import repository_of

GIN = ("https://gin.g-node.org/a/b", "git@gin.g-node.org:/a/b")


@pytest.mark.parametrize(
    ("given", "urls", "name", "on_gin"),
    [
        ("a/b", GIN, "b", "a/b"),
        ("a/b.git", GIN, "b", "a/b"),
        (GIN[0], GIN, "b", "a/b"),
        (GIN[1], GIN[::-1], "b", "a/b"),
        ("https://host.example/a/b.git", None, "b", None),
        ("https://crab@host.example/a/b", None, "b", None),
        ("ssh://git@host.example:2222/a/b", None, "b", None),
        ("git@host.example:a/b.git", None, "b", None),
        ("file:///data/b/.git", None, "b", None),
    ],
)
def test_names(given: str, urls: tuple[str, ...] | None, name: str, on_gin: str | None) -> None:
    repository = repository_of(given)
    assert repository.urls == (urls or (given,))
    assert repository.name == name
    assert repository.on_gin == on_gin


@pytest.mark.parametrize(
    ("given", "url", "is_same"),
    [
        ("a/b", "https://gin.g-node.org/a/b", True),
        ("a/b", "https://GIN.g-node.org/a/b.git/", True),
        ("a/b", "git@gin.g-node.org:/a/b", True),
        ("a/b", "git@gin.g-node.org:a/b.git", True),
        ("a/b", "ssh://git@gin.g-node.org:22/a/b", True),
        ("a/b", "https://gin.g-node.org/a/c", False),
        ("a/b", "https://other.example/a/b", False),
        ("file:///data/b", "/data/b/.git", True),
        ("file:///data/b", "/data/c", False),
    ],
)
def test_clones_of_one_repository(given: str, url: str, is_same: bool) -> None:
    assert repository_of(given).is_at(url) == is_same


def test_a_folder_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "owner/name"
    folder.mkdir(parents=True)
    with pytest.raises(Tracks2ZarrError, match="The folder is not a git repository") as error:
        repository_of("owner/name")
    assert "pass https://gin.g-node.org/owner/name" in str(error.value)
    (folder / ".git").write_text("gitdir: /elsewhere\n")
    assert repository_of("owner/name").urls == (str(folder),)
    (folder / ".git").rename(folder / "HEAD")  # of a bare repository
    assert repository_of("owner/name").urls == (str(folder),)
