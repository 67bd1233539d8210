"""The videos that are asked for by name, and those in the metadata CSV without tracks files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

from tracks2zarr.common.names import clip_id_of, composed
from tracks2zarr.common.near_names import did_you_mean
from tracks2zarr.common.problems import (
    Problem,
    comma_list,
    one_line,
    same_command,
)
from tracks2zarr.common.words import count_text
from tracks2zarr.planning.metadata import Metadata

#: How many videos without a tracks file are named.
_VIDEOS_NAMED = 5


class Selection:
    """Videos that are asked for by name.

    Parameters
    ----------
    videos
        Their ids.
    metadata
        What the metadata CSV says.
    """

    def __init__(self, videos: Iterable[str], metadata: Metadata) -> None:
        self.videos = frozenset(map(composed, videos))
        self._id_of = metadata.layout.clip_id_of
        self._in_metadata = {name.video for name in metadata.names.values()}
        self._videos_of: dict[str, set[str]] = defaultdict(set)
        for name in metadata.names.values():
            self._videos_of[name.clip_stem].add(name.video)

    def has_clip(self, clip_stem: str) -> bool:
        """Tell whether a clip is of one of the videos, by its row, or else by its name."""
        return not self.videos.isdisjoint(self._videos_with(clip_stem))

    def _videos_with(self, clip_stem: str) -> set[str]:
        of_rows = {v for v in self._videos_of.get(clip_stem, ()) if self._id_of(clip_stem, v)}
        if of_rows:
            return of_rows
        known = (v for v in self._in_metadata | self.videos if clip_id_of(clip_stem, v))
        return {max(known, key=len, default="")}

    def unknown(self, metadata_csv: Path) -> Iterator[Problem]:
        """Yield a problem for each video that is not in the metadata CSV, and if there is none."""
        if not self.videos:
            yield Problem(
                kind="setting",
                what="No video is named.",
                found="videos without an id",
                expected="ids of videos, or None for all videos",
                remedy="Correct the setting.",
            )
        if not self._in_metadata:  # then the metadata's own problem says why
            return
        for video in sorted(self.videos - self._in_metadata):
            yield Problem(
                kind="video-without-row",
                what="A video that was named is not in the metadata CSV.",
                file=str(metadata_csv),
                found=f"no row of '{one_line(video)}'",
                expected="the id of a video: its video_name without the extension",
                remedy=did_you_mean(video, self._in_metadata)
                or did_you_mean(video.rpartition(".")[0], self._in_metadata)
                or "Correct --video, or the file of --videos-from.",
                video=video,
            )

    def without_file(self, clip_stems: Iterable[str], tracks_dir: Path) -> Iterator[Problem]:
        """Yield a problem for each video of the metadata CSV that has none of some tracks files."""
        found = {video for clip_stem in clip_stems for video in self._videos_with(clip_stem)}
        for video in sorted(self.videos & self._in_metadata - found):
            yield Problem(
                kind="video-without-file",
                what="A video that was named has no tracks file.",
                file=str(tracks_dir),
                found=f"no file for '{one_line(video)}'",
                expected=f"<clip>_tracks.csv for at least one of its clips, in {tracks_dir}",
                remedy="Fetch or make the missing files, or do not name the video.",
                video=video,
            )


def without_file(
    missing: Set[str],
    metadata: Metadata,
    metadata_csv: Path,
    tracks_dir: Path,
    *,
    require_all: bool,
) -> Iterator[Problem]:
    """Yield one problem for all videos of a metadata CSV that have no tracks file.

    Parameters
    ----------
    missing
        Their ids.
    metadata, metadata_csv
        The metadata CSV.
    tracks_dir
        Where the files were looked for.
    require_all
        Whether it is an error, not a warning.
    """
    if not missing:
        return
    rows = [row for row in metadata.rows if row.video in missing]
    count = count_text(len({row.video for row in metadata.rows}), "video")
    names = comma_list(sorted(missing), _VIDEOS_NAMED)
    yield Problem(
        kind="video-without-file",
        what=f"{len(missing)} of {count} in the metadata CSV have no tracks file: {names}."
        if len(missing) > 1
        else f"1 of {count} in the metadata CSV has no tracks file: {names}.",
        file=str(metadata_csv),
        row=rows[0].row,
        column="video_name",
        found=f"no file for any of {count_text(len(rows), 'clip')}",
        expected=f"<clip>_tracks.csv in {tracks_dir}",
        remedy="Fetch or make the missing files; or, to convert the others, run"
        f" {same_command(without='--require-all')}"
        if require_all
        else "Nothing, if these videos were not tracked. To convert some of the videos only, name"
        " them with --video.",
        severity="error" if require_all else "warning",
    )
