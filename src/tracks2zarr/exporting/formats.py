"""The interface of a format of export."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol, cast, get_args

from tracks2zarr.exporting.stored_clip import StoredClip

FormatName = Literal["via", "movement", "parquet", "mot", "coco"]
FORMAT_NAMES: tuple[FormatName, ...] = get_args(FormatName)


class ExportFormat(Protocol):
    """A format of export: one module of this package, such as `via`."""

    #: What ends the names of such files.
    SUFFIX: str

    def name_of(self, clip: StoredClip) -> str:
        """Return the path of a clip's file below the folder of the export, as a POSIX path."""
        ...

    def write(self, clip: StoredClip, path: Path, images: str) -> None:
        """Write a clip into a new file, with memory that does not grow with the clip.

        Parameters
        ----------
        clip
            The clip.
        path
            The file; nothing is there.
        images
            How the images of frames are called, where the format names them: a template with the
            fields ``{video}``, ``{clip}``, ``{frame}`` (within the clip, from 0) and
            ``{video_frame}`` (in the video, from 0).
        """
        ...


_MODULES: Mapping[FormatName, str] = {
    "via": "via",
    "movement": "movement_netcdf",
    "parquet": "parquet",
    "mot": "mot",
    "coco": "coco",
}


def format_named(name: FormatName) -> ExportFormat:
    """Return a format of export; what it needs is imported now."""
    module = importlib.import_module(f"tracks2zarr.exporting.{_MODULES[name]}")
    return cast("ExportFormat", module)
