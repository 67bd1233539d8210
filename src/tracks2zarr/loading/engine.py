"""The engine ``tracks2zarr`` of xarray: opens videos of a store, or a whole store."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

from tracks2zarr.common.names import RESERVED_NAMES
from tracks2zarr.common.objects import AT_ONCE
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list
from tracks2zarr.loading.group_dataset import Decoding, open_group
from tracks2zarr.loading.group_files import GroupFiles
from tracks2zarr.loading.published import open_published
from tracks2zarr.parallel.threads import map_in_threads
from tracks2zarr.store.existing import existing_store, inside_problem
from tracks2zarr.store.listing import listed_in
from tracks2zarr.store.overview import no_such_video
from tracks2zarr.store.paths import OWN_FOLDER
from tracks2zarr.store.published import PublishedStore, is_published
from tracks2zarr.store.store import Store


class Tracks2ZarrBackend(BackendEntrypoint):
    """Opens stores of tracks2zarr for xarray, where ``engine="tracks2zarr"`` asks for it.

    A store is opened as datasets by video, and all of it as a tree. The data variables are read as
    they are used; the coordinates are in memory, with and without ``chunks``.
    """

    description = "Open the videos of a store that tracks2zarr made"
    supports_groups = True

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return False: without ``engine``, xarray opens stores as if we were not installed."""
        return False

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        mask_and_scale: Any = True,
        decode_times: Any = True,
        concat_characters: Any = True,
        decode_coords: Any = True,
        drop_variables: str | Iterable[str] | None = None,
        use_cftime: Any = None,
        decode_timedelta: Any = None,
        group: str | None = None,
    ) -> xr.Dataset:
        """Open one video.

        Parameters
        ----------
        filename_or_obj
            The store; its URL or its archive, where it was published; or the folder of a video in
            it, ``STORE/VIDEO``.
        mask_and_scale, decode_times, concat_characters, use_cftime, decode_timedelta
            As in `xarray.open_zarr`. Our arrays hold nothing that they decode.
        decode_coords
            Whether variables that are coordinates of others become coordinates of the dataset.
        drop_variables
            The variables that are left out.
        group
            The video's id, where a store is given.

        Raises
        ------
        Tracks2ZarrError
            If there is no such store or video, or a file of it cannot be read.
        """
        decoding = _decoding(
            drop_variables,
            mask_and_scale=mask_and_scale,
            decode_times=decode_times,
            concat_characters=concat_characters,
            decode_coords=decode_coords,
            use_cftime=use_cftime,
            decode_timedelta=decode_timedelta,
        )
        published = _published(filename_or_obj)
        if published is not None:
            if not group:
                raise Tracks2ZarrError(_no_video_given(published.path, published.videos))
            return open_published(published, group.strip("/"), decoding)
        files = _group_at(filename_or_obj, group)
        if files is None:
            store = existing_store(filename_or_obj)
            raise Tracks2ZarrError(_no_video_given(str(store.path), listed_in(store)))
        return _opened(files, decoding)

    def open_datatree(  # type: ignore[override]
        self, filename_or_obj: str | os.PathLike[str], *, group: str | None = None, **decoders: Any
    ) -> xr.DataTree:
        """Open all videos that a store lists, or one, as a tree.

        Parameters
        ----------
        filename_or_obj, group
            As in `open_dataset`; without ``group``, all videos of a store are opened.
        **decoders
            As in `open_dataset`.
        """
        from xarray.backends.common import datatree_from_dict_with_io_cleanup

        groups = self.open_groups_as_dict(filename_or_obj, group=group, **decoders)
        return datatree_from_dict_with_io_cleanup(groups)

    def open_groups_as_dict(  # type: ignore[override]
        self, filename_or_obj: str | os.PathLike[str], *, group: str | None = None, **decoders: Any
    ) -> dict[str, xr.Dataset]:
        """Open all videos that a store lists, or one, each as a dataset by its path in the tree.

        Parameters
        ----------
        filename_or_obj, group
            As in `open_dataset`; without ``group``, all videos of a store are opened.
        **decoders
            As in `open_dataset`.
        """
        decoding = _decoding(**decoders)
        published = _published(filename_or_obj)
        if published is not None:
            return _of_published(published, group, decoding)
        files = _group_at(filename_or_obj, group)
        if files is not None:
            return {"/": _opened(files, decoding)}
        store = existing_store(filename_or_obj)
        videos = sorted(listed_in(store))
        files_of = (GroupFiles(store.group(video), store) for video in videos)
        datasets = map_in_threads(partial(_opened, decoding=decoding), files_of)
        paths = (f"/{video}" for video in videos)
        return {"/": xr.Dataset(), **dict(zip(paths, datasets, strict=True))}


def _published(given: object) -> PublishedStore | None:
    """Return the published store that is to be opened; None for a folder."""
    if isinstance(given, PublishedStore):  # as `open_store` has it
        return given
    if isinstance(given, str | os.PathLike) and is_published(given):
        return PublishedStore.at(given)
    return None


def _of_published(
    store: PublishedStore, group: str | None, decoding: Decoding
) -> dict[str, xr.Dataset]:
    """Return the videos of a published store, or one."""
    if group:
        return {"/": open_published(store, group.strip("/"), decoding)}
    _ = store.record  # once, and not in each thread
    open_one = partial(open_published, store, decoding=decoding)
    datasets = map_in_threads(open_one, store.videos, count=AT_ONCE)
    paths = (f"/{video}" for video in store.videos)
    return {"/": xr.Dataset(), **dict(zip(paths, datasets, strict=True))}


def _decoding(
    drop_variables: str | Iterable[str] | None = None,
    *,
    mask_and_scale: Any = True,
    decode_times: Any = True,
    concat_characters: Any = True,
    decode_coords: Any = True,
    use_cftime: Any = None,
    decode_timedelta: Any = None,
) -> Decoding:
    dropped = (drop_variables,) if isinstance(drop_variables, str) else tuple(drop_variables or ())
    options = {
        "mask_and_scale": mask_and_scale,
        "decode_times": decode_times,
        "concat_characters": concat_characters,
        "decode_coords": decode_coords,
        "use_cftime": use_cftime,
        "decode_timedelta": decode_timedelta,
    }
    return Decoding(dropped, bool(decode_coords), options)


def _group_at(given: object, group: str | None) -> GroupFiles | None:
    """Return the group that is to be opened; None for a whole store."""
    if not isinstance(given, str | os.PathLike):
        raise TypeError(f"the engine 'tracks2zarr' opens a path, not a {type(given).__name__}")
    if "://" in os.fspath(given):
        existing_store(given)  # says that there is none
    path = Path(given).expanduser().absolute()
    video = (group or "").strip("/")
    if video:
        store = Store.at(path)
        if Path(video).name != video or video in {*RESERVED_NAMES, ".."}:  # no folder of a video
            raise Tracks2ZarrError(_no_such_video(existing_store(path), video))
        return GroupFiles(store.group(video), store)
    if (path / OWN_FOLDER).is_dir():
        return None
    store = Store.at(path.parent)
    if store.exists():
        if path.is_file() or path.name in RESERVED_NAMES:  # as "STORE/*" finds them
            raise Tracks2ZarrError(_no_such_video(store, path.name))
        return GroupFiles(store.group(path.name), store)
    return GroupFiles(path, None) if _is_video(path) else None


def _is_video(path: Path) -> bool:
    """Tell whether a folder is the group of a video that tracks2zarr made, outside of a store."""
    store = Store(path.parent)
    return store.has_group(path.name) and store.is_from_tracks2zarr(path.name)


def _opened(files: GroupFiles, decoding: Decoding) -> xr.Dataset:
    if not os.path.lexists(files.folder):
        raise Tracks2ZarrError(_not_there(files))
    try:
        return open_group(files, decoding)
    except Tracks2ZarrError:
        inside = files.store and inside_problem(files.store)
        if inside:  # an array of a video was given, say
            raise Tracks2ZarrError(inside) from None
        raise


def _not_there(files: GroupFiles) -> Problem:
    """Return the problem of a video that is missing, or that the store never had."""
    if files.store is None:
        return files.absent()
    store = existing_store(files.store.path)
    if files.video in listed_in(store) or store.receipt_file(files.video).exists():
        return files.absent()
    return _no_such_video(store, files.video)


def _no_such_video(store: Store, video: str) -> Problem:
    return no_such_video(store, video, sorted({*listed_in(store), *store.groups()}))


def _no_video_given(place: str, videos: Iterable[str]) -> Problem:
    return Problem(
        kind="no-video-given",
        what="A dataset contains one video, but no video was given.",
        file=place,
        found="a store",
        expected=f"one of {comma_list(sorted(videos))}",
        remedy="Pass group=VIDEO, or open the whole store with xarray.open_datatree.",
    )
