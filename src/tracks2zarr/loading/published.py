"""The videos of a store that was published in an object store, opened through zarr-python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from tracks2zarr.common.documents import DocumentError
from tracks2zarr.common.files import read_json
from tracks2zarr.common.object_store import Location
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list, one_line
from tracks2zarr.loading.group_dataset import Decoding, open_with_zarr
from tracks2zarr.loading.group_files import NO_FAULT_OF_FILES
from tracks2zarr.store.overview import no_such_video
from tracks2zarr.store.publication import RECORD, Published

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
        If there is no such store or video, objects of the video are missing or damaged, or the
        object store does not answer.
    """
    from zarr.storage import ObjectStore

    videos = published_videos(url)
    if video not in videos:
        raise Tracks2ZarrError(no_such_video(url, video, list(videos)))
    location = Location(url)
    _check_objects(location, video)
    remote = ObjectStore(location.store, read_only=True)
    reading = partial(_reading, url, video)
    with reading():
        return open_with_zarr(remote, decoding, lambda _name: reading, group=video)


def _check_objects(location: Location, video: str) -> None:
    """Check that all objects of a video are there, since zarr-python reads missing ones as NaN."""
    written = location.read(RECORD)
    if written is None:  # copied there by other means
        return
    try:
        known = Published.from_json(written).videos.get(video)
    except DocumentError as error:
        raise Tracks2ZarrError(_damaged(location.url, RECORD, str(error), video)) from None
    found = {path: one.size for path, one in location.list(f"{video}/").items()}
    objects = known.objects if known else {}
    wrong = [path for path, one in objects.items() if found.get(path) != one.size]
    if wrong:
        text = f"missing or of another size: {comma_list(sorted(wrong))}"
        raise Tracks2ZarrError(_damaged(location.url, video, text, video))


@contextmanager
def _reading(url: str, video: str) -> Iterator[None]:
    """Raise what goes wrong while the block reads as an error that names the video."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (*NO_FAULT_OF_FILES, Tracks2ZarrError):
        raise
    except (BaseError, OSError) as error:
        raise Tracks2ZarrError(Location(url).problem(video, error)) from error
    except Exception as error:  # damaged objects make zarr-python raise anything
        text = one_line(f"{type(error).__name__}: {error}")
        raise Tracks2ZarrError(_damaged(url, video, text, video)) from error


def _damaged(url: str, path: str, found: str, video: str) -> Problem:
    return Problem(
        kind="content-changed",
        what="Objects of a published video are missing or damaged.",
        file=f"{url.rstrip('/')}/{path}",
        found=found,
        expected="the objects that 'tracks2zarr publish' put there",
        remedy="If the store is being published, try again later."
        " Otherwise, run 'tracks2zarr publish' again.",
        video=video,
    )


def _no_store(url: str) -> Problem:
    return Problem(
        kind="no-store",
        what="There is no Zarr store.",
        file=url,
        found="no root that lists groups",
        expected="a store that 'tracks2zarr publish' put there",
        remedy="Check the URL.",
    )
