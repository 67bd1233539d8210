"""Writes boxes in each format of tracks files, as the program does that the format is of."""

import csv
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from support.experiments import VIA_COLUMNS
from tracks2zarr.tracks.format_checks import TrackBox, WriteBoxes


def write_via(folder: Path, stem: str, boxes: Sequence[TrackBox]) -> Path:
    path = folder / f"{stem}_tracks.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(VIA_COLUMNS)
        for box in boxes:
            shape = {"name": "rect", "x": box.x, "y": box.y}
            shape |= {"width": box.width, "height": box.height}
            region: dict[str, object] = {"track": str(box.track)}
            if box.confidence is not None:
                region["confidence"] = box.confidence
            name = f"frame_{box.frame:08d}.png"
            rows.writerow([name, 1, "{}", 1, 0, json.dumps(shape), json.dumps(region)])
    return path


def write_mot(folder: Path, stem: str, boxes: Sequence[TrackBox]) -> Path:
    """Write what https://arxiv.org/abs/1603.00831, table 4, describes."""
    path = folder / f"{stem}.txt"
    rows = [
        (b.frame + 1, b.track, b.x, b.y, b.width, b.height, _or(b.confidence, -1), -1, -1, -1)
        for b in boxes
    ]
    path.write_text("".join(f"{','.join(map(str, row))}\n" for row in rows))
    return path


def write_octron(folder: Path, stem: str, boxes: Sequence[TrackBox]) -> Path:
    """Write what octron/tools/export_tracking.py of OCTRON-GUI writes."""
    if not boxes:
        raise ValueError("OCTRON writes no files without tracks")
    path = folder / "octron_predictions" / f"{stem}_ByteTrack"
    path.mkdir(parents=True)
    by_track = defaultdict(list)
    for box in boxes:
        by_track[box.track].append(box)
    for track, some in by_track.items():
        lines = [
            f"video_name: {stem}.mp4",
            f"frame_count: {len(boxes)}",
            f"frame_count_analyzed: {len(boxes)}",
            "video_height: 2160",
            "video_width: 4096",
            "created_at: 2026-11-28 10:00:00",
            "",
            "frame_counter,frame_idx,track_id,label,confidence,pos_x,pos_y,bbox_x_min,bbox_x_max,"
            "bbox_y_min,bbox_y_max,bbox_area,bbox_aspect_ratio,area",
        ]
        for number, b in enumerate(some):
            edges = f"{b.x},{b.x + b.width},{b.y},{b.y + b.height}"
            sure = _or(b.confidence, math.nan)
            lines.append(
                f'{number},{b.frame},{track},crab,{sure},"(1.5, 2.5)",3.0,{edges},9,1,"(4.0, 5.0)"'
            )
        text = "\n".join(lines).replace(",nan,", ",NaN,")
        (path / f"crab_track_{track}.csv").write_text(text + "\n")
    (path / "prediction_metadata.json").write_text("{}")
    return path


def write_coco(folder: Path, stem: str, boxes: Sequence[TrackBox]) -> Path:
    """Write what https://cocodataset.org/#format-data describes, with track ids as TAO has them."""
    path = folder / f"{stem}.json"
    frames = sorted({box.frame for box in boxes})
    images = [
        {"id": frame + 1, "file_name": f"img_{frame:06d}.jpg", "frame_index": frame}
        for frame in frames
    ]
    path.write_text(json.dumps({"images": images, "annotations": [_annotation(b) for b in boxes]}))
    return path


def _annotation(box: TrackBox) -> Mapping[str, object]:
    found = {"image_id": box.frame + 1, "category_id": 1, "track_id": box.track}
    edges = [box.x, box.y, box.width, box.height]
    return found | {"bbox": edges} | ({} if box.confidence is None else {"score": box.confidence})


def write_movement(folder: Path, stem: str, boxes: Sequence[TrackBox]) -> Path:
    """Write what https://movement.neuroinformatics.dev describes as a bounding-boxes dataset."""
    if len({(box.frame, box.track) for box in boxes}) < len(boxes):
        raise ValueError("a place of an array has one value")
    tracks, at = sorted({box.track for box in boxes}), {box.frame for box in boxes}
    frames = range(min(at, default=0), max(at, default=-1) + 1)
    shape = len(frames), 2, len(tracks)
    position, size = np.full((2, *shape), np.nan, np.float32)
    confidence = np.full((len(frames), len(tracks)), np.nan, np.float32)
    for box in boxes:
        place = box.frame - frames.start, slice(None), tracks.index(box.track)
        size[place] = box.width, box.height
        position[place] = np.array((box.x, box.y), np.float32) + size[place] / np.float32(2)
        confidence[place[0], place[2]] = _or(box.confidence, np.nan)
    dims = "time", "space", "individual"
    xr.Dataset(
        {
            "position": (dims, position),
            "shape": (dims, size),
            "confidence": (("time", "individual"), confidence),
        },
        {
            "time": list(frames),
            "space": ["x", "y"],
            "individual": np.array([f"id_{track}" for track in tracks], np.str_),
        },
        {"ds_type": "bboxes", "time_unit": "frames", "fps": 59.94, "source_software": "VIA-tracks"},
    ).to_netcdf(folder / f"{stem}.nc", engine="h5netcdf")
    return folder / f"{stem}.nc"


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


WRITERS: dict[str, WriteBoxes] = {
    "via": write_via,
    "mot": write_mot,
    "octron": write_octron,
    "coco": write_coco,
    "movement": write_movement,
}
