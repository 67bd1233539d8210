"""Files that earlier exports wrote to a folder, and that do not belong to the others any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracks2zarr.dataset.schema import ClipColumn
from tracks2zarr.exporting.record import ExportRecord
from tracks2zarr.store.listing import listed_in
from tracks2zarr.store.store import Store


def clips_gone(store: Store, records: Iterable[ExportRecord]) -> set[ExportRecord]:
    """Return the records of files whose clip the store had, and has no more.

    A video without a receipt is being converted again, so nobody knows about its clips.

    Parameters
    ----------
    store
        The store.
    records
        Those of any files. Files of other stores are left out.
    """
    records = [one for one in records if one.store == str(store.path)]
    listed = listed_in(store)
    clips = {
        video: _clips_of(store, video) if video in listed or store.has_group(video) else []
        for video in {one.video for one in records}
    }
    return {
        one for one in records if (known := clips[one.video]) is not None and one.clip not in known
    }


def _clips_of(store: Store, video: str) -> list[str] | None:
    """Return the ids of a video's clips; None if they are unknown."""
    receipt = store.read_receipt(video)
    return None if receipt is None else [clip.clip for clip in receipt.plan.clips]


def other_columns(
    records: Iterable[ExportRecord], format: str, columns: Sequence[ClipColumn]
) -> list[ExportRecord]:
    """Return the records of files of a format that have other further columns than these."""
    return [one for one in records if one.format == format and one.columns != columns]
