"""``concat_clips``: clips of any videos in one dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tracks2zarr.dataset.schema import (
    ABSENT,
    CLIP_ID,
    TIME,
    TRACK_FIRST_FRAME,
    TRACK_ID,
    TRACK_LAST_FRAME,
    TRACK_N_BOXES,
)

if TYPE_CHECKING:
    import xarray as xr

#: The dimension along which clips are concatenated.
CLIP = "clip"
_FILL_VALUES = {
    TRACK_ID: ABSENT,
    TRACK_FIRST_FRAME: ABSENT,
    TRACK_LAST_FRAME: ABSENT,
    TRACK_N_BOXES: 0,
}


def concat_clips[T: (xr.Dataset, xr.DataArray)](clips: Iterable[T]) -> T:
    """Concatenate clips of any videos along a new dimension ``clip``.

    The coordinates ``video`` and ``clip_id`` tell the clips apart. Times and individuals are
    aligned by label; a clip that lacks a label is padded with NaN. The result is as long
    as its longest clip and as wide as the one with the most individuals, so reduce long clips
    first, or load them with ``chunks={}``.

    (`xarray.concat` alone leaves a coordinate that is equal in all clips, such as ``clip_id`` of
    the first clips of two videos, without the new dimension.)

    Parameters
    ----------
    clips
        Datasets as `load_clip` and `load_clips` return them; or results computed from them,
        datasets or arrays, that keep their coordinates.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        The variables of the clips with a dimension ``clip`` in front. All coordinates of a clip,
        and ``fps``, are coordinates along ``clip``; attributes that differ are left out.

    Raises
    ------
    ValueError
        If there are no clips; if some count time in frames and others in seconds, or some from
        the start and others from the escape; or if their dimensions of individuals have different
        names.
    TypeError
        If something else is passed, e.g. a single clip instead of a list.
    """
    import xarray as xr

    given = [_checked(clip) for clip in clips]
    if not given:
        raise ValueError("there are no clips to concatenate")
    _check_alike(given)
    common = set.intersection(*({str(name) for name in clip.coords} for clip in given))
    given = [clip.drop_vars({str(name) for name in clip.coords} - common) for clip in given]
    return xr.concat(
        given,
        CLIP,
        coords=sorted(common - set(map(str, given[0].dims))),
        join="outer",
        compat="equals",
        combine_attrs="drop_conflicts",
        fill_value={name: value for name, value in _FILL_VALUES.items() if name in common},
    )


def _checked[T: (xr.Dataset, xr.DataArray)](clip: T) -> T:
    """Return a clip with its `fps` as a coordinate."""
    if not hasattr(clip, "coords"):
        raise TypeError(f"one of clips is a {type(clip).__name__}; expected a list of Datasets")
    if CLIP_ID in clip.dims:
        raise ValueError("a whole video was given; expected clips, as load_clip returns them")
    return _with_fps(clip)


def _with_fps[T: (xr.Dataset, xr.DataArray)](clip: T) -> T:
    fps = clip.attrs.get("fps")
    return clip if fps is None else clip.assign_coords(fps=((), fps, {"units": "1/s"}))


def _check_alike(clips: Sequence[xr.Dataset | xr.DataArray]) -> None:
    """Check that clips have the same dimensions, and count time in the same way."""
    individuals = {str(dim) for clip in clips for dim in clip.dims} & {"individual", "individuals"}
    if len(individuals) > 1:
        raise ValueError("the dimension of some clips is 'individual' and of others 'individuals'")
    times = [clip[TIME].attrs for clip in clips if TIME in clip.coords]
    if len({attrs.get("units", "frames") for attrs in times}) > 1:
        raise ValueError("the time of some clips is in frames and of others in seconds")
    if len({"escape" in str(attrs.get("long_name")) for attrs in times}) > 1:
        raise ValueError("the time of some clips counts from the escape and of others does not")
