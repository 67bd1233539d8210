"""What the metadata of a store's root list: those of a large store are parsed only once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from tracks2zarr.common.files import ABSENT, read_file, read_json
from tracks2zarr.store.store import Store


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
        return _parsed(store.root_file, (found.st_ino, found.st_size, found.st_mtime_ns))
    except ABSENT:
        return None


# a root is replaced, never changed; its stamp makes a new one another entry
@lru_cache(maxsize=1)
def _parsed(file: Path, stamp: tuple[int, int, int]) -> frozenset[str] | None:
    del stamp
    try:
        document = read_json(read_file(file))
    except ValueError:
        return None
    if not isinstance(document, dict) or document.get("node_type") != "group":
        return None
    nodes = document.get("consolidated_metadata", {}).get("metadata", {})
    # xarray lists an array that it adds to the root
    return frozenset(
        name for name, node in nodes.items() if "/" not in name and node.get("node_type") == "group"
    )
