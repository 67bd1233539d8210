"""Why videos are not done, as lines of text: what several videos share is printed once."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from tracks2zarr.common.problems import comma_list
from tracks2zarr.common.words import count_text, first_lines
from tracks2zarr.store.video_state import State

if TYPE_CHECKING:
    from tracks2zarr.slurm.status_values import VideoStatus

#: So many videos of one cause are named, and so many rows of their files.
_VIDEOS_NAMED, _PLACES_NAMED = 3, 10
#: What differs from video to video: numbers in brackets at the end of a sentence.
_DETAIL = re.compile(r" \([^()]*\)(?=\.$)")


def reason_lines(videos: Sequence[VideoStatus]) -> Iterator[str]:
    """Yield why videos are not done, and where that is seen."""
    alike: dict[str, list[VideoStatus]] = defaultdict(list)
    for video in videos:
        if video.state not in {State.DONE, State.RUNNING} and not _only_waits(video) and video.why:
            alike[_DETAIL.sub("", video.why)].append(video)
    for shared, same in alike.items():
        yield from _lines_of_cause(shared, same)
    waiting = Counter(video.why for video in videos if _only_waits(video))
    yield from (f"{count:,} {State.PENDING}: {why}" for why, count in waiting.items())


def fix_lines(videos: Iterable[VideoStatus]) -> Iterator[str]:
    """Yield what to do about broken input before the next command."""
    files = {video.input_problems[0].file for video in videos if video.input_problems}
    if files:
        yield f"Fix the {'file' if len(files) == 1 else f'{len(files):,} files'}, then rerun:"


def _lines_of_cause(shared: str, videos: Sequence[VideoStatus]) -> Iterator[str]:
    whole = {video.why or "" for video in videos}
    names = comma_list([video.video for video in videos], _VIDEOS_NAMED)
    yield f"{names}: {whole.pop() if len(whole) == 1 else shared}"
    places = dict.fromkeys(filter(None, map(_place, videos)))
    yield from (f"  in:  {place}" for place in first_lines([*places], _PLACES_NAMED))
    logs = list(dict.fromkeys(video.log for video in videos if video.log is not None))
    if logs:
        beside = " beside it" if len({log.parent for log in logs}) == 1 else ""
        others = count_text(len(logs) - 1, "other")
        yield f"  log: {logs[0]}" + (f" (and {others}{beside})" if logs[1:] else "")


def _place(video: VideoStatus) -> str:
    """Return the place of the first problem that a video failed with."""
    where = video.problems[0].where() if video.problems else ""
    others = count_text(len(video.problems) - 1, "other problem")
    return f"{where} (and {others})" if where and video.problems[1:] else where


def _only_waits(video: VideoStatus) -> bool:
    """Tell whether a task waits in the queue, and nothing went wrong with an earlier attempt."""
    waits = video.state is State.PENDING and video.job is not None
    return waits and "before:" not in (video.why or "")
