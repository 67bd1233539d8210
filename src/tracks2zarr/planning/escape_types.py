"""The types of escapes: how many clips have each, and those that look misspelt."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

from tracks2zarr.common.near_names import closest
from tracks2zarr.common.problems import (
    Problem,
    numbers_text,
    one_line,
)
from tracks2zarr.common.words import count_text
from tracks2zarr.planning.metadata import ClipRow
from tracks2zarr.planning.metadata_cells import ESCAPE_TYPE
from tracks2zarr.planning.plan import Plan

#: Types are taken for the same, one misspelt, if they are as alike as this.
_ALIKE = 0.91
#: What clips have without an escape, or without a type.
_NO_TYPES = frozenset({"none", "unknown"})
#: The usual types, which are right however rare they are.
_USUAL = frozenset({"spontaneous", "triggered"})


def escape_types(plan: Plan) -> dict[str, int]:
    """Return the number of clips of each type of escape, the most frequent type first.

    ``none`` counts the clips without an escape.
    """
    count = Counter(clip.escape_type for video in plan.videos for clip in video.clips)
    return dict(sorted(count.items(), key=lambda item: (-item[1], item[0])))


def misspelt_escape_types(
    rows: Iterable[ClipRow], metadata_csv: Path, videos: Set[str]
) -> Iterator[Problem]:
    """Yield a warning for each type of escape that is almost like another one.

    The other is a usual type, or else the more frequent of both.

    Parameters
    ----------
    rows
        The rows of the metadata CSV.
    metadata_csv
        The file.
    videos
        The videos that count.
    """
    typed = [row for row in rows if row.video in videos and row.escape_type not in _NO_TYPES]
    count = Counter(row.escape_type for row in typed)
    for name in sorted(count):
        if name in _USUAL:
            continue
        more_frequent = {other for other in count if _rank(count, other) < _rank(count, name)}
        others = [other for other in _USUAL | more_frequent if _may_be(name, other)]
        meant = closest(name, others, cutoff=_ALIKE)
        if meant is None:
            continue
        as_in = f", as in {count_text(count[meant], 'clip')}" if count[meant] else ""
        those = [row for row in typed if row.escape_type == name]
        yield Problem(
            kind="escape-type-misspelt",
            what="A type of escape is almost the same as another one.",
            file=str(metadata_csv),
            row=those[0].row if len(those) == 1 else None,
            rows=numbers_text(row.row for row in those) if len(those) > 1 else None,
            column=ESCAPE_TYPE,
            found=f"'{one_line(name)}', in {count_text(count[name], 'clip')}",
            expected=f"'{one_line(meant)}'{as_in}, or another type",
            remedy="Correct the type if it is misspelt. It is stored as it is.",
            severity="warning",
            video=those[0].video if len({row.video for row in those}) == 1 else None,
        )


def _rank(count: Counter[str], name: str) -> tuple[int, str]:
    """Return what sorts the more frequent type first; of equally frequent ones, by name."""
    return -count[name], name


def _may_be(name: str, other: str) -> bool:
    """Tell whether a type may be another one, misspelt: ``type1`` and ``type2`` are two."""
    return re.findall("[0-9]+", name) == re.findall("[0-9]+", other)
