"""Files whose content was not fetched: pointers of git-annex and Git LFS, and dangling links."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from tracks2zarr.common.files import file_names, open_file
from tracks2zarr.common.problems import Problem

#: An unlocked git-annex file without its content holds a line that begins so.
#: Source: git-annex, "pointer files" (https://git-annex.branchable.com/internals/pointer_file/).
ANNEX_POINTER = b"/annex/objects/"
#: git-annex never writes a pointer file larger than this.
MAX_POINTER_BYTES = 32 * 1024
#: Where a file system has no links, git writes what a link would lead to into a file.
_LINK_TEXT = re.compile(rb"(?:\.\./)*\.git/(?:[^\r\n]+/)?annex/objects/[^\r\n]+\s*")
#: Source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md ("The Pointer").
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"

_FETCH = "Fetch it: 'gin get-content {name}' or 'git annex get {name}', in its folder."
_FETCH_LFS = "Fetch it: 'git lfs pull --include {name}', in its folder."


def annex_problem(path: Path) -> Problem | None:
    """Return the problem of a file whose content is not there, or None.

    Parameters
    ----------
    path
        A file, or a link to one.
    """
    if path.is_symlink() and not path.exists():
        if leads_to_itself(path):
            return _loop(path)
        return _problem(path, "dangling-link", f"a link to {os.readlink(path)}, which is not there")  # noqa: PTH115
    try:
        if path.is_file() and path.stat().st_size <= MAX_POINTER_BYTES:
            with open_file(path) as file:
                return _pointer_problem(path, file.read(MAX_POINTER_BYTES))
    except OSError:
        return None  # reading the file itself will tell
    return None


def _pointer_problem(path: Path, content: bytes) -> Problem | None:
    """Return the problem of a file that holds no more than a pointer to its content, or None."""
    if content.startswith(ANNEX_POINTER):
        return _problem(path, "annex-pointer", "a git-annex pointer")
    if _LINK_TEXT.fullmatch(content):
        return _problem(path, "annex-pointer", "the text of a link of git-annex")
    if content.startswith(_LFS_POINTER):
        return _problem(path, "lfs-pointer", "a Git LFS pointer", _FETCH_LFS)
    return None


def leads_to_itself(path: Path) -> bool:
    """Tell whether following a link never ends."""
    try:
        path.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _loop(path: Path) -> Problem:
    return Problem(
        kind="link-loop",
        what="A link leads back to itself.",
        file=str(path),
        found=f"a link to {os.readlink(path)}",  # noqa: PTH115
        expected="a link that leads to a file",
        remedy="Replace the link by the file, or remove it.",
    )


def unfetched_in(folder: Path) -> Problem | None:
    """Return the problem of a file below a folder whose content is not there, or None."""
    if not folder.is_dir():
        return None
    return next(filter(None, (annex_problem(folder / name) for name in file_names(folder))), None)


def _problem(path: Path, kind: str, found: str, remedy: str = _FETCH) -> Problem:
    return Problem(
        kind=kind,
        what="The content of a file was not fetched.",
        file=str(path),
        found=found,
        expected="the file's content",
        remedy=remedy.format(name=path.name),
    )
