"""``clips`` and ``load_clips``: the clips of all videos as a table, and those chosen from it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal

from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list, one_line
from tracks2zarr.dataset.schema import ABSENT
from tracks2zarr.loading.load_clip import (
    ClipAsked,
    check_arguments,
    clip_in,
    finished_video,
    no_escape,
)
from tracks2zarr.store.overview import ClipInfo, StoreInfo, VideoInfo, info, info_of
from tracks2zarr.store.published import AnyStore, opened_store
from tracks2zarr.store.video_state import State

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: The columns of the table of clips, and pandas' dtype of each.
COLUMNS = {
    "video": "str",
    "clip_id": "str",
    "fps": "float64",
    "n_frames": "int64",
    "seconds": "float64",
    "n_individuals": "int64",
    "n_boxes": "int64",
    "first_frame": "int64",
    "last_frame": "int64",
    "escape_frame": "Int64",
    "escape_type": "str",
    "escape_seconds": "float64",
    "n_corrections": "int64",
}

#: In a query: a text or a column's name, and a sign that was perhaps meant to compare.
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_ASSIGNMENT = re.compile(r"(?<![=!<>])=(?![=<>])")


def clips(store: str | os.PathLike[str]) -> pd.DataFrame:
    """Return a table of the clips of all finished videos, without reading arrays.

    Parameters
    ----------
    store
        The store, as for `open_store`.

    Returns
    -------
    pandas.DataFrame
        One row per clip, sorted by video and clip, with the columns

        - ``video`` and ``clip_id`` (str);
        - ``fps`` (float64), ``n_frames`` (int64), and its duration ``seconds`` (float64);
        - ``n_individuals`` and ``n_boxes`` (int64);
        - ``first_frame`` and ``last_frame`` (int64): in the video, from 0;
        - ``escape_frame`` (Int64): the first frame of the escape in the video, from 0; missing for
          a clip without an escape;
        - ``escape_type`` (str): in lower case; ``none`` for a clip without an escape, and
          missing in datasets without escapes;
        - ``escape_seconds`` (float64): the time of the escape within the clip; NaN if there is
          none;
        - ``n_corrections`` (int64): how often the clip was corrected by hand;
        - the further columns of the metadata CSV that are in the dataset, each of the type that
          fits all of its values; missing for clips of videos without the column.

    Raises
    ------
    Tracks2ZarrError
        If there is no store.
    """
    return clip_table(info(store))


def clip_table(found: StoreInfo) -> pd.DataFrame:
    """Return the table of the clips of the finished videos in an overview of a store."""
    import pandas as pd

    done = [video for video in found.videos if video.state is State.DONE]
    rows = [_row(video, clip) for video in done for clip in video.clips]
    found_as = pd.DataFrame(rows, columns=list(COLUMNS))
    table = found_as.astype(COLUMNS)
    # pandas 2 has made a text of None
    table["escape_type"] = table["escape_type"].where(found_as["escape_type"].notna())
    further = pd.DataFrame([dict(clip.columns) for video in done for clip in video.clips])
    return table.join(further) if len(further.columns) else table


def _row(video: VideoInfo, clip: ClipInfo) -> tuple[object, ...]:
    fps = video.fps or float("nan")
    return (
        video.video,
        clip.clip,
        fps,
        clip.n_frames,
        clip.n_frames / fps,
        clip.n_individuals,
        clip.n_boxes,
        clip.first_frame,
        clip.last_frame,
        None if clip.escape_frame == ABSENT else clip.escape_frame,
        clip.escape_type,
        None if clip.escape is None else clip.escape / fps,
        len(clip.corrections),
    )


def load_clips(
    store: str | os.PathLike[str],
    where: str | pd.DataFrame | None = None,
    *,
    seconds: bool = False,
    zero: Literal["escape"] | None = None,
    frames: slice | None = None,
    chunks: dict[Any, Any] | None = None,
) -> Iterator[xr.Dataset]:
    """Load clips one after the other, each as `load_clip` does.

    Each clip is opened when the iterator reaches it, and its arrays are read when they are used,
    so only one clip is in memory at a time. Clips can be pickled without their arrays, so they can
    be passed to any executor.

    Parameters
    ----------
    store
        The store, as for `open_store`.
    where
        Which clips to load: a condition on the columns of the table of `clips`, as for
        `pandas.DataFrame.query` (without ``@``), e.g. ``"escape_type == 'triggered'"``;
        or rows of that table. By default, all clips.
    seconds, zero, frames, chunks
        As in `load_clip`.

    Returns
    -------
    Iterator[xarray.Dataset]
        The clips in the order of the table.

    Raises
    ------
    Tracks2ZarrError
        If there is no store, the query cannot be evaluated, the clip of a row does not exist, or
        clips have no escape to count from.
    """
    import pandas as pd

    check_arguments(0, zero, frames)
    asked = ClipAsked(seconds=seconds, zero=zero, frames=frames)
    there = opened_store(store)
    chosen = _chosen(there, where)
    names = list(zip(chosen["video"], chosen["clip_id"], strict=True))
    if zero == "escape":
        # rows may come from elsewhere, with other columns
        table = clip_table(info_of(there)) if isinstance(where, pd.DataFrame) else chosen
        if lacking := _without_escape(table, names):
            of_lacking = table.set_index(["video", "clip_id"]).loc[lacking, "escape_type"]
            raise Tracks2ZarrError(
                no_escape(there, lacking, has_escapes=bool(of_lacking.notna().any()))
            )
    # clips of a video follow each other, and to open it by a URL takes dozens of requests
    video_of = lru_cache(maxsize=1)(partial(finished_video, there, chunks=chunks))
    return (clip_in(there, video_of(video), clip, asked) for video, clip in names)


def _without_escape(table: pd.DataFrame, names: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return those of some clips that have no escape, by a table of clips."""
    without = table[table["escape_frame"].isna()]
    have_none = set(zip(without["video"], without["clip_id"], strict=True))
    return [name for name in names if name in have_none]


def _chosen(store: AnyStore, where: str | pd.DataFrame | None) -> pd.DataFrame:
    import pandas as pd

    if isinstance(where, str):
        return _queried(store, clip_table(info_of(store)), where)
    if where is None:
        return clip_table(info_of(store))
    if not isinstance(where, pd.DataFrame):
        kind = type(where).__name__
        raise TypeError(f"where is a {kind}; expected a query or rows of tracks2zarr.clips(...)")
    lacking = [name for name in ("video", "clip_id") if name not in where]
    if lacking:
        raise ValueError(
            f"where has no column {comma_list(lacking)}; expected rows of tracks2zarr.clips(...)"
        )
    return where


def _queried(store: AnyStore, table: pd.DataFrame, query: str) -> pd.DataFrame:
    import pandas as pd

    try:
        # without them, names after @ would be those of this function and module
        fits = table.eval(query, local_dict={}, global_dict={})
        if not pd.api.types.is_bool_dtype(fits):
            raise ValueError("not a condition, which is true or false")
    except Exception as error:  # pandas raises nearly everything
        assigns = _ASSIGNMENT.search(_QUOTED.sub("", query)) is not None
        why = "a single '=', which compares nothing" if assigns else one_line(error)
        raise Tracks2ZarrError(
            Problem(
                kind="clip-query",
                what="The query for clips cannot be evaluated.",
                file=str(store.path),
                found=f"{one_line(query)!r}: {why}",
                expected=f"a condition on {comma_list(list(table.columns), len(table.columns))}",
                remedy="Write '==' for '='."
                if assigns
                else "Write it as for pandas, e.g. \"escape_type == 'triggered'\".",
            )
        ) from error
    return table[fits]
