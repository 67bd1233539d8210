"""Names that may become a group of a store, and the ids in file names."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePath, PurePosixPath

#: Names in the root of a store that are not videos.
RESERVED_NAMES = frozenset({"zarr.json", ".tracks2zarr", "logs", "logs_failed"})
#: The longest video id, in bytes: receipts and attempts add to it, and a file name has 255.
MAX_NAME_BYTES = 200


def composed(name: str) -> str:
    """Return a name in Unicode's composed form (NFC), in which names are compared and written.

    Some file systems, and programs on macOS, take names apart: a letter, then its accent.
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def stem(file_name: str) -> str:
    """Return a file name without its last extension, composed; ``a.b.mov`` gives ``a.b``."""
    name = composed(file_name)
    return PurePath(name).stem if "/" not in name else name.rpartition(".")[0]


def found_in(folder: Path, name: str) -> Path:
    """Return the path of a file below a folder, where its name may be composed otherwise there.

    A copy of a folder may have names in another form than the folder had.
    """
    path = folder / name
    if name.isascii() or path.exists():
        return path
    for part in PurePosixPath(name).parts:
        try:
            names = {composed(entry.name): entry.name for entry in folder.iterdir()}
        except OSError:
            return path
        folder /= names.get(composed(part), part)
    return folder


def why_unsafe(name: str, *, is_group: bool = True) -> str | None:
    """Return why a name cannot be used, or None where it can.

    Parameters
    ----------
    name
        The id of a video or a clip.
    is_group
        Whether it becomes the name of a group in the root of a store, as a video's does.

    Notes
    -----
    Besides what would leave the store or clash with what lies in its root, the Zarr
    specification (version 3, "Node names") forbids names made of dots alone and names
    that begin with ``__``.
    """
    if not name:
        return "it is empty"
    if "/" in name or "\\" in name:
        return "it holds a path separator"
    if is_group and not name.strip("."):
        return "it is made of dots alone"
    if is_group and name in RESERVED_NAMES:
        return "the name is reserved in the root of a store"
    if is_group and name.startswith("__"):
        return "the Zarr format reserves names that begin with two underscores"
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        return "it holds a control character"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_BYTES} bytes"
    return None


def clip_id_of(clip_stem: str, video: str) -> str | None:
    """Return what follows ``<video>-`` in the stem of a clip's name; None where it does not."""
    prefix = f"{video}-"
    return clip_stem.removeprefix(prefix) if clip_stem.startswith(prefix) else None
