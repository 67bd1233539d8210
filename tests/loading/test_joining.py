"""Two videos are joined with plain xarray."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

LEFT, RIGHT = "06.09.2023-02-Left", "04.09.2023-01-Right"
DATA = ("position", "shape")


@pytest.fixture
def videos(sample_store: Path) -> tuple[xr.Dataset, xr.Dataset]:
    """Return two videos with other clips, frames and individuals, as xarray opens them."""
    left, right = (
        xr.open_dataset(sample_store, engine="zarr", group=video, chunks={})
        for video in (LEFT, RIGHT)
    )
    assert left.sizes != right.sizes
    return left, right


@pytest.mark.filterwarnings("error:::xarray", "error:::zarr")
def test_two_videos_are_joined(videos: tuple[xr.Dataset, xr.Dataset]) -> None:
    left, right = videos
    both = xr.concat([left, right], "video", join="outer", coords="different", compat="equals")
    assert both.sizes["individual"] == max(one.sizes["individual"] for one in videos)
    for number, one in enumerate(videos):
        kept = both.isel(video=number).reindex_like(one)
        np.testing.assert_array_equal(kept["position"], one["position"])
    for one in xr.align(left, right, join="outer"):
        assert one["individual"].equals(both["individual"])
    alone = [one[[name]].reset_coords(drop=True) for one, name in zip(videos, DATA, strict=True)]
    merged = xr.merge(alone, join="outer", compat="no_conflicts")
    assert set(merged.data_vars) == set(DATA)
    named = left.reindex(individual=["id_00001", "id_99999"])
    np.testing.assert_array_equal(
        named["position"].isel(individual=0), left["position"].sel(individual="id_00001")
    )
    assert np.isnan(named["position"].isel(individual=1)).all()
    assert left["individual"].dtype.kind == "U"
