"""The type of a `csv.reader`, which has no public name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class CsvReader(Protocol):
    """What `csv.reader` returns."""

    @property
    def line_num(self) -> int:
        """The number of lines read so far."""
        ...

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...
