"""Rows of the metadata CSV that are odd beside others: clips that overlap, videos named alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from tracks2zarr.common.problems import Problem, one_line
from tracks2zarr.planning.metadata_csv import ClipRow
from tracks2zarr.tracks.frames import ExtentColumns


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
                    remedy="Check both rows; both clips are converted as they are.",
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
                expected="names that differ in more, as macOS and Windows take them for one",
                remedy="If they are one video, correct the metadata CSV. Else rename one, to"
                " keep the store on such a computer.",
                severity="warning",
                video=video,
            )
