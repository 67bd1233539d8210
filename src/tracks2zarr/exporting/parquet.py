"""Writes Parquet in long form, one row per box; the files of all clips are one table.

Files lie in one folder per video. Its name is the video's id, and not ``video=<id>``: readers would
take that for a column, and an id such as ``007`` for a number. What a reader would take for such a
column, or for a hidden file, is escaped in names.
"""

from __future__ import annotations

import io
import re
from collections.abc import Buffer, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from tracks2zarr.dataset.schema import ColumnType, individual_names
from tracks2zarr.exporting.stored_clip import StoredClip
from tracks2zarr.exporting.table_columns import table_value
from tracks2zarr.group.reader import StoredBoxes

SUFFIX = ".parquet"
#: A name that begins so is hidden to readers, and ``=`` makes a column of it; ``%`` keeps the names
#: unique.
_ESCAPED = re.compile("^[._]|[=%]")
#: The columns of the table.
SCHEMA = {
    "video": pl.String,
    "clip_id": pl.String,
    "frame": pl.Int64,
    "video_frame": pl.Int64,
    "seconds": pl.Float64,
    "escape_state": pl.UInt8,
    "escape_type": pl.String,
    "track": pl.Int64,
    "individual": pl.String,
    "x": pl.Float32,
    "y": pl.Float32,
    "width": pl.Float32,
    "height": pl.Float32,
    "confidence": pl.Float32,
    "fps": pl.Float64,
}

#: The types of further columns of the metadata CSV.
_FURTHER: Mapping[ColumnType, Any] = {
    "int64": pl.Int64,
    "float64": pl.Float64,
    "bool": pl.Boolean,
    "str": pl.String,
    "date": pl.Datetime("us"),
}


def name_of(clip: StoredClip) -> str:
    """Return the path of a clip's file below the folder of the export."""
    return f"{plain_name(clip.video)}/{plain_name(clip.clip)}{SUFFIX}"


def plain_name(name: str) -> str:
    """Return a name that means nothing to readers, with escapes as in URLs.

    >>> plain_name("_left"), plain_name("track=5"), plain_name("50%")
    ('%5Fleft', 'track%3D5', '50%25')
    """
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", name)


def write(clip: StoredClip, path: Path, images: str) -> None:
    """Write a clip; an absent confidence is null.

    ``frame`` counts within the clip and ``video_frame`` in the video, both from 0; ``seconds`` is
    the time within the clip; ``x`` and ``y`` are the centroid, in pixels. Further columns of the
    metadata CSV come last: those of all videos of the store, null where this one lacks them.
    Without columns for escapes, the state and the type are null.
    """

    def tables(
        _columns: list[str] | None, _filter: pl.Expr | None, _rows: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        names = pl.Series(individual_names(clip.n_individuals), dtype=pl.String)
        for boxes in clip.boxes():
            yield _table(clip, boxes, names)

    lazy = register_io_source(tables, schema=_schema(clip), is_pure=True)
    with path.open("wb") as file:
        remembering = _Remembering(file)
        try:
            lazy.sink_parquet(cast("IO[bytes]", remembering), compression="zstd")
        except pl.exceptions.ComputeError as error:
            raise remembering.error or error from error


class _Remembering(io.RawIOBase):
    """A file that remembers why it could not be written; polars passes that on as text only."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, content: Buffer) -> int:
        try:
            return self._file.write(content)
        except OSError as error:
            self.error = error
            raise


def _table(clip: StoredClip, boxes: StoredBoxes, names: pl.Series) -> pl.DataFrame:
    """Return the boxes of some frames as rows."""
    plan, frame = clip.plan, boxes.frame
    escape = np.zeros(len(frame)) if plan.escape is None else frame >= plan.escape
    has_escapes = clip.video_plan.has_escapes

    def each(value: Any, dtype: Any) -> pl.Series:
        return pl.repeat(value, len(frame), dtype=dtype, eager=True)

    further = {
        column.name: each(table_value(column, clip.video_plan, plan), _FURTHER[column.type])
        for column in clip.table_columns
    }
    columns = {
        "video": each(clip.video, pl.String),
        "clip_id": each(clip.clip, pl.String),
        "frame": frame,
        "video_frame": frame + plan.first_frame,
        "seconds": frame / clip.fps,
        "escape_state": escape.astype(np.uint8) if has_escapes else each(None, pl.UInt8),
        "escape_type": each(plan.escape_type if has_escapes else None, pl.String),
        "track": boxes.track,
        "individual": names.gather(boxes.individual),
        "x": boxes.position[:, 0],
        "y": boxes.position[:, 1],
        "width": boxes.shape[:, 0],
        "height": boxes.shape[:, 1],
        "confidence": pl.Series(boxes.confidence).fill_nan(None),
        "fps": each(clip.fps, pl.Float64),
    }
    return pl.DataFrame(columns | further, schema=_schema(clip))


def _schema(clip: StoredClip) -> dict[str, Any]:
    """Return the columns of the table that a clip is a part of."""
    return SCHEMA | {one.name: _FURTHER[one.type] for one in clip.table_columns}
