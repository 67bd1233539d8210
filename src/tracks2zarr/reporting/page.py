"""The report as one HTML page: its contents and their rendering; no I/O."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracks2zarr.common.problems import Problem
from tracks2zarr.common.templates import render
from tracks2zarr.common.words import clock_text, duration_text, size_text
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.reporting.figures import ImageSize
from tracks2zarr.reporting.images import ClipImages, VideoImages
from tracks2zarr.reporting.timeline import Timeline, timeline
from tracks2zarr.store.corrections import corrections_text
from tracks2zarr.store.overview import ClipInfo, StoreInfo, VideoInfo
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.video_state import State

#: Colours of escape types; the first are for those that are common, and none is that of the track.
_TYPE_COLOURS = {"spontaneous": "#d55e00", "triggered": "#009e73", "unknown": "#7f7f7f"}
_OTHER_COLOURS = ("#cc79a7", "#e69f00", "#56b4e9", "#882255", "#999933")
#: With so many clips or fewer, all images are shown at once.
_ALL_OPEN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOnPage:
    """One clip, and its images where it could be drawn."""

    anchor: str
    clip: ClipInfo
    fps: float
    images: ClipImages | None

    @property
    def seconds(self) -> float:
        """Its length."""
        return float(self.clip.n_frames / self.fps)

    @property
    def begins(self) -> float:
        """Where it begins in the video, in seconds."""
        return float(self.clip.first_frame / self.fps)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoOnPage:
    """One video, with its clips; `timeline` is None for a group that is in no plan."""

    anchor: str
    info: VideoInfo
    clips: tuple[ClipOnPage, ...]
    timeline: Timeline | None

    @property
    def escapes(self) -> Mapping[str, int]:
        """How many clips have an escape of each type."""
        types = Counter(
            one.clip.escape_type
            for one in self.clips
            if one.clip.escape is not None and one.clip.escape_type is not None
        )
        return dict(sorted(types.items()))

    @property
    def seconds(self) -> float:
        """The film in its clips."""
        return sum(clip.seconds for clip in self.clips)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that the report says.

    Parameters
    ----------
    title
        The name of the store.
    made
        When the report was made, UTC.
    store
        The folder of the store.
    videos
        One a video, by id.
    missing
        The videos that are not done.
    input_errors
        Errors of the input, for which something was left out of the plan.
    problems
        Errors and warnings: of the input, of the last attempts, of what was read, and of drawing.
    origins
        Label and values of how the dataset was made, each value once.
    colours
        A colour an escape type that occurs.
    size
        How sharp the images are.
    """

    title: str
    made: str
    store: str
    videos: tuple[VideoOnPage, ...]
    missing: tuple[VideoInfo, ...]
    input_errors: tuple[Problem, ...]
    problems: tuple[Problem, ...]
    origins: tuple[tuple[str, tuple[str, ...]], ...]
    colours: Mapping[str, str]
    size: ImageSize

    @property
    def done(self) -> list[VideoOnPage]:
        """The videos that are done."""
        return [video for video in self.videos if video.info.state is State.DONE]

    @property
    def all_open(self) -> bool:
        """Whether all images are shown at once."""
        return sum(len(video.clips) for video in self.videos) <= _ALL_OPEN


def report_page(
    info: StoreInfo,
    receipts: Mapping[str, Receipt],
    images: Mapping[str, VideoImages],
    *,
    made: str,
    size: ImageSize,
    failures: Sequence[Problem],
    input_errors: Sequence[Problem] = (),
) -> Page:
    """Put together what the report says.

    Parameters
    ----------
    info
        What is in the store.
    receipts, images
        Of the videos that are done.
    made
        When, UTC.
    size
        How sharp the images are.
    failures
        Why the last attempts at videos failed.
    input_errors
        Errors of the input, for which something was left out of the plan.
    """
    videos = tuple(
        _video(number, video, images.get(video.video)) for number, video in enumerate(info.videos)
    )
    warnings = [warning for receipt in receipts.values() for warning in receipt.warnings]
    unreadable = [one.problem for one in images.values() if one.problem]
    types = sorted({kind for video in videos for kind in video.escapes})
    return Page(
        title=info.name,
        made=made,
        store=str(info.store),
        videos=videos,
        missing=tuple(video for video in info.videos if video.state is not State.DONE),
        input_errors=tuple(input_errors),
        problems=(*input_errors, *failures, *unreadable, *warnings),
        origins=tuple(_origins(receipts.values())),
        colours=_colours(types),
        size=size,
    )


def _video(number: int, info: VideoInfo, images: VideoImages | None) -> VideoOnPage:
    images_of = {clip.clip: clip for clip in images.clips} if images else {}
    anchor = f"video-{number}"
    clips = tuple(
        ClipOnPage(
            anchor=f"{anchor}-{place}",
            clip=clip,
            fps=info.fps or 1.0,
            images=images_of.get(clip.clip),
        )
        for place, clip in enumerate(info.clips)
    )
    return VideoOnPage(
        anchor=anchor,
        info=info,
        clips=clips,
        timeline=timeline(info.clips) if info.clips else None,
    )


def _origins(receipts: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield label and values of how the dataset was made."""
    known = list(receipts)
    if not known:
        return
    plans: list[VideoPlan] = [receipt.plan for receipt in known]
    yield "tracks files from", _each(clip.tracks_dir for plan in plans for clip in plan.clips)
    yield "metadata from", _each(metadata for plan in plans for _, _, metadata in plan.places)
    yield "made on", _each(receipt.host for receipt in known)
    first, last = min(r.started for r in known), max(r.finished for r in known)
    yield "made between", (f"{first[:16].replace('T', ' ')} and {last[:16].replace('T', ' ')} UTC",)
    yield (
        "with",
        _each(
            ", ".join(f"{name} {number}" for name, number in sorted(receipt.versions.items()))
            for receipt in known
        ),
    )
    yield "frames count from", _each(f"the {plan.settings.frames}" for plan in plans)
    rules = _each(plan.settings.frame_regexp for plan in plans if plan.settings.frame_regexp)
    if rules:
        yield "frames found by", rules
    yield "peak memory", (f"{max(receipt.peak_memory for receipt in known) / 1e6:,.0f} MB",)


def _each(values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _colours(types: Sequence[str]) -> dict[str, str]:
    others = [kind for kind in types if kind not in _TYPE_COLOURS]
    own = {kind: _OTHER_COLOURS[n % len(_OTHER_COLOURS)] for n, kind in enumerate(others)}
    return {kind: _TYPE_COLOURS.get(kind) or own[kind] for kind in types}


def as_html(page: Page) -> str:
    """Return the report as one HTML document that needs no other file."""
    return render(
        "tracks2zarr.reporting", "report.html.j2", {"page": page}, filters=_FILTERS, is_html=True
    )


_FILTERS: Mapping[str, Callable[[Any], str]] = {
    "corrections": corrections_text,
    "base64": lambda data: base64.b64encode(data).decode(),
    "clock": clock_text,
    "duration": duration_text,
    "number": lambda value: "–" if value is None else f"{value:,}",
    "size": lambda size: "–" if size is None else size_text(size),
}
