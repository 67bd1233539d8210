"""Recognises groups of the older workflow, and renames their dimension.

That workflow wrote one `movement` dataset a video with ``xarray.Dataset.to_zarr``. Its first
versions took only the frames with boxes and numbered them anew from 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tracks2zarr.common.files import read_json, write_atomically
from tracks2zarr.common.names import why_unsafe
from tracks2zarr.dataset import schema
from tracks2zarr.dataset.schema import IndividualDim
from tracks2zarr.group.zarr_metadata import metadata_bytes
from tracks2zarr.store.unverified import ClipFrames

_DIMS: tuple[IndividualDim, IndividualDim] = ("individual", "individuals")
_FIRST, _LAST = "clip_first_frame_0idx", "clip_last_frame_0idx"


def why_not(folder: Path) -> str | None:
    """Return why a group is no dataset of the older workflow, or None where it is one.

    Parameters
    ----------
    folder
        The folder of the group.
    """
    unsafe = why_unsafe(folder.name)
    if unsafe is not None:
        return f"its name cannot be a video's: {unsafe}"
    linked = next((path for path in folder.rglob("*") if path.is_symlink() and path.is_dir()), None)
    if linked is not None:
        return f"it holds a link to a folder, {linked.relative_to(folder).as_posix()}"
    try:
        for path in _metadata_files(folder):
            metadata_bytes(read_json(path.read_bytes()))  # NaN, which is no JSON, is refused, too
        arrays = {path.parent.name for path in folder.glob("*/zarr.json")}
        dims = _dims(folder / schema.POSITION) if schema.POSITION in arrays else ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its metadata cannot be read: {error}"
    expected = {schema.CLIP_ID, schema.TIME, schema.SPACE}
    if not expected <= set(dims) or len(set(dims) & set(_DIMS)) != 1:
        if not dims:
            return "it has no array 'position' with named dimensions"
        return f"its array 'position' has the dimensions {', '.join(dims)}"
    return None


def individual_dim(folder: Path) -> str:
    """Return the name of the dimension of individuals of a group of the older workflow."""
    return next(dim for dim in _dims(folder / schema.POSITION) if dim in _DIMS)


def clip_frames(folder: Path) -> tuple[ClipFrames, ...]:
    """Return how many frames each clip has, and how many the group holds; empty if unknown.

    The older workflow gave `escape_state` a number in every frame that it kept of a clip, and
    NaN after them. Where the numbers of those frames do not count from 0 without a gap, or are
    more than the clip has frames, another rule made them, and nothing is said.
    """
    import numpy as np
    import zarr
    from zarr.storage import LocalStore

    try:
        group: Any = zarr.open_group(LocalStore(folder, read_only=True), mode="r", zarr_format=3)
        clips = [str(clip) for clip in np.asarray(group[schema.CLIP_ID][...])]
        lengths = np.asarray(group[_LAST][...]) - np.asarray(group[_FIRST][...]) + 1
        time = np.asarray(group[schema.TIME][...])
        held = ~np.isnan(np.asarray(group[schema.ESCAPE_STATE][...]))
        counts = np.count_nonzero(held, axis=1)
        if any(time[row].tolist() != list(range(n)) for row, n in zip(held, counts, strict=True)):
            return ()
        if (counts > lengths).any():
            return ()
        return tuple(
            ClipFrames(clip=clip, n_frames=int(length), n_held=int(count))
            for clip, length, count in zip(clips, lengths, counts, strict=True)
        )
    except Exception:  # another's group can make zarr raise anything
        return ()


def rename_individuals(folder: Path, dim: IndividualDim) -> None:
    """Give the dimension of individuals another name; the files of chunks are not touched.

    Every file of metadata is replaced, not written to: it may be shared with another folder.

    Parameters
    ----------
    folder
        The folder of the group; nobody else may be at work on it.
    dim
        The name.
    """
    old = individual_dim(folder)
    if old == dim:
        return
    if (folder / dim).exists():
        raise FileExistsError(17, f"the group holds an array '{dim}' already", str(folder / dim))
    if (folder / old).exists():
        (folder / old).rename(folder / dim)
    for path in list(_metadata_files(folder)):
        document = read_json(path.read_bytes())
        write_atomically(path, metadata_bytes(_renamed(document, old, dim)), sync=False)


def _renamed(document: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """Return the metadata of a node with another name for a dimension."""
    document = dict(document)
    if document.get("dimension_names"):
        document["dimension_names"] = [new if n == old else n for n in document["dimension_names"]]
    attributes = dict(document.get("attributes") or {})
    if isinstance(attributes.get("coordinates"), str):
        words = attributes["coordinates"].split(" ")
        attributes["coordinates"] = " ".join(new if word == old else word for word in words)
        document["attributes"] = attributes
    listed = document.get("consolidated_metadata")
    if listed and listed.get("metadata"):
        nodes = {
            new if path == old else path: _renamed(node, old, new)
            for path, node in listed["metadata"].items()
        }
        nodes = {path: nodes[path] for path in sorted(nodes)}
        document["consolidated_metadata"] = listed | {"metadata": nodes}
    return document


def _metadata_files(folder: Path) -> Iterator[Path]:
    yield folder / "zarr.json"
    yield from sorted(folder.glob("*/**/zarr.json"))


def _dims(array: Path) -> tuple[str, ...]:
    document = read_json((array / "zarr.json").read_bytes())
    return tuple(str(name) for name in document["dimension_names"] or ())
