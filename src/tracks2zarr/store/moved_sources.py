"""Notes where the tracks files of a finished video lie now, without converting it again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tracks2zarr.common.files import read_content, read_json
from tracks2zarr.common.locks import LockedError
from tracks2zarr.group.zarr_metadata import metadata_bytes
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.store.commit import Attempt, recover
from tracks2zarr.store.receipt import ClipReceipt, Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.tracks.files import digest_and_stamp

_SOURCE_FILE = "source_file"


def note_moved_sources(store: Store, plans: Iterable[VideoPlan]) -> None:
    """Bring the receipts and groups of finished videos up to date with where their sources lie.

    A video that another process is at work on is left to that process.

    Parameters
    ----------
    store
        The store.
    plans
        Plans of finished videos; only the places of sources may differ from the receipts'.
    """
    for plan in plans:
        receipt = store.read_receipt(plan.video)
        if receipt is None or receipt.plan.places == plan.places:
            continue
        try:
            with store.video_lock(plan.video):
                _note_places(store, plan)
        except LockedError:
            continue


def _note_places(store: Store, plan: VideoPlan) -> None:
    """Note new places, unless the video has changed since it was looked at."""
    recover(store, plan.video, ())
    receipt = store.read_receipt(plan.video)
    if receipt is None or receipt.plan.fingerprint() != plan.fingerprint():
        return
    if not store.is_intact(receipt, read=True):
        return
    read_at_ns = store.time_ns(plan.video)
    clips = tuple(_at_new_place(receipt, clip, read_at_ns) for clip in plan.clips)
    if [clip.digest for clip in clips] != [clip.digest for clip in receipt.clips]:
        return
    receipt = replace(receipt, plan=plan, clips=clips)
    if _source_files(plan) == _source_files_of(store.group(plan.video)):
        store.write_receipt(receipt)
    else:
        _commit_with_source_files(store, receipt)


def _at_new_place(receipt: Receipt, clip: ClipPlan, read_at_ns: int) -> ClipReceipt:
    """Return a clip's receipt with the digest and the stamp of the file at its place in a plan."""
    then, done = receipt.planned(clip.clip), receipt.clip(clip.clip)
    assert then is not None
    assert done is not None
    if then.source_path == clip.source_path:
        return done
    digest, stamp = digest_and_stamp(clip.source_path)
    return replace(done, digest=digest, stamp=stamp, read_at_ns=read_at_ns)


def _source_files(plan: VideoPlan) -> list[str]:
    return [clip.source for clip in plan.clips]


def _source_files_of(group: Path) -> object:
    return read_json((group / "zarr.json").read_bytes())["attributes"][_SOURCE_FILE]


def _commit_with_source_files(store: Store, receipt: Receipt) -> None:
    """Replace the group by one that names other source files and shares all other files."""
    attempt = Attempt.begin(store, receipt.video, store.temp)
    try:
        group = store.group(receipt.video)
        shutil.copytree(group, attempt.group, copy_function=_share)
        metadata = attempt.group / "zarr.json"
        document = read_json(metadata.read_bytes())
        document["attributes"][_SOURCE_FILE] = _source_files(receipt.plan)
        metadata.unlink()  # it is shared
        metadata.write_bytes(metadata_bytes(document))
        content = read_content(attempt.group)
        attempt.commit(replace(receipt, content=content, attempt=attempt.name))
    finally:
        attempt.end(receipt.video)


def _share(file: str, copy: str) -> None:
    """Let two folders share a file; where the disk cannot do that, copy it."""
    try:
        os.link(file, copy)
    except OSError:
        shutil.copy2(file, copy)
