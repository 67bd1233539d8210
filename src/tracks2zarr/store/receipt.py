"""The receipt of a video: what was done, and the digests that prove it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracks2zarr.common.display import OneLine
from tracks2zarr.common.documents import Document, DocumentError, fields_of
from tracks2zarr.common.files import FolderContent
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.words import count_text
from tracks2zarr.planning.plan import ClipPlan, VideoPlan, digest_of_json
from tracks2zarr.tracks.formats import ReaderName
from tracks2zarr.tracks.source_file import FileStamp
from tracks2zarr.tracks.source_folder import digest_of


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Correction(OneLine):
    """One correction of a clip by hand.

    Parameters
    ----------
    file
        The corrected tracks file, as a POSIX path relative to the folder of tracks files. It
        contains the whole clip.
    digest
        The SHA-256 of its bytes, as ``sha256:<hex>``.
    who
        The login name of the person.
    when
        When it was made (UTC, ISO 8601).
    first_frame, last_frame
        The first and the last frame within the clip that was replaced.
    counts
        How many boxes and tracks changed, by kind of change.
    note
        What the person wrote about it.
    """

    file: str
    digest: str
    who: str
    when: str
    first_frame: int
    last_frame: int
    counts: Mapping[str, int]
    note: str | None = None

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in self.counts.items() if count)
        note = "" if self.note is None else f": {self.note}"
        when = self.when[:16].replace("T", " ")
        return f"{when} UTC by {self.who}, {counts or 'no box'} ({self.file}){note}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClipReceipt(OneLine):
    """One clip as it was converted: the digest of its source, its individuals and boxes.

    Parameters
    ----------
    digest
        The digest of its tracks file, even if a corrected file was read instead.
    reader
        The reader of its tracks file; None in receipts of version 0.1.
    stamp
        The stamp of its tracks file when it was read; None in older receipts.
    read_at_ns
        A time just before that, by the clock of the store's disk, in nanoseconds.
    corrections
        The corrections by hand, the last of which is in the group.
    """

    clip: str
    digest: str
    n_individuals: int
    n_boxes: int
    reader: ReaderName | None = None
    stamp: FileStamp | None = None
    read_at_ns: int | None = None
    corrections: tuple[Correction, ...] = ()

    @property
    def read_digest(self) -> str:
        """The digest of the file that the group was made from."""
        return self.corrections[-1].digest if self.corrections else self.digest

    def as_dict(self) -> dict[str, Any]:
        """Return the receipt for JSON, without what most clips have not."""
        fields = fields_of(self)
        if not self.corrections:
            del fields["corrections"]
        return fields

    def __str__(self) -> str:
        return f"{self.clip}: {self.n_individuals:,} individuals, {self.n_boxes:,} boxes"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Receipt(OneLine, Document):
    """What was done for one video.

    Parameters
    ----------
    plan
        The plan of the video, with the clips that were kept from an older group.
    clips
        One per clip, in the order of the plan.
    content
        Digest, number of files and size of the group.
    attempt
        The name of the attempt that wrote the group.
    started, finished
        Times in UTC, ISO 8601.
    seconds
        Duration of each step.
    peak_memory
        The peak memory of the process, in bytes.
    host
        The name of the machine.
    versions
        The versions of tracks2zarr and the libraries that wrote the group.
    warnings
        The warnings from reading the clips.
    """

    format_key = "tracks2zarr_receipt"
    #: Version 0.1 wrote 1. One with corrections has 3, so that no older version drops them.
    formats = (1, 2, 3)

    plan: VideoPlan
    clips: tuple[ClipReceipt, ...]
    content: FolderContent
    attempt: str
    started: str
    finished: str
    seconds: Mapping[str, float]
    peak_memory: int
    host: str
    versions: Mapping[str, str]
    warnings: tuple[Problem, ...] = ()

    @property
    def video(self) -> str:
        """The video's id."""
        return self.plan.video

    @property
    def written_format(self) -> int:
        """The format of this receipt."""
        return 3 if any(clip.corrections for clip in self.clips) else 2

    @property
    def n_boxes(self) -> int:
        """The number of boxes of all clips."""
        return sum(clip.n_boxes for clip in self.clips)

    @property
    def most_individuals(self) -> int:
        """The number of individuals of the clip with the most."""
        return max(clip.n_individuals for clip in self.clips)

    def fingerprint(self) -> str:
        """Return the fingerprint of what was converted, the content of its sources included."""
        sources = [self.digest(clip.clip) for clip in self.plan.clips]
        made_from = {"plan": self.plan.fingerprint(), "sources": sources}
        corrected = {clip.clip: clip.read_digest for clip in self.clips if clip.corrections}
        return digest_of_json(made_from | ({"corrected": corrected} if corrected else {}))

    def digest(self, clip: str) -> str | None:
        """Return the digest of a clip's source, or None for a clip that is not there."""
        done = self.clip(clip)
        return None if done is None else done.digest

    def clip(self, clip: str) -> ClipReceipt | None:
        """Return what was done for a clip, or None for a clip that is not there."""
        return next((done for done in self.clips if done.clip == clip), None)

    def planned(self, clip: str) -> ClipPlan | None:
        """Return the plan of a clip, or None for a clip that is not there."""
        return next((then for then in self.plan.clips if then.clip == clip), None)

    def holds(self, plan: VideoPlan) -> bool:
        """Tell whether the group is what a plan asked for when the plan was made.

        Corrections by hand do not count: a plan asks for input, and the receipt has them.

        A source is looked at only if it was converted with another path, size or mtime than the
        plan has; whether sources have changed since, `unchanged_clips` tells.
        """
        if plan == self.plan:  # as for most of many videos, and quicker found out
            return True
        if plan.fingerprint() != self.plan.fingerprint():
            return False
        return all(self._holds_source(clip) for clip in plan.clips)

    def _holds_source(self, clip: ClipPlan) -> bool:
        then = self.planned(clip.clip)
        if then is None:
            return False
        if all(getattr(clip, n) == getattr(then, n) for n in ("source_path", "size", "mtime_ns")):
            return True
        try:
            return digest_of(clip.source_path) == self.digest(clip.clip)
        except (OSError, Tracks2ZarrError):
            return False

    def as_dict(self) -> dict[str, Any]:
        """Return the receipt for JSON, with the video's id and the fingerprint."""
        return {"video": self.video, "fingerprint": self.fingerprint(), **fields_of(self)}

    def check(self, found: Mapping[str, Any]) -> None:
        """Check the fingerprint that was written with the receipt."""
        if found["fingerprint"] != self.fingerprint():
            raise DocumentError("its fingerprint is not that of its clips")

    def __str__(self) -> str:
        return f"{self.video}: {count_text(len(self.clips), 'clip')}, {self.n_boxes:,} boxes"
