"""``open_store``: the videos of a store, each opened as it is used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracks2zarr.common.arguments import check_text
from tracks2zarr.common.names import composed
from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.store.listing import listed_in
from tracks2zarr.store.overview import no_such_video
from tracks2zarr.store.published import AnyStore, PublishedStore, opened_store

if TYPE_CHECKING:
    import xarray as xr


class OpenStore(Mapping[str, "xr.Dataset"]):
    """The videos that a store listed when it was opened; each is opened when it is used.

    A `collections.abc.Mapping` from the ids of videos, sorted, to datasets: ``opened[video]`` is
    an `xarray.Dataset` of all its clips.

    Parameters
    ----------
    store
        The folder of the store, or the published one.
    videos
        The ids of its videos, sorted.
    chunks
        As in `xarray.open_zarr`: None for numpy arrays that are read when they are used,
        ``{}`` for dask arrays in the store's chunks.
    """

    def __init__(
        self,
        store: Path | PublishedStore,
        videos: tuple[str, ...],
        chunks: dict[Any, Any] | None = None,
    ) -> None:
        self._store = store
        self._chunks = chunks
        self.videos = videos

    def __len__(self) -> int:
        return len(self.videos)

    def __iter__(self) -> Iterator[str]:
        return iter(self.videos)

    def __contains__(self, video: object) -> bool:
        return video in self.videos

    def __repr__(self) -> str:
        return f"<OpenStore {str(self._store)!r}: {len(self)} videos>"

    def __getitem__(self, video: str) -> xr.Dataset:
        check_text("video", video)
        video = composed(video)
        if video not in self.videos:
            raise Tracks2ZarrError(no_such_video(str(self._store), video, list(self.videos)))
        return _opened(self._store, video, self._chunks)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        if isinstance(other, OpenStore) and self._store == other._store:
            return self.videos == other.videos
        if self.keys() != other.keys():
            return False
        return all(self[video].identical(other[video]) for video in self)

    __hash__ = None  # type: ignore[assignment]

    def get[Default](self, video: str, default: Default = None) -> xr.Dataset | Default:  # type: ignore[assignment]
        """Return the dataset of a video, or `default` where the store has no such video."""
        if video not in self.videos:
            return default
        return self[video]

    def to_datatree(self) -> xr.DataTree:
        """Return all videos as a tree, which opens each of them.

        Returns
        -------
        xarray.DataTree
            As `xarray.open_datatree` returns it, with these videos.
        """
        import xarray as xr

        return xr.DataTree.from_dict(dict(self))


def open_store(store: str | os.PathLike[str], *, chunks: dict[Any, Any] | None = None) -> OpenStore:
    """Open a store with any number of videos at once; each video is read only when it is used.

    `xarray.open_datatree` with ``engine="tracks2zarr"`` returns the same datasets in a tree, and
    opens all of them before it returns.

    Parameters
    ----------
    store
        The store; or, for a published one, the URL, such as ``s3://bucket/CrabTracks.zarr``, or
        the archive, such as ``CrabTracks.zarr.zip``.
    chunks
        As in `xarray.open_zarr`: None for numpy arrays that are read when they are used,
        ``{}`` for dask arrays in the store's chunks.

    Returns
    -------
    OpenStore
        The videos that were finished at the last `finalise`.

    Raises
    ------
    Tracks2ZarrError
        If there is no store.
    """
    there = opened_store(store)
    if isinstance(there, PublishedStore):
        return OpenStore(there, there.videos, chunks)
    return OpenStore(there.path, tuple(sorted(listed_in(there))), chunks)


def open_video(store: AnyStore, video: str, chunks: dict[Any, Any] | None) -> xr.Dataset:
    """Open the group of a video: coordinates are read at once, the boxes as they are used."""
    return _opened(store if isinstance(store, PublishedStore) else store.path, video, chunks)


def _opened(store: Path | PublishedStore, video: str, chunks: dict[Any, Any] | None) -> xr.Dataset:
    import xarray as xr

    from tracks2zarr.loading.engine import Tracks2ZarrBackend

    place: Any = store  # xarray passes on what is no path
    return xr.open_dataset(place, engine=Tracks2ZarrBackend, group=video, chunks=chunks)
