"""The metadata of a video's group as they were written, whatever others have made of them since.

xarray writes a group's ``zarr.json`` anew when an array is added: without the list of arrays, and
where the dataset that it writes has no attributes, without those.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracks2zarr.common.files import read_file, read_json
from tracks2zarr.dataset import schema
from tracks2zarr.group.zarr_metadata import inline_metadata, metadata_bytes
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.tracks.formats import format_named


def attributes_of(plan: VideoPlan) -> dict[str, Any]:
    """Return the attributes of a video's group."""
    return {
        "video_id": plan.video,
        "fps": plan.fps,
        "ds_type": "bboxes",
        "time_unit": "frames",
        "source_software": format_named(plan.format).SOURCE_SOFTWARE,
        "source_file": plan.source_files,
        "tracks2zarr_schema": plan.schema,
    }


def group_document(plan: VideoPlan, arrays: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of a group, which list its arrays.

    Parameters
    ----------
    plan
        The video's plan.
    arrays
        The metadata of each array.
    """
    return {
        "attributes": attributes_of(plan),
        "zarr_format": 3,
        "node_type": "group",
        # who opens the group by itself needs one request then, and xarray does not warn
        "consolidated_metadata": inline_metadata(arrays),
    }


def array_names(plan: VideoPlan) -> list[str]:
    """Return the names of the arrays of a video's group."""
    names = (variable.name for variable in plan.variables)
    return [schema.renamed(name, plan.settings.individual_dim) for name in names]


def written_metadata(group: Path, plan: VideoPlan) -> bytes | None:
    """Return the content that a group's ``zarr.json`` had when the video was done.

    Parameters
    ----------
    group
        The folder of the group.
    plan
        The plan in the video's receipt.

    Returns
    -------
    bytes or None
        None where an array is missing, or what the file says now contradicts it.
    """
    try:
        arrays = {
            name: read_json(read_file(group / name / "zarr.json")) for name in array_names(plan)
        }
        now = read_json(read_file(group / "zarr.json"))
        written = group_document(plan, arrays)
        return metadata_bytes(written) if _agrees(now, written) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _agrees(now: Mapping[str, Any], written: Mapping[str, Any]) -> bool:
    """Tell whether metadata leave out or add something at most."""
    if any(now.get(key) != written[key] for key in ("zarr_format", "node_type")):
        return False
    listed = (now.get("consolidated_metadata") or {}).get("metadata", {})
    pairs = (
        (now["attributes"], written["attributes"]),
        (listed, written["consolidated_metadata"]["metadata"]),
    )
    return all(
        name not in then or then[name] == value
        for found, then in pairs
        for name, value in found.items()
    )
