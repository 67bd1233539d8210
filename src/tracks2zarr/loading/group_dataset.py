"""Makes a dataset of the group of a video: with our own reader, or else with zarr-python.

zarr-python takes most of the time in which a group is opened and a little of it is read.
What is not as `tracks2zarr.group.writer` writes it is left to zarr-python.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.conventions import decode_cf_variable
from xarray.core import indexing

from tracks2zarr.common.files import file_names, read_file, read_json
from tracks2zarr.common.problems import Tracks2ZarrError, comma_list, one_line
from tracks2zarr.dataset import schema
from tracks2zarr.group.own_metadata import attributes_of, written_metadata
from tracks2zarr.group.shard import DamagedFileError
from tracks2zarr.group.stored_array import StoredArray, UnknownFormatError
from tracks2zarr.loading.group_files import GroupFiles
from tracks2zarr.loading.lazy_array import CheckedArray, LazyArray, LoadedVariable, Reading
from tracks2zarr.store.additions import additions, arrays_of
from tracks2zarr.store.receipt import Receipt

#: The arrays that are read as they are used; the others are small.
_LAZY = frozenset(variable.name for variable in schema.VARIABLES if not variable.is_coordinate)
#: The attributes of our arrays; xarray decodes the last, and the units of dates.
_ATTRIBUTES = {"long_name", "units", "calendar", "coordinates"}
_UNITS = {"pixels", schema.DATE_UNITS}
_OF_DATES = {"units", "calendar"}
#: How often a group is opened that others replace at the same moment.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Decoding:
    """What `xarray.open_dataset` was asked for.

    Parameters
    ----------
    dropped
        The variables that are left out.
    coordinates
        Whether the attribute ``coordinates`` tells which variables are coordinates.
    options
        All options of decoding, for xarray's own backend; ours has nothing else to decode.
    """

    dropped: Collection[str] = ()
    coordinates: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


def open_group(files: GroupFiles, decoding: Decoding) -> xr.Dataset:
    """Return the dataset of a group, its coordinates in memory, its data variables lazy.

    Raises
    ------
    Tracks2ZarrError
        If a file cannot be read, is damaged, or ought to be there.
    """
    for _ in range(_TRIES):
        with files.reading():
            before = files.file_id()
        try:
            dataset = _opened(files, decoding)
        except Tracks2ZarrError:
            if _is_same(files, before):
                raise
            continue
        if _is_same(files, before):
            return dataset
    raise Tracks2ZarrError(files.replaced())


def _is_same(files: GroupFiles, before: tuple[int, int]) -> bool:
    with files.reading():
        return files.file_id() == before


def _opened(files: GroupFiles, decoding: Decoding) -> xr.Dataset:
    with files.reading():
        document = _read_metadata(files.folder / "zarr.json")
        try:
            return _by_own_reader(files, document, decoding)
        except UnknownFormatError:
            return _with_additions(files, document, decoding)


def _with_additions(
    files: GroupFiles, document: Mapping[str, Any], decoding: Decoding
) -> xr.Dataset:
    """Return the dataset of a group with what others added, or without it where it does not fit.

    An array with one frame less, say, has no place in the video's dataset.
    """
    try:
        return _by_zarr(files, document, decoding)
    except Tracks2ZarrError:  # a file of ours is missing
        raise
    except Exception:  # arrays that do not fit make xarray raise anything
        receipt = _receipt_of(files)
        written = None if receipt is None else written_metadata(files.folder, receipt.plan)
        added = additions(
            file_names(files.folder), arrays_of(None if receipt is None else receipt.plan)
        )
        if written is None or not added:
            raise
        dataset = _by_own_reader(files, read_json(written), decoding)
        text = (
            f"{one_line(files.video)} is opened without data that tracks2zarr did not write, and"
            f" that do not fit its dimensions: {comma_list(added)}"
        )
        warnings.warn(text, stacklevel=2)
        return dataset


def _read_metadata(file: Path) -> dict[str, Any]:
    try:
        document = read_json(read_file(file))
    except ValueError as error:
        raise DamagedFileError(file, str(error)) from None
    if not isinstance(document, dict) or document.get("node_type") != "group":
        raise DamagedFileError(file, "no metadata of a group")
    return document


def _by_own_reader(
    files: GroupFiles, document: Mapping[str, Any], decoding: Decoding
) -> xr.Dataset:
    listed = (document.get("consolidated_metadata") or {}).get("metadata")
    if listed is None:
        raise UnknownFormatError("the group does not list its arrays")
    named = _named_coordinates(listed) if decoding.coordinates else set()
    variables = {
        name: _variable(files, name, listed[name], decoding)
        for name in sorted(listed.keys() - set(decoding.dropped))
    }
    return _dataset(variables, named, document.get("attributes"))


def _named_coordinates(listed: Mapping[str, Any]) -> set[str]:
    """Return the names that the attributes ``coordinates`` of the arrays list."""
    found: set[str] = set()
    for document in listed.values():
        found.update(str(document.get("attributes", {}).get("coordinates", "")).split())
    return found


def _variable(
    files: GroupFiles, name: str, document: Mapping[str, Any], decoding: Decoding
) -> xr.Variable:
    array = StoredArray.from_metadata(files.folder / name, document)
    dims = document["dimension_names"]
    attributes = dict(document.get("attributes", {}))
    if attributes.keys() - _ATTRIBUTES or attributes.get("units", "pixels") not in _UNITS:
        raise UnknownFormatError("other attributes")
    if decoding.coordinates:
        attributes.pop("coordinates", None)
    if name not in _LAZY:
        values = _as_unicode(array.read_all(files.check_absent))
        loaded = LoadedVariable(dims, values, attributes or None, fastpath=True)
        is_date = attributes.get("units") == schema.DATE_UNITS
        is_date &= bool(decoding.options.get("decode_times", True))
        return _loaded(decode_cf_variable(name, loaded)) if is_date else loaded
    data = indexing.LazilyIndexedArray(LazyArray(array, files.array(name)))
    encoding = {
        "preferred_chunks": dict(zip(dims, array.chunk, strict=True)),
        "fill_value": array.fill_value,
    }
    return xr.Variable(dims, data, attributes, encoding, fastpath=True)


def open_with_zarr(
    store: Any, decoding: Decoding, reading_of: Callable[[str], Reading], **where: Any
) -> xr.Dataset:
    """Return the dataset of a group of any store of zarr-python.

    Parameters
    ----------
    store
        The store.
    decoding
        What `xarray.open_dataset` was asked for.
    reading_of
        Returns by an array's name how it is read; see `CheckedArray`.
    where
        The options of xarray's own backend that say where the group is, and how its metadata are
        read.
    """
    from xarray.backends import ZarrBackendEntrypoint

    opened = ZarrBackendEntrypoint().open_dataset(
        store,
        zarr_format=3,
        drop_variables=decoding.dropped,
        **where,
        **decoding.options,
    )
    variables = {
        name: _loaded(one) if name in opened.coords else _checked(one, reading_of(str(name)))
        for name, one in opened.variables.items()
    }
    return _dataset(variables, {str(name) for name in opened.coords}, opened.attrs)


def _by_zarr(files: GroupFiles, document: Mapping[str, Any], decoding: Decoding) -> xr.Dataset:
    from zarr.storage import LocalStore

    opened = open_with_zarr(
        LocalStore(files.folder, read_only=True),
        decoding,
        lambda name: files.array(name).reading_by_zarr,
        consolidated=document.get("consolidated_metadata") is not None,
    )
    files.check_complete()  # zarr-python does not tell which files it takes for absent
    return opened.assign_attrs(_lost_attributes(files, opened.attrs))


def _lost_attributes(files: GroupFiles, found: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the attributes of a finished video that are not in its group any more.

    xarray removes them where it adds an array of a dataset without attributes.
    """
    receipt = _receipt_of(files)
    if receipt is None:
        return {}
    return {name: one for name, one in attributes_of(receipt.plan).items() if name not in found}


def _receipt_of(files: GroupFiles) -> Receipt | None:
    """Return the receipt of a video that tracks2zarr made, where there is one."""
    if files.store is None or not files.store.is_from_tracks2zarr(files.video):
        return None
    return files.store.read_receipt(files.video)


def _checked(variable: xr.Variable, reading: Reading) -> xr.Variable:
    data = indexing.LazilyIndexedArray(CheckedArray(variable._data, reading))
    return _without_chunks(variable, data)


def _without_chunks(variable: xr.Variable, data: Any) -> xr.Variable:
    """Return a variable with other data, whose encoding lets it be written in any chunks."""
    kept = {"preferred_chunks", "fill_value", "_FillValue", "units", "calendar", "dtype"}
    encoding = {key: value for key, value in variable.encoding.items() if key in kept}
    return xr.Variable(variable.dims, data, variable.attrs, encoding, fastpath=True)


def _loaded(variable: xr.Variable) -> xr.Variable:
    values = _as_unicode(variable.to_numpy())
    encoding = {name: variable.encoding[name] for name in _OF_DATES & variable.encoding.keys()}
    return LoadedVariable(variable.dims, values, variable.attrs, encoding, fastpath=True)


def _dataset(
    variables: Mapping[Any, xr.Variable], coordinates: Collection[str], attributes: Any
) -> xr.Dataset:
    """Return a dataset without indexes; xarray makes those that it is asked for."""
    of_dims = {name: one for name, one in variables.items() if one.dims == (name,)}
    others = {name: one for name, one in variables.items() if name not in of_dims}
    dataset = xr.Dataset(others, coords=xr.Coordinates(of_dims, indexes={}), attrs=attributes)
    return dataset.set_coords([name for name in others if name in coordinates])


def _as_unicode(values: NDArray[Any]) -> NDArray[Any]:
    """Return texts as numpy's ``<U``: what xarray does with others depends on the operation."""
    if values.dtype.kind != "T":
        return values
    return np.array(values.tolist(), np.str_).reshape(values.shape)
