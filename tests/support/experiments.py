"""Experiments to convert: dataclasses that write themselves to disk, and strategies for them.

The values of a box are written as Python's json writes them, so that every form of a number has
an obvious spelling: ``7`` and ``7.0``, ``"7"`` and ``"7.0"``, ``None`` for null, ``math.nan`` for a
bare ``NaN``, and `ABSENT` for a key that is not there.
"""

import csv
import io
import json
import random
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal

from hypothesis import strategies as st


class _Absent(Enum):
    ABSENT = "absent"


ABSENT: Final = _Absent.ABSENT
"""The confidence of a box that has no such key."""

type Number = int | float | str
type FrameSource = Literal["name", "attribute", "some attributes"]

VIA_COLUMNS = (
    "filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    "region_shape_attributes",
    "region_attributes",
)
METADATA_COLUMNS = (
    "video_name",
    "loop_clip_name",
    "fps",
    "loop_START_frame_ffmpeg",
    "loop_END_frame_ffmpeg",
    "escape_START_frame_0_based_idx",
    "escape_type",
)
RESERVED_NAMES = ("zarr.json", ".tracks2zarr", "logs", "logs_failed", ".", "..")
MAX_TRACK = 2**63 - 1


@dataclass(frozen=True)
class Box:
    """One box in one frame of a clip; ``frame`` counts from the clip's first."""

    frame: int
    track: Number
    x: Number = 0
    y: Number = 0
    width: Number = 0
    height: Number = 0
    confidence: Number | _Absent | None = ABSENT


@dataclass(frozen=True)
class FileStyle:
    """How a tracks file is written; nothing of it changes what the file says.

    ``image`` is the template of the image file names, with the fields ``{frame}``, ``{shifted}``
    (another number) and ``{letters}`` (a name of the frame without digits).
    """

    newline: str = "\n"
    bom: bool = False
    hash_filename: bool = False
    quote_all: bool = False
    trailing_newline: bool = True
    frame_source: FrameSource = "name"
    image: str = "frame_{frame:08d}.png"
    shuffle_seed: int | None = None
    compact_json: bool = True
    reversed_keys: bool = False
    further_attributes: bool = False


@dataclass(frozen=True)
class Clip:
    """One clip: its row of the metadata and, where ``has_file``, its tracks file.

    ``start`` and ``end`` are 1-based frames of the video and ``escape`` is 0-based, as in the
    metadata CSV. ``empty_rows`` are frames without boxes that have a row all the same.
    """

    id: str
    start: int
    end: int
    escape: int | None = None
    escape_type: str = ""
    boxes: tuple[Box, ...] = ()
    empty_rows: tuple[int, ...] = ()
    has_file: bool = True
    extension: str = ".mp4"
    folder: str = ""
    style: FileStyle = field(default_factory=FileStyle)
    integral_floats: bool = False
    empty: str = ""

    @property
    def n_frames(self) -> int:
        """The clip's own number of frames."""
        return self.end - self.start + 1


@dataclass(frozen=True)
class Video:
    """One video and its clips."""

    id: str
    clips: tuple[Clip, ...]
    extension: str = ".mov"
    fps: float = 59.94


@dataclass(frozen=True)
class Experiment:
    """A folder of tracks files and its metadata CSV, with the options they need to be read."""

    videos: tuple[Video, ...]
    frames: Literal["clip", "video"] = "clip"
    frame_regexp: str | None = None
    pattern: str = "*.csv"
    metadata_columns: tuple[str, ...] = METADATA_COLUMNS
    metadata_newline: str = "\n"
    metadata_in_tracks_dir: bool = False
    metadata_shuffle_seed: int | None = None

    @property
    def plan_options(self) -> dict[str, Any]:
        """The keyword arguments of `tracks2zarr.plan` that read this experiment."""
        return {
            "pattern": self.pattern,
            "frames": self.frames,
            "frame_regexp": self.frame_regexp,
        }

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write the experiment into a folder.

        Returns
        -------
        tuple[Path, Path]
            The folder of the tracks files, and the metadata CSV.

        """
        tracks_dir = folder / "tracks"
        tracks_dir.mkdir(parents=True)
        for video in self.videos:
            for clip in video.clips:
                if clip.has_file:
                    path = tracks_dir / clip.folder / f"{video.id}-{clip.id}_tracks.csv"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(self._tracks_file(clip))
        metadata_csv = (
            tracks_dir if self.metadata_in_tracks_dir else folder
        ) / "loop-frames-ffmpeg.csv"
        metadata_csv.write_bytes(self._metadata_file())
        return tracks_dir, metadata_csv

    def _tracks_file(self, clip: Clip) -> bytes:
        offset = clip.start - 1 if self.frames == "video" else 0
        rows: list[tuple[int, Box | None]] = [(box.frame, box) for box in clip.boxes]
        rows += [(frame, None) for frame in clip.empty_rows]
        if clip.style.shuffle_seed is None:
            rows.sort(key=lambda row: row[0])
        else:
            random.Random(clip.style.shuffle_seed).shuffle(rows)
        header = list(VIA_COLUMNS)
        if clip.style.hash_filename:
            header[0] = "#filename"
        cells = [header]
        for index, (frame, box) in enumerate(rows):
            cells.append(_via_row(clip.style, frame + offset, box, index))
        return _csv_bytes(
            cells,
            clip.style.newline,
            bom=clip.style.bom,
            quote_all=clip.style.quote_all,
            trailing_newline=clip.style.trailing_newline,
        )

    def _metadata_file(self) -> bytes:
        rows = [_metadata_row(video, clip) for video in self.videos for clip in video.clips]
        if self.metadata_shuffle_seed is not None:
            random.Random(self.metadata_shuffle_seed).shuffle(rows)
        columns = self.metadata_columns
        cells = [list(columns)]
        cells += [[row.get(column, "further, text") for column in columns] for row in rows]
        return _csv_bytes(cells, self.metadata_newline)


def _csv_bytes(
    rows: Iterable[Sequence[object]],
    newline: str,
    *,
    bom: bool = False,
    quote_all: bool = False,
    trailing_newline: bool = True,
) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(
        text, lineterminator=newline, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    ).writerows(rows)
    content = text.getvalue()
    if not trailing_newline:
        content = content.removesuffix(newline)
    return content.encode("utf-8-sig" if bom else "utf-8")


def _via_row(style: FileStyle, frame: int, box: Box | None, index: int) -> list[str]:
    letters = "".join(chr(ord("a") + int(digit)) for digit in str(frame))
    image = style.image.format(frame=frame, shifted=frame + 17, letters=letters)
    file_attributes: dict[str, Any] = {"clip": 123}
    if style.frame_source == "attribute":
        file_attributes["frame"] = frame
    elif style.frame_source == "some attributes" and index > 0:
        file_attributes["frame"] = frame + 1
    if box is None:
        return [image, "8888", _json(style, file_attributes), "0", "0", "{}", "{}"]
    shape: dict[str, Any] = {
        "name": "rect",
        "x": box.x,
        "y": box.y,
        "width": box.width,
        "height": box.height,
    }
    region: dict[str, Any] = {"track": box.track}
    if box.confidence is not ABSENT:
        region["confidence"] = box.confidence
    if style.further_attributes:
        shape["note"] = None
        region |= {"species": 'crab, "large" 🦀', "tags": [1, {"track": 5}]}
    return [
        image,
        "8888",
        _json(style, file_attributes),
        "1",
        str(index % 3),
        _json(style, shape),
        _json(style, region),
    ]


def _json(style: FileStyle, values: dict[str, Any]) -> str:
    items = list(values.items())
    if style.reversed_keys:
        items.reverse()
    separators = (",", ":") if style.compact_json else (", ", ": ")
    return json.dumps(dict(items), separators=separators, ensure_ascii=style.compact_json)


def _metadata_row(video: Video, clip: Clip) -> dict[str, str]:
    def frame(number: int) -> str:
        return f"{number}.0" if clip.integral_floats else str(number)

    whole_fps = video.fps.is_integer() and not clip.integral_floats
    return {
        "video_name": f"{video.id}{video.extension}",
        "loop_clip_name": f"{video.id}-{clip.id}{clip.extension}",
        "fps": str(int(video.fps)) if whole_fps else repr(video.fps),
        "loop_START_frame_ffmpeg": frame(clip.start),
        "loop_END_frame_ffmpeg": frame(clip.end),
        "escape_START_frame_0_based_idx": clip.empty if clip.escape is None else frame(clip.escape),
        "escape_type": clip.escape_type or clip.empty,
    }


# Strategies.

_NAME_POOL = [
    "A",
    "A-1",
    "A-1-Loop",
    "A-1-Loop00",
    "Loop",
    "Loop0",
    "Loop00",
    "1-Loop00",
    "Loop_tracks",
    "a",
    "04.09.2023-01-Right",
    "04.09.2023-01",
    "x.mov",
    "two words",
    "NA",
    "é日本🦀",
    "\uff5e",  # sorts after the emoji by UTF-16 code unit, before it by code point
    "🦀",
    "-1",
    "long" * 20,
]
_NAME_ALPHABET = "aAbBzZ0129 -_.,;:'\"()[]{}#%&+=~^*?!éßıΩ日本\uff5e🦀"

_RARELY = st.sampled_from([False] * 9 + [True])
_FPS = [59.94, 30.0, 25.0, 29.97, 0.5, 119.88]
_IMAGES_WITH_FRAME = [
    "frame_{frame:08d}.png",
    "{frame:05d}.jpg",
    "cam3 2023-09-04, left_{frame:d}.PNG",
    "é{frame:04d}_left.jp2",
    "frame_{frame:08d}",
]
_IMAGES_WITHOUT_FRAME = ["frame_{shifted:08d}.png", "{letters}.png", *_IMAGES_WITH_FRAME]
_FRAME_REGEXP = r"f(\d+)_cam"
_IMAGE_FOR_REGEXP = "f{frame:06d}_cam3_{shifted}.png"


def is_safe_name(name: str) -> bool:
    """Whether a name may be the id of a video or a clip in a test."""
    return (
        name == name.strip()
        and bool(name.strip("."))
        and not name.startswith((".", "__"))
        and name not in RESERVED_NAMES
    )


def name_key(name: str) -> str:
    """Two names with one key may be one file where a file system ignores case."""
    return unicodedata.normalize("NFC", name).casefold()


def names() -> st.SearchStrategy[str]:
    """Ids of videos and clips: prefixes of each other, spaces, Unicode, punctuation."""
    texts = st.text(_NAME_ALPHABET, min_size=1, max_size=8).filter(is_safe_name)
    return st.sampled_from(_NAME_POOL) | texts


def _finite(minimum: float) -> st.SearchStrategy[float]:
    return st.floats(minimum, 1e30, allow_nan=False, allow_infinity=False)


def _as_written(value: float) -> list[Number]:
    """The forms in which a file may hold a number."""
    forms: list[Number] = [value, repr(value), format(value, ".30g")]
    if float(value).is_integer() and abs(value) < 2**53:
        forms += [int(value), str(int(value))]
    return forms


def numbers(minimum: float = -1e30) -> st.SearchStrategy[Number]:
    """Coordinates: small and large, exact and not, as numbers and as strings."""
    plain = st.integers(max(-10, int(minimum)), 4096)
    return plain | _finite(minimum) | _finite(minimum).map(_as_written).flatmap(st.sampled_from)


def confidences() -> st.SearchStrategy[Number | _Absent | None]:
    """A detection score in all its forms."""
    missing: list[Number | _Absent | None] = [ABSENT, None, float("nan"), "NaN"]
    scores = st.floats(0, 1)
    return scores | st.sampled_from(missing) | scores.map(repr) | numbers(-1)


def track_numbers() -> st.SearchStrategy[int]:
    """Track numbers of any size."""
    return st.integers(0, 12) | st.integers(0, MAX_TRACK) | st.just(MAX_TRACK)


def _track_as_written(track: int, form: int) -> Number:
    # Beyond 2**53 a float is not the number that was meant.
    forms: list[Number] = [track, str(track)]
    if track < 2**53:
        forms += [float(track), f"{track}.0"]
    return forms[form % len(forms)]


@st.composite
def file_styles(draw: st.DrawFn, *, with_regexp: bool = False) -> FileStyle:
    """Ways to write a tracks file."""
    sources: list[FrameSource] = ["name", "attribute", "some attributes"]
    source = draw(st.sampled_from(sources))
    if with_regexp:
        image = _IMAGE_FOR_REGEXP
    elif source == "attribute":
        image = draw(st.sampled_from(_IMAGES_WITHOUT_FRAME))
    else:
        image = draw(st.sampled_from(_IMAGES_WITH_FRAME))
    return FileStyle(
        newline=draw(st.sampled_from(["\n", "\r\n"])),
        bom=draw(st.booleans()),
        hash_filename=draw(st.booleans()),
        quote_all=draw(st.booleans()),
        trailing_newline=draw(st.sampled_from([True, False])),
        # The regular expression outranks an attribute, even a wrong one.
        frame_source="some attributes" if with_regexp and source == "attribute" else source,
        image=image,
        shuffle_seed=draw(st.none() | st.integers(0, 99)),
        compact_json=draw(st.sampled_from([True, False])),
        reversed_keys=draw(st.booleans()),
        further_attributes=draw(st.booleans()),
    )


def crowd(n_individuals: int, frame: int = 0, first_track: int = 0) -> tuple[Box, ...]:
    """Many individuals in one frame, at the price of one number."""
    return tuple(
        Box(frame, first_track + 3 * i, i * 1.25, i * 2, 3, "4.5", i / 100)
        for i in reversed(range(n_individuals))
    )


@st.composite
def boxes(draw: st.DrawFn, n_frames: int) -> tuple[Box, ...]:
    """Return the boxes of a clip, at most one of a track in a frame."""
    if draw(_RARELY):
        n_individuals = draw(st.sampled_from([10, 11, 100, 101, 130]))
        frame = draw(st.integers(0, n_frames - 1))
        return crowd(n_individuals, frame, first_track=draw(st.integers(0, 2**40)))
    n_individuals = draw(st.integers(0, 4))
    if n_individuals == 0:
        return ()
    tracks = draw(
        st.lists(track_numbers(), min_size=n_individuals, max_size=n_individuals, unique=True)
    )
    places = draw(
        st.lists(
            st.tuples(st.integers(0, n_frames - 1), st.sampled_from(tracks)),
            min_size=1,
            max_size=8,
            unique=True,
        )
    )
    box_values = st.tuples(numbers(), numbers(), numbers(0), numbers(0), confidences())
    return tuple(
        Box(frame, _track_as_written(track, draw(st.integers(0, 3))), *draw(box_values))
        for frame, track in places
    )


@st.composite
def clips(
    draw: st.DrawFn, clip_id: str, *, video_frames: bool, with_regexp: bool, folders: bool
) -> Clip:
    """One clip, with gaps anywhere, or without boxes, or without a file."""
    starts = [1, 2, 1201, 99_999_990] if not video_frames else [1, 1201, 9_999_998, 10_000_001]
    start = draw(st.sampled_from(starts) | st.integers(1, 5000))
    lengths = st.sampled_from([1000, 1001, 2050]) if draw(_RARELY) else st.integers(1, 8)
    n_frames = draw(lengths)
    clip_boxes = draw(boxes(n_frames))
    with_boxes = {box.frame for box in clip_boxes}
    candidates = [frame for frame in (0, 1, n_frames // 2, n_frames - 1) if frame < n_frames]
    gaps = sorted(set(candidates) - with_boxes)
    empty_rows = draw(st.sets(st.sampled_from(gaps))) if gaps else set()
    escape = draw(st.none() | st.integers(start - 1, start + n_frames - 2))
    types = ["", "spontaneous", "Triggered", "TWO Words", "Äußerst"]
    return Clip(
        id=clip_id,
        start=start,
        end=start + n_frames - 1,
        escape=escape,
        escape_type=draw(st.sampled_from(types)),
        boxes=clip_boxes,
        empty_rows=tuple(sorted(empty_rows)),
        has_file=draw(st.sampled_from([True, True, True, False])),
        extension=draw(st.sampled_from([".mp4", ".MP4", ".avi"])),
        folder=draw(st.sampled_from(["", "day 1", "day 1/é"])) if folders else "",
        style=draw(file_styles(with_regexp=with_regexp)),
        integral_floats=draw(st.booleans()),
        empty=draw(st.sampled_from(["", "NaN", "NA"])),
    )


@st.composite
def _video_ids(draw: st.DrawFn) -> list[str]:
    first = draw(names())
    longer = st.sampled_from(["-1", "-1-Loop", "-Loop00", "0"]).map(lambda end: first + end)
    others = st.lists(names() | longer, max_size=2, unique_by=name_key)
    return [first, *(name for name in draw(others) if name_key(name) != name_key(first))]


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    """Small valid experiments: one to three videos of one to four clips."""
    video_frames = draw(st.sampled_from([False, False, True]))
    with_regexp = draw(st.sampled_from([False, False, True]))
    folders = draw(st.sampled_from([False, False, True]))
    videos = []
    used: set[str] = set()
    for video_id in draw(_video_ids()):
        video_clips = []
        for drawn_id in draw(st.lists(names(), min_size=1, max_size=4)):
            clip_id = drawn_id
            while name_key(f"{video_id}-{clip_id}") in used:
                clip_id += "x"
            used.add(name_key(f"{video_id}-{clip_id}"))
            clip = clips(
                clip_id, video_frames=video_frames, with_regexp=with_regexp, folders=folders
            )
            video_clips.append(draw(clip))
        videos.append(
            Video(
                id=video_id,
                clips=tuple(video_clips),
                extension=draw(st.sampled_from([".mov", ".MOV", ".Mp4"])),
                fps=draw(st.sampled_from(_FPS)),
            )
        )
    first = videos[0]
    videos[0] = replace(first, clips=(replace(first.clips[0], has_file=True), *first.clips[1:]))
    further = ["video_parent_directory", "loop_START_frame_ffmpeg_PTS"]
    columns = [*METADATA_COLUMNS, *further[: draw(st.integers(0, 2))]]
    return Experiment(
        videos=tuple(videos),
        frames="video" if video_frames else "clip",
        frame_regexp=_FRAME_REGEXP if with_regexp else None,
        pattern="**/*.csv" if folders else "*.csv",
        metadata_columns=tuple(draw(st.permutations(columns))),
        metadata_newline=draw(st.sampled_from(["\n", "\r\n"])),
        metadata_in_tracks_dir=draw(st.booleans()),
        metadata_shuffle_seed=draw(st.none() | st.integers(0, 99)),
    )
