"""The record of what was published, which lies beside the published store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tracks2zarr.common.documents import Document
from tracks2zarr.store.paths import OWN_FOLDER

#: The paths of the root, the plan and the record below the URL.
ROOT = "zarr.json"
PLAN = f"{OWN_FOLDER}/plan.json"
RECORD = f"{OWN_FOLDER}/published.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedObject:
    """One object: the digest of what was sent, its size in bytes, and the store's tag of it."""

    digest: str
    size: int
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVideo:
    """One video: the digest of its group, and its objects by their paths below the URL."""

    content: str
    objects: Mapping[str, PublishedObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published(Document):
    """What lies at a URL, as far as this program put it there.

    Parameters
    ----------
    videos
        By video.
    store
        The identity of the store that it was published from; None in older records.
    """

    format_key = "tracks2zarr_published"

    videos: Mapping[str, PublishedVideo] = field(default_factory=dict)
    store: str | None = None

    def with_video(self, video: str, published: PublishedVideo) -> Published:
        """Return the record with one more video, or with what one is now."""
        return replace(self, videos={**self.videos, video: published})
