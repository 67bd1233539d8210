"""Why a repository, or a file in it, cannot be fetched; what git said is quoted in one line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tracks2zarr.common.near_names import nearest
from tracks2zarr.common.problems import (
    Problem,
    comma_list,
    one_line,
    same_command,
)
from tracks2zarr.fetching.repository import GIN_HOST, Repository, near_folder

_NO_ACCESS = re.compile(
    r"authentication failed|could not read (username|password)|permission denied \(|access denied"
    r"|returned error: 40[13]|host key verification failed|invalid username or password"
    r"|terminal prompts disabled|authorization (failed|required)|not authorized|dubious ownership",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"repository.*not found|not appear to be a git repository|repository .*does not exist"
    r"|returned error: 404|no such (repository|file or directory)|could not find repository",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"could not resolve|couldn't resolve|failed to connect|couldn't connect|connection (refused"
    r"|reset|timed out|closed)|timed out|too slow|early eof|rpc failed|unexpected disconnect"
    r"|hung up|returned error: 5\d\d|network is unreachable|no route to host|empty reply"
    r"|transfer closed|connectionfailure|responsetimeout|incompleteheaders|bytes too short",
    re.IGNORECASE,
)
#: What git prints besides its messages.
_PROGRESS = re.compile(
    r"^(remote: )?(Cloning into|(Enumerat|Count|Compress|Receiv|Resolv|Updat)ing)"
)
_LABEL = re.compile(r"^(fatal|error|warning|git-annex|gin|\[error\]|  +): *", re.IGNORECASE)


def said(text: str) -> str:
    r"""Return what a program printed as one line, without its progress.

    >>> said("Cloning into 'a'...\nremote: Not here.\nfatal: Could not read it.\n")
    'remote: Not here; Could not read it'
    """
    lines = (line.strip() for line in re.split(r"[\r\n]+", text))
    kept = [_LABEL.sub("", line).rstrip(".") for line in lines if not _PROGRESS.match(line)]
    return one_line("; ".join(dict.fromkeys(line for line in kept if line)))


def is_unsaid(text: str) -> bool:
    """Tell whether what a program printed leaves open why it failed."""
    return not any(pattern.search(text) for pattern in (_NO_ACCESS, _MISSING, _UNREACHABLE))


def failed(repository: Repository, text: str, doing: str = "be read") -> Problem:
    """Return the problem of a program that could not read a repository.

    Parameters
    ----------
    repository
        The repository.
    text
        What the program printed.
    doing
        What could not be done with the repository.
    """
    found = said(text) or "an error that git did not explain"
    for pattern, problem_of in (
        (_NO_ACCESS, _no_access),
        (_UNREACHABLE, unreachable),
        (_MISSING, _missing),
    ):
        if pattern.search(text):
            return _or_a_folder(problem_of(repository, found), repository)
    return Problem(
        kind="repository-failed",
        what=f"The repository cannot {doing}.",
        file=one_line(repository.given),
        found=found,
        remedy="Fix the cause that git names, then run the same command again.",
    )


def _or_a_folder(problem: Problem, repository: Repository) -> Problem:
    """Return the problem of a name on GIN that is perhaps a misspelt path."""
    if repository.on_gin is None or repository.given != repository.on_gin:
        return problem
    near = near_folder(repository.given)
    if near is None:
        return problem
    return replace(
        problem,
        found=f"no folder '{one_line(repository.given)}' here, so it was looked up on GIN:"
        f" {problem.found}",
        remedy=f"Did you mean '{one_line(near)}'? Otherwise: {problem.remedy}",
    )


def _no_access(repository: Repository, found: str) -> Problem:
    return Problem(
        kind="repository-access",
        what="The repository cannot be accessed.",
        file=one_line(repository.given),
        found=found,
        expected="a repository that you may read",
        remedy=f"Add your public SSH key to your GIN account, then check it with 'ssh -T"
        f" git@{GIN_HOST}'; or install the GIN client and run 'gin login'. Ask the owner of the"
        " repository for access if you have none."
        if repository.on_gin
        else "Check that your SSH key or credential helper gives you access; on a terminal, git"
        " asks you. Ask the owner of the repository for access if you have none.",
    )


def _missing(repository: Repository, found: str) -> Problem:
    return Problem(
        kind="repository-missing",
        what="There is no such repository, or it is hidden from you.",
        file=one_line(repository.given),
        found=found,
        expected="a git repository that you may read",
        remedy="Check REPOSITORY. A private repository is hidden from those without access"
        + (
            f": log in with 'gin login', or check your SSH key with 'ssh -T git@{GIN_HOST}'."
            if repository.on_gin
            else "."
        ),
    )


def unreachable(repository: Repository, found: str) -> Problem:
    """Return the problem of a server that cannot be reached, or of a broken connection."""
    return Problem(
        kind="repository-unreachable",
        what="The connection to the repository failed.",
        file=one_line(repository.given),
        found=found,
        remedy="Check the network, then run the same command again.",
    )


def in_the_way(folder: Path, found: str) -> Problem:
    """Return the problem of a folder that is no clone of the repository."""
    return Problem(
        kind="clone-in-the-way",
        what="Something else is in the place of the clone.",
        file=str(folder),
        found=one_line(found),
        expected="a clone of the repository, an empty folder, or nothing",
        remedy="Choose another folder with --to.",
    )


def changed_clone(folder: Path, names: Sequence[str], text: str) -> Problem:
    """Return the problem of a clone with changes that an update would overwrite."""
    at = shlex.quote(str(folder))
    return Problem(
        kind="clone-changed",
        what="The clone has changes that an update would overwrite, so it was not updated.",
        file=str(folder),
        found=f"changes in {comma_list(names, 5)}" if names else said(text),
        expected="a clone without changes, or with changes in other files than the repository's",
        remedy=f"Look at them with 'git -C {at} status'. Keep them elsewhere, e.g. with 'git -C"
        f" {at} stash', or clone into another folder with --to.",
    )


def changed_file(path: Path) -> Problem:
    """Return a warning for a file that is not as it is in the repository."""
    return Problem(
        kind="clone-changed",
        what="The file has changes that are not in the repository.",
        file=str(path),
        found="a file that differs from the one in the repository",
        remedy="Nothing, if the changes are yours. To see them, run 'git diff' in its folder.",
        severity="warning",
    )


def no_branch(folder: Path) -> Problem:
    """Return a warning for a clone that follows no branch of the repository."""
    return Problem(
        kind="clone-not-updated",
        what="The clone was not updated: it is not on a branch that follows the repository.",
        file=str(folder),
        found="a commit, or a branch of your own",
        expected="a branch that follows one of the repository",
        remedy="Nothing, if you want the file as it is there. Otherwise, check out such a branch"
        " with 'git switch', and run the same command again.",
        severity="warning",
    )


def no_such_file(folder: Path, path: str, names: Sequence[str]) -> Problem:
    """Return the problem of a file that the repository does not have, with the nearest name.

    Parameters
    ----------
    folder
        The clone.
    path
        The path within the repository.
    names
        The paths of all files of the repository.
    """
    wanted = PurePosixPath(path)
    alike = [name for name in names if PurePosixPath(name).name == wanted.name]
    within = [name for name in names if wanted in PurePosixPath(name).parents]
    near = alike[0] if len(alike) == 1 else nearest(path, names)
    tables = [name for name in within or names if name.lower().endswith(".csv")]
    if near is not None and not within:
        remedy = f"Did you mean '{one_line(near)}'? Then run {same_command('--path', near)}"
    elif tables:
        remedy = f"Name one of its CSV files with --path: {comma_list(tables, 5)}."
    else:
        remedy = "Name the file with --path, or pass another REPOSITORY."
    return Problem(
        kind="no-such-file",
        what="The repository has no such file.",
        file=str(folder),
        found=f"a folder '{one_line(path)}'" if within else f"no '{one_line(path)}'",
        expected="the path of a file, from the top of the repository",
        remedy=remedy,
    )


def removed_file(folder: Path, path: str) -> Problem:
    """Return the problem of a file of the repository that was removed from the clone."""
    restoring = shlex.join(["git", "-C", str(folder), "checkout", "--", path])
    return Problem(
        kind="no-such-file",
        what="The file was removed from the clone.",
        file=str(folder / path),
        found="nothing there",
        expected="the file, as the repository has it",
        remedy=f"To restore it, run: {restoring}",
    )


def path_outside(path: str, inside: str | None = None) -> Problem:
    """Return the problem of a path that leaves the repository.

    Parameters
    ----------
    path
        The path.
    inside
        The path from the top of the repository, where it lies in it but is absolute.
    """
    return Problem(
        kind="no-such-file",
        what="The path leads out of the repository."
        if inside is None
        else "The path is absolute, not one from the top of the repository.",
        found=f"'{one_line(path)}'",
        expected="the path of a file, from the top of the repository",
        remedy="Correct --path."
        if inside is None
        else f"To fetch that file, run {same_command('--path', inside)}",
    )


def no_content(repository: Repository, path: Path, text: str) -> Problem:
    """Return the problem of a file whose content could not be had."""
    if not is_unsaid(text):
        return failed(repository, text)
    return Problem(
        kind="content-unavailable",
        what="The content of a file is not available from the repository.",
        file=str(path),
        found=said(text) or "no explanation",
        expected="the file's content in the repository",
        remedy="Ask whoever added the file to upload its content, with 'gin upload' or 'git annex"
        " copy --to origin'.",
    )
