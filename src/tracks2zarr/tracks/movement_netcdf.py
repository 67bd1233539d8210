"""The format of `movement`, a dataset of bounding boxes as netCDF: names, and how a file begins.

The format is that of https://movement.neuroinformatics.dev/latest/user_guide/movement_dataset.html:
``position`` and ``shape`` (time, space, individual) and ``confidence`` (time, individual), as
``ds.to_netcdf`` writes them. A box is where both position and shape are numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tracks2zarr.common.extras import require_extra
from tracks2zarr.common.problems import Problem
from tracks2zarr.tracks.file_start import FileFault
from tracks2zarr.tracks.formats import ReaderName, clip_stem
from tracks2zarr.tracks.source_file import FileStart

NAME = "movement"
SOURCE_SOFTWARE = "movement"
PATTERNS: Sequence[str] = ("*.nc",)
EXPECTED = "netCDF-4 with a dataset of bounding boxes, as movement writes it"
READERS: Mapping[ReaderName, str] = {
    "columns": "tracks2zarr.tracks.movement_readers:read_columns",
    "rows": "tracks2zarr.tracks.movement_readers:read_rows",
}
#: HDF5, in which netCDF-4 is; and the older netCDF.
_HDF5, _CLASSIC = b"\x89HDF\r\n\x1a\n", b"CDF"


def clip_stem_of(path: Path) -> str:
    """Return the stem of the clip that a file belongs to, in composed form."""
    return clip_stem(path.name)


def start_problem(path: Path, start: FileStart) -> Problem | None:
    """Return what is wrong with a file, as far as its start shows; None where nothing is."""
    if start.content.startswith(_HDF5):
        return None
    is_classic = start.content.startswith(_CLASSIC)
    return other_content("netCDF-3" if is_classic else "no netCDF file").problem(path)


def fps_of(path: Path) -> float | str | None:
    """Return the frames per second in a file; see `tracks2zarr.tracks.formats.FormatWithFps`."""
    require_extra("netcdf", "Reading netCDF", "h5netcdf")
    import h5py
    import numpy as np

    try:
        with h5py.File(path, "r") as file:
            found = file.attrs.get("fps")
    except (OSError, KeyError, ValueError, TypeError, RuntimeError):
        return None  # its readers name what is wrong with it
    if found is None:
        return None
    several = np.ravel(found).tolist()
    fps = several[0] if len(several) == 1 else several
    try:
        return float(fps)
    except (TypeError, ValueError):
        return repr(fps.decode(errors="replace") if isinstance(fps, bytes) else fps)


def other_content(found: str, expected: str = EXPECTED) -> FileFault:
    """Return the problem of a file that holds no dataset of bounding boxes."""
    return FileFault(
        kind="tracks-netcdf",
        what="A tracks file is not a bounding-boxes dataset of movement.",
        found=found,
        expected=expected,
        remedy="Save it with movement again: ds.to_netcdf(path, engine='h5netcdf'). Poses have no"
        " boxes; movement itself analyses them.",
    )
