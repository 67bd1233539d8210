"""Consolidated metadata as zarr-python writes them; without zarr, so that finalising is quick."""

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
    """Return a metadata document as the bytes of a ``zarr.json``."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
