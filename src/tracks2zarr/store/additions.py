"""What others added to the group of a video, such as arrays of results.

Files are ours if they have the names of our arrays and their chunks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from tracks2zarr.common.files import file_names, read_content
from tracks2zarr.dataset.schema import own_variables
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.store.receipt import Receipt

#: What our arrays have: metadata, and chunks or shards.
_IN_ARRAY = re.compile(r"zarr\.json|c(/[0-9]+)*")


def arrays_of(plan: VideoPlan | None) -> Collection[str]:
    """Return the names of the arrays of a group; without a plan, those that every group has."""
    return own_variables() if plan is None else plan.own_variables


def has_our_name(name: str, arrays: Collection[str]) -> bool:
    """Tell whether a file of a group has a name that the group has, with these arrays."""
    array, _, rest = name.partition("/")
    return name == "zarr.json" or (array in arrays and _IN_ARRAY.fullmatch(rest) is not None)


def additions(names: Iterable[str], arrays: Collection[str]) -> tuple[str, ...]:
    """Return what of a group's files is not ours: the outermost folders and files, sorted.

    Parameters
    ----------
    names
        The files of the group, by their paths in it.
    arrays
        The names of our arrays.
    """
    foreign = (name for name in names if not has_our_name(name, arrays))
    return tuple(sorted({_outermost(name, arrays) for name in foreign}))


def _outermost(name: str, arrays: Collection[str]) -> str:
    """Return the outermost folder that holds a file which is not ours, and nothing of ours."""
    parts = PurePosixPath(name).parts
    if parts[0] not in arrays:
        return parts[0]
    return "/".join(parts[:2]) if parts[1:2] != ("c",) else name


def additions_beside(group: Path, receipt: Receipt, *, read: bool) -> tuple[str, ...] | None:
    """Return what was added to a group that is, but for this, what its receipt says.

    Parameters
    ----------
    group
        The folder of the group.
    receipt
        The video's receipt.
    read
        Whether to read and digest every file; else only names and sizes count.

    Returns
    -------
    tuple or None
        None where what is ours is not as it was. Empty where only the metadata of the group were
        written anew, and say nothing else than they did.
    """
    from tracks2zarr.group.own_metadata import written_metadata

    names = file_names(group)
    arrays = arrays_of(receipt.plan)
    added = additions(names, arrays)
    metadata = written_metadata(group, receipt.plan)
    if metadata is None:
        return None
    ours = [name for name in names if has_our_name(name, arrays)]
    if not read:
        sizes = (Path(group, name).stat().st_size for name in ours if name != "zarr.json")
        is_same = (len(ours), sum(sizes) + len(metadata)) == (
            receipt.content.files,
            receipt.content.size,
        )
    else:
        instead = {"zarr.json": metadata}
        is_same = read_content(group, names=ours, instead=instead) == receipt.content
    return added if is_same else None
