"""What `tracks2zarr` is measured against, each as a whole process.

`by-hand` is what a researcher would write with `movement` and `xarray`, one clip after the
other. `floor` reads the raw columns of the CSV files once and writes ready arrays once: a
converter that did nothing else would take that long. `ready` prepares the arrays for it.
`raw` reads the raw columns alone, where the arrays would not fit on a disk.
"""

from __future__ import annotations

import argparse
from pathlib import Path

SUFFIX = "_tracks.csv"


def clips_of_videos(tracks_dir: Path) -> dict[str, dict[str, Path]]:
    """Return the tracks files by video and clip, both sorted."""
    videos: dict[str, dict[str, Path]] = {}
    for path in sorted(tracks_dir.glob(f"*{SUFFIX}")):
        video, _, clip = path.name.removesuffix(SUFFIX).rpartition("-")
        videos.setdefault(video, {})[clip] = path
    return videos


def convert_by_hand(tracks_dir: Path, store: Path) -> None:
    """Convert all videos with `movement` and `xarray` alone.

    Parameters
    ----------
    tracks_dir
        The folder of the tracks files.
    store
        The Zarr store; it must not exist.
    """
    import xarray as xr
    from movement.io import load_bboxes

    for video, clips in clips_of_videos(tracks_dir).items():
        datasets = [
            load_bboxes.from_via_tracks_file(path, use_frame_numbers_from_file=True)
            for path in clips.values()
        ]
        clip_id = xr.Variable("clip_id", list(clips))
        xr.concat(
            datasets, clip_id, join="outer", combine_attrs="drop_conflicts", data_vars="all"
        ).to_zarr(store, group=video, mode="a")


def write_ready_arrays(store: Path, ready: Path) -> None:
    """Write the boxes of a finished store as plain numpy files, for `floor`.

    Parameters
    ----------
    store
        A store that `tracks2zarr create` made.
    ready
        The folder for the arrays.
    """
    import numpy as np
    import zarr
    import zarr.codecs

    from tracks2zarr.dataset import schema

    for _, group in zarr.open_group(store, mode="r").groups():
        folder = ready / group.basename
        folder.mkdir(parents=True)
        for name in schema.BOX_VARIABLES:
            array = group[name]
            assert isinstance(array, zarr.Array)
            np.save(folder / f"{name}.npy", np.asarray(array[...]))


def read_and_write_once(tracks_dir: Path, ready: Path, store: Path) -> None:
    """Read the raw columns of all clips with polars, and write ready arrays in our layout.

    Parameters
    ----------
    tracks_dir
        The folder of the tracks files.
    ready
        What `write_ready_arrays` wrote.
    store
        The Zarr store; it must not exist.
    """
    import numpy as np
    import polars as pl
    import zarr
    import zarr.codecs

    from tracks2zarr.dataset import schema
    from tracks2zarr.dataset.layout import Layout

    files = sorted(tracks_dir.glob(f"*{SUFFIX}"))
    raw = pl.scan_csv(files, infer_schema=False).collect()
    del raw
    root = zarr.create_group(store, zarr_format=3)
    layout = Layout()
    for folder in sorted(ready.iterdir()):
        group = root.create_group(folder.name)
        for name in schema.BOX_VARIABLES:
            array = np.load(folder / f"{name}.npy", mmap_mode="r")
            frames, individuals = array.shape[1], array.shape[-1]
            space = array.shape[2:-1]
            chunk, grid = layout.chunks(frames, individuals), layout.grid(frames, individuals)
            group.create_array(
                name,
                shape=array.shape,
                dtype=array.dtype,
                chunks=(1, chunk[0], *space, chunk[1]),
                shards=(1, chunk[0] * grid[0], *space, chunk[1] * grid[1]),
                compressors=zarr.codecs.ZstdCodec(level=layout.zstd_level),
                fill_value=np.nan,
            )[...] = array


def read_raw(tracks_dir: Path) -> None:
    """Read the raw columns of all clips with polars."""
    import polars as pl

    pl.scan_csv(sorted(tracks_dir.glob(f"*{SUFFIX}")), infer_schema=False).collect()


def main() -> None:
    """Run one of the programs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    programs = parser.add_subparsers(dest="program", required=True)
    for name, arguments in {
        "by-hand": ("tracks_dir", "store"),
        "ready": ("store", "ready"),
        "floor": ("tracks_dir", "ready", "store"),
        "raw": ("tracks_dir",),
    }.items():
        program = programs.add_parser(name)
        for argument in arguments:
            program.add_argument(argument, type=Path)
    given = parser.parse_args()
    match given.program:
        case "by-hand":
            convert_by_hand(given.tracks_dir, given.store)
        case "ready":
            write_ready_arrays(given.store, given.ready)
        case "raw":
            read_raw(given.tracks_dir)
        case "floor":
            read_and_write_once(given.tracks_dir, given.ready, given.store)


if __name__ == "__main__":
    main()
