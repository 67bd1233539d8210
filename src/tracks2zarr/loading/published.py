"""The videos of a published store, opened through zarr-python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from tracks2zarr.common.objects import Objects, StoredObject
from tracks2zarr.common.problems import Tracks2ZarrError, comma_list, one_line
from tracks2zarr.loading.group_dataset import Decoding, open_with_zarr
from tracks2zarr.loading.group_files import NO_FAULT_OF_FILES
from tracks2zarr.store.overview import no_such_video
from tracks2zarr.store.publication import Published
from tracks2zarr.store.published import PublishedStore, objects_changed

if TYPE_CHECKING:
    import xarray as xr


def open_published(store: PublishedStore, video: str, decoding: Decoding) -> xr.Dataset:
    """Return the dataset of a video, its coordinates in memory, its data variables lazy.

    Raises
    ------
    Tracks2ZarrError
        If there is no such video, objects of it are missing or damaged, or the object store does
        not do what it is asked.
    """
    if video not in store.videos:
        raise Tracks2ZarrError(no_such_video(store.path, video, list(store.videos)))
    _check_objects(store, video)
    reading = partial(_reading, store.objects, video)
    with reading():
        from zarr.storage import StorePath

        # not ``group=video``: xarray would read the root each time
        group = StorePath(store.objects.zarr_store(), video)
        dataset = open_with_zarr(group, decoding, lambda _name: reading)
    dataset.encoding["source"] = store.path
    return dataset


def _check_objects(store: PublishedStore, video: str) -> None:
    """Check that all objects of a video are there, since zarr-python reads missing ones as NaN."""
    found = store.objects.list(f"{video}/")
    wrong = _wrong(store.record, video, found)
    if wrong:  # the store may have been published anew since the record was read
        wrong = _wrong(store.read_record_again(), video, found)
    if wrong:
        text = f"missing or of another size: {comma_list(wrong)}"
        raise Tracks2ZarrError(objects_changed(store.path, video, text))


def _wrong(record: Published | None, video: str, found: Mapping[str, StoredObject]) -> list[str]:
    """Return the objects of a video that are not there as its record lists them."""
    if record is None or video not in record.videos:  # copied there by other means
        return []
    sizes = {path: one.size for path, one in found.items()}
    listed = record.videos[video].objects
    return sorted(path for path, one in listed.items() if sizes.get(path) != one.size)


@contextmanager
def _reading(objects: Objects, video: str) -> Iterator[None]:
    """Raise what goes wrong while the block reads as an error that names the video."""
    try:
        yield
    except (*NO_FAULT_OF_FILES, Tracks2ZarrError):
        raise
    except Exception as error:  # damaged objects make zarr-python raise anything
        text = one_line(f"{type(error).__name__}: {error}")
        of_holder = objects.problem(video, error)
        raise Tracks2ZarrError(of_holder or objects_changed(objects.place, video, text)) from error
