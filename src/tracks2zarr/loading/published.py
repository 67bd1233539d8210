"""The videos of a store that was published in an object store, opened through zarr-python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracks2zarr.common.files import read_json
from tracks2zarr.common.object_store import Location
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.loading.group_dataset import Decoding, open_with_zarr
from tracks2zarr.store.overview import no_such_video

if TYPE_CHECKING:
    import xarray as xr


def published_videos(url: str) -> tuple[str, ...]:
    """Return the videos that the root of a published store lists, sorted.

    Raises
    ------
    Tracks2ZarrError
        If no store was published there, or the object store does not answer.
    """
    content = Location(url).read("zarr.json")
    listed = _listed(content)
    if listed is None:
        raise Tracks2ZarrError(_no_store(url))
    return tuple(
        sorted(
            name
            for name, node in listed.items()
            if "/" not in name and node.get("node_type") == "group"
        )
    )


def _listed(content: bytes | None) -> dict[str, Any] | None:
    """Return the nodes that the metadata of a root list; None where it is no root."""
    try:
        found: dict[str, Any] = read_json(content or b"")["consolidated_metadata"]["metadata"]
    except (ValueError, KeyError, TypeError):
        return None
    return found


def open_published(url: str, video: str, decoding: Decoding) -> xr.Dataset:
    """Return the dataset of a video, its coordinates in memory, its data variables lazy.

    Raises
    ------
    Tracks2ZarrError
        If there is no such store or video, or the object store does not answer.
    """
    from zarr.storage import ObjectStore

    videos = published_videos(url)
    if video not in videos:
        raise Tracks2ZarrError(no_such_video(url, video, list(videos)))
    remote = ObjectStore(Location(url).store, read_only=True)
    return open_with_zarr(remote, decoding, group=video)


def _no_store(url: str) -> Problem:
    return Problem(
        kind="no-store",
        what="There is no Zarr store.",
        file=url,
        found="no root that lists groups",
        expected="a store that 'tracks2zarr publish' put there",
        remedy="Check the URL.",
    )
