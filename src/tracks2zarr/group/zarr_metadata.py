"""Consolidated metadata as zarr-python writes it, without importing zarr."""

from __future__ import annotations

import json
from typing import Any


def inline_metadata(nodes: dict[str, Any]) -> dict[str, Any]:
    """Return consolidated metadata as zarr-python writes it, sorted by path.

    Parameters
    ----------
    nodes
        The metadata document of each node, by its path below the group.
    """
    return {
        "kind": "inline",
        "must_understand": False,
        "metadata": {path: nodes[path] for path in sorted(nodes)},
    }


def metadata_bytes(document: dict[str, Any]) -> bytes:
    """Return a metadata document as the bytes of a ``zarr.json``, without spaces.

    Spaces would be a quarter of a video of one small clip, and half of a root that lists thousands.
    """
    compact = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return (compact + "\n").encode()
