"""Compares the attributes, array metadata and coordinates of a new group with what they must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

from tracks2zarr.common.files import read_file, read_json
from tracks2zarr.common.problems import ROWS_NAMED, Problem, one_line, same_command
from tracks2zarr.dataset import schema
from tracks2zarr.group.geometry import chunk_shapes
from tracks2zarr.group.own_metadata import attributes_of
from tracks2zarr.group.video_arrays import VideoArrays

_REMEDY = f"Convert the video again: run {same_command('--store-mode', 'a')}"


@dataclass(frozen=True, slots=True)
class WrittenGroup:
    """A group, opened by zarr-python.

    Parameters
    ----------
    path
        Its folder.
    arrays
        What it must hold, boxes apart.
    attributes
        Its attributes.
    nodes
        What is in it, by name.
    """

    path: Path
    arrays: VideoArrays
    attributes: Mapping[str, Any]
    nodes: Mapping[str, zarr.Array[Any] | zarr.Group]

    @classmethod
    def open(cls, path: Path, arrays: VideoArrays) -> Self:
        """Open a group.

        Parameters
        ----------
        path
            Its folder.
        arrays
            What it must hold.
        """
        group = zarr.open_group(LocalStore(path, read_only=True), mode="r", zarr_format=3)
        return cls(path, arrays, dict(group.attrs), dict(group.members()))

    def difference(
        self, what: str, found: object, expected: object, clip: str | None = None
    ) -> Problem:
        """Return what differs as a problem."""
        return Problem(
            kind="store-differs",
            what=f"The store differs from its source. {what}",
            file=str(self.path),
            found=one_line(found),
            expected=one_line(expected),
            remedy=_REMEDY,
            video=self.arrays.plan.video,
            clip=clip,
        )


def metadata_differences(written: WrittenGroup) -> Iterator[Problem]:
    """Yield what differs in names, attributes, shapes, dtypes and coordinates."""
    yield from _attribute_differences(written)
    plan = written.arrays.plan
    dim = plan.settings.individual_dim
    names = {schema.renamed(variable.name, dim): variable for variable in plan.variables}
    for name in sorted(names.keys() ^ written.nodes.keys()):
        found, wanted = ("there", "not there") if name in written.nodes else ("not there", "there")
        yield written.difference(f"The array '{one_line(name)}'.", found, wanted)
    yield from _consolidated_differences(written)
    coordinates = written.arrays.coordinates()
    for name, variable in names.items():
        array = written.nodes.get(name)
        if isinstance(array, zarr.Array):
            values = coordinates.get(variable.name)
            dtype = np.dtype(variable.dtype) if values is None else values.dtype
            yield from _array_differences(written, variable, array, dtype)
            if variable.is_coordinate and array.shape == written.arrays.shape(variable):
                yield from _value_differences(written, name, array, coordinates[variable.name])


def _attribute_differences(written: WrittenGroup) -> Iterator[Problem]:
    found, expected = dict(written.attributes), attributes_of(written.arrays.plan)
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            what = f"The attribute '{one_line(name)}' of the group."
            yield written.difference(what, found.get(name), expected.get(name))


def _consolidated_differences(written: WrittenGroup) -> Iterator[Problem]:
    """Yield where the metadata in the group, from which arrays are opened, are not theirs."""
    document = read_json(read_file(written.path / "zarr.json"))
    listed = (document.get("consolidated_metadata") or {}).get("metadata")
    if listed is None:
        return  # zarr has read those of the arrays
    own = {
        file.parent.name: read_json(read_file(file)) for file in written.path.glob("*/zarr.json")
    }
    for name in sorted(own.keys() | listed.keys()):
        if own.get(name) != listed.get(name):
            what = f"The metadata of the array '{one_line(name)}' in the group."
            yield written.difference(what, "other metadata", "those of the array")


def _array_differences(
    written: WrittenGroup,
    variable: schema.Variable,
    array: zarr.Array[Any],
    dtype: np.dtype[Any],
) -> Iterator[Problem]:
    checks = (
        ("shape", array.shape, written.arrays.shape(variable)),
        ("chunks", (array.chunks, array.shards), chunk_shapes(variable, written.arrays)),
        ("dtype", array.dtype, dtype),
        ("dims", list(array.metadata.dimension_names or ()), written.arrays.dims(variable)),  # type: ignore[union-attr]
        ("attributes", dict(array.attrs), written.arrays.variable_attributes(variable)),
    )
    for aspect, found, expected in checks:
        if found != expected:
            what = f"The {aspect} of the array '{one_line(array.basename)}'."
            yield written.difference(what, found, expected)


def _value_differences(
    written: WrittenGroup, name: str, array: zarr.Array[Any], expected: NDArray[Any]
) -> Iterator[Problem]:
    found = np.asarray(array[...])
    is_same = (found == expected) | ((found != found) & (expected != expected))  # noqa: PLR0124 - NaN
    differs = np.argwhere(~is_same)
    for place in differs[:ROWS_NAMED]:
        where = tuple(int(index) for index in place)
        what = f"The coordinate '{one_line(name)}' at {list(where)}."
        yield written.difference(
            what, found[where], expected[where], _clip_at(written, array, where)
        )
    if len(differs) > ROWS_NAMED:
        what = f"The coordinate '{one_line(name)}', in all."
        yield written.difference(what, f"{len(differs)} values differ", "none")


def _clip_at(written: WrittenGroup, array: zarr.Array[Any], where: tuple[int, ...]) -> str | None:
    names = array.metadata.dimension_names or ()  # type: ignore[union-attr]
    if where and names and names[0] == schema.CLIP_ID:
        return written.arrays.plan.clips[where[0]].clip
    return None
