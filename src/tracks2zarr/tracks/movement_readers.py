"""The two readers of netCDF of `movement`: xarray, and h5py.

Both read some frames at once. The row of a problem is the place along `time`, from 1. They share
no code that finds frames, tracks or boxes.
"""

from __future__ import annotations

import gc
import math
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.common.extras import require_extra
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.dataset.batches import Batch, Int64s
from tracks2zarr.tracks import values
from tracks2zarr.tracks.formats import OnBytes, ReadFile, TakeBoxes, UnrecognisedError
from tracks2zarr.tracks.frames import FrameRule, Outside
from tracks2zarr.tracks.movement_netcdf import other_content
from tracks2zarr.tracks.row_problems import BadFileError, RowProblems
from tracks2zarr.tracks.source_file import open_source

require_extra("netcdf", "Reading netCDF", "h5netcdf")

#: Values that are read at once.
_VALUES = 1 << 21
_READ_BYTES = 1 << 20
_INDIVIDUALS = ("individual", "individuals")
#: The number at the end of a name; a sign or a point before it makes it another number.
_NUMBER_OF_NAME = re.compile(r"(?:^|[^-.0-9]|[A-Za-z]-)([0-9]+)\Z", re.ASCII)
#: How far a time may be from that of a frame, in frames.
_TOLERANCE = 1e-3
_LARGEST_FRAME = 2**53
_NAMES = "names that are text or numbers"
#: Attributes by which numbers are stored as others.
_PACKED = ("scale_factor", "add_offset", "missing_value")

type Floats = NDArray[np.floating[Any]]


class _Block(NamedTuple):
    """Some frames: (n, 2, n_individuals) position and shape, (n, n_individuals) confidence."""

    start: int
    position: Floats
    shape: Floats
    confidence: Floats


def read_columns(path: Path, rule: FrameRule, take: TakeBoxes, on_bytes: OnBytes) -> ReadFile:
    """Read a file with xarray; see `tracks2zarr.tracks.formats.ReadTracks`."""
    with open_source(path, on_bytes) as source:
        while source.file.read(_READ_BYTES):
            pass
        source.check_end()
        with _without_complaints():
            frame = _read_dataset(path, rule, take)
            if frame is None:
                gc.collect()  # while nothing is printed
    if frame is None:
        raise UnrecognisedError
    return ReadFile("columns", source.digest, source.stamp, frame.astype(np.int32))


def _read_dataset(path: Path, rule: FrameRule, take: TakeBoxes) -> Int64s | None:
    """Hand the boxes on, and return the frame within the clip of each time; None if unsure."""
    import h5netcdf
    import h5py
    import xarray as xr
    from xarray.backends import H5NetCDFStore

    try:
        with (
            h5py.File(path, "r") as hdf5,
            h5netcdf.File(hdf5, "r") as netcdf,
            xr.open_dataset(
                H5NetCDFStore(netcdf), decode_times=False, mask_and_scale=False
            ) as dataset,
        ):
            frame, track = _frames_and_tracks(dataset)
            frame = frame - rule.offset
            if len(frame) and not 0 <= frame.min() <= frame.max() < rule.n_frames:
                return None
            for block in _blocks_of_dataset(dataset):
                take(_sound_batch(block, track))
            return frame
    except Exception:  # a damaged file makes HDF5 raise anything
        return None


@contextmanager
def _without_complaints() -> Iterator[None]:
    """Do not print what h5netcdf raises when it drops a file that it could not open."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        yield
    finally:
        sys.unraisablehook = hook


def _frames_and_tracks(dataset: Any) -> tuple[Int64s, Int64s]:
    """Return the frame of each time, as the file counts it, and the track of each individual."""
    attributes, individual = dataset.attrs, _individual_dim(dataset["position"].dims)
    if attributes.get("ds_type") != "bboxes" or not {"time", individual} <= {*dataset.coords}:
        raise UnrecognisedError
    for name in ("position", "shape", "confidence", "track_id", "time"):
        if name in dataset.variables:
            _check_plain(dataset[name].attrs)
    time = dataset.coords["time"].to_numpy()
    if time.dtype.kind not in "iuf" or "units" in dataset["time"].attrs:
        raise UnrecognisedError
    number = time.astype(np.float64)
    if not np.isfinite(number).all():
        raise UnrecognisedError
    if attributes.get("time_unit") == "seconds":
        number = number * _one_rate(attributes["fps"])
    elif attributes.get("time_unit") != "frames":
        raise UnrecognisedError
    frame = np.rint(number)
    is_whole = (np.abs(number - frame) <= _TOLERANCE) & (frame < _LARGEST_FRAME)
    if not is_whole.all() or len(np.unique(frame)) < len(frame):
        raise UnrecognisedError
    return frame.astype(np.int64), _tracks_of_dataset(dataset, individual)


def _one_rate(fps: Any) -> float:
    """Return the rate in an attribute, which may be a number or text."""
    (rate,) = np.ravel(fps).tolist()
    number = float(rate)
    if not 0 < number < np.inf:
        raise UnrecognisedError
    return number


def _check_plain(attributes: Any) -> None:
    """Check that the numbers of an array are stored as they are, with NaN where there is none."""
    fill = attributes.get("_FillValue", np.nan)
    if any(name in attributes for name in _PACKED) or not np.isnan(fill):
        raise UnrecognisedError


def _tracks_of_dataset(dataset: Any, individual: str) -> Int64s:
    n = dataset.sizes[individual]
    if "track_id" in dataset.variables:
        ids = dataset["track_id"]
        found = ids.to_numpy()
        whole: Int64s = found.astype(np.int64)
        is_sound = ids.dims == (individual,) and found.dtype.kind in "iuf"
        is_sound = is_sound and len(np.unique(whole)) == n
        if not is_sound or (whole != found).any() or (whole < 0).any():
            raise UnrecognisedError
        return whole
    names = dataset[individual].to_numpy()
    if names.dtype.kind == "b":
        raise UnrecognisedError
    matches = [_NUMBER_OF_NAME.search(str(name)) for name in names]
    numbers = {int(match[1]) for match in matches if match}
    if len(numbers) < n:
        return np.arange(n, dtype=np.int64)
    return np.array([int(match[1]) for match in matches if match], np.int64)


def _blocks_of_dataset(dataset: Any) -> Iterator[_Block]:
    name = _individual_dim(dataset["position"].dims)
    n_times, n_individuals = dataset.sizes["time"], dataset.sizes[name]
    step = max(1, _VALUES // max(1, 2 * n_individuals))
    for start in range(0, n_times, step):
        some = dataset.isel(time=slice(start, start + step))
        position, shape = (
            some[one].transpose("time", "space", name).sel(space=["x", "y"]).to_numpy()
            for one in ("position", "shape")
        )
        confidence = np.full(position[:, 0].shape, np.nan)
        if "confidence" in some:
            confidence = some["confidence"].transpose("time", name).to_numpy()
        yield _Block(start, position, shape, confidence)


def _sound_batch(block: _Block, track: Int64s) -> Batch:
    """Return the boxes of a block, whose images are the times."""
    centroid, size = block.position.transpose(0, 2, 1), block.shape.transpose(0, 2, 1)
    time, individual = np.nonzero(~np.isnan(centroid).any(axis=2))
    centroid, size = centroid[time, individual], size[time, individual]
    confidence = block.confidence[time, individual]
    is_sound = (
        (np.isnan(block.position).all(axis=1) == np.isnan(block.shape).all(axis=1)).all()
        and (np.isnan(block.position).any(axis=1) == np.isnan(block.position).all(axis=1)).all()
        and all((np.abs(one) < values.MAX_NUMBER).all() for one in (centroid, size))
        and (size >= 0).all()
        and not (np.abs(confidence) >= values.MAX_NUMBER).any()
    )
    if not is_sound:
        raise UnrecognisedError
    position, shape = centroid.astype(np.float32), size.astype(np.float32)
    return Batch(
        image=(block.start + time).astype(np.int32),
        track=track[individual],
        corner=position - shape / np.float32(2),
        size=shape,
        confidence=np.where(np.isnan(confidence), np.nan, confidence).astype(np.float32),
        centroid=position,
    )


def _individual_dim(dims: Sequence[str]) -> str:
    found = [name for name in _INDIVIDUALS if name in dims]
    if len(found) != 1 or {*dims} != {"time", "space", *found}:
        raise UnrecognisedError
    return found[0]


# ---- with h5py


def read_rows(path: Path, rule: FrameRule, take: TakeBoxes, on_bytes: OnBytes) -> ReadFile:
    """Read a file with h5py; see `tracks2zarr.tracks.formats.ReadTracks`."""
    problems = RowProblems(path)
    frame: Int64s = np.empty(0, np.int64)
    with open_source(path, on_bytes) as source:
        while source.file.read(_READ_BYTES):
            pass
        source.check_end()
        try:
            frame = _read_hdf5(path, rule, take, problems)
        except BadFileError as bad:
            problems.add_fault(bad.fault)
    if problems:
        raise Tracks2ZarrError(problems.all())
    return ReadFile("rows", source.digest, source.stamp, frame.astype(np.int32))


def _read_hdf5(path: Path, rule: FrameRule, take: TakeBoxes, problems: RowProblems) -> Int64s:
    """Hand the boxes of a file on, and return the frame of each time."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            arrays = _Arrays.of(file)
            frame, names = arrays.frames(), arrays.names()
            track = arrays.tracks(names)
            _check_frames(frame, rule, problems)
            for block in arrays.blocks():
                _hand_on(block, track, names, take, problems)
            return frame - rule.offset
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, IndexError) as error:
        raise BadFileError(other_content(one_line(f"{type(error).__name__}: {error}"))) from error


def _check_frames(frame: Int64s, rule: FrameRule, problems: RowProblems) -> None:
    """Add a problem for each time that is no frame of the clip, or that is there twice."""
    outside = Outside.of(frame.tolist(), rule, "time")
    seen: dict[int, int] = {}
    for place, number in enumerate(frame.tolist()):
        if not rule.has(number):
            problems.add(place + 1, outside.problem(number))
        elif number in seen:
            problems.add(place + 1, _twice(number, seen[number] + 1))
        seen.setdefault(number, place)


def _twice(frame: int, row: int) -> Problem:
    return Problem(
        kind="duplicate-box",
        what="A track has two boxes in one frame.",
        column="time",
        found=f"frame {frame}, as in row {row}",
        expected="each frame once",
    )


def _attribute(attributes: Any, name: str) -> Any:
    """Return an attribute of HDF5, which has a number as an array, and some texts as bytes.

    Several values are a list.
    """
    value = attributes.get(name)
    if value is not None and not isinstance(value, str):
        several = np.ravel(value).tolist()
        value = several[0] if len(several) == 1 else several
    return value.decode() if isinstance(value, bytes) else value


def _is_variable(file: Any, name: str) -> bool:
    """Tell whether a file has a variable; a dimension without one has an array all the same."""
    if not name or name not in file:
        return False
    said = _attribute(file[name].attrs, "NAME")
    return not str(said).startswith("This is a netCDF dimension but not a netCDF variable")


@dataclass(frozen=True)
class _Arrays:
    """The arrays of a file, with the names of their dimensions."""

    file: Any
    dims: dict[str, list[str]]
    individual: str

    @classmethod
    def of(cls, file: Any) -> _Arrays:
        kind = _attribute(file.attrs, "ds_type")
        if kind != "bboxes":
            raise BadFileError(other_content(f"ds_type {kind!r}", "ds_type 'bboxes'"))
        needed = ("position", "shape", "space", "time")
        if lacking := [name for name in needed if not _is_variable(file, name)]:
            raise BadFileError(other_content(f"no variable {lacking[0]}"))
        arrays = [name for name in ("position", "shape", "confidence") if name in file]
        for name in (*arrays, "time", *(["track_id"] if "track_id" in file else [])):
            cls._check_stored(name, file[name].attrs)
        dims = {
            name: [dim[0].name.rpartition("/")[2] for dim in file[name].dims] for name in arrays
        }
        individual = next((name for name in _INDIVIDUALS if name in dims["position"]), "")
        if not _is_variable(file, individual):
            raise BadFileError(other_content("no variable individual"))
        for name, found in dims.items():
            wanted = {"time", individual} | ({"space"} if name != "confidence" else set())
            if {*found} != wanted:
                raise BadFileError(other_content(f"{name} with the dimensions {found}"))
        return cls(file, dims, individual)

    @staticmethod
    def _check_stored(name: str, attributes: Any) -> None:
        """Check that no attribute makes other numbers of those that are stored."""
        if odd := [one for one in _PACKED if one in attributes]:
            raise BadFileError(other_content(f"{name} with the attribute {odd[0]}"))
        fill = _attribute(attributes, "_FillValue")
        if fill is not None and fill == fill:  # noqa: PLR0124 - not NaN
            raise BadFileError(other_content(f"{name} with the _FillValue {fill}", "NaN"))

    def frames(self) -> Int64s:
        """Return (n_times,) int64, the frame of each time, as the file counts it."""
        time = self.file["time"]
        if np.dtype(time.dtype).kind not in "iuf" or "units" in time.attrs:
            raise BadFileError(other_content(_other_time(time), "time as numbers without units"))
        found = np.asarray(time[...], np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = found * self._frames_per_time()
            rounded = np.floor(scaled + 0.5)
            off = ~(np.abs(scaled - rounded) <= _TOLERANCE) | ~(rounded < _LARGEST_FRAME)
        if off.any():
            unit, fps = (_attribute(self.file.attrs, name) for name in ("time_unit", "fps"))
            text = f"time_unit {unit!r}, fps {fps!r}, time {found[off][0]}"
            expected = "time_unit 'frames', or 'seconds' with an fps that gives whole frames"
            raise BadFileError(other_content(text, expected))
        return rounded.astype(np.int64)

    def _frames_per_time(self) -> float:
        """Return how many frames are between a time and one that is greater by 1."""
        unit, fps = (_attribute(self.file.attrs, name) for name in ("time_unit", "fps"))
        if unit == "frames":
            return 1.0
        if unit != "seconds":
            raise BadFileError(other_content(f"time_unit {unit!r}", "'frames' or 'seconds'"))
        try:
            rate = float(fps)
        except (TypeError, ValueError):
            rate = math.nan
        if not (math.isfinite(rate) and rate > 0):
            expected = "one number above 0, as time_unit is 'seconds'"
            raise BadFileError(other_content(f"fps {fps!r}", expected))
        return rate

    def names(self) -> list[str]:
        """Return the names of individuals."""
        found = self.file[self.individual]
        if _attribute(found.attrs, "dtype") == "bool":  # as xarray stores them
            raise BadFileError(other_content("names of individuals that are True or False", _NAMES))
        if np.dtype(found.dtype).kind in "iuf":
            return [str(name) for name in found[...]]
        return [str(name) for name in found.asstr()[...]]

    def tracks(self, names: Sequence[str]) -> Int64s:
        """Return (n_individuals,) int64, the track number of each individual."""
        if "track_id" not in self.file:
            return self._tracks_by_name(names)
        ids = self.file["track_id"]
        if [dim[0].name.rpartition("/")[2] for dim in ids.dims] != [self.individual]:
            raise BadFileError(other_content("a track_id that is not along the individuals"))
        tracks: list[int] = []
        for name, number in zip(names, ids[...].tolist(), strict=True):
            is_whole = isinstance(number, int | float) and number == number // 1
            if not is_whole or isinstance(number, bool) or not 0 <= number < values.MAX_TRACK:
                found = f"track_id {number!r} of {one_line(name)}"
                raise BadFileError(other_content(found, "an integer from 0 to 2**63 - 1"))
            if int(number) in tracks:
                found = f"track_id {int(number)} of two individuals"
                raise BadFileError(other_content(found, "one individual per track"))
            tracks.append(int(number))
        return np.array(tracks, np.int64)

    @staticmethod
    def _tracks_by_name(names: Sequence[str]) -> Int64s:
        """Return the numbers at the end of the names, or the places where these do not differ."""
        tracks: list[int] = []
        for name in names:
            before = name.rstrip("0123456789")
            ahead = before[-2:-1]
            is_signed = before.endswith("-") and not (ahead.isascii() and ahead.isalpha())
            if before == name or before.endswith(".") or is_signed:
                return np.arange(len(names), dtype=np.int64)
            tracks.append(int(name[len(before) :]))
        if len(set(tracks)) < len(tracks):
            return np.arange(len(names), dtype=np.int64)
        if any(track >= values.MAX_TRACK for track in tracks):
            found = f"the individual {one_line(names[int(np.argmax(tracks))])}"
            raise BadFileError(other_content(found, "a number below 2**63 in each name"))
        return np.array(tracks, np.int64)

    def blocks(self) -> Iterator[_Block]:
        """Yield some frames after the other."""
        sides = [str(name) for name in self.file["space"].asstr()[...]]
        order = [sides.index("x"), sides.index("y")]
        n_times, n_individuals = (len(self.file[name]) for name in ("time", self.individual))
        step = max(1, _VALUES // max(1, 2 * n_individuals))
        for start in range(0, n_times, step):
            stop = min(start + step, n_times)
            position, shape = (
                self._some(name, ("time", "space", self.individual), start, stop)[:, order]
                for name in ("position", "shape")
            )
            confidence = np.full((stop - start, n_individuals), np.nan)
            if "confidence" in self.dims:
                confidence = self._some("confidence", ("time", self.individual), start, stop)
            yield _Block(start, position, shape, confidence)

    def _some(self, name: str, order: Sequence[str], start: int, stop: int) -> Floats:
        """Return some frames of an array, its dimensions in an order."""
        dims = self.dims[name]
        place = tuple(slice(start, stop) if dim == "time" else slice(None) for dim in dims)
        found = np.asarray(self.file[name][place], np.float64)
        return found.transpose([dims.index(dim) for dim in order])


def _other_time(time: Any) -> str:
    """Return what times are that are no numbers, or have units."""
    if "units" in time.attrs:
        return f"time with the units {_attribute(time.attrs, 'units')!r}"
    return "time of text" if np.dtype(time.dtype).kind in "OSU" else f"time of {time.dtype}"


def _hand_on(
    block: _Block,
    track: Int64s,
    names: Sequence[str],
    take: TakeBoxes,
    problems: RowProblems,
) -> None:
    """Hand the boxes of a block on, and name each that is none."""
    absent = np.isnan(block.position).all(axis=1) & np.isnan(block.shape).all(axis=1)
    time, individual = np.nonzero(~absent)
    x, y, width, height = (
        array[time, side, individual] for array in (block.position, block.shape) for side in (0, 1)
    )
    sure = block.confidence[time, individual]
    is_number = np.logical_and.reduce(
        [np.abs(one) < values.MAX_NUMBER for one in (x, y, width, height)]
    )
    is_good = is_number & (width >= 0) & (height >= 0) & ~(np.abs(sure) >= values.MAX_NUMBER)
    for place in np.flatnonzero(~is_good).tolist():
        found = [float(one[place]) for one in (x, y, width, height, sure)]
        row = block.start + int(time[place]) + 1
        problems.add(row, _no_box(names[individual[place]], found))
    good = np.flatnonzero(is_good)
    size = np.column_stack([width[good], height[good]]).astype(np.float32)
    centroid = np.column_stack([x[good], y[good]]).astype(np.float32)
    confidence = sure[good].astype(np.float32)
    confidence[np.isnan(confidence)] = np.nan
    take(
        Batch(
            image=(block.start + time[good]).astype(np.int32),
            track=track[individual[good]],
            corner=centroid - size / np.float32(2),
            size=size,
            confidence=confidence,
            centroid=centroid,
        )
    )


def _no_box(name: str, found: Sequence[float]) -> Problem:
    return Problem(
        kind="not-a-number",
        what="A box has a value that is not a number, or a negative size.",
        column="shape",
        found=f"{one_line(name)}: position {found[:2]}, shape {found[2:4]}, confidence {found[4]}",
        expected="finite numbers, or NaN in all of position and shape where there is no box",
    )
