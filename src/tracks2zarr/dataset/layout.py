"""The shapes of chunks and shards, which depend on the data alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """How the arrays of a video are divided into chunks.

    An inner chunk covers up to `chunk_frames` frames of one clip and up to
    `chunk_individuals` individuals. A shard holds all inner chunks of one clip. The
    reasons are in ``docs/performance.md``.

    Parameters
    ----------
    chunk_frames
        Frames in an inner chunk.
    chunk_individuals
        Individuals in an inner chunk.
    zstd_level
        Compression level of Zstandard; 0 is its default level.
    """

    chunk_frames: int = 4000
    chunk_individuals: int = 128
    zstd_level: int = 1

    def chunks(self, n_frames: int, n_individuals: int) -> tuple[int, int]:
        """Return the frames and individuals of an inner chunk of arrays of this extent."""
        return (
            max(1, min(self.chunk_frames, n_frames)),
            max(1, min(self.chunk_individuals, n_individuals)),
        )

    def grid(self, n_frames: int, n_individuals: int) -> tuple[int, int]:
        """Return the number of inner chunks along time and individual."""
        frames, individuals = self.chunks(n_frames, n_individuals)
        return max(1, -(-n_frames // frames)), max(1, -(-n_individuals // individuals))
