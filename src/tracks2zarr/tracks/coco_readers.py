"""The two readers of COCO JSON: orjson and arrays, and the json module one by one.

A file is read as a whole, so it takes several times its size in memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tracks2zarr.common.encodings import UTF8_MARK
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.dataset.batches import Batch, Int32s
from tracks2zarr.tracks import checked_values as checked
from tracks2zarr.tracks import values
from tracks2zarr.tracks.coco import EXPECTED, other_content
from tracks2zarr.tracks.formats import OnBytes, ReadFile, TakeBoxes, UnrecognisedError
from tracks2zarr.tracks.frames import FrameRule, Frames, Image, frames_of
from tracks2zarr.tracks.row_problems import BadFileError, BadRowError, first_not_utf8
from tracks2zarr.tracks.rows_read import RowsRead
from tracks2zarr.tracks.source_file import open_source

_FRAME_KEYS = ("frame_index", "frame_id", "frame")
_TRACK_KEYS = ("track_id", "instance_id")
#: What the problems of a frame call the place where it stands.
_COLUMNS = {"filename": "images.file_name", "file_attributes": "images.frame_index"}


def read_columns(path: Path, rule: FrameRule, take: TakeBoxes, on_bytes: OnBytes) -> ReadFile:
    """Read a file with orjson; see `tracks2zarr.tracks.formats.ReadTracks`."""
    with open_source(path, on_bytes) as source:
        content = source.file.read().removeprefix(UTF8_MARK)
        source.check_end()
    try:
        document = orjson.loads(content)
        found, annotations = document["images"], document["annotations"]
        if not isinstance(found, list) or not isinstance(annotations, list):
            raise UnrecognisedError
        images = {image["id"]: _image(image) for image in found}
        _check_types(images, int, str)
        _check_types((one["image_id"] for one in annotations), int, str)
        if len(images) < len(found):
            raise UnrecognisedError
        frames = frames_of(list(images.values()), rule)
        number_of = {key: number for number, key in enumerate(images)}
        image = np.array([number_of[one["image_id"]] for one in annotations], np.int32)
        batch = _batch(annotations, image)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise UnrecognisedError from None
    if frames.bad:
        raise UnrecognisedError
    take(batch)
    return ReadFile("columns", source.digest, source.stamp, np.array(frames.of_image, np.int32))


def _batch(annotations: Sequence[Mapping[str, Any]], image: Int32s) -> Batch:
    """Return all boxes; raise any error where one is not known to be right."""
    boxes = [one["bbox"] for one in annotations]
    _check_types(chain.from_iterable(boxes), int, float)
    edges = np.array(boxes, np.float64).reshape(-1, 4)
    tracks = [_track(one) for one in annotations]
    _check_types(tracks, int)
    scores = [one.get("score") for one in annotations]
    confidence = np.array([math.nan if one is None else one for one in scores], np.float64)
    _check_types((one for one in scores if one is not None), int, float)
    track = np.array(tracks, np.int64)
    is_sound = (
        all(len(box) == 4 for box in boxes)
        and (np.abs(edges) < values.MAX_NUMBER).all()
        and (edges[:, 2:] >= 0).all()
        and (track >= 0).all()
        and not (np.abs(confidence) >= values.MAX_NUMBER).any()
    )
    if not is_sound:
        raise UnrecognisedError
    corner, size = edges[:, :2].astype(np.float32), edges[:, 2:].astype(np.float32)
    return Batch(image, track, corner, size, confidence.astype(np.float32))


def _check_types(found: Iterable[object], *allowed: type) -> None:
    if not {type(value) for value in found} <= {*allowed}:
        raise UnrecognisedError


def _image(image: Mapping[str, Any]) -> Image:
    """Return the file name and the frame of an image, in the form in which frames are found."""
    key = next((key for key in _FRAME_KEYS if key in image), None)
    attributes = {} if key is None else {"frame": image[key]}
    return Image(str(image.get("file_name", "")), json.dumps(attributes))


def _track(annotation: Mapping[str, Any]) -> object:
    key = next((key for key in _TRACK_KEYS if key in annotation), None)
    if key is not None:
        return annotation[key]
    attributes = annotation.get("attributes")
    return attributes.get(_TRACK_KEYS[0]) if isinstance(attributes, dict) else None


# ---- one by one


def read_rows(path: Path, rule: FrameRule, take: TakeBoxes, on_bytes: OnBytes) -> ReadFile:
    """Read a file annotation by annotation; see `tracks2zarr.tracks.formats.ReadTracks`.

    The row of a problem is the place of the annotation in its list, from 1.
    """
    rows: RowsRead[Image] = RowsRead(take, [path])
    (problems,) = rows.problems
    with open_source(path, on_bytes) as source:
        content = source.file.read()
        source.check_end()
    frames = Frames([], {}, mixed=False)
    try:
        document = _document(content.decode("utf-8-sig"))
        images = _images(document["images"])
        # images without boxes count, too
        rows.number_of.update({image: n for n, image in enumerate(dict.fromkeys(images.values()))})
        for place, annotation in enumerate(document["annotations"], start=1):
            try:
                _read_annotation(place, annotation, images, rows)
            except BadRowError as bad:
                problems.add(place, bad.problem)
        rows.hand_on()
        frames = frames_of(list(rows.number_of), rule)
    except BadFileError as bad:
        problems.add_fault(bad.fault)
    except UnicodeDecodeError:
        problems.add_fault(replace(first_not_utf8(path), expected=EXPECTED))
    bad_images = {number: _of_coco(bad) for number, bad in frames.bad.items()}
    rows.name_bad_images(bad_images)
    if not problems and bad_images:  # of images without boxes, by their place in the list
        for number, problem in bad_images.items():
            problems.add(number + 1, problem)
    frame_of_image = np.array([] if frames.bad else frames.of_image, np.int32)
    if not problems:
        rows.name_duplicates(frame_of_image, "annotations.track_id")
    if problems:
        raise Tracks2ZarrError(rows.all_problems())
    return ReadFile("rows", source.digest, source.stamp, frame_of_image)


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFileError(other_content(str(error))) from None
    if not isinstance(document, dict):
        raise BadFileError(other_content(f"a JSON {type(document).__name__}"))
    for key in ("images", "annotations"):
        if not isinstance(document.get(key), list):
            raise BadFileError(other_content(f"no list '{key}'"))
    return document


def _images(found: Sequence[Any]) -> dict[object, Image]:
    """Return the images by id."""
    images: dict[object, Image] = {}
    for place, image in enumerate(found):
        if not isinstance(image, dict) or type(image.get("id")) not in {int, str}:
            text = f"images[{place}] is {one_line(image)}"
            raise BadFileError(other_content(text, "an image without an id"))
        if image["id"] in images:
            text = f"id {image['id']!r} in images[{place}]"
            raise BadFileError(other_content(text, "two images with one id"))
        images[image["id"]] = _named_image(image)
    return images


def _named_image(image: Mapping[str, Any]) -> Image:
    """Return an image by its own reading of the keys, for this reader proves the other one."""
    for key in _FRAME_KEYS:
        if key in image:
            return Image(str(image.get("file_name", "")), json.dumps({"frame": image[key]}))
    return Image(str(image.get("file_name", "")), "{}")


def _given_track(annotation: Mapping[str, Any]) -> object:
    """Return the track that an annotation gives, under the first of the keys that it has."""
    for key in _TRACK_KEYS:
        if key in annotation:
            return annotation[key]
    nested = annotation.get("attributes", {})
    return nested.get(_TRACK_KEYS[0]) if isinstance(nested, dict) else None


def _read_annotation(
    place: int, annotation: Any, images: Mapping[object, Image], rows: RowsRead[Image]
) -> None:
    if not isinstance(annotation, dict):
        raise BadRowError(_bad("annotations", one_line(annotation), "a JSON object"))
    key = annotation.get("image_id")
    if type(key) not in {int, str} or key not in images:
        raise BadRowError(_bad("annotations.image_id", repr(key), "the id of one of the images"))
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        expected = "a list of x, y, width and height"
        raise BadRowError(_bad("annotations.bbox", one_line(box), expected))
    column = "annotations.bbox"
    names = ("x", "y", "width", "height")
    edges = [checked.number(one, name, column) for one, name in zip(box, names, strict=True)]
    checked.check_size(edges[2], edges[3], column)
    track = checked.track_number(_given_track(annotation), "annotations.track_id")
    confidence = checked.confidence(annotation.get("score"), "annotations.score")
    rows.add_row(place, images[key])
    rows.add_box(track, edges, confidence)


def _bad(column: str, found: str, expected: str) -> Problem:
    return Problem(
        kind="tracks-annotation",
        what="An annotation is not a box.",
        column=column,
        found=found,
        expected=expected,
    )


def _of_coco(problem: Problem) -> Problem:
    """Return the problem of a frame with the names that COCO has for columns."""
    return replace(problem, column=_COLUMNS.get(problem.column or "", problem.column))
