"""A place in an object store, by its URL."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from io import BufferedReader
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tracks2zarr.common.extras import require_extra
from tracks2zarr.common.files import remove_emptied
from tracks2zarr.common.objects import PIECE, StoredObject
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line

SCHEMES = ("s3", "gs", "az", "file")
#: How long one request is tried again before it is an error, in seconds.
_PATIENCE = 30
_OBJECTS_AT_ONCE = 1000


def is_object_store(place: object) -> bool:
    """Tell whether something is the URL of an object store, and not a path.

    >>> is_object_store("s3://bucket/a.zarr"), is_object_store("a.zarr")
    (True, False)
    """
    return isinstance(place, str) and urlsplit(place).scheme in SCHEMES and "://" in place


def check_url(url: str) -> None:
    """Check that a URL names a place in an object store, or a folder.

    Raises
    ------
    Tracks2ZarrError
        If it does not.
    """
    parts = urlsplit(url)
    is_place = bool(parts.netloc or parts.path.strip("/"))
    if parts.scheme == "file":
        is_place = not parts.netloc and bool(parts.path.strip("/"))
    if not is_object_store(url) or not is_place or set(url) & {"?", "#"}:
        raise Tracks2ZarrError(_not_an_url(url))


class Location:
    """All objects below a URL such as ``s3://bucket/folder/CrabTracks.zarr``.

    Credentials, region and endpoint come from where the provider's own tools look for them, such
    as the environment variables ``AWS_ACCESS_KEY_ID`` and ``AWS_ENDPOINT_URL``.

    Parameters
    ----------
    url
        The URL, with one of the schemes ``s3``, ``gs``, ``az`` and ``file``. The folder of a
        ``file`` URL is made where it is missing.

    Raises
    ------
    Tracks2ZarrError
        If the URL is of another kind, or obstore is not installed.
    """

    def __init__(self, url: str) -> None:
        check_url(url)
        require_extra("cloud", "An object store", "obstore")
        self.place = url.rstrip("/")
        with self._asking():
            self.store: Any = _opened(self.place)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the URL: another process connects by itself."""
        return Location, (self.place,)

    def read(self, path: str) -> bytes | None:
        """Return the content of an object; None if there is none."""
        from obstore.exceptions import NotFoundError

        with self._asking(path):
            try:
                return bytes(self.store.get(path).bytes())
            except (NotFoundError, FileNotFoundError):
                return None

    def digest(self, path: str) -> str | None:
        """Return the SHA-256 of an object, read piece by piece; None if there is none."""
        from obstore.exceptions import NotFoundError

        digest = sha256()
        with self._asking(path):
            try:
                for piece in self.store.get(path).stream(min_chunk_size=PIECE):
                    digest.update(piece)
            except (NotFoundError, FileNotFoundError):
                return None
        return digest.hexdigest()

    def zarr_store(self) -> Any:
        """Return what zarr-python reads the objects through."""
        from zarr.storage import ObjectStore

        return ObjectStore(self.store, read_only=True)

    def list(self, prefix: str = "") -> dict[str, StoredObject]:
        """Return all objects below a path, by their paths."""
        with self._asking(prefix):
            return dict(self._listed(prefix))

    def _listed(self, prefix: str) -> Iterator[tuple[str, StoredObject]]:
        for some in self.store.list(prefix or None, chunk_size=_OBJECTS_AT_ONCE):
            for one in some:
                yield one["path"], StoredObject(one["size"], one["e_tag"] or "")

    def write(self, path: str, content: bytes | BufferedReader) -> StoredObject:
        """Write an object, whole or not at all, and return it as the store has it.

        Parameters
        ----------
        path
            Its path below the URL.
        content
            Its content, or an open file that holds it.

        Raises
        ------
        Tracks2ZarrError
            If it cannot be written, or the store has another size of it.
        """
        size = len(content) if isinstance(content, bytes) else os.fstat(content.fileno()).st_size
        with self._asking(path):
            put = self.store.put(path, content)
            found = self.store.head(path)
        if found["size"] != size:
            raise Tracks2ZarrError(self._other_size(path, size, found["size"]))
        return StoredObject(size, put["e_tag"] or found["e_tag"] or "")

    def remove(self, paths: Sequence[str]) -> None:
        """Remove objects; where they are files, also the folders that are empty then."""
        if paths:
            with self._asking(paths[0]):
                self.store.delete(list(paths))
                if urlsplit(self.place).scheme == "file":
                    remove_emptied(Path(unquote(urlsplit(self.place).path)), paths)

    @contextmanager
    def _asking(self, path: str = "") -> Iterator[None]:
        """Raise what the object store answers as a problem."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            raise Tracks2ZarrError(self._problem(path, error)) from error

    def problem(self, path: str, error: Exception) -> Problem | None:
        """Return what the object store answered as a problem; None for an error of the content."""
        from obstore.exceptions import BaseError

        return self._problem(path, error) if isinstance(error, BaseError | OSError) else None

    def _problem(self, path: str, error: Exception) -> Problem:
        status = re.search(r"status code: (\d+)", str(error))
        names = {type(error).__name__, status[1] if status else ""}
        if names & _MISSING:
            kind, remedy = (
                "object-store-missing",
                "Check the name of the bucket or folder, or make it.",
            )
        elif names & _REFUSED:
            kind, remedy = "object-store-access", f"Check the credentials ({_VARIABLES})."
        else:
            kind, remedy = "object-store", "Check URL and connection, then run the command again."
        return Problem(
            kind=kind,
            what="The object store did not carry out the request.",
            file=f"{self.place}/{path}" if path else self.place,
            found=one_line(_answer(error)),
            remedy=remedy,
        )

    def _other_size(self, path: str, size: int, found: int) -> Problem:
        return Problem(
            kind="object-store",
            what="The object store has an object of a different size than was sent.",
            file=f"{self.place}/{path}",
            found=f"{found:,} bytes",
            expected=f"{size:,} bytes",
            remedy="Run the same command again.",
        )


#: By exception of obstore, or status of HTTP.
_MISSING = {"NotFoundError", "FileNotFoundError", "404"}
_REFUSED = {"PermissionDeniedError", "UnauthenticatedError", "401", "403"}
_VARIABLES = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"


def _answer(error: Exception) -> str:
    """Return what an error of obstore says, without the request and the documents in it."""
    lines = str(error).split("\n\nDebug source", 1)[0]
    text = " ".join(lines.split()).partition("<?xml")[0]
    return text.rpartition(" - ")[2].rstrip(": ") or text


def _opened(url: str) -> Any:
    from datetime import timedelta

    import obstore.store

    from_url: Any = obstore.store.from_url  # typed by scheme
    scheme = urlsplit(url).scheme
    if scheme == "file":
        return from_url(url, mkdir=True)
    patience = {"max_retries": 5, "retry_timeout": timedelta(seconds=_PATIENCE)}
    if scheme != "s3":
        return from_url(url, retry_config=patience)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    return from_url(
        url,
        config={"checksum_algorithm": "SHA256"},  # so that the server checks what arrives
        client_options={"allow_http": endpoint.startswith("http://")},
        retry_config=patience,
    )


def _not_an_url(url: str) -> Problem:
    remedy = "Correct the URL, e.g. s3://bucket/CrabTracks.zarr."
    if (meant := _bucket_meant(url)) is not None:
        remedy = f"Did you mean {one_line(meant)}?"
    elif (folder := _folder_meant(url)) is not None:
        remedy = f"For a folder on this machine, pass its URL, with three slashes: {folder}"
        if not url.startswith("file:"):
            archive = f"For an archive, pass a path that ends in .zip: {one_line(url)}.zip"
            remedy = archive if Path(url).is_file() else f"{archive}. {remedy}"
    return Problem(
        kind="url",
        what="This is not a URL of an object store.",
        found=f"'{one_line(url)}'",
        expected=f"a URL that begins with {', '.join(f'{scheme}://' for scheme in SCHEMES[:-1])} or"
        " file:///, without ? and #; or, for an archive, a path that ends in .zip",
        remedy=remedy,
    )


def _bucket_meant(url: str) -> str | None:
    """Return the URL that was meant by one with too few slashes, or too many."""
    scheme, mark, rest = url.partition(":")
    place = rest.strip("/")
    if not mark or scheme not in SCHEMES or scheme == "file" or not place or set(rest) & {"?", "#"}:
        return None
    return f"{scheme}://{place}"


def _folder_meant(url: str) -> str | None:
    """Return the URL of the folder that was meant by a path, or by a URL with too few slashes."""
    scheme, mark, rest = url.partition(":")
    if mark and scheme == "file":
        path = unquote(rest.removeprefix("//").removeprefix("localhost"))
    elif "://" not in url:
        path = url
    else:
        return None
    return Path(path).absolute().as_uri() if path.strip("/") else None
