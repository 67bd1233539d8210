"""Why clips are not exported, and what should be known of exported files."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from tracks2zarr.common.problems import Problem, comma_list
from tracks2zarr.common.words import count_text
from tracks2zarr.dataset.schema import ColumnType

#: A command with more files than these is no help.
_MOST_TO_REMOVE = 20


def no_folder(out: Path, found: str) -> Problem:
    """Return the problem of a folder that nothing can be exported to."""
    return Problem(
        kind="output",
        what="The files cannot be written there.",
        file=str(out),
        found=found,
        expected="a folder outside any store, which is created if it is missing",
        remedy="Choose another folder.",
    )


def same_name(out: Path, files: Sequence[Path]) -> Problem:
    """Return the problem of clips whose files would have one name."""
    return Problem(
        kind="output",
        what="The files cannot be written there.",
        file=str(out),
        found=f"two clips with one name: {comma_list([path.name for path in files])}",
        expected="a file per clip",
        remedy="Export each video to a separate folder, with --video.",
    )


def in_the_way(out: Path, files: Sequence[Path], store: str | None) -> Problem:
    """Return the problem of files that an export would replace, and did not write.

    Parameters
    ----------
    out
        The folder of the export.
    files
        The files.
    store
        The other store that they were exported from; None if they are not as exported.
    """
    return Problem(
        kind="export-exists",
        what="There are files in the way that were changed since they were exported, or did not"
        " come from an export."
        if store is None
        else "There are files in the way that were exported from another store.",
        file=str(out),
        found=_files_text([path.relative_to(out).as_posix() for path in files])
        + ("" if store is None else f", from {store}"),
        expected="no such file, or one as it was exported"
        if store is None
        else "no such file, or one from this store",
        remedy="Choose another folder, or pass --overwrite to replace these files.",
    )


def column_is_mixed(store: Path, name: str, videos: Mapping[ColumnType, Sequence[str]]) -> Problem:
    """Return the warning of a column that is text, since videos have it with different types.

    Parameters
    ----------
    store
        The store.
    name
        The name of the column.
    videos
        The videos, by the type that they have the column with.
    """
    found = [f"{kind} in {comma_list(some, 3)}" for kind, some in videos.items()]
    return Problem(
        kind="column-types-differ",
        what="A further column is text in the table, since its types differ between videos.",
        file=str(store),
        column=name,
        found="; ".join(found),
        expected="one type in all videos",
        remedy="Nothing, if text is what you want. Otherwise, write its cells in the same way in"
        " the metadata CSV of all videos, and convert the videos again.",
        severity="warning",
    )


def columns_are_alike(store: Path, names: Sequence[str]) -> Problem:
    """Return the warning of columns that programs without case take for one."""
    return Problem(
        kind="column-names-alike",
        what="The names of further columns differ only in case, and some programs mistake them.",
        file=str(store),
        found=comma_list(list(names)),
        expected="names that differ in more than upper and lower case",
        remedy="Name the column in the same way in the metadata CSV of all videos, and convert the"
        " videos again.",
        severity="warning",
    )


def other_columns(out: Path, files: Sequence[str]) -> Problem:
    """Return the warning of files in the folder that do not fit those of this export."""
    return Problem(
        kind="export-columns",
        what="Files of earlier exports have other columns, so the folder is not one table.",
        file=str(out),
        found=_files_text(files),
        expected="the further columns that the store has now",
        remedy="Run the same command without --video and --clip. Remove files that are from other"
        " stores.",
        severity="warning",
    )


def clips_are_gone(out: Path, files: Sequence[str]) -> Problem:
    """Return the warning of files in the folder whose clips the store does not have any more."""
    remove = shlex.join(["rm", *(str(out / file) for file in files)])
    few = len(files) <= _MOST_TO_REMOVE
    return Problem(
        kind="export-clips-gone",
        what="Files of earlier exports contain clips that are not in the store any more.",
        file=str(out),
        found=_files_text(files),
        expected="only clips that the store has",
        remedy=f"Unless you want to keep them, remove them: {remove}"
        if few
        else "Export to a new folder, or remove these files.",
        severity="warning",
    )


def other_formats(out: Path, files: Sequence[str], name: str) -> Problem:
    """Return the warning of files of other formats, which readers of the folder may mistake."""
    return Problem(
        kind="export-formats",
        what="The folder also has files that were exported in another format.",
        file=str(out),
        found=_files_text(files),
        expected=f"only files of the format {name}",
        remedy="Export each format to a separate folder: 'plan' and 'create' read only one format"
        " from a folder.",
        severity="warning",
    )


def confidence_read_as_absent(out: Path, video: str, boxes: Mapping[str, int]) -> Problem:
    """Return the warning of boxes in MOTChallenge text that are read without their confidence.

    Parameters
    ----------
    out
        The folder of the export.
    video
        The video.
    boxes
        The number of such boxes of each clip.
    """
    return Problem(
        kind="export-confidence",
        what="Boxes have a confidence of -1, which means 'no confidence' in MOTChallenge text.",
        file=str(out),
        found=_counts_text(boxes, "box", "boxes"),
        expected="other confidences than -1",
        remedy="Nothing, if -1 means the same in your tracks files. Otherwise use another format.",
        severity="warning",
        video=video,
    )


def large_tracks(out: Path, video: str, tracks: Mapping[str, int]) -> Problem:
    """Return the warning of track numbers that some programs round.

    Parameters
    ----------
    out
        The folder of the export.
    video
        The video.
    tracks
        The number of such tracks of each clip.
    """
    return Problem(
        kind="export-track",
        what="Some track numbers are so large that programs may round them.",
        file=str(out),
        found=_counts_text(tracks, "track", "tracks"),
        expected="track numbers below 2**53, which every program reads exactly",
        remedy="Compare the track numbers after reading the files, or use the format via, movement"
        " or parquet, which keep all digits.",
        severity="warning",
        video=video,
    )


def _counts_text(counts: Mapping[str, int], one: str, many: str) -> str:
    """Return the sum of counts, and the clips that they are of."""
    return f"{count_text(sum(counts.values()), one, many)} of {comma_list(list(counts))}"


def _files_text(names: Sequence[str]) -> str:
    return f"{count_text(len(names), 'file')}: {comma_list(names)}"
