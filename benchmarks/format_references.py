"""What a user would take to read and write each format without `tracks2zarr`.

Each program reads all files of a format into arrays or a table, or writes the clips of a store in
the format. `octron` is written only to have such files: no library writes them.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tracks2zarr as tz

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_READ_BYTES = 1 << 20
_OCTRON_LINES = 7


def read_via(folder: Path) -> None:
    """Read with movement."""
    from movement.io import load_bboxes

    for file in folder.glob("*.csv"):
        load_bboxes.from_via_tracks_file(file, use_frame_numbers_from_file=True)


def read_gzip(folder: Path) -> None:
    """Expand with Python's gzip."""
    for file in folder.glob("*.gz"):
        with gzip.open(file) as opened:
            while opened.read(_READ_BYTES):
                pass


def read_zstd(folder: Path) -> None:
    """Expand with the package zstandard."""
    import zstandard

    for file in folder.glob("*.zst"):
        with file.open("rb") as opened:
            reader = zstandard.ZstdDecompressor().stream_reader(opened)
            while reader.read(_READ_BYTES):
                pass


def read_mot(folder: Path) -> None:
    """Read with pandas."""
    import pandas as pd

    for file in folder.glob("*.txt"):
        pd.read_csv(file, header=None)


def read_octron(folder: Path) -> None:
    """Read with pandas."""
    import pandas as pd

    for clip in folder.iterdir():
        pd.concat(pd.read_csv(file, skiprows=_OCTRON_LINES) for file in clip.glob("*_track_*.csv"))


def read_coco(folder: Path) -> None:
    """Read with pycocotools."""
    from pycocotools.coco import COCO

    for file in folder.glob("*.json"):
        COCO(str(file))


def read_movement(folder: Path) -> None:
    """Read with xarray."""
    import xarray as xr

    for file in folder.glob("*.nc"):
        xr.load_dataset(file, engine="h5netcdf")


def write_via(store: Path, out: Path) -> None:
    """Write with movement."""
    from movement.io import save_bboxes

    for name, clip in _clips(store):
        save_bboxes.to_via_tracks_file(clip.load(), out / f"{name}_tracks.csv")


def write_movement(store: Path, out: Path) -> None:
    """Write with xarray."""
    for name, clip in _clips(store):
        clip.to_netcdf(out / f"{name}.nc", engine="h5netcdf")


def write_parquet(store: Path, out: Path) -> None:
    """Write with pandas."""
    for name, clip in _clips(store):
        _table(clip).to_parquet(out / f"{name}.parquet")


def write_mot(store: Path, out: Path) -> None:
    """Write with pandas."""
    for name, clip in _clips(store):
        table = _table(clip)
        table["frame"] += 1
        table.to_csv(out / f"{name}.txt", header=False, index=False)


def write_coco(store: Path, out: Path) -> None:
    """Write with json."""
    for name, clip in _clips(store):
        rows = _table(clip).to_dict("records")
        images = [{"id": frame, "frame_index": frame} for frame in clip["time"].values.tolist()]
        annotations = [
            {
                "id": number,
                "image_id": row["frame"],
                "track_id": row["track"],
                "bbox": [row["x"], row["y"], row["width"], row["height"]],
                "score": row["confidence"],
            }
            for number, row in enumerate(rows)
        ]
        text = json.dumps({"images": images, "annotations": annotations})
        (out / f"{name}.json").write_text(text)


def write_octron(store: Path, out: Path) -> None:
    """Write the files that OCTRON would."""
    for name, clip in _clips(store):
        folder = out / f"{name}_ByteTrack"
        folder.mkdir()
        table = _table(clip)
        table["bbox_x_max"], table["bbox_y_max"] = table.x + table.width, table.y + table.height
        named = {"frame": "frame_idx", "track": "track_id", "x": "bbox_x_min", "y": "bbox_y_min"}
        lines = [f"video_name: {name}.mp4", *["key: value"] * (_OCTRON_LINES - 2), ""]
        for track, rows in table.rename(columns=named).groupby("track_id"):
            with (folder / f"crab_track_{track}.csv").open("w") as file:
                file.write("\n".join(lines) + "\n")
                rows.to_csv(file, index=False)


def _clips(store: Path) -> Iterator[tuple[str, xr.Dataset]]:
    for clip in tz.load_clips(store):
        yield f"{clip.attrs['video_id']}-{clip['clip_id'].item()}", clip


def _table(clip: xr.Dataset) -> pd.DataFrame:
    """Return a row per box."""
    loaded = clip[["position", "shape", "confidence"]].load()
    sides = {
        ("x", "y")[side]: loaded["position"].isel(space=side, drop=True) for side in (0, 1)
    } | {("width", "height")[side]: loaded["shape"].isel(space=side, drop=True) for side in (0, 1)}
    table = loaded["confidence"].to_dataset().assign(sides)
    rows = table.assign_coords(track=clip["track_id"]).to_dataframe().reset_index()
    rows = rows[rows["x"].notna()].rename(columns={"time": "frame"})
    return rows[["frame", "track", "x", "y", "width", "height", "confidence"]]


READ: Mapping[str, tuple[Callable[[Path], None], str]] = {
    "via": (read_via, "movement"),
    "via, .gz": (read_gzip, "gzip, expanding alone"),
    "via, .zst": (read_zstd, "zstandard, expanding alone"),
    "octron": (read_octron, "pandas"),
    "mot": (read_mot, "pandas"),
    "coco": (read_coco, "pycocotools"),
    "movement": (read_movement, "xarray"),
}
WRITE: Mapping[str, tuple[Callable[[Path, Path], None], str]] = {
    "via": (write_via, "movement"),
    "parquet": (write_parquet, "pandas"),
    "mot": (write_mot, "pandas"),
    "coco": (write_coco, "json"),
    "movement": (write_movement, "xarray"),
}


def main() -> None:
    """Run one of the programs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    programs = parser.add_subparsers(dest="program", required=True)
    for program, places in {"read": ("folder",), "write": ("store", "out")}.items():
        of_one = programs.add_parser(program)
        of_one.add_argument("format")
        for place in places:
            of_one.add_argument(place, type=Path)
    given: Any = parser.parse_args()
    if given.program == "read":
        READ[given.format][0](given.folder)
        return
    given.out.mkdir()
    writers = {name: write for name, (write, _) in WRITE.items()} | {"octron": write_octron}
    writers[given.format](given.store, given.out)


if __name__ == "__main__":
    main()
