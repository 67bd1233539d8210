"""Opens a group as an xarray dataset that is read lazily, without zarr-python.

zarr-python takes most of the time in which a group is opened and a little of it is read.
What is not as `tracks2zarr.group.writer` writes it is refused, and left to zarr-python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from tracks2zarr.common.files import read_file, read_json
from tracks2zarr.group.stored_array import StoredArray, UnknownFormatError


class LazyArray(BackendArray):
    """An array of a group, for xarray; nothing is read before it is indexed."""

    def __init__(self, array: StoredArray) -> None:
        self._array = array
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        if not isinstance(key, indexing.VectorizedIndexer):
            return self._read(key.tuple)
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> Any:
        axes = [np.atleast_1d(np.arange(n)[one]) for n, one in zip(self.shape, key, strict=True)]
        values = self._array.read(axes)
        dropped = (isinstance(one, int | np.integer) for one in key)
        return values[tuple(0 if is_dropped else slice(None) for is_dropped in dropped)]


class GroupBackend(BackendEntrypoint):
    """Opens the group of a video for `xarray.open_dataset`."""

    description = "The group of a video that tracks2zarr made"

    def open_dataset(  # type: ignore[override]
        self, filename_or_obj: Path, *, drop_variables: str | Iterable[str] | None = None
    ) -> xr.Dataset:
        """Open a group; its small arrays are lazy, too.

        Raises
        ------
        UnknownFormatError
            If it is not as `tracks2zarr.group.writer` writes it.
        """
        document = read_json(read_file(filename_or_obj / "zarr.json"))
        listed = (document.get("consolidated_metadata") or {}).get("metadata")
        if listed is None:
            raise UnknownFormatError("the group does not list its arrays")
        dropped = {drop_variables} if isinstance(drop_variables, str) else {*(drop_variables or ())}
        names = sorted(listed.keys() - dropped)
        variables = {name: _variable(filename_or_obj / name, listed[name]) for name in names}
        coordinates = {name for name, one in variables.items() if one.dims == (name,)}
        for one in variables.values():
            coordinates |= {*one.encoding.get("coordinates", "").split()} & variables.keys()
        return xr.Dataset(
            {name: one for name, one in variables.items() if name not in coordinates},
            coords=xr.Coordinates(
                {name: one for name, one in variables.items() if name in coordinates}, indexes={}
            ),
            attrs=document["attributes"],
        )


def _variable(folder: Path, document: Mapping[str, Any]) -> xr.Variable:
    array = StoredArray.from_metadata(folder, document)
    dims = document["dimension_names"]
    attributes = dict(document["attributes"])
    encoding: dict[str, Any] = {"preferred_chunks": dict(zip(dims, array.chunk, strict=True))}
    if "coordinates" in attributes:  # xarray's own backends put it there, too
        encoding["coordinates"] = attributes.pop("coordinates")
    data = indexing.LazilyIndexedArray(LazyArray(array))
    return xr.Variable(dims, data, attributes, encoding)
