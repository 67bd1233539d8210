"""Times opening a video of a store and four ways of reading it, in seconds as JSON (medians).

``python reads.py STORE VIDEO [--engine ENGINE]``: with xarray's engine ``zarr``, or with
``tracks2zarr``, which `open_store` and `load_clip` use, too. Each is a call in a process that has
everything imported, as in a notebook.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

OPEN, INDIVIDUAL, CLIP, MEAN, MINUTE = (
    *("nothing yet: opened only", "one individual's trajectory", "one clip's positions"),
    *("mean confidence of the video, with dask", "all positions of one minute"),
)
_ROUNDS = 7
_MINUTE_FRAMES = 3596


def readers(store: Path, video: str, engine: str) -> dict[str, Callable[[], Any]]:
    """Return a function for each way of reading; each opens the store anew."""
    import xarray as xr

    import tracks2zarr as tz

    def opened(chunks: dict[str, int] | None = None) -> xr.Dataset:
        return xr.open_dataset(store, engine=engine, group=video, chunks=chunks)

    def clip() -> Any:
        if engine == "tracks2zarr":
            return tz.load_clip(store, video, "Loop00").position.load()
        return opened().position.sel(clip_id="Loop00").load()

    def individual() -> Any:
        dataset = opened()
        return dataset.position[0, :, :, dataset.position.shape[-1] // 10].load()

    def minute() -> Any:
        dataset = opened()
        start = dataset.sizes["time"] // 3
        return dataset.position[0, start : start + _MINUTE_FRAMES].load()

    def mean() -> Any:
        return opened(chunks={}).confidence.mean().compute()

    return {OPEN: opened, INDIVIDUAL: individual, CLIP: clip, MEAN: mean, MINUTE: minute}


def main() -> None:
    """Time all ways of reading one store."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("video")
    parser.add_argument("--engine", default="zarr")
    given = parser.parse_args()
    medians = {}
    for name, read in readers(given.store, given.video, given.engine).items():
        read()
        times = []
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            read()
            times.append(time.perf_counter() - start)
        medians[name] = statistics.median(times)
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
