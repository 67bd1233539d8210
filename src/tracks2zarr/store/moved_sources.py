"""Notes where the tracks files of a finished video lie now, without converting it again."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from tracks2zarr.common.files import read_content, read_file, read_json
from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.group.zarr_metadata import metadata_bytes
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.store.commit import Attempt
from tracks2zarr.store.corrections import moved_file
from tracks2zarr.store.receipt import ClipReceipt, Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.tracks.source_file import changed_while_read
from tracks2zarr.tracks.source_folder import digest_and_stamp

_SOURCE_FILE = "source_file"


def note_places(store: Store, receipt: Receipt, plan: VideoPlan) -> Receipt:
    """Bring the receipt and the group of a finished video up to date with where its sources lie.

    Parameters
    ----------
    store
        The store; the caller holds the lock of the video.
    receipt
        The video's receipt; its group is intact.
    plan
        The plan in the receipt, with the places where the sources lie now.

    Returns
    -------
    Receipt
        The new receipt.

    Raises
    ------
    Tracks2ZarrError
        If a source changed since it was found to be unchanged.
    OSError
        If a source cannot be read, or the store cannot be written to.
    """
    read_at_ns = store.time_ns(plan.video)
    clips = tuple(_at_new_place(receipt, clip, read_at_ns) for clip in plan.clips)
    receipt = replace(receipt, plan=plan, clips=clips)
    if plan.source_files == _source_files_of(store.group(plan.video)):
        store.write_receipt(receipt)
        return receipt
    return _with_source_files(store, receipt)


def _at_new_place(receipt: Receipt, clip: ClipPlan, read_at_ns: int) -> ClipReceipt:
    """Return a clip's receipt with the stamp of the file at its place in a plan."""
    then, done = receipt.planned(clip.clip), receipt.clip(clip.clip)
    assert then is not None
    assert done is not None
    if then.source_path == clip.source_path:
        return done
    digest, stamp = digest_and_stamp(clip.source_path)
    if digest != done.digest:
        raise Tracks2ZarrError(
            changed_while_read(clip.source_path, "other content than just before")
        )
    corrections = tuple(
        replace(one, file=moved_file(one.file, then.tracks_dir, clip.tracks_dir))
        for one in done.corrections
    )
    return replace(done, stamp=stamp, read_at_ns=read_at_ns, corrections=corrections)


def _source_files_of(group: Path) -> object:
    return read_json(read_file(group / "zarr.json"))["attributes"][_SOURCE_FILE]


def _with_source_files(store: Store, receipt: Receipt) -> Receipt:
    """Replace the group by one that names other source files and shares all other files."""
    attempt = Attempt.begin(store, receipt.video, store.temp)
    try:
        group = store.group(receipt.video)
        shutil.copytree(group, attempt.group, copy_function=_share)
        metadata = attempt.group / "zarr.json"
        document = read_json(read_file(metadata))
        document["attributes"][_SOURCE_FILE] = receipt.plan.source_files
        metadata.unlink()  # it is shared
        metadata.write_bytes(metadata_bytes(document))
        content = read_content(attempt.group)
        receipt = replace(receipt, content=content, attempt=attempt.name)
        attempt.commit(receipt)
    finally:
        attempt.end(receipt.video)
    return receipt


def _share(file: str, copy: str) -> None:
    """Let two folders share a file; where the disk cannot do that, copy it."""
    try:
        os.link(file, copy)
    except OSError:
        shutil.copy2(file, copy)
