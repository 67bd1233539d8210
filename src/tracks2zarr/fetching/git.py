"""Clones and updates a repository with git, and gets the content of files with git-annex."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tracks2zarr.common.files import remove_tree
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.fetching import problems
from tracks2zarr.fetching.programs import (
    Ended,
    SilentError,
    has_program,
    missing_program,
    require_git,
    run,
)
from tracks2zarr.fetching.repository import Repository

_SHALLOW = ("--depth=1", "--no-single-branch")
#: What is asked for: the last commit, and of that only what is looked at. Servers that cannot give
#: so little, in the one way or the other, are asked for more.
_LITTLE = ((*_SHALLOW, "--filter=blob:none"), _SHALLOW, ())
#: The clone stays unknown to others, also to those who fetch from it.
_PRIVATE = "--config=annex.private=true"
#: git-annex ignores a server from then on that has once not answered as it should.
_NOT_IGNORED = "remote.origin.annex-ignore=false"
_COMMANDS = {"annex", "clone", "fetch", "merge", "rev-parse"}
_OVERWRITTEN = "would be overwritten by merge"
_DIVERGED = "fast-forward"
#: How far git is, or the server's git: ``Receiving objects:  45% (9/20), 1.2 MiB | 3.0 MiB/s``.
_PROGRESS = re.compile(r"(?:remote: )?(?P<text>[A-Z][a-z ]+: +\d.*)")


class GitClient:
    """Fetches a repository with git and git-annex.

    Parameters
    ----------
    repository
        The repository.
    on_progress
        Called with what git prints of how far it is; with nothing when that is over.
    """

    def __init__(
        self, repository: Repository, on_progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self._repository = repository
        self._on_progress = on_progress
        require_git()

    def clone(self, folder: Path) -> None:
        """Clone the repository into a folder that is not there.

        Raises
        ------
        Tracks2ZarrError
            If it cannot be cloned from any of its URLs.
        """
        said = []
        for url in self._repository.urls:
            is_last = url == self._repository.urls[-1]
            ended = self._clone_from(url, folder, prompts=is_last)
            if ended.ok:
                return
            said.append(ended.stderr)
        raise Tracks2ZarrError(problems.failed(self._repository, "\n".join(said), "be cloned"))

    def _clone_from(self, url: str, folder: Path, *, prompts: bool) -> Ended:
        """Clone as little as the server can give."""
        *less, most = _LITTLE[-1:] if self._repository.is_folder else _LITTLE
        for options in less:
            ended = self._clone_with(options, url, folder, prompts=prompts)
            if ended.ok or not problems.is_unsaid(ended.stderr):
                return ended
        return self._clone_with(most, url, folder, prompts=prompts)

    def _clone_with(
        self, options: Sequence[str], url: str, folder: Path, *, prompts: bool
    ) -> Ended:
        remove_tree(folder)  # git leaves a clone whose files it could not get
        words = ("clone", "--progress", *options, _PRIVATE, "--", url, str(folder))
        return self._git(*words, prompts=prompts)

    def update(self, folder: Path) -> bool:
        """Bring a clone up to date, unless that would overwrite anything of the user's.

        Returns
        -------
        bool
            Whether the clone follows a branch, so that it could be brought up to date.

        Raises
        ------
        Tracks2ZarrError
            If the repository cannot be read, or the clone has changes that are in the way.
        """
        fetched = self._git("-C", str(folder), "fetch", "--progress", "origin", prompts=True)
        if not fetched.ok:
            raise Tracks2ZarrError(problems.failed(self._repository, fetched.stderr, "be read"))
        if not self._git("-C", str(folder), "rev-parse", "--verify", "-q", "@{upstream}").ok:
            return False
        merged = self._git("-C", str(folder), "merge", "--ff-only", "@{upstream}", prompts=True)
        if not merged.ok:
            raise Tracks2ZarrError(self._unmerged(folder, merged.stderr))
        return True

    def _unmerged(self, folder: Path, text: str) -> Problem:
        if _OVERWRITTEN in text:
            names = [line.strip() for line in text.splitlines() if line.startswith("\t")]
            return problems.changed_clone(folder, names, text)
        if _DIVERGED in text:
            return problems.changed_clone(folder, (), "commits that the repository does not have")
        return problems.failed(self._repository, text, "be merged into the clone")

    def get(self, folder: Path, path: str) -> None:
        """Get the content of one file of a clone.

        Raises
        ------
        Tracks2ZarrError
            If git-annex is not installed, or no repository that it knows has the content.
        """
        if not has_program("git-annex"):
            raise Tracks2ZarrError(missing_program("git-annex", "git-annex"))
        options = ("--json", "--json-progress", "--json-error-messages")
        at = "-C", str(folder), "-c", _NOT_IGNORED
        words = *at, "annex", "get", *options, "--", path
        ended = self._git(*words, prompts=True, env=_ssh_variables(folder))
        if not ended.ok:
            text = "\n".join([*_messages(ended.stdout), ended.stderr])
            raise Tracks2ZarrError(problems.no_content(self._repository, folder / path, text))

    def _git(
        self, *words: str, prompts: bool = False, env: Mapping[str, str] | None = None
    ) -> Ended:
        try:
            progress = _Progress(self._on_progress)
            return run(["git", *words], prompts=prompts, env=env, on_stderr=progress.take)
        except SilentError:
            command = next(word for word in words if word in _COMMANDS)
            found = f"git {command} stopped making progress"
            raise Tracks2ZarrError(problems.unreachable(self._repository, found)) from None
        finally:
            self._on_progress("")


class _Progress:
    """Finds what git prints of how far it is, and leaves its messages."""

    def __init__(self, on_progress: Callable[[str], None]) -> None:
        self._on_progress = on_progress
        self._begun = b""

    def take(self, piece: bytes) -> None:
        """Take what git prints next."""
        *lines, self._begun = re.split(rb"[\r\n]", self._begun + piece)
        for line in lines:
            if match := _PROGRESS.fullmatch(line.decode(errors="replace").strip()):
                is_over = match["text"].endswith("done.")
                self._on_progress("" if is_over else match["text"])


def _ssh_variables(folder: Path) -> Mapping[str, str]:
    """Return the variables with which git-annex runs ssh as the user's settings let git run it.

    By itself it knows neither the setting, nor the variable that stands for it.
    """
    configured = run(["git", "-C", folder, "config", "--get", "core.sshCommand"]).stdout.strip()
    command = os.environ.get("GIT_SSH_COMMAND") or configured
    return {"GIT_SSH_COMMAND": command, "GIT_ANNEX_USE_GIT_SSH": "1"} if command else {}


def changed_files(folder: Path, *paths: str) -> list[str]:
    """Return the files of a clone, or those of some paths, that are not as they were committed."""
    words = ["git", "-C", str(folder), "status", "--porcelain", "-z", "--untracked-files=no", "--"]
    return [line[3:] for line in run([*words, *paths]).stdout.split("\0") if line[2:3] == " "]


def files_of(folder: Path) -> list[str]:
    """Return the paths of all files of a clone."""
    listed = run(["git", "-C", folder, "ls-files", "-z"]).stdout
    return [name for name in listed.split("\0") if name]


def origin_of(folder: Path) -> str | None:
    """Return the URL that a clone was made from; None for a folder that is no clone."""
    if not (folder / ".git").exists():
        return None
    ended = run(["git", "-C", folder, "config", "--get", "remote.origin.url"])
    return ended.stdout.strip() or None


def git_folder_of(folder: Path) -> Path:
    """Return where git keeps its own files of a clone, which may be elsewhere."""
    return Path(run(["git", "-C", folder, "rev-parse", "--absolute-git-dir"]).stdout.strip())


def commit_of(folder: Path) -> str:
    """Return the commit that a clone is at; empty where it has none."""
    return run(["git", "-C", folder, "rev-parse", "--verify", "-q", "HEAD"]).stdout.strip()


def _messages(printed: str) -> list[str]:
    """Return why git-annex failed, from its lines of JSON."""
    found = []
    for line in printed.splitlines():
        try:
            ended = json.loads(line)
        except ValueError:
            continue
        if ended.get("success") is False:
            found += [*ended.get("error-messages", ()), ended.get("note", "")]
    return found
