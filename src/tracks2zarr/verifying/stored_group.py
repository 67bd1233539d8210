"""Reads a stored group through zarr-python, and compares it with what it must contain."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

from tracks2zarr.common.files import read_file, read_json
from tracks2zarr.common.problems import ROWS_NAMED, Problem, one_line
from tracks2zarr.dataset.schema import Variable
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.verifying.expected import (
    ExpectedGroup,
    TracksOfClip,
    escape_state,
    n_frames_of,
    stored_name,
)
from tracks2zarr.verifying.source_boxes import BoxesOfFrames, SourceBoxes

#: Values of one array that are read at once.
_MOST_VALUES = 4 * 2**20

type Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Difference:
    """One box that differs: array, frame within the clip, individual, and the two values."""

    name: str
    frame: int
    individual: int
    found: str
    expected: str


class StoredGroup:
    """The group of a video in the store.

    Parameters
    ----------
    path
        The folder of the group.
    plan
        The video's plan.
    remedy
        What to do where the group differs.
    added
        What others added to the group. Whoever adds an array may leave out attributes of the
        group, and its list of arrays.
    """

    def __init__(
        self, path: Path, plan: VideoPlan, remedy: str, added: Collection[str] = ()
    ) -> None:
        self._path, self._plan, self._remedy, self._added = path, plan, remedy, added
        store = LocalStore(path, read_only=True)
        # not by the metadata that the group keeps of its arrays: those are compared, too
        group = zarr.open_group(store, mode="r", zarr_format=3, use_consolidated=False)
        self._attributes = dict(group.attrs)
        names = {file.parent.name for file in path.glob("*/zarr.json")} - set(added)
        self._arrays = {name: group[name] for name in names}

    # ---- all but the boxes

    def differences(self, known: Mapping[int, TracksOfClip]) -> Iterator[Problem]:
        """Yield what differs in attributes, names, shapes, chunks, dtypes and coordinates.

        Parameters
        ----------
        known
            By the place of a clip in the video, its tracks. Those of clips that are not there are
            taken from the group.
        """
        numbers = range(len(self._plan.clips))
        tracks = [known[n] if n in known else self._stored_tracks(n) for n in numbers]
        expected = ExpectedGroup(self._plan, tracks)
        yield from self._differing_attributes(expected.attributes())
        yield from self._differing_names()
        yield from self._differing_listing()
        values = expected.coordinates()
        for variable in expected.variables():
            array = self._array(variable.name)
            if array is not None:
                dtype = values[variable.name].dtype if variable.is_coordinate else variable.dtype
                yield from self._differing_array(variable, array, expected, np.dtype(dtype))
                if variable.is_coordinate and array.shape == expected.shape(variable):
                    yield from self._differing_coordinate(array, values[variable.name])

    def _array(self, name: str) -> Any:
        array = self._arrays.get(stored_name(self._plan, name))
        return array if isinstance(array, zarr.Array) else None

    def _stored_tracks(self, number: int) -> TracksOfClip:
        """Return the tracks of a clip whose source is not there."""
        row = np.asarray(self._array("track_id")[number])
        columns = [np.extract(row != -1, row)]
        for name in ("track_first_frame", "track_last_frame", "track_n_boxes"):
            array = self._array(name)
            stored = row if array is None else np.asarray(array[number])  # schema 1 has none
            columns.append(np.extract(row != -1, stored))
        return TracksOfClip(*columns)

    def _differing_attributes(self, expected: Mapping[str, Any]) -> Iterator[Problem]:
        names = self._attributes.keys() | expected.keys()
        if self._added:
            names = self._attributes.keys() & expected.keys()
        for name in sorted(names):
            if self._attributes.get(name) != expected.get(name):
                what = f"The attribute '{one_line(name)}' of the group."
                yield self._problem(what, self._attributes.get(name), expected.get(name))

    def _problem(
        self, what: str, found: object, expected: object, clip: str | None = None
    ) -> Problem:
        return Problem(
            kind="store-differs",
            what=f"The store differs from its source. {what}",
            file=str(self._path),
            found=one_line(found),
            expected=one_line(expected),
            remedy=self._remedy,
            video=self._plan.video,
            clip=clip,
        )

    def _differing_names(self) -> Iterator[Problem]:
        expected = {stored_name(self._plan, variable.name) for variable in self._plan.variables}
        for name in sorted(expected ^ self._arrays.keys()):
            is_there = name in self._arrays
            found, wanted = ("there", "not there") if is_there else ("not there", "there")
            yield self._problem(f"The array '{one_line(name)}'.", found, wanted)

    def _differing_listing(self) -> Iterator[Problem]:
        """Yield where the metadata that the group keeps of its arrays are not theirs."""
        document = read_json(read_file(self._path / "zarr.json"))
        kept = (document.get("consolidated_metadata") or {}).get("metadata")
        if kept is None:
            return
        files = self._path.glob("*/zarr.json")
        own = {file.parent.name: read_json(read_file(file)) for file in files}
        for name in sorted((own.keys() | kept.keys()) - set(self._added)):
            if own.get(name) != kept.get(name):
                what = f"The metadata of the array '{one_line(name)}' in the group."
                yield self._problem(what, "other metadata", "those of the array")

    def _differing_array(
        self, variable: Variable, array: Any, expected: ExpectedGroup, dtype: np.dtype[Any]
    ) -> Iterator[Problem]:
        compressors = [codec.to_dict() for codec in array.compressors]
        dims = [stored_name(self._plan, dim) for dim in variable.dims]
        for aspect, found, wanted in (
            ("shape", array.shape, expected.shape(variable)),
            ("chunks", (array.chunks, array.shards), expected.chunks(variable)),
            ("dtype", array.dtype, dtype),
            ("compression", compressors, [expected.compressor()]),
            ("dims", list(array.metadata.dimension_names or ()), dims),
            ("attributes", dict(array.attrs), expected.attributes_of(variable)),
        ):
            if found != wanted:
                what = f"The {aspect} of the array '{one_line(array.basename)}'."
                yield self._problem(what, found, wanted)

    def _differing_coordinate(self, array: Any, expected: NDArray[Any]) -> Iterator[Problem]:
        found = np.asarray(array[...])
        is_other = found != expected
        if expected.dtype.kind == "f":
            is_other &= ~(np.isnan(found) & np.isnan(expected))
        places = np.argwhere(is_other)
        for place in map(tuple, places[:ROWS_NAMED].tolist()):
            what = f"The coordinate '{one_line(array.basename)}' at {list(place)}."
            clip = self._clip_at(array, place)
            yield self._problem(what, found[place], expected[place], clip)
        if len(places) > ROWS_NAMED:
            what = f"The coordinate '{one_line(array.basename)}', in all."
            yield self._problem(what, f"{len(places)} values differ", "none")

    def _clip_at(self, array: Any, place: tuple[int, ...]) -> str | None:
        names = array.metadata.dimension_names or ()
        is_of_clips = bool(place) and names[:1] == ("clip_id",)
        return self._plan.clips[place[0]].clip if is_of_clips else None

    # ---- the boxes of a clip

    def clip_differences(self, number: int, boxes: SourceBoxes) -> Iterator[Problem]:
        """Yield what differs in the escape state and the boxes of one clip.

        Parameters
        ----------
        number
            The clip's place in the video.
        boxes
            Its boxes, from its source.
        """
        arrays = {name: self._array(name) for name in ("position", "shape", "confidence")}
        clip = self._plan.clips[number]
        extent = len(self._plan.clips), max(map(n_frames_of, self._plan.clips))
        escape = {"escape_state": self._array("escape_state")} if self._plan.has_escapes else {}
        together = {**arrays, **escape}.values()
        if any(array is None or array.shape[:2] != extent for array in together):
            return  # `differences` says so
        if any(array.shape[-1] < len(boxes.track_ids) for array in arrays.values()):
            return
        for array in escape.values():
            yield from self._differing_escape(clip, np.asarray(array[number]))
        count = 0
        for one in self._differing_boxes(number, arrays, boxes):
            count += 1
            if count <= ROWS_NAMED:
                track = _track_text(boxes, one.individual)
                what = f"The {one.name} of {track} in frame {one.frame} of clip {clip.clip}."
                yield self._problem(what, one.found, one.expected, clip.clip)
        if count > ROWS_NAMED:
            what = f"The boxes of clip {clip.clip}, in all."
            yield self._problem(what, f"{count} values differ", "none", clip.clip)

    def _differing_escape(self, clip: ClipPlan, found: Floats) -> Iterator[Problem]:
        expected = escape_state(clip, len(found))
        frames = np.flatnonzero(~_are_same(found, expected))
        if len(frames):
            frame = int(frames[0])
            what = f"The escape state of clip {clip.clip} from frame {frame} on."
            yield self._problem(what, found[frame], expected[frame], clip.clip)

    def _differing_boxes(
        self, number: int, arrays: dict[str, Any], boxes: SourceBoxes
    ) -> Iterator[Difference]:
        """Yield the boxes that differ, and values where there is no box, block by block."""
        _, n_frames, _, n_individuals = arrays["position"].shape
        _, step, _, across = arrays["position"].chunks
        width = max(across, _MOST_VALUES // (2 * step) // across * across)
        for start in range(0, n_frames, step):
            stop = min(start + step, n_frames)
            wanted = boxes.between(start, stop)
            for left in range(0, n_individuals, width):
                right = min(left + width, n_individuals)
                block = _Block(start, left, _within(wanted, left, right))
                for name, array in arrays.items():
                    values = np.asarray(array[number, start:stop, ..., left:right])
                    yield from block.differences(name, values)


@dataclass(frozen=True, slots=True)
class _Block:
    """Some frames and individuals of a clip: where the block begins, and its boxes."""

    first_frame: int
    first_individual: int
    boxes: BoxesOfFrames

    def differences(self, name: str, values: Floats) -> Iterator[Difference]:
        """Yield where values differ from the boxes, which stand in NaN.

        Parameters
        ----------
        name
            The array.
        values
            (n_frames, 2, n_individuals) float32, or (n_frames, n_individuals).
        """
        expected = self.boxes.values[name]
        stored = values.reshape(len(values), -1, values.shape[-1])
        frame = self.boxes.frame - self.first_frame
        individual = self.boxes.individual - self.first_individual
        found = stored[frame, :, individual]
        same = _are_same(found, expected)
        n_numbers = np.count_nonzero(expected == expected)  # noqa: PLR0124 - not NaN
        if same.all() and np.count_nonzero(stored == stored) == n_numbers:  # noqa: PLR0124
            return
        for row in np.flatnonzero(~same.all(axis=1)).tolist():
            place = int(self.boxes.frame[row]), int(self.boxes.individual[row])
            yield Difference(name, *place, _text(found[row]), _text(expected[row]))
        is_extra = ~np.isnan(stored).all(axis=1)
        is_extra[frame, individual] = False
        for at_frame, at_individual in np.argwhere(is_extra).tolist():
            place = at_frame + self.first_frame, at_individual + self.first_individual
            value = _text(stored[at_frame, :, at_individual])
            yield Difference(name, *place, value, "NaN, as there is no such box")


def _within(boxes: BoxesOfFrames, left: int, right: int) -> BoxesOfFrames:
    """Return the boxes of the individuals from `left` up to, not including, `right`."""
    is_in = (boxes.individual >= left) & (boxes.individual < right)
    if is_in.all():
        return boxes
    values = {name: of[is_in] for name, of in boxes.values.items()}
    return BoxesOfFrames(boxes.frame[is_in], boxes.individual[is_in], values)


def _are_same(found: Floats, expected: Floats) -> NDArray[np.bool_]:
    """Tell where float32 values are the same; NaN equals NaN, and -0.0 is not 0.0."""
    found, expected = np.ascontiguousarray(found), np.ascontiguousarray(expected)
    same: NDArray[np.bool_] = found.view(np.uint32) == expected.view(np.uint32)
    return same | (np.isnan(found) & np.isnan(expected))


def _track_text(boxes: SourceBoxes, individual: int) -> str:
    if individual < len(boxes.track_ids):
        return f"track {boxes.track_ids[individual]}"
    return f"individual {individual}, which the clip does not have,"


def _text(value: Floats) -> str:
    return ", ".join(repr(float(number)) for number in np.atleast_1d(value))
