"""The variables of an opened group: those that are read as they are used, and those in memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from tracks2zarr.group.stored_array import StoredArray
from tracks2zarr.loading.group_files import ArrayFiles

type Reading = Callable[[], AbstractContextManager[None]]


class LazyArray(BackendArray):
    """An array that our own reader reads; nothing is read before it is indexed.

    Parameters
    ----------
    array
        The array.
    files
        Its files as they were when it was opened.
    """

    def __init__(self, array: StoredArray, files: ArrayFiles) -> None:
        self._array, self._files = array, files
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
        with self._files.reading():
            values = self._array.read(axes, self._files.group.check_absent)
        dropped = (isinstance(one, int | np.integer) for one in key)
        return values[tuple(0 if is_dropped else slice(None) for is_dropped in dropped)]


class CheckedArray(BackendArray):
    """An array that zarr-python reads, of an opened group.

    Parameters
    ----------
    array
        The array as xarray's own backend has it.
    reading
        Makes the context in which it is read, which raises what goes wrong as an error that says
        where.
    """

    def __init__(self, array: Any, reading: Reading) -> None:
        self._array, self._reading = array, reading
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        with self._reading():
            return np.asarray(indexing.apply_indexer(self._array, key).get_duck_array())


class LoadedVariable(xr.Variable):
    """A variable whose values stay in memory, whatever ``chunks`` it is opened with.

    After a backend has opened a dataset, xarray wraps the values of each variable as if they
    still had to be read, and makes dask arrays of what is wrapped. But coordinates must be known
    for ``groupby``, ``where(..., drop=True)`` and boolean indexing.
    """

    __slots__ = ()

    @property
    def data(self) -> Any:
        """The values."""
        return super().data

    @data.setter
    def data(self, data: Any) -> None:
        values = np.asarray(data) if isinstance(data, indexing.ExplicitlyIndexed) else data
        xr.Variable.data.fset(self, values)  # type: ignore[attr-defined]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it as a plain variable, which is read where this package is not installed."""
        return xr.Variable, (self.dims, self.data, self.attrs, self.encoding)
