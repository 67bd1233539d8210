"""Documents on disk: frozen dataclasses as JSON, with a format version."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin, get_type_hints

from tracks2zarr.common.files import read_file, read_json, write_atomically


class DocumentError(ValueError):
    """A text is not a document of the expected kind and format; the message says what it is."""


class OtherFormatError(DocumentError):
    """A text is a document of the expected kind, in a format that this version cannot read."""


class Document:
    """The base of a frozen dataclass that is stored as JSON.

    Its fields are text, numbers, None, enums of text, mappings from text, tuples, and dataclasses
    of these. A dataclass that has a method ``as_dict`` decides itself how it is written. On
    reading, a field that is absent gets its default, and fields that are not known are ignored.

    Attributes
    ----------
    format_key
        The first key of the JSON; its value is the format.
    formats
        The formats that can be read; the last is the one that is written by default.
    former_names
        By field, the name that it had in older documents.
    """

    __slots__ = ()

    format_key: ClassVar[str]
    formats: ClassVar[tuple[int, ...]] = (1,)
    former_names: ClassVar[Mapping[str, str]] = {}

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return fields_of(self)

    @property
    def written_format(self) -> int:
        """The format in which the document is written."""
        return self.formats[-1]

    def to_json(self) -> str:
        """Return the document as JSON text; `from_json` gives back an equal one."""
        document = {self.format_key: self.written_format} | self.as_dict()
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Make a document from JSON text.

        Raises
        ------
        DocumentError
            If the text is no such document, or one of a format that cannot be read.
        """
        return parse_document(cls, text)

    def check(self, found: Mapping[str, Any]) -> None:
        """Raise `DocumentError` if the JSON that the document was made from contradicts it."""

    def write(self, path: Path) -> None:
        """Write the document to a file, whole or not at all; its folder is made if missing."""
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, self.to_json().encode())

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the document in a file, or None where there is no file, or another document.

        Raises
        ------
        OSError
            If there is a file that the disk does not let us read: nobody knows what it says.
        """
        try:
            return cls.from_json(read_file(path))
        except (FileNotFoundError, DocumentError):
            return None


def parse_document[D: Document](cls: type[D], text: str | bytes) -> D:
    """Make a document of a class from JSON text; see `Document.from_json`."""
    try:
        found = read_json(text)
        version = found[cls.format_key]
        if version not in cls.formats:
            raise OtherFormatError(f"format {version}")
        current = {name: found[old] for name, old in cls.former_names.items() if old in found}
        document: D = _read_dataclass(cls, found | current)
        document.check(found)
    except DocumentError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise DocumentError(f"{type(error).__name__}: {error}") from None
    return document


def fields_of(record: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, and of those within it, as JSON can hold them."""
    return {name: _plain(getattr(record, name)) for name in _readers(record.__class__)}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value.as_dict() if hasattr(value, "as_dict") else fields_of(value)


@functools.cache
def _readers(cls: Any) -> dict[str, Callable[[Any], Any]]:
    """Return how each field of a dataclass is made from JSON, by the field's type."""
    hints = get_type_hints(cls)
    return {field.name: _reader(hints[field.name]) for field in fields(cls)}


def _reader(hint: Any) -> Callable[[Any], Any]:
    origin, args = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        (read,) = (_reader(arg) for arg in args if arg is not NoneType)
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        read = _reader(args[0])
        return lambda value: tuple(read(one) for one in _checked(list, value))
    if origin is Mapping:
        read = _reader(args[1])
        return lambda value: {key: read(one) for key, one in _checked(dict, value).items()}
    if origin is Literal:
        return functools.partial(_one_of, args)
    if is_dataclass(hint):
        return functools.partial(_read_dataclass, hint)
    return hint if issubclass(hint, StrEnum) else _plain_reader(hint)


def _plain_reader(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        # stores have tens of thousands of documents, and this is what most of their values are
        return value if type(value) is kind else _checked(kind, value)

    return read


def _read_dataclass(cls: Any, value: Any) -> Any:
    found = value if type(value) is dict else _checked(dict, value)
    readers = _readers(cls).items()
    return cls(**{name: read(found[name]) for name, read in readers if name in found})


def _checked(kind: type, value: Any) -> Any:
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r} where {kind.__name__} was expected")
    return value


def _one_of(allowed: tuple[object, ...], value: Any) -> Any:
    if value not in allowed:
        raise ValueError(f"{value!r} where one of {allowed} was expected")
    return value
