"""What a user may call a repository: ``owner/name`` on GIN, a URL, or a path."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from tracks2zarr.common.near_names import nearest
from tracks2zarr.common.problems import (
    Problem,
    Tracks2ZarrError,
    one_line,
)

#: The repository with the metadata of the experiment that this package was written for.
DEFAULT_REPOSITORY = "SainsburyWellcomeCentre/CrabsField"
GIN_HOST = "gin.g-node.org"

_ON_GIN = re.compile(r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)")
_SCHEMES = frozenset({"file", "git", "http", "https", "ssh"})
#: ``user@host:path``, as ssh and scp have it.
_HOST_AND_PATH = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w.-]{2,}):(?P<path>[^:].*)")


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository that can be cloned.

    Parameters
    ----------
    given
        What the user called it.
    urls
        Where it can be cloned from, in the order in which this is tried.
    on_gin
        Its ``owner/name`` on GIN; None for another one.
    """

    given: str
    urls: tuple[str, ...]
    on_gin: str | None = None

    @property
    def name(self) -> str:
        """The name of its folder, where none is given."""
        last = re.split(r"[/:]", self.urls[0].rstrip("/").removesuffix("/.git"))[-1]
        return last.removesuffix(".git")

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of this machine."""
        return len(self.urls) == 1 and _place_of(self.urls[0])[0] == ""

    def is_at(self, url: str) -> bool:
        """Tell whether a clone with this URL is one of the repository."""
        return _place_of(url) in {_place_of(one) for one in self.urls}


def repository_of(given: str) -> Repository:
    """Return the repository that a user means.

    Parameters
    ----------
    given
        The path of a folder that is there, ``owner/name`` on GIN, or a URL.

    Raises
    ------
    Tracks2ZarrError
        If it is none of these, a folder without git, or a URL with a password.
    """
    if given and Path(given).expanduser().is_dir():
        folder = Path(given).expanduser().resolve()
        if not _is_repository(folder):
            raise Tracks2ZarrError(_no_git_folder(given, folder))
        return Repository(given, (str(folder),))
    if given and Path(given).expanduser().is_file():
        raise Tracks2ZarrError(_file_given(given))
    if match := _ON_GIN.fullmatch(given):
        return _on_gin(given, match["owner"], match["name"])
    parts = urlsplit(given) if "://" in given else None
    if parts is not None and (parts.password is not None or parts.query):
        raise Tracks2ZarrError(_with_password(parts.hostname))
    is_url = parts is not None and parts.scheme.lower() in _SCHEMES and parts.path.strip("/")
    if not is_url and (parts is not None or not _HOST_AND_PATH.fullmatch(given)):
        raise Tracks2ZarrError(_no_repository(given))
    host, path = _place_of(given)
    if host == GIN_HOST and (match := _ON_GIN.fullmatch(path)):
        there = _on_gin(given, match["owner"], match["name"])
        return replace(there, urls=tuple(dict.fromkeys((given, *there.urls))))
    return Repository(given, (given,))


def _is_repository(folder: Path) -> bool:
    """Tell whether git would take a folder for a repository, or a bare one; it says why not."""
    is_readable = os.access(folder, os.R_OK | os.X_OK)
    return not is_readable or any((folder / name).exists() for name in (".git", "HEAD"))


def _on_gin(given: str, owner: str, name: str) -> Repository:
    name = name.removesuffix(".git")
    path = f"{owner}/{name}"
    urls = f"https://{GIN_HOST}/{path}", f"git@{GIN_HOST}:/{path}"
    return Repository(given, urls, path)


def _place_of(url: str) -> tuple[str, str]:
    """Return the host and the path of a repository, which all of its URLs share."""
    if "://" in url:
        parts = urlsplit(url)
        host, path = parts.netloc.rpartition("@")[2].lower(), parts.path
        host = "" if parts.scheme == "file" else host.removesuffix(":22").removesuffix(":443")
    elif match := _HOST_AND_PATH.fullmatch(url):
        host, path = match["host"].lower(), match["path"]
    else:
        host, path = "", url
    path = path.rstrip("/").removesuffix("/.git").removesuffix(".git")
    return host, path.lstrip("/") if host else path


def _with_password(host: str | None) -> Problem:
    return Problem(
        kind="url-with-password",
        what="The URL of a repository contains a password or a token.",
        found=f"a secret in a URL of {one_line(host)}, which others on this machine can see",
        expected="a URL without one, e.g. https://host/owner/name or git@host:/owner/name",
        remedy="Leave it out. Git asks your credential helper or your SSH agent; on a terminal, it"
        " asks you. Change the password if others may have seen it.",
    )


def _file_given(given: str) -> Problem:
    return Problem(
        kind="repository",
        what="A file was given in place of a repository.",
        found=f"the file '{one_line(given)}'",
        expected="owner/name on GIN, a URL, or the path of a folder",
        remedy="Pass the repository, and the file in it with --path.",
    )


def _no_git_folder(given: str, folder: Path) -> Problem:
    on_gin = ""
    if match := _ON_GIN.fullmatch(given):
        (url, _) = _on_gin(given, match["owner"], match["name"]).urls
        on_gin = f" For the repository of this name on GIN, pass {url}"
    return Problem(
        kind="repository",
        what="The folder is not a git repository.",
        file=str(folder),
        found="a folder without .git",
        expected="owner/name on GIN, a URL, or the path of a git repository",
        remedy="Pass the repository. A metadata CSV that is on this machine need not be fetched;"
        f" to check it, run 'tracks2zarr metadata check'.{on_gin}",
    )


def near_folder(given: str) -> str | None:
    """Return the path of the folder on this machine that is most like a path where none is."""
    path = Path(given).expanduser()
    beside = path.parent.iterdir() if os.access(path.parent, os.R_OK | os.X_OK) else ()
    near = nearest(path.name, (folder.name for folder in beside if folder.is_dir()))
    return None if near is None else str(Path(given).with_name(near))


def _no_repository(given: str) -> Problem:
    near = near_folder(given) if given.startswith(("/", ".", "~")) else None
    return Problem(
        kind="repository",
        what="This is not the name of a repository.",
        found=f"'{one_line(given)}'",
        expected="owner/name on GIN, a URL (https://, ssh:// or user@host:path), or the path of a"
        " folder",
        remedy=f"Did you mean '{one_line(near)}'?" if near else "Correct REPOSITORY.",
    )
