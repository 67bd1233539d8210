"""Rows of the metadata CSV that do not go together, although each may be sound alone.

A clip is there twice, a video has two frame rates, clips overlap, or videos are named alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from tracks2zarr.common.problems import Problem, one_line
from tracks2zarr.planning.metadata import ClipRow, Metadata
from tracks2zarr.planning.metadata_cells import FPS
from tracks2zarr.tracks.frames import ExtentColumns


def clips_twice(metadata: Metadata, metadata_csv: Path) -> Iterator[Problem]:
    """Yield the problem of each row whose clip an earlier row has."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, name in metadata.names.items():
        rows_of[name.clip_stem].append(row)
    for clip_stem, rows in rows_of.items():
        for row in rows[1:]:
            yield Problem(
                kind="duplicate-clip-row",
                what="A clip has two rows in the metadata CSV.",
                file=str(metadata_csv),
                row=row,
                column=metadata.layout.clip,
                found=f"'{one_line(clip_stem)}', as in row {rows[0]}",
                expected="one row per clip",
                remedy="Remove one of the two rows.",
                video=metadata.names[row].video,
                clip=clip_stem,
            )


def clip_ids_twice(metadata: Metadata, metadata_csv: Path) -> Iterator[Problem]:
    """Yield the problem of each clip whose id another clip of the video has, with another name."""
    first_of: dict[tuple[str, str], ClipRow] = {}
    for row in metadata.rows:
        first = first_of.setdefault((row.video, row.clip), row)
        if row.clip_stem != first.clip_stem:
            yield Problem(
                kind="duplicate-clip-row",
                what="Two clips of a video have the same id.",
                file=str(metadata_csv),
                row=row.row,
                column=metadata.layout.clip,
                found=f"'{one_line(row.clip_stem)}' and '{one_line(first.clip_stem)}' of row"
                f" {first.row}, both with the id '{one_line(row.clip)}'",
                expected="one id for each clip of a video",
                remedy="Rename one of the clips, and its tracks file.",
                video=row.video,
                clip=row.clip_stem,
            )


def differing_frame_rates(metadata: Metadata, metadata_csv: Path) -> Iterator[Problem]:
    """Yield the problem of each row with another frame rate than the first of its video."""
    first_of: dict[str, ClipRow] = {}
    for row in metadata.rows:
        first = first_of.setdefault(row.video, row)
        if row.fps != first.fps:
            yield Problem(
                kind="fps-differs",
                what="A video has two different frame rates.",
                file=str(metadata_csv),
                row=row.row,
                column=FPS,
                found=f"{row.fps!r}",
                expected=f"{first.fps!r}, as in row {first.row} of the same video",
                remedy="Correct one of the two rows.",
                video=row.video,
                clip=row.clip_stem,
            )


def overlapping_clips(
    clips: Iterable[ClipRow], metadata_csv: Path, extent: ExtentColumns
) -> Iterator[Problem]:
    """Yield a warning for each clip that starts before an earlier one of its video ends.

    Parameters
    ----------
    clips
        The rows of the clips that have tracks files.
    metadata_csv
        The file that they stand in.
    extent
        Its columns with the first and the last frame of a clip.
    """
    rows_of: dict[str, list[ClipRow]] = defaultdict(list)
    for clip in clips:
        rows_of[clip.video].append(clip)
    for video, rows in rows_of.items():
        rows.sort(key=lambda row: (row.first_frame, row.last_frame))
        furthest = rows[0]
        for row in rows[1:]:
            if row.first_frame <= furthest.last_frame and row.clip != furthest.clip:
                yield Problem(
                    kind="clips-overlap",
                    what="Two clips of a video overlap.",
                    file=str(metadata_csv),
                    row=row.row,
                    column=extent.first,
                    found=f"'{one_line(row.clip)}' starts at"
                    f" {row.first_frame + extent.first_number}, before"
                    f" '{one_line(furthest.clip)}' (row {furthest.row}) ends at"
                    f" {furthest.last_frame + extent.first_number}",
                    expected="clips one after the other",
                    remedy="Check both rows: 'metadata draft' starts every clip at"
                    f" {extent.first_number}. Both clips are converted as they are.",
                    severity="warning",
                    video=video,
                    clip=row.clip,
                )
            furthest = max(furthest, row, key=lambda clip: clip.last_frame)


def video_names_alike(videos: Iterable[str], metadata_csv: Path) -> Iterator[Problem]:
    """Yield a warning for each video whose name differs from another's in its case alone.

    Parameters
    ----------
    videos
        The ids of the videos.
    metadata_csv
        The file that names them.
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for video in sorted(videos):
        alike[video.casefold()].append(video)
    for several in alike.values():
        for video in several[1:]:
            yield Problem(
                kind="names-differ-in-case",
                what="The names of two videos differ only in upper and lower case.",
                file=str(metadata_csv),
                column="video_name",
                found=f"'{one_line(video)}' beside '{one_line(several[0])}'",
                expected="names that differ in more than case; macOS and Windows ignore case",
                remedy="If they are one video, correct the metadata CSV. Otherwise, rename one, to"
                " keep the store on such a computer.",
                severity="warning",
                video=video,
            )
