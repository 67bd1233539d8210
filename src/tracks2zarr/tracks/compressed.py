"""Expands tracks files that are compressed with gzip or zstd, as they are read.

What a file is, its first bytes tell, not its name: browsers expand files and keep the name.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from tracks2zarr.common.problems import Problem, Tracks2ZarrError

GZIP, ZSTD = "gzip", "zstd"
_MAGIC = {b"\x1f\x8b\x08": GZIP, b"\x28\xb5\x2f\xfd": ZSTD}
#: What follows the first byte, 0x50 to 0x5F, of a frame of zstd that has no content:
#: https://datatracker.ietf.org/doc/html/rfc8878#section-3.1.2
_SKIPPABLE = b"\x2a\x4d\x18"
#: The largest window of zstd, which `--long=31` asks for.
_MAX_WINDOW = 1 << 31
#: Their names end so.
SUFFIXES = (".gz", ".zst")
#: Bytes of gzip that are taken at once, and the most that they are expanded to at once.
_GZIP_BYTES, _MOST_BYTES = 1 << 15, 1 << 19
#: A header of zstd has no more bytes.
_MOST_SAID = 18
#: Bytes of zstd that are taken at once; they expand to 64 MiB at the very most.
_ZSTD_BYTES = 1 << 11


def compression_of(start: bytes) -> str | None:
    """Return what a file is compressed with by its first bytes; None for a file that is not."""
    if start[1:4] == _SKIPPABLE and start[0] >> 4 == 5:  # as pzstd writes before its frames
        return ZSTD
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


def expanded_name(file_name: str) -> str:
    """Return the name that a file has when it is expanded.

    >>> expanded_name("clip.csv.gz"), expanded_name("clip.csv.ZST"), expanded_name("clip.csv")
    ('clip.csv', 'clip.csv', 'clip.csv')
    """
    base, dot, suffix = file_name.rpartition(".")
    return base if f"{dot}{suffix}".lower() in SUFFIXES else file_name


class BytesFile(Protocol):
    """A file of which bytes can be read."""

    def read(self, size: int = -1, /) -> bytes | None:
        """Return at most `size` bytes; none at the end of the file."""
        ...


class Expanded(io.RawIOBase):
    """The content of a compressed file.

    Parameters
    ----------
    path
        The file, for errors.
    file
        Its bytes, from the first one on.
    compression
        What it is compressed with.
    """

    def __init__(self, path: Path, file: BytesFile, compression: str) -> None:
        self._path = path
        self._pieces = (_from_gzip if compression == GZIP else _from_zstd)(file)
        self._compression = compression
        self._piece = memoryview(b"")
        #: How many bytes were expanded, and to how many.
        self.n_taken = self.n_expanded = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer, and return how many bytes; 0 at the end.

        Raises
        ------
        Tracks2ZarrError
            If the file ends too early, or its bytes are not what was compressed.
        """
        while not self._piece:
            found = self._next()
            if found is None:
                return 0
            piece, taken = found
            self._piece = memoryview(piece)
            self.n_taken, self.n_expanded = self.n_taken + taken, self.n_expanded + len(piece)
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def _next(self) -> _Piece | None:
        try:
            return next(self._pieces, None)
        except EOFError:
            raise Tracks2ZarrError(_cut_off(self._path, self._compression)) from None
        except (zlib.error, _DamagedError) as error:
            damaged = _damaged(self._path, self._compression, str(error))
            raise Tracks2ZarrError(damaged) from None


class _DamagedError(Exception):
    """Bytes are not what was compressed."""


#: Some content, and how many bytes were expanded to it.
type _Piece = tuple[bytes, int]


def _from_gzip(file: BytesFile) -> Iterator[_Piece]:
    """Yield the content of a gzip file, which may have several members.

    Raises
    ------
    EOFError
        If it ends within one.
    """
    data = file.read(_GZIP_BYTES) or b""
    while data:
        expander = zlib.decompressobj(wbits=31)  # with header and checksum of gzip
        while not expander.eof:
            piece = expander.decompress(data, _MOST_BYTES)
            if not piece and not data:
                raise EOFError
            rest = len(expander.unconsumed_tail) + len(expander.unused_data)
            yield piece, len(data) - rest
            data = expander.unconsumed_tail
            if not data and not expander.eof:
                data = file.read(_GZIP_BYTES) or b""
        data = _after_padding(expander.unused_data, file)


def _after_padding(data: bytes, file: BytesFile) -> bytes:
    """Return what follows zeros, which some programs fill up with; nothing at the file's end."""
    while True:
        if rest := data.lstrip(b"\0"):
            return rest
        data = file.read(_GZIP_BYTES) or b""
        if not data:
            return b""


def _from_zstd(file: BytesFile) -> Iterator[_Piece]:
    """Yield the content of a zstd file, which may have several frames.

    Raises
    ------
    EOFError
        If it ends within one.
    """
    import zstandard

    data = file.read(_ZSTD_BYTES) or b""
    while data:
        expander = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompressobj()
        while data:
            try:
                piece = expander.decompress(data)
            except zstandard.ZstdError as error:
                raise _DamagedError(str(error)) from None
            yield piece, len(data) - len(expander.unused_data)
            if expander.eof:
                break
            data = file.read(_ZSTD_BYTES) or b""
        else:
            raise EOFError
        data = expander.unused_data or file.read(_ZSTD_BYTES) or b""


def _cut_off(path: Path, compression: str) -> Problem:
    return Problem(
        kind="tracks-compressed-cut-off",
        what="A compressed tracks file is cut off.",
        file=str(path),
        found=f"a {compression} file without its end",
        expected=f"a whole {compression} file",
        remedy="Copy or download it again, or compress the tracks file again.",
    )


def _damaged(path: Path, compression: str, found: str) -> Problem:
    return Problem(
        kind="tracks-compressed-damaged",
        what="A compressed tracks file is damaged.",
        file=str(path),
        found=f"bytes that are not {compression}: {found}",
        expected=f"a {compression} file",
        remedy="Copy or download it again, or compress the tracks file again.",
    )


def expanded_size(
    file: io.BufferedReader[Any], size: int, compression: str, sample: tuple[int, int]
) -> int:
    """Return about how many bytes a compressed file has when it is expanded.

    Parameters
    ----------
    file
        The file.
    size
        Its bytes.
    compression
        What it is compressed with.
    sample
        How many of its first bytes were expanded, and to how many.

    Notes
    -----
    The file itself says how large its content is: gzip at its end, modulo 4 GiB, zstd mostly at
    its start. But that is of one of its parts, and it may have several. So what it says counts
    where it is near to what its first bytes grow to, as they stand for the others.
    """
    taken, made = sample
    estimate = max(size, size * made // max(taken, 1))
    file.seek(max(0, size - 4) if compression == GZIP else 0)
    said_in = file.read(_MOST_SAID)
    if compression == GZIP:
        said = int.from_bytes(said_in[:4], "little")
        said += max(0, round((estimate - said) / 2**32)) * 2**32
    else:
        import zstandard

        said = zstandard.frame_content_size(said_in)  # -1 where it does not say
    return said if estimate / 2 <= said <= 2 * estimate else estimate
