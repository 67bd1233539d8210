"""The two readers of netCDF of `movement`: xarray, and h5py.

Both read some frames at once. The row of a problem is the place along `time`, from 1.
"""

from __future__ import annotations

import gc
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
_DIGITS = re.compile(r"([0-9]{1,18})$")
#: How far a time may be from that of a frame, in frames.
_TOLERANCE = 1e-3

type Floats = NDArray[np.floating[Any]]


class _Block(NamedTuple):
    """Some frames: (n, 2, n_individuals) position and shape, (n, n_individuals) confidence."""

    start: int
    position: Floats
    shape: Floats
    confidence: Floats


@dataclass(frozen=True)
class _Content:
    """What a file says besides its boxes.

    Parameters
    ----------
    frame
        (n_times,) int64, the frame of each time, as the file counts it.
    track
        (n_individuals,) int64, their track numbers.
    """

    frame: Int64s
    track: Int64s


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
            xr.open_dataset(H5NetCDFStore(netcdf), decode_times=False) as dataset,
        ):
            content = _content_of_dataset(dataset)
            frame = content.frame - rule.offset
            if len(frame) and not 0 <= frame.min() <= frame.max() < rule.n_frames:
                return None
            for block in _blocks_of_dataset(dataset):
                take(_sound_batch(block, content))
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


def _content_of_dataset(dataset: Any) -> _Content:
    if dataset.attrs.get("ds_type") != "bboxes":
        raise UnrecognisedError
    name = _individual_dim(dataset["position"].dims)
    fps = dataset.attrs.get("fps")
    frame = _frames(dataset["time"].to_numpy(), dataset.attrs.get("time_unit"), fps)
    names = [str(one) for one in dataset[name].to_numpy()]
    ids = dataset["track_id"].to_numpy() if "track_id" in dataset.coords else None
    return _Content(frame, _tracks(names, ids))


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


def _sound_batch(block: _Block, content: _Content) -> Batch:
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
    return _batch(block.start + time, content.track[individual], centroid, size, confidence)


def _batch(time: Int64s, track: Int64s, centroid: Floats, size: Floats, sure: Floats) -> Batch:
    position, shape = centroid.astype(np.float32), size.astype(np.float32)
    return Batch(
        image=time.astype(np.int32),
        track=track,
        corner=position - shape / np.float32(2),
        size=shape,
        confidence=np.where(np.isnan(sure), np.nan, sure).astype(np.float32),
        centroid=position,
    )


def _individual_dim(dims: Sequence[str]) -> str:
    found = [name for name in _INDIVIDUALS if name in dims]
    if len(found) != 1 or {*dims} != {"time", "space", *found}:
        raise UnrecognisedError
    return found[0]


def _frames(time: NDArray[Any], unit: object, fps: object) -> Int64s:
    """Return (n,) int64, the frames of times in frames or seconds."""
    number = np.asarray(time, np.float64)
    if unit == "seconds":
        number = number * float(fps)  # type: ignore[arg-type]
    elif unit != "frames":
        raise UnrecognisedError
    frame = np.rint(number)
    if (np.abs(number - frame) > _TOLERANCE).any() or np.isnan(number).any():
        raise UnrecognisedError
    return frame.astype(np.int64)


def _tracks(names: Sequence[str], ids: NDArray[Any] | None) -> Int64s:
    """Return (n,) int64, the track number of each individual.

    It is `track_id`, where the file has it; else the digits at the end of the names, where they
    differ; else the place.
    """
    if ids is not None and ids.shape == (len(names),) and ids.dtype.kind in "iu":
        return ids.astype(np.int64)
    found = [_DIGITS.search(name) for name in names]
    numbers = [int(match[1]) for match in found if match]
    if len(set(numbers)) == len(names):
        return np.array(numbers, np.int64)
    return np.arange(len(names), dtype=np.int64)


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
            frame = _frames_or_fault(arrays, file.attrs)
            within = frame - rule.offset
            outside = Outside.of(frame.tolist(), rule, "time")
            for place in np.flatnonzero((within < 0) | (within >= rule.n_frames)).tolist():
                problems.add(place + 1, outside.problem(int(frame[place])))
            content = _Content(frame, _tracks(arrays.names, arrays.track_ids))
            for block in arrays.blocks():
                _hand_on(block, content, arrays.names, take, problems)
            return within
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise BadFileError(other_content(one_line(f"{type(error).__name__}: {error}"))) from error


def _frames_or_fault(arrays: _Arrays, attributes: Any) -> Int64s:
    unit, fps = _attribute(attributes, "time_unit"), _attribute(attributes, "fps")
    try:
        return _frames(arrays.time, unit, fps)
    except (UnrecognisedError, TypeError, ValueError):
        text = f"time_unit {unit!r}, fps {fps!r}, time from {arrays.time[:2]} on"
        expected = "time_unit 'frames', or 'seconds' with an fps that gives whole frames"
        raise BadFileError(other_content(text, expected)) from None


def _attribute(attributes: Any, name: str) -> Any:
    """Return an attribute of HDF5, which has a number as an array, and some texts as bytes."""
    value = attributes.get(name)
    if value is not None and not isinstance(value, str):
        value = np.ravel(value)[0]
    return value.decode() if isinstance(value, bytes) else value


@dataclass(frozen=True)
class _Arrays:
    """The arrays of a file, with the places of their dimensions."""

    file: Any
    dims: dict[str, list[str]]
    individual: str

    @classmethod
    def of(cls, file: Any) -> _Arrays:
        kind = _attribute(file.attrs, "ds_type")
        if kind != "bboxes":
            raise BadFileError(other_content(f"ds_type {kind!r}", "ds_type 'bboxes'"))
        dims = {}
        for name in ("position", "shape", "confidence"):
            if name not in file:
                if name == "confidence":
                    continue
                raise BadFileError(other_content(f"no variable {name}"))
            if "scale_factor" in file[name].attrs or "add_offset" in file[name].attrs:
                raise BadFileError(other_content(f"{name} that is packed into integers"))
            dims[name] = [dim[0].name.rpartition("/")[2] for dim in file[name].dims]
        individual = next((name for name in _INDIVIDUALS if name in dims["position"]), "")
        for name, found in dims.items():
            wanted = {"time", individual} | ({"space"} if name != "confidence" else set())
            if {*found} != wanted:
                raise BadFileError(other_content(f"{name} with the dimensions {found}"))
        return cls(file, dims, individual)

    @property
    def time(self) -> NDArray[Any]:
        """(n_times,) the times."""
        return np.asarray(self.file["time"][...])

    @property
    def names(self) -> list[str]:
        """The names of individuals."""
        return [str(name) for name in self.file[self.individual].asstr()[...]]

    @property
    def track_ids(self) -> NDArray[Any] | None:
        """(n_individuals,) the track numbers, None where the file has none."""
        return np.asarray(self.file["track_id"][...]) if "track_id" in self.file else None

    def blocks(self) -> Iterator[_Block]:
        """Yield some frames after the other."""
        sides = [str(name) for name in self.file["space"].asstr()[...]]
        order = [sides.index("x"), sides.index("y")]
        n_times, n_individuals = len(self.time), len(self.names)
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


def _hand_on(
    block: _Block,
    content: _Content,
    names: Sequence[str],
    take: TakeBoxes,
    problems: RowProblems,
) -> None:
    """Hand the boxes of a block on, and name each that is none."""
    time, individual = np.nonzero(
        ~(np.isnan(block.position).all(axis=1) & np.isnan(block.shape).all(axis=1))
    )
    centroid = block.position[time, :, individual]
    size = block.shape[time, :, individual]
    confidence = block.confidence[time, individual]
    is_number = (np.abs(np.concatenate([centroid, size], axis=1)) < values.MAX_NUMBER).all(axis=1)
    is_good = is_number & (size >= 0).all(axis=1) & ~(np.abs(confidence) >= values.MAX_NUMBER)
    for place in np.flatnonzero(~is_good).tolist():
        row = block.start + int(time[place]) + 1
        problems.add(row, _no_box(names[individual[place]], centroid[place], size[place]))
    keep = is_good.nonzero()[0]
    times, tracks = block.start + time[keep], content.track[individual[keep]]
    take(_batch(times, tracks, centroid[keep], size[keep], confidence[keep]))


def _no_box(name: str, centroid: Floats, size: Floats) -> Problem:
    return Problem(
        kind="not-a-number",
        what="A box has a value that is no number, or a negative size.",
        column="shape",
        found=f"{one_line(name)}: position {centroid.tolist()}, shape {size.tolist()}",
        expected="finite numbers, or NaN in all of position and shape where there is no box",
    )
