"""The folders of attempts at a video: their names, and how to find them."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from tracks2zarr.store.paths import StorePaths

#: What an attempt's folder is called: the video's id, the store's tag, a random number.
_NAME = re.compile(r".+\.(?P<number>[0-9a-f]{16})", re.DOTALL)


def attempt_name(store: StorePaths, video: str) -> str:
    """Return a name that no other attempt has, and that tells whose it is."""
    return f"{video}.{_tag(store)}{secrets.token_hex(4)}"


def attempts_in(folder: Path, store: StorePaths, video: str | None = None) -> Iterator[Path]:
    """Yield the folders of attempts in a folder, of all videos or of one.

    Several stores may have their work in progress in one folder: there, only attempts of this
    store count.
    """
    if not folder.is_dir():
        return
    tag = "" if store.is_temp(folder) else _tag(store)
    for entry in sorted(folder.iterdir()):
        match = _NAME.fullmatch(entry.name)
        is_own = match is not None and match["number"].startswith(tag)
        if is_own and entry.is_dir() and video in {None, video_of_attempt(entry)}:
            yield entry


def video_of_attempt(folder: Path) -> str:
    """Return the id of the video that an attempt's folder is for."""
    return folder.name.rpartition(".")[0]


def _tag(store: StorePaths) -> str:
    return hashlib.sha256(os.fsencode(store.path)).hexdigest()[:8]
