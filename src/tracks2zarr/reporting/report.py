"""``report``: one HTML file with pictures of every clip."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tracks2zarr.common.arguments import check_optional_number, check_optional_path
from tracks2zarr.common.files import write_atomically
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.progress import Progress, showing
from tracks2zarr.common.provenance import now
from tracks2zarr.parallel.cores import worker_count
from tracks2zarr.parallel.processes import end_if_importing_a_script
from tracks2zarr.parallel.workers import start_workers
from tracks2zarr.reporting.figures import ImageSize
from tracks2zarr.reporting.images import draw_video
from tracks2zarr.reporting.output import check_output
from tracks2zarr.reporting.page import as_html, report_page
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.overview import info
from tracks2zarr.store.video_state import State

#: So few clips are drawn before worker processes have started.
_FEW_CLIPS = 20


def report(
    store: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    workers: int | None = None,
    progress: bool | Progress = False,
    input_errors: Sequence[Problem] = (),
) -> Path:
    """Write a report of a store as one HTML file, with pictures of every clip.

    The file opens offline and needs no other files. All boxes are counted; only trajectories are
    thinned, and the file states the interval.

    Parameters
    ----------
    store
        The store.
    output
        The file; by default ``<store>-report.html``, beside the store. It is replaced.
    workers
        Number of worker processes; by default one per core, or none if there is little to do.
    progress
        Whether to show a progress bar, or an object that is told about the progress instead.
    input_errors
        `Summary.input_errors`, to show what was left out of the plan.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    Tracks2ZarrError
        If there is no store, its plan cannot be read, or the file cannot be written or does not
        end with ``.html`` or ``.htm``.
    """
    check_optional_path("output", output)
    check_optional_number("workers", workers)
    end_if_importing_a_script()
    there = existing_store(store)
    file = report_file(there.path) if output is None else Path(output).absolute()
    check_output(file)
    if file.suffix.lower() not in {".html", ".htm"}:
        raise Tracks2ZarrError(_no_page(file))
    known = info(there.path)
    receipts = {
        video.video: receipt
        for video in known.videos
        if video.state is State.DONE and (receipt := there.read_receipt(video.video))
    }
    n_clips = sum(len(receipt.plan.clips) for receipt in receipts.values())
    size = ImageSize.for_clips(n_clips)
    # the largest first, so that no worker is at it when the others are done
    order = sorted(receipts.values(), key=lambda receipt: -receipt.n_boxes)
    draw = partial(draw_video, there.path, size=size)
    images = {}
    count = worker_count(workers, len(order), is_little=n_clips < _FEW_CLIPS)
    with showing(progress) as shown, start_workers(count, end_at_once=True) as pool:
        shown.begin([receipt.video for receipt in order], None)
        for receipt, future in pool.as_completed(draw, order):
            images[receipt.video] = drawn = future.result()
            shown.ended(receipt.video, drawn.problem)
    failed = [video.video for video in known.videos if video.state is State.FAILED]
    failures = [problem for video in failed for problem in there.read_failure(video)]
    page = report_page(
        known, receipts, images, made=now(), size=size, failures=failures, input_errors=input_errors
    )
    own = file.with_name(f".{file.name}.{os.getpid()}.new")  # two may write at the same time
    write_atomically(file, as_html(page).encode(), sync=False, temporary=own)
    return file


def report_file(store: Path) -> Path:
    """Return the file beside a store that its report is written to by default."""
    return store.with_name(f"{store.name}-report.html")


def _no_page(file: Path) -> Problem:
    return Problem(
        kind="output",
        what="The name of a report must end with .html or .htm.",
        file=str(file),
        found=f"a name that ends with '{file.suffix}'" if file.suffix else "no ending",
        expected="one that ends with .html or .htm",
        remedy="Choose such a name with -o.",
    )
