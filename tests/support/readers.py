"""Reading a tracks file with one reader alone, as tests compare them."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import tracks2zarr as tz
from tracks2zarr.dataset.clip_boxes import ClipBoxes, Spill
from tracks2zarr.tracks import via
from tracks2zarr.tracks.formats import ReadFile, ReadTracks
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.reading import ReadClip, read_clip


@dataclass(frozen=True)
class Read:
    """What was read of a file: the boxes in memory, and what the reader says of the file."""

    boxes: ClipBoxes
    file: ReadFile | ReadClip


def read_with(reader: ReadTracks, path: Path, rule: FrameRule) -> Read:
    """Read a tracks file with one reader."""
    with tempfile.TemporaryDirectory() as folder:
        with Spill(Path(folder)) as spill:
            file = reader(path, rule, spill.append, lambda _: None)
        return Read(_in_memory(spill.boxes(file.frame_of_image)), file)


def read_as_create_does(path: Path, rule: FrameRule) -> Read:
    """Read a tracks file with the fastest reader that knows its rows."""
    with tempfile.TemporaryDirectory() as folder:
        read = read_clip(via, path, rule, Path(folder))
        return Read(_in_memory(read.boxes), read)


def problems_of(reader: ReadTracks, path: Path, rule: FrameRule) -> tuple[tz.Problem, ...]:
    """Return what a reader names; nothing where it reads the file."""
    try:
        read_with(reader, path, rule)
    except tz.Tracks2ZarrError as error:
        return error.problems
    return ()


def _in_memory(boxes: ClipBoxes) -> ClipBoxes:
    columns = ("frame", "track", "box", "confidence", "track_ids")
    return ClipBoxes(*(getattr(boxes, name).copy() for name in columns))
