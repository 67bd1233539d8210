"""Small experiments to correct, and VIA's files."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

import tracks2zarr as tz
from support.experiments import VIA_COLUMNS, Box, Clip, Experiment, Video

type Row = dict[str, str]


def crossing() -> Experiment:
    """Return a video of two clips; in the first, tracks 7 and 9 are in most frames."""
    frames = (2, 3, 4, 5, 8)
    boxes = [Box(n, 7, 10 + n / 3, 20.1, 5, 6, 0.25 + n / 100) for n in frames]
    boxes += [Box(n, 9, 300.7 + n / 7, 80.3, 7, 8) for n in frames if n != 5]
    boxes += [Box(8, 12, 50, 60, 3, 4, 0.5)]
    loops = (
        Clip("Loop00", 11, 20, 14, "triggered", tuple(boxes)),
        Clip("Loop01", 31, 36, None, "", (Box(1, 3, 1, 2, 3, 4, 0.5),)),
    )
    return Experiment((Video("A", loops),))


def make_store(folder: Path) -> Path:
    """Return a store of `crossing`, whose tracks files are in ``in/tracks``."""
    tracks, metadata = crossing().write(folder / "in")
    store = folder / "a.zarr"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    return store


def export_stretch(
    store: Path, start: int, stop: int, images: str = "frame_{frame:08d}.png"
) -> Path:
    """Return the file of some frames of the first clip, as `export` writes it."""
    out = store.parent / "stretch"
    (video,) = tz.export(store, out, video="A", clip=0, frames=slice(start, stop), images=images)
    return video.files[0].path


def rows_of(path: Path) -> list[Row]:
    """Return the rows of a VIA file."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def write_rows(path: Path, rows: Iterable[Row]) -> Path:
    """Write a VIA file as VIA 2 does: attributes are quoted, other cells are not."""
    lines = [",".join(VIA_COLUMNS)]
    for row in rows:
        quoted = {name: f'"{row[name].replace('"', '""')}"' for name in _QUOTED}
        lines.append(",".join((row | quoted)[name] for name in VIA_COLUMNS))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


_QUOTED = ("file_attributes", "region_shape_attributes", "region_attributes")


def box_row(image: str, track: object, box: Iterable[float], **attributes: str) -> Row:
    """Return the row of a box that somebody has drawn."""
    names = ("x", "y", "width", "height")
    region = {} if track is None else {"track": track}
    return {
        "filename": image,
        "file_size": "-1",
        "file_attributes": "{}",
        "region_count": "1",
        "region_id": "0",
        "region_shape_attributes": json.dumps(
            {"name": "rect", **dict(zip(names, box, strict=True))}, separators=(",", ":")
        ),
        "region_attributes": json.dumps(region | attributes, separators=(",", ":")),
    }


def empty_row(image: str) -> Row:
    """Return the row of an image without boxes."""
    cells = {"region_count": "0", "region_shape_attributes": "{}", "region_attributes": "{}"}
    return box_row(image, 1, (0, 0, 0, 0)) | cells


def track_of(row: Row) -> int | None:
    """Return the track number in a row."""
    track = json.loads(row["region_attributes"]).get("track")
    return None if track is None else int(track)


def renumbered(row: Row, before: int, after: int) -> Row:
    """Return a row of another track, if it is of this one."""
    if track_of(row) != before:
        return row
    region = json.loads(row["region_attributes"]) | {"track": str(after)}
    return row | {"region_attributes": json.dumps(region)}
