"""The plan: frozen, serialisable, and complete enough for a worker."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from tracks2zarr.common.display import OneLine, Shown, Table, problem_counts
from tracks2zarr.common.documents import Document, DocumentError, fields_of, parse_document
from tracks2zarr.common.names import composed
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.common.words import count_text, size_text
from tracks2zarr.dataset.layout import Layout
from tracks2zarr.dataset.schema import (
    ABSENT,
    ClipColumn,
    IndividualDim,
    Variable,
    own_variables,
    variables_of,
)
from tracks2zarr.planning import cost
from tracks2zarr.tracks.formats import DEFAULT_FORMAT
from tracks2zarr.tracks.frames import GUIDE_EXTENT, PLAIN_EXTENT, FrameRule

CountsFrom = Literal["clip", "video"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings that change a video's numbers or names.

    Parameters
    ----------
    frames
        What the frame numbers in the files count from.
    frame_regexp
        Its group 1 is the frame in the file name of an image; None for the format's own rule.
    individual_dim
        The name of the dimension of individuals.
    columns
        The further columns of the metadata CSV that become coordinates; None for all of the plain
        layout, and none of the guide's.
    fps
        Frames per second, if there is no metadata CSV and each tracks file covers a whole video.
    """

    frames: CountsFrom = "clip"
    frame_regexp: str | None = None
    individual_dim: IndividualDim = "individual"
    columns: tuple[str, ...] | None = None
    fps: float | None = None

    def options(self) -> list[str]:
        """Return the options of `create` that ask for them."""
        default = Settings()
        asked = (
            ("--frames", self.frames, default.frames),
            ("--frame-regexp", self.frame_regexp, default.frame_regexp),
            ("--individual-dim", self.individual_dim, default.individual_dim),
            ("--columns", ",".join(self.columns or ()), ""),
            ("--fps", None if self.fps is None else f"{self.fps!r}", None),
        )
        words = [(option, value) for option, value, usual in asked if value and value != usual]
        return [word for pair in words for word in pair]

    @property
    def common(self) -> dict[str, Any]:
        """What of them decides how every clip is converted."""
        return _without(fields_of(self), columns=..., fps=...)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings for JSON, without those that are seldom asked for."""
        return _without(fields_of(self), columns=None, fps=None)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClipPlan(OneLine):
    """One clip: its tracks file and its place in the video. Frames are 0-based in the video.

    Parameters
    ----------
    clip
        The clip's id.
    source
        The tracks file, relative to the folder of tracks files, as a POSIX path.
    size, mtime_ns
        The file's size in bytes and its modification time in nanoseconds.
    first_frame, last_frame
        The clip's first and last frame in the video, both included.
    escape_frame
        The first frame of the escape in the video, -1 for none.
    escape_type
        Lower case; ``none`` for a clip without an escape.
    tracks_dir
        The absolute path of the folder of tracks files.
    metadata_csv
        The absolute path of the metadata CSV of the clip; None if it is that of the video.
    expanded_size
        The approximate size of the decompressed file in bytes; None if it is not compressed.
    values
        The cells of the further columns, as they are in the metadata CSV, in the order of
        `VideoPlan.columns`.
    corrected
        The corrected tracks file that is read instead, as a POSIX path relative to the folder of
        tracks files; None for a clip without corrections. Its frames count within the clip.
    """

    clip: str
    source: str
    size: int
    mtime_ns: int
    first_frame: int
    last_frame: int
    escape_frame: int
    escape_type: str
    tracks_dir: str
    metadata_csv: str | None = None
    expanded_size: int | None = None
    values: tuple[str, ...] = ()
    corrected: str | None = None

    @property
    def content_size(self) -> int:
        """The bytes that a reader of the file sees, by which time and memory are predicted."""
        return self.size if self.expanded_size is None else self.expanded_size

    @property
    def n_frames(self) -> int:
        """The number of frames of the clip."""
        return self.last_frame - self.first_frame + 1

    @property
    def escape(self) -> int | None:
        """The first frame of the escape within the clip; None for a clip without one."""
        return None if self.escape_frame == ABSENT else self.escape_frame - self.first_frame

    @property
    def source_path(self) -> Path:
        """The tracks file."""
        return Path(self.tracks_dir, self.source)

    @property
    def read_source(self) -> str:
        """The file that is read, from the folder of tracks: the corrected one, or the source."""
        return self.source if self.corrected is None else self.corrected

    @property
    def read_path(self) -> Path:
        """The file that is read."""
        return Path(self.tracks_dir, self.read_source)

    def content(self) -> dict[str, Any]:
        """Return what of the clip's plan shows in the dataset, without paths and times."""
        shows = ("clip", "first_frame", "last_frame", "escape_frame", "escape_type")
        values = {"values": list(self.values)} if self.values else {}
        return {name: getattr(self, name) for name in shows} | values

    def as_dict(self) -> dict[str, Any]:
        """Return the plan for JSON, without what most clips have not."""
        usual: dict[str, object] = {
            "metadata_csv": None,
            "expanded_size": None,
            "corrected": None,
            "values": [],
        }
        return _without(fields_of(self), **usual)

    def __str__(self) -> str:
        escape = "" if self.escape_frame == ABSENT else f", {self.escape_type} at {self.escape}"
        return f"{self.clip}: {count_text(self.n_frames, 'frame')}{escape}, {self.read_source}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VideoPlan(Shown):
    """One video: its clips sorted by id, and every setting that its group depends on.

    Parameters
    ----------
    video
        The video's id, the name of its group.
    fps
        Frames per second.
    clips
        At least one, sorted by id.
    settings, layout
        The settings, and how arrays are divided into chunks.
    metadata_csv
        The absolute path of the metadata CSV; empty if there is none.
    format
        The name of the format of its tracks files.
    schema
        The schema of its group; plans of version 0.1 do not have it.
    columns
        The further columns of the metadata CSV that become coordinates.
    has_escapes
        Whether the metadata CSV has columns for escapes.
    """

    video: str
    fps: float
    clips: tuple[ClipPlan, ...]
    settings: Settings
    layout: Layout
    metadata_csv: str
    format: str = DEFAULT_FORMAT
    schema: int = 1
    columns: tuple[ClipColumn, ...] = ()
    has_escapes: bool = True

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables of its group."""
        return variables_of(self.schema, self.columns, has_escapes=self.has_escapes)

    @property
    def own_variables(self) -> frozenset[str]:
        """The names of the arrays that may be in its group without being added by others."""
        return own_variables(self.columns)

    @property
    def common(self) -> tuple[object, ...]:
        """What all clips of a video share, so that clips can be added that share it, too."""
        return self.fps, self.settings.common, self.format, self.columns, self.has_escapes

    @property
    def by_clip(self) -> dict[str, ClipPlan]:
        """The plan of each clip, by its id, in the order of the plan."""
        return {clip.clip: clip for clip in self.clips}

    @property
    def longest_clip_frames(self) -> int:
        """The number of frames of the longest clip."""
        return max(clip.n_frames for clip in self.clips)

    @property
    def size(self) -> int:
        """The size of all tracks files, in bytes."""
        return sum(clip.size for clip in self.clips)

    @property
    def content_size(self) -> int:
        """The size of what all tracks files hold when they are expanded, in bytes."""
        return sum(clip.content_size for clip in self.clips)

    @property
    def predicted_memory(self) -> int:
        """The memory that a process needs at its peak to convert this video, in bytes."""
        return self.memory_with(2)

    def memory_with(self, threads: int, reader: cost.Reader | None = None) -> int:
        """Return the memory that a process of so many threads needs at its peak, in bytes."""
        sizes = [clip.content_size for clip in self.clips]
        reader = reader or cost.reader_of(self.format)
        return cost.predicted_memory(
            sizes, threads, n_frames=self.longest_clip_frames, reader=reader
        )

    def requested_memory(self, threads: int) -> int:
        """Return what to ask a cluster for, to convert this video with so many threads, in MiB.

        It is enough for polars: nodes may be without the compiled scanner, and rows of
        another style than the tracker's go through polars in any case.
        """
        reader = cost.reader_of(self.format, is_compiled=False)
        return cost.requested_memory(self.memory_with(threads, reader))

    @property
    def predicted_verify_memory(self) -> int:
        """The memory that a process needs at its peak to verify this video, in bytes."""
        sizes = [clip.content_size for clip in self.clips]
        reader = cost.reader_of(self.format, is_compiled=False)
        return cost.predicted_verify_memory(sizes, n_frames=self.longest_clip_frames, reader=reader)

    def frame_rule(self, clip: ClipPlan) -> FrameRule:
        """Return how the frames of the file that is read for a clip are found."""
        # a corrected file is ours, and not as the settings say
        settings = self.settings if clip.corrected is None else Settings()
        return FrameRule(
            clip.n_frames,
            clip.first_frame,
            settings.frames,
            settings.frame_regexp,
            GUIDE_EXTENT if self.has_escapes else PLAIN_EXTENT,
        )

    def fingerprint(self) -> str:
        """Return a digest of all that decides the group, but for the sources' content.

        Equal plans for equal data have equal fingerprints, wherever the files lie; paths,
        workers and memory do not count.
        """
        decides = {
            "schema": self.schema,
            "video": self.video,
            "fps": self.fps,
            "settings": self.settings.common,
            "layout": fields_of(self.layout),
            "clips": [clip.content() for clip in self.clips],
        }
        # older fingerprints do not have what follows
        if self.format != DEFAULT_FORMAT:
            decides["format"] = self.format
        if self.columns:
            decides["columns"] = [fields_of(column) for column in self.columns]
        if not self.has_escapes:
            decides["has_escapes"] = False
        return digest_of_json(decides)

    def metadata_of(self, clip: ClipPlan) -> str:
        """Return the metadata CSV of a clip."""
        return clip.metadata_csv or self.metadata_csv

    @property
    def source_files(self) -> list[str]:
        """The file that is read for each clip, as the group names it: in composed form."""
        return [composed(clip.read_source) for clip in self.clips]

    @property
    def places(self) -> list[tuple[str, str, str]]:
        """Where the input of each clip lies: folder, tracks file, and metadata CSV."""
        return [(clip.tracks_dir, clip.source, self.metadata_of(clip)) for clip in self.clips]

    def with_clips_of(self, other: VideoPlan, clips: Iterable[ClipPlan]) -> VideoPlan:
        """Return the same plan with clips of another plan; each keeps its metadata CSV.

        They replace those of the same id.
        """
        taken = self.by_clip
        for clip in clips:
            path = other.metadata_of(clip)
            own = None if path == self.metadata_csv else path
            taken[clip.clip] = replace(clip, metadata_csv=own)
        return self.with_clips(taken.values())

    def with_clips(self, clips: Iterable[ClipPlan]) -> VideoPlan:
        """Return the same plan with other clips, sorted by id."""
        return replace(self, clips=tuple(sorted(clips, key=lambda clip: clip.clip)))

    def as_dict(self) -> dict[str, Any]:
        """Return the plan for JSON, with its fingerprint and its predicted memory."""
        return _without(fields_of(self), columns=[], has_escapes=True) | {
            "fingerprint": self.fingerprint(),
            "predicted_memory": self.predicted_memory,
        }

    def __str__(self) -> str:
        clips, n_frames = self.clips, sum(clip.n_frames for clip in self.clips)
        counts = count_text(len(clips), "clip"), count_text(n_frames, "frame")
        return f"{self.video}, {', '.join(counts)}, {self.fps:g} fps, {size_text(self.size)}"

    def _shown_table(self) -> Table:
        """Return the clips."""
        rows = [
            (
                c.clip,
                c.escape_type,
                c.read_source,
                c.first_frame,
                c.last_frame,
                c.n_frames,
                c.escape,
            )
            for c in self.clips
        ]
        head = (
            "clip",
            "escape",
            "tracks file",
            "first frame",
            "last frame",
            "frames",
            "escape in clip",
        )
        return Table(head, rows, left=3)


@dataclass(frozen=True, slots=True, repr=False)
class Plan(Shown, Document):
    """The videos to convert, sorted by id, and the problems that were found.

    The index of an array task is an index into `videos`. `problems` are warnings, and also errors
    if the plan was made with ``keep_going``; videos with errors are not in `videos`.
    """

    format_key = "tracks2zarr_plan"
    formats = (1, 2)

    videos: tuple[VideoPlan, ...]
    problems: tuple[Problem, ...] = ()

    @classmethod
    def from_json(cls, text: str | bytes, *, file: str | None = None) -> Self:
        """Make a plan from JSON text.

        Parameters
        ----------
        text
            What `to_json` returned.
        file
            Where the text comes from, for the error.

        Raises
        ------
        Tracks2ZarrError
            If the text is no plan, or one of another version.
        """
        try:
            return parse_document(cls, text)
        except DocumentError as error:
            raise Tracks2ZarrError(_not_a_plan(file, str(error))) from None

    @property
    def by_id(self) -> dict[str, VideoPlan]:
        """The videos by id."""
        return {video.video: video for video in self.videos}

    def joined(self, other: Plan) -> Plan:
        """Return the union of both plans; the other's videos replace those of the same id."""
        videos = self.by_id | other.by_id
        return Plan(tuple(videos[name] for name in sorted(videos)))

    def __getitem__(self, video: str) -> VideoPlan:
        return self.by_id[video]

    def __str__(self) -> str:
        clips = [clip for video in self.videos for clip in video.clips]
        n_frames, size = sum(clip.n_frames for clip in clips), sum(clip.size for clip in clips)
        counts = (len(self.videos), "video"), (len(clips), "clip"), (n_frames, "frame")
        texts = [count_text(number, noun) for number, noun in counts]
        return ", ".join([*texts, size_text(size), *problem_counts(self.problems)])

    def _shown_table(self) -> Table:
        """Return the videos."""
        rows = [
            (
                video.video,
                len(video.clips),
                sum(clip.n_frames for clip in video.clips),
                size_text(video.size),
                size_text(video.predicted_memory),
            )
            for video in self.videos
        ]
        return Table(("video", "clips", "frames", "size", "memory"), rows)

    def _shown_problems(self) -> tuple[Problem, ...]:
        """Return what was noticed while the plan was made."""
        return self.problems


def _not_a_plan(file: str | None, found: str) -> Problem:
    return Problem(
        kind="plan-format",
        what="This is not a plan that this version can read.",
        file=file,
        found=one_line(found),
        expected=f"a plan of format {' or '.join(map(str, Plan.formats))}",
        remedy="Use the version of tracks2zarr that wrote it, or make the store again.",
    )


def _without(fields: dict[str, Any], **usual: object) -> dict[str, Any]:
    """Return fields without some that have their usual value; ``...`` stands for any."""
    return {
        name: value
        for name, value in fields.items()
        if name not in usual or usual[name] not in (value, ...)
    }


def digest_of_json(document: object) -> str:
    """Return the SHA-256 of a document's canonical JSON as ``sha256:<hex>``."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
