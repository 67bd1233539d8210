"""What a user may call a repository."""

import pytest

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
