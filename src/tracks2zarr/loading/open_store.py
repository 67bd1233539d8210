"""``open_store``: the videos of a store, each opened as it is used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracks2zarr.common.files import read_file, read_json
from tracks2zarr.common.problems import (
    Tracks2ZarrError,
)
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.listing import listed_in
from tracks2zarr.store.overview import no_such_video
from tracks2zarr.store.store import Store

if TYPE_CHECKING:
    import xarray as xr


class OpenStore:
    """The videos that a store listed when it was opened; each is opened as it is used.

    ``len``, ``in`` and iteration go by the ids of videos, sorted; ``opened[video]`` is an
    `xarray.Dataset` of all its clips.

    Parameters
    ----------
    store
        The folder of the store.
    videos
        The ids of its videos, sorted.
    chunks
        As in `xarray.open_zarr`: None for numpy arrays that are read as they are used,
        ``{}`` for dask arrays in the store's chunks.
    """

    def __init__(
        self, store: Path, videos: tuple[str, ...], chunks: dict[Any, Any] | None = None
    ) -> None:
        self._store = Store(store)
        self._chunks = chunks
        self.videos = videos

    def __len__(self) -> int:
        return len(self.videos)

    def __iter__(self) -> Iterator[str]:
        return iter(self.videos)

    def __contains__(self, video: object) -> bool:
        return video in self.videos

    def __repr__(self) -> str:
        return f"<OpenStore {str(self._store.path)!r}: {len(self)} videos>"

    def __getitem__(self, video: str) -> xr.Dataset:
        if video not in self.videos:
            raise Tracks2ZarrError(no_such_video(self._store, video, list(self.videos)))
        return open_video(self._store, video, self._chunks)


def open_store(store: str | os.PathLike[str], *, chunks: dict[Any, Any] | None = None) -> OpenStore:
    """Open a store of any number of videos at once: of each, nothing is read until it is used.

    `xarray.open_datatree` reads the coordinates of all videos before it returns.

    Parameters
    ----------
    store
        The store.
    chunks
        As in `xarray.open_zarr`: None for numpy arrays that are read as they are used,
        ``{}`` for dask arrays in the store's chunks.

    Returns
    -------
    OpenStore
        With the videos that were finished at the last `finalise`.

    Raises
    ------
    Tracks2ZarrError
        If there is no store.
    """
    there = existing_store(store)
    return OpenStore(there.path, tuple(sorted(listed_in(there))), chunks)


def open_video(store: Store, video: str, chunks: dict[Any, Any] | None) -> xr.Dataset:
    """Open the group of a video lazily."""
    import xarray as xr

    from tracks2zarr.group.stored_array import UnknownFormatError
    from tracks2zarr.loading.engine import GroupBackend

    try:
        return xr.open_dataset(store.group(video), engine=GroupBackend, chunks=chunks)
    except UnknownFormatError:
        return _open_with_zarr(store, video, chunks)


def _open_with_zarr(store: Store, video: str, chunks: dict[Any, Any] | None) -> xr.Dataset:
    import xarray as xr
    from zarr.storage import LocalStore

    group = LocalStore(store.group(video), read_only=True)
    # others' groups do not list their arrays, nor does one that xarray added an array to
    document = read_json(read_file(store.group(video) / "zarr.json"))
    is_listed = store.is_from_tracks2zarr(video) and document.get("consolidated_metadata")
    listed = None if is_listed else False
    dataset: xr.Dataset = xr.open_zarr(group, consolidated=listed, chunks=chunks, zarr_format=3)
    return dataset.assign_attrs(_lost_attributes(store, video, dataset.attrs))


def _lost_attributes(store: Store, video: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a finished video that are not in its group any more.

    xarray removes them where it adds an array of a dataset without attributes.
    """
    from tracks2zarr.group.own_metadata import attributes_of

    receipt = store.read_receipt(video) if store.is_from_tracks2zarr(video) else None
    if receipt is None:
        return {}
    return {name: one for name, one in attributes_of(receipt.plan).items() if name not in found}
