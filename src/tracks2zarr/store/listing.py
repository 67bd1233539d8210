"""What the metadata of a store's root list: those of a large store take long to parse."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tracks2zarr.common.documents import Document
from tracks2zarr.common.files import ABSENT, open_file, read_file, read_json, write_atomically
from tracks2zarr.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Document):
    """The groups that a root lists, noted beside it; it counts only for exactly that root.

    Parameters
    ----------
    root
        The SHA-256 of the root's metadata.
    groups
        The names of the groups, sorted.
    """

    format_key = "tracks2zarr_listing"

    root: str
    groups: tuple[str, ...]


def note_listing(store: Store, content: bytes, nodes: Mapping[str, Any]) -> None:
    """Note which groups the root lists; the caller holds its lock.

    Parameters
    ----------
    store
        The store.
    content, nodes
        The metadata of the root, and what they list, by path.
    """
    digest, groups = hashlib.sha256(content).hexdigest(), sorted(_groups_among(nodes))
    listing = Listing(root=digest, groups=tuple(groups))
    if _noted(store.path) != listing:
        file = store.to_write(store.listing_file)
        # not waited for: what a power cut takes is parsed again
        write_atomically(file, listing.to_json().encode(), sync=False)


def is_group(store: Store) -> bool:
    """Tell whether the root has the metadata of a Zarr group."""
    return _listed(store) is not None


def listed_in(store: Store) -> frozenset[str]:
    """Return the names of the groups that the root's metadata list; quick, for many videos."""
    return _listed(store) or frozenset()


def _listed(store: Store) -> frozenset[str] | None:
    """Return the groups that the root lists, or None where it is no group."""
    try:
        found = store.root_file.stat()
        return _read(store.path, (found.st_ino, found.st_size, found.st_mtime_ns))
    except ABSENT:
        return None


# a root is replaced, never changed; its stamp makes a new one another entry
@lru_cache(maxsize=1)
def _read(path: Path, stamp: tuple[int, int, int]) -> frozenset[str] | None:
    del stamp
    root, noted = Store(path).root_file, _noted(path)
    if noted is not None:
        with open_file(root) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == noted.root:
                return frozenset(noted.groups)
    return _groups_in(read_file(root))


def _noted(path: Path) -> Listing | None:
    with suppress(OSError):  # the root says the same
        return Listing.read(Store(path).listing_file)
    return None


def _groups_in(content: bytes) -> frozenset[str] | None:
    try:
        document = read_json(content)
    except ValueError:
        return None
    if not isinstance(document, dict) or document.get("node_type") != "group":
        return None
    return _groups_among(nodes_in(document))


def nodes_in(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the metadata of a root list, by path; nothing where they list nothing."""
    consolidated = document.get("consolidated_metadata")  # other writers leave null there
    nodes = consolidated.get("metadata") if isinstance(consolidated, dict) else None
    return nodes if isinstance(nodes, dict) else {}


def _groups_among(nodes: Mapping[str, Any]) -> frozenset[str]:
    # xarray lists an array that it adds to the root
    return frozenset(
        name
        for name, node in nodes.items()
        if "/" not in name and isinstance(node, dict) and node.get("node_type") == "group"
    )
