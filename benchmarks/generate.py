"""A generator of experiments of any size that look as if a tracker had written them.

Tracks are short-lived: an animal that was lost comes back under a new number. Boxes drop
out for single frames and for some frames in a row, and there are frames without any box
at the start, in the middle and at the end of clips. The rows are those of the tracker,
down to the order of tracks within a frame. The same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import polars as pl
import zstandard
from numpy.typing import NDArray

type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]

HEADER = (
    "filename,file_size,file_attributes,region_count,region_id,"
    "region_shape_attributes,region_attributes\n"
)
METADATA_COLUMNS = (
    "video_parent_directory",
    "loop_clip_name",
    "video_name",
    "fps",
    "loop_START_frame_ffmpeg",
    "loop_END_frame_ffmpeg",
    "loop_START_frame_ffmpeg_PTS",
    "loop_END_frame_ffmpeg_PTS",
    "escape_START_frame_0_based_idx",
    "escape_type",
)
FPS = 59.94
#: The width and height of a frame, pixels.
EXTENT = np.array((4096.0, 2160.0))
#: Mean length of a track, in frames, and of the time until the animal is found again.
TRACK_FRAMES, LOST_FRAMES = 600, 25
#: The share of boxes that drop out alone, and that of stretches of eight frames that do.
DROP_OUT, GAP = 0.04, 0.005
_GAP_FRAMES = 8
_ROWS_AT_ONCE = 1 << 18


@dataclass(frozen=True, slots=True)
class Experiment:
    """What was written.

    Parameters
    ----------
    tracks_dir
        The folder of the tracks files.
    metadata_csv
        The metadata CSV.
    n_boxes
        The number of boxes in all clips.
    n_bytes
        The size of all tracks files.
    """

    tracks_dir: Path
    metadata_csv: Path
    n_boxes: int
    n_bytes: int


def write_experiment(
    folder: Path,
    *,
    videos: int = 1,
    clips: int = 3,
    frames: int = 7594,
    individuals_in_view: int = 70,
    track_frames: int = TRACK_FRAMES,
    seed: int = 0,
) -> Experiment:
    """Write an experiment: a folder of tracks files, and the metadata CSV beside it.

    Parameters
    ----------
    folder
        Where to; it is made if need be.
    videos
        The number of videos.
    clips
        Clips in a video.
    frames
        Frames in a clip.
    individuals_in_view
        Boxes in a frame that has any, on average.
    track_frames
        Length of a track, on average; most are shorter, some much longer.
    seed
        Seed of all random numbers.

    Returns
    -------
    Experiment
    """
    tracks_dir = folder / "tracks"
    tracks_dir.mkdir(parents=True, exist_ok=True)
    n_boxes = n_bytes = 0
    rows = []
    for video in range(videos):
        for clip in range(clips):
            rng = np.random.default_rng([seed, video, clip])
            name = f"{_video_id(video)}-Loop{clip:02d}"
            rows.append(_metadata_row(video, name, clip * frames, frames))
            path = tracks_dir / f"{name}_tracks.csv"
            n_boxes += write_clip(path, frames, individuals_in_view, track_frames, rng)
            n_bytes += path.stat().st_size
    metadata_csv = folder / "loop-frames-ffmpeg.csv"
    with metadata_csv.open("w", newline="") as file:
        table = csv.DictWriter(file, METADATA_COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    return Experiment(tracks_dir, metadata_csv, n_boxes, n_bytes)


def multiply(folder: Path, times: int) -> None:
    """Add videos to an experiment, whose tracks files are links to those of the first ones.

    Parameters
    ----------
    folder
        Where `write_experiment` wrote.
    times
        How often each video is there in the end, under several names.
    """
    metadata_csv = folder / "loop-frames-ffmpeg.csv"
    head, *rows = metadata_csv.read_text().splitlines(keepends=True)
    videos = {row.split(",")[2].removesuffix(".mov") for row in rows}
    table = [head, *rows]
    for copy in range(1, times):
        for video in videos:
            new = f"{video}-{copy:02d}"
            table += [row.replace(video, new) for row in rows if f",{video}.mov," in row]
            for path in (folder / "tracks").glob(f"{video}-Loop*_tracks.csv"):
                path.with_name(path.name.replace(video, new)).hardlink_to(path)
    metadata_csv.write_text("".join(table))


def compress(file: Path, program: Literal["gzip", "zstd"]) -> None:
    """Compress a file, and remove it."""
    with file.open("rb") as content:
        if program == "gzip":
            with gzip.open(file.with_name(f"{file.name}.gz"), "wb", 6) as packed:
                shutil.copyfileobj(content, packed)
        else:
            with file.with_name(f"{file.name}.zst").open("wb") as packed:
                zstandard.ZstdCompressor().copy_stream(content, packed)
    file.unlink()


def _video_id(number: int) -> str:
    day, camera = divmod(number, 2)
    return f"{day % 28 + 1:02d}.09.2023-{day // 28 + 1:02d}-{('Right', 'Left')[camera]}"


def _metadata_row(video: int, clip_name: str, start: int, frames: int) -> dict[str, object]:
    last = start + frames - 1
    return {
        "video_parent_directory": "Day1",
        "loop_clip_name": f"{clip_name}.mp4",
        "video_name": f"{_video_id(video)}.mov",
        "fps": FPS,
        "loop_START_frame_ffmpeg": start + 1,
        "loop_END_frame_ffmpeg": last + 1,
        "loop_START_frame_ffmpeg_PTS": round(start / FPS, 6),
        "loop_END_frame_ffmpeg_PTS": round(last / FPS, 6),
        "escape_START_frame_0_based_idx": start + frames * 4 // 5,
        "escape_type": ("spontaneous", "triggered")[start // frames % 2],
    }


def write_clip(
    path: Path,
    frames: int,
    individuals_in_view: int,
    track_frames: int,
    rng: np.random.Generator,
) -> int:
    """Write the tracks file of one clip.

    Parameters
    ----------
    path
        The file.
    frames
        Frames in the clip.
    individuals_in_view
        Boxes in a frame that has any, on average.
    track_frames
        Length of a track, on average.
    rng
        Source of random numbers.

    Returns
    -------
    int
        The number of boxes.
    """
    present = _track_in_view(frames, individuals_in_view, track_frames, rng)
    tracks = _Tracks.random(present, rng)
    n_boxes = 0
    step = max(1, _ROWS_AT_ONCE // max(1, present.shape[1]))
    with path.open("wb") as file:
        file.write(HEADER.encode())
        for start in range(0, frames, step):
            n_boxes += _write_frames(file, start, present[start : start + step], tracks, rng)
    return n_boxes


def _track_in_view(
    frames: int, individuals_in_view: int, track_frames: int, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Return (frames, animals) int32: the number of the track of each animal, 0 for no box."""
    seen = track_frames / (track_frames + LOST_FRAMES) * (1 - DROP_OUT) * (1 - GAP)
    animals = round(individuals_in_view / seen)
    ends = _ends_of_stretches(frames, animals, track_frames, rng)
    lengths = np.diff(ends, axis=1, prepend=0)
    # stretches are, in turn, of an animal that is lost and of one that has a track
    starts, is_track = ends[:, :-1:2], lengths[:, 1::2] > 0
    number = np.zeros_like(lengths, dtype=np.int32)
    number[:, 1::2][is_track] = _numbers(starts[is_track], rng)
    present = np.repeat(number.ravel(), lengths.ravel()).reshape(animals, frames).T.copy()
    present[rng.random(present.shape, np.float32) < DROP_OUT] = 0
    gaps = rng.random((-(-frames // _GAP_FRAMES), animals), np.float32) < GAP
    present[np.repeat(gaps, _GAP_FRAMES, axis=0)[:frames]] = 0
    for first, last in ((0, 0.005), (0.4, 0.41), (0.995, 1)):
        present[round(first * frames) : round(last * frames)] = 0
    return present


def _ends_of_stretches(
    frames: int, animals: int, track_frames: int, rng: np.random.Generator
) -> Ints:
    """Return (animals, 2 n) int64: the frame after each stretch, at most `frames`."""
    spread = 1.2  # few long tracks make up for the many short ones
    centre = np.log(track_frames) - spread**2 / 2
    n_tracks = 2 + 2 * frames // track_frames
    ends: Ints = np.zeros((animals, 1), np.int64)
    while ends.size and ends[:, -1].min() < frames:
        lost = 1 + rng.exponential(LOST_FRAMES, (animals, n_tracks))
        if ends.shape[1] == 1:  # most animals are there from the start
            lost[:, 0] *= rng.random(animals) < 0.1
        tracked = 1 + rng.lognormal(centre, spread, (animals, n_tracks))
        lengths = np.stack([lost, tracked], axis=2).reshape(animals, -1).astype(np.int64)
        ends = np.hstack([ends, ends[:, -1:] + np.cumsum(lengths, axis=1)])
    return np.minimum(ends[:, 1:], frames)


def _numbers(starts: Ints, rng: np.random.Generator) -> Ints:
    """Return track numbers in order of first frame; some are skipped, as by a tracker."""
    numbers = np.empty_like(starts)
    numbers[np.argsort(starts, kind="stable")] = np.cumsum(1 + (rng.random(len(starts)) < 0.1))
    return numbers


@dataclass(frozen=True, slots=True)
class _Tracks:
    """What all boxes of a track have in common, by track number.

    `first` is a frame in which the track began; `corner` (n, 2) is where it was then and
    `speed` (n, 2) how far it goes in a frame, pixels; `middle` is the text between ``y``
    and the confidence.
    """

    first: Ints
    corner: Floats
    speed: Floats
    middle: pl.Series

    @classmethod
    def random(cls, present: NDArray[np.int32], rng: np.random.Generator) -> _Tracks:
        n = int(present.max(initial=0)) + 1
        first = np.zeros(n, np.int64)
        for start in range(len(present) - 1, -1, -4096):  # from the last to the first
            block = present[max(0, start - 4095) : start + 1][::-1]
            frame, animal = np.nonzero(block)
            first[block[frame, animal]] = start - frame
        size = np.maximum(rng.normal((45, 33), (14, 11), (n, 2)).astype(np.int64), 8)
        table = pl.DataFrame({"width": size[:, 0], "height": size[:, 1], "track": np.arange(n)})
        middle = _joined(
            table,
            *(pl.lit(',""width"":'), "width", pl.lit(',""height"":'), "height"),
            *(pl.lit('}","{""track"":""'), "track", pl.lit('"", ""confidence"":""')),
        )
        corner = rng.random((n, 2)) * EXTENT
        return cls(first, corner, rng.normal(0, 0.3, (n, 2)), middle)


def _write_frames(
    file: BinaryIO,
    start: int,
    present: NDArray[np.int32],
    tracks: _Tracks,
    rng: np.random.Generator,
) -> int:
    """Write the rows of some frames, the latest track first in each; return how many."""
    in_order = -np.sort(-present, axis=1)
    frame, column = np.nonzero(in_order)
    track = in_order[frame, column]
    since = (start + frame - tracks.first[track])[:, None]
    jitter = rng.standard_normal((len(track), 2)) * 0.5
    straight = tracks.corner[track] + tracks.speed[track] * since
    # animals turn round at the edges of the image
    corner = EXTENT - np.abs(EXTENT - straight % (2 * EXTENT)) + jitter
    # confidence is single precision in the tracker, and written in double
    confidence = 1 - 0.85 * rng.random(len(track), np.float32) ** 2
    number = pl.DataFrame({"frame": np.arange(start, start + len(present))})
    image = _joined(
        number,
        pl.lit("frame_"),
        pl.col("frame").cast(pl.String).str.zfill(8),
        pl.lit('.png,8888,"{""clip"":123}",1,0,"{""name"":""rect"",""x"":'),
    )
    boxes = pl.DataFrame(
        {
            "image": image.gather(frame),
            "x": corner[:, 0],
            "y": corner[:, 1],
            "middle": tracks.middle.gather(track),
            "confidence": confidence.astype(np.float64),
        }
    )
    rows = _joined(
        boxes,
        *("image", "x", pl.lit(',""y"":'), "y", "middle", "confidence", pl.lit('""}"')),
    )
    rows.to_frame().write_csv(file, include_header=False, quote_style="never")
    return len(track)


def _joined(table: pl.DataFrame, *parts: str | pl.Expr) -> pl.Series:
    """Return the text of each row, from columns and constants."""
    return table.select(pl.concat_str(*parts)).to_series()


def main() -> None:
    """Write an experiment as the command line says, and say how large it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--videos", type=int, default=1)
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--frames", type=int, default=7594)
    parser.add_argument("--individuals-in-view", type=int, default=70)
    parser.add_argument("--track-frames", type=int, default=TRACK_FRAMES)
    parser.add_argument("--seed", type=int, default=0)
    made = write_experiment(**vars(parser.parse_args()))
    print(f"{made.n_boxes} boxes, {made.n_bytes} bytes")


if __name__ == "__main__":
    main()
