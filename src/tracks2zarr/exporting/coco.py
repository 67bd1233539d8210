"""Writes COCO JSON with track ids.

The format is that of https://cocodataset.org/#format-data (object detection), with ``track_id`` and
``score`` in each annotation and ``frame_index`` in each image, as tools for video add them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import polars as pl

from tracks2zarr.exporting.corners import corners
from tracks2zarr.exporting.stored_clip import StoredClip, image_name
from tracks2zarr.exporting.texts import as_text, joined
from tracks2zarr.group.reader import StoredBoxes

SUFFIX = ".json"
_CATEGORY = {"id": 1, "name": "animal"}


def name_of(clip: StoredClip) -> str:
    """Return the name of a clip's file."""
    return f"{clip.stem}{SUFFIX}"


def write(clip: StoredClip, path: Path, images: str) -> None:
    """Write a clip: an image per frame, and an annotation per box.

    The id of an image is the frame within the clip plus 1, since 0 is no id to some readers.
    ``score`` is left out where there is no confidence.
    """
    with path.open("wb") as file:
        file.write(b'{"info":' + orjson.dumps(_info(clip)))
        file.write(b',\n"categories":[' + orjson.dumps(_CATEGORY) + b"]")
        file.write(b',\n"images":[\n')
        _write_items(file, map(orjson.dumps, _images(clip, images)))
        file.write(b'\n],\n"annotations":[\n')
        _write_items(file, _annotations(clip))
        file.write(b"\n]}\n")


def _write_items(file: BinaryIO, items: Iterable[bytes]) -> None:
    """Write items of a list; some of them may come as one."""
    separator = b""
    for item in items:
        file.write(separator + item)
        separator = b",\n"


def _info(clip: StoredClip) -> dict[str, Any]:
    plan = clip.plan
    return {
        "description": "tracks of a clip, exported by tracks2zarr",
        "video": clip.video,
        "clip": clip.clip,
        "fps": clip.fps,
        "first_frame": plan.first_frame,
        "last_frame": plan.last_frame,
        "escape_frame": plan.escape_frame,
        "escape_type": plan.escape_type,
        "source_file": plan.source,
    }


def _images(clip: StoredClip, images: str) -> Iterator[dict[str, Any]]:
    for frame in clip.frames:
        name = image_name(clip, frame, images)
        yield {"id": frame + 1, "file_name": name, "frame_index": frame}


def _annotations(clip: StoredClip) -> Iterator[bytes]:
    """Yield the annotations of some frames after the other, one per line."""
    first = 1
    for boxes in clip.boxes():
        yield ",\n".join(_annotations_of(boxes, first)).encode()
        first += len(boxes.frame)


def _annotations_of(boxes: StoredBoxes, first: int) -> pl.Series:
    corner, size = corners(boxes.position, boxes.shape), boxes.shape
    area = pl.Series(size[:, 0].astype(np.float64) * size[:, 1])
    box = (corner[:, 0], corner[:, 1], size[:, 0], size[:, 1])
    left, top, width, height = map(as_text, box)
    number = np.arange(first, first + len(boxes.frame))
    ids = [pl.Series(one).cast(pl.String) for one in (number, boxes.frame + 1, boxes.track)]
    score = joined((',"score":', as_text(boxes.confidence)))
    is_absent = pl.Series(np.isnan(boxes.confidence))
    score = pl.select(pl.when(~is_absent).then(score).otherwise(pl.lit(""))).to_series()
    return joined(
        (
            *('{"id":', ids[0], ',"image_id":', ids[1]),
            *(f',"category_id":{_CATEGORY["id"]},"track_id":', ids[2]),
            *(',"bbox":[', left, ",", top, ",", width, ",", height),
            *('],"area":', area.cast(pl.String), ',"iscrowd":0', score, "}"),
        )
    )
