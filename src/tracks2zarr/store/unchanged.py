"""Tells whether tracks files are still those that a video was converted from."""

from __future__ import annotations

from collections.abc import Set

from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.tracks.source_folder import digest_of, stamp_of


def unchanged_clips(receipt: Receipt, plan: VideoPlan, *, rehash: bool) -> frozenset[str]:
    """Return the clips of a plan whose tracks files are those that were converted.

    A tracks file is read and hashed, unless its path and its stamp are those of when it was
    converted, and the stamp was clearly older than that.

    Parameters
    ----------
    receipt
        What was converted.
    plan
        Where the tracks files lie now.
    rehash
        Whether to hash all of them.
    """
    return frozenset(
        clip.clip for clip in plan.clips if _is_unchanged(receipt, clip, rehash=rehash)
    )


def is_same_clip(clip: ClipPlan, then: ClipPlan, unchanged: Set[str]) -> bool:
    """Tell whether a clip is planned as it was converted, from a tracks file that is unchanged."""
    return clip.content() == then.content() and clip.clip in unchanged


def _is_unchanged(receipt: Receipt, clip: ClipPlan, *, rehash: bool) -> bool:
    done = receipt.clip(clip.clip)
    if done is None:
        return False
    try:
        if not rehash and _has_the_same_stamp(receipt, clip):
            return True
        return digest_of(clip.source_path) == done.digest
    except FileNotFoundError:
        return receipt.planned(clip.clip) == clip  # planned earlier, and gone since
    except (OSError, Tracks2ZarrError):
        return False  # whoever converts it says what is wrong with it


def _has_the_same_stamp(receipt: Receipt, clip: ClipPlan) -> bool:
    """Tell whether a tracks file lies where it lay, and shows no change since it was converted."""
    then, done = receipt.planned(clip.clip), receipt.clip(clip.clip)
    if then is None or done is None or then.source_path != clip.source_path:
        return False
    if done.stamp is None or done.read_at_ns is None:
        return False  # converted by an older version
    if not done.stamp.is_older_than(done.read_at_ns):
        return False
    return stamp_of(clip.source_path) == done.stamp
