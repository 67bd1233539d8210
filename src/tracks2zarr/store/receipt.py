"""The receipt of a video: what was done, and the proof by which it is recognised later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from tracks2zarr.common.files import FolderContent, read_json
from tracks2zarr.common.problems import Problem
from tracks2zarr.planning.plan import ClipPlan, VideoPlan, digest_of_json, fields_of
from tracks2zarr.tracks.files import digest_of
from tracks2zarr.tracks.formats import ReaderName

#: The version of the receipt's JSON; a receipt of another one does not count.
RECEIPT_FORMAT = 2
#: Those that can be read; in the first, clips have no `reader`.
_READABLE_FORMATS = {1, RECEIPT_FORMAT}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipReceipt:
    """One clip as it was converted: the digest of its source, its individuals and boxes.

    `reader` is the reader of its tracks file; None in receipts of version 0.1.
    """

    clip: str
    digest: str
    n_individuals: int
    n_boxes: int
    reader: ReaderName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was done for one video.

    Parameters
    ----------
    plan
        The plan of the video, with the clips that were kept from an older group.
    clips
        One a clip, in the order of the plan.
    content
        Digest, number of files and size of the group.
    attempt
        The name of the attempt that wrote the group.
    started, finished
        Times in UTC, ISO 8601.
    seconds
        Duration of each step.
    peak_memory
        Of the process, in bytes.
    host
        The name of the machine.
    versions
        Of tracks2zarr and the libraries that wrote the group.
    warnings
        What was noticed while the clips were read.
    """

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
    warnings: tuple[Problem, ...] = field(default=())

    @property
    def video(self) -> str:
        """The video's id."""
        return self.plan.video

    @property
    def n_boxes(self) -> int:
        """The number of boxes of all clips."""
        return sum(clip.n_boxes for clip in self.clips)

    @property
    def n_individuals(self) -> int:
        """The number of individuals of the clip with the most."""
        return max(clip.n_individuals for clip in self.clips)

    def fingerprint(self) -> str:
        """Return the fingerprint of what was converted, the content of its sources included."""
        return fingerprint(self.plan, {clip.clip: clip.digest for clip in self.clips})

    def digest(self, clip: str) -> str | None:
        """Return the digest of a clip's source, or None for a clip that is not there."""
        return {receipt.clip: receipt.digest for receipt in self.clips}.get(clip)

    def holds(self, plan: VideoPlan) -> bool:
        """Tell whether the group is what a plan asks for.

        A source whose path, size and mtime are as they were is trusted; else it is hashed.
        """
        if plan.fingerprint() != self.plan.fingerprint():
            return False
        return all(self.holds_source(clip) for clip in plan.clips)

    def holds_source(self, clip: ClipPlan) -> bool:
        """Tell whether a clip's source is the one that was converted."""
        then = next((other for other in self.plan.clips if other.clip == clip.clip), None)
        if then is None:
            return False
        if (clip.source_path, clip.size, clip.mtime_ns) == (
            then.source_path,
            then.size,
            then.mtime_ns,
        ):
            return True
        try:
            return digest_of(clip.source_path) == self.digest(clip.clip)
        except OSError:
            return False

    def to_json(self) -> str:
        """Return the receipt as JSON text."""
        document = {
            "tracks2zarr_receipt": RECEIPT_FORMAT,
            "video": self.plan.video,
            "fingerprint": self.fingerprint(),
            **fields_of(self),
            "plan": self.plan.as_dict(),
            "clips": [fields_of(clip) for clip in self.clips],
            "content": fields_of(self.content),
            "seconds": dict(self.seconds),
            "versions": dict(self.versions),
            "warnings": [problem.as_dict() for problem in self.warnings],
        }
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Make a receipt from JSON text.

        Raises
        ------
        ValueError
            If the text is no receipt, is one of another version, or was changed.
        """
        try:
            document = read_json(text)
            if document["tracks2zarr_receipt"] not in _READABLE_FORMATS:
                raise ValueError("another format")
            names = ("attempt", "started", "finished", "seconds", "peak_memory", "host", "versions")
            receipt = cls(
                plan=VideoPlan.from_dict(document["plan"]),
                clips=tuple(ClipReceipt(**clip) for clip in document["clips"]),
                content=FolderContent(**document["content"]),
                warnings=tuple(Problem.from_dict(problem) for problem in document["warnings"]),
                **{name: document[name] for name in names},
            )
            if document["fingerprint"] != receipt.fingerprint():
                raise ValueError("its fingerprint is not that of its clips")
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a receipt: {error!r}") from None
        return receipt


def fingerprint(plan: VideoPlan, digests: Mapping[str, str]) -> str:
    """Return the fingerprint of a video: of its plan and of the content of its sources.

    Parameters
    ----------
    plan
        The video's plan.
    digests
        The digest of each clip's tracks file, by clip id.
    """
    sources = [digests[clip.clip] for clip in plan.clips]
    return digest_of_json({"plan": plan.fingerprint(), "sources": sources})
