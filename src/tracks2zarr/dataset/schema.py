"""The schema of the dataset: names, dimensions, dtypes and units, defined only here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

IndividualDim = Literal["individual", "individuals"]

#: Written to every group as ``tracks2zarr_schema``. Version 0.1 wrote schema 1.
SCHEMA_VERSION = 2

CLIP_ID = "clip_id"
TIME = "time"
SPACE = "space"
INDIVIDUAL = "individual"

POSITION = "position"
SHAPE = "shape"
CONFIDENCE = "confidence"
ESCAPE_STATE = "escape_state"
TRACK_ID = "track_id"
TRACK_FIRST_FRAME = "track_first_frame"
TRACK_LAST_FRAME = "track_last_frame"
TRACK_N_BOXES = "track_n_boxes"

#: The values of the coordinate `space`.
SPACE_NAMES = ("x", "y")
#: In `track_id` and frames of tracks, where a clip has no such individual; in other frames, for
#: no escape.
ABSENT = -1
#: The fewest digits in the name of an individual, so that videos have the same names.
_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Variable:
    """One array of a video's group.

    Parameters
    ----------
    name
        Its name; the dimension of individuals is always ``individual`` here, and renamed
        where the store asks for it.
    dims
        Its dimensions.
    dtype
        A numpy dtype, or ``fixed_length_utf32``: numpy's ``<U``, as wide as the longest text.
        In schema 1, texts are Zarr's variable-length ``string``.
    long_name
        What it is.
    is_coordinate
        Whether xarray shows it as a coordinate.
    units
        Its unit, where it has one.
    since
        The first schema that has it.
    """

    name: str
    dims: tuple[str, ...]
    dtype: Literal["float32", "int64", "fixed_length_utf32", "float64", "bool"]
    long_name: str
    is_coordinate: bool = True
    units: str | None = None
    since: int = 1


#: Those of the schema that is written; older schemas have some of them.
VARIABLES = (
    Variable(
        POSITION,
        (CLIP_ID, TIME, SPACE, INDIVIDUAL),
        "float32",
        "centroid of the bounding box",
        is_coordinate=False,
        units="pixels",
    ),
    Variable(
        SHAPE,
        (CLIP_ID, TIME, SPACE, INDIVIDUAL),
        "float32",
        "width and height of the bounding box",
        is_coordinate=False,
        units="pixels",
    ),
    Variable(
        CONFIDENCE,
        (CLIP_ID, TIME, INDIVIDUAL),
        "float32",
        "confidence of the detection",
        is_coordinate=False,
    ),
    Variable(
        ESCAPE_STATE,
        (CLIP_ID, TIME),
        "float32",
        "0 before the first frame of the escape, 1 from it on, NaN after the clip",
        is_coordinate=False,
    ),
    Variable(CLIP_ID, (CLIP_ID,), "fixed_length_utf32", "clip"),
    Variable(TIME, (TIME,), "int64", "frame within the clip, from 0"),
    Variable(SPACE, (SPACE,), "fixed_length_utf32", "axis of the image"),
    Variable(INDIVIDUAL, (INDIVIDUAL,), "fixed_length_utf32", "individual within the clip"),
    Variable(
        "clip_first_frame_0idx", (CLIP_ID,), "int64", "first frame of the clip in the video, from 0"
    ),
    Variable(
        "clip_last_frame_0idx", (CLIP_ID,), "int64", "last frame of the clip in the video, from 0"
    ),
    Variable(
        "clip_escape_first_frame_0idx",
        (CLIP_ID,),
        "int64",
        "first frame of the escape in the video, from 0; -1 without an escape",
    ),
    Variable(
        "clip_escape_type",
        (CLIP_ID,),
        "fixed_length_utf32",
        "type of the escape; none without an escape",
    ),
    Variable("clip_n_frames", (CLIP_ID,), "int64", "number of frames of the clip"),
    Variable("clip_n_individuals", (CLIP_ID,), "int64", "number of individuals in the clip"),
    Variable(
        TRACK_ID,
        (CLIP_ID, INDIVIDUAL),
        "int64",
        "track number in the source file; -1 where the clip has no such individual",
    ),
    Variable(
        TRACK_FIRST_FRAME,
        (CLIP_ID, INDIVIDUAL),
        "int64",
        "first frame within the clip with a box of the track; -1 where there is no such individual",
        since=2,
    ),
    Variable(
        TRACK_LAST_FRAME,
        (CLIP_ID, INDIVIDUAL),
        "int64",
        "last frame within the clip with a box of the track; -1 where there is no such individual",
        since=2,
    ),
    Variable(
        TRACK_N_BOXES,
        (CLIP_ID, INDIVIDUAL),
        "int64",
        "number of boxes of the track; 0 where the clip has no such individual",
        since=2,
    ),
)

#: The arrays that hold one value, or two, a box; they are cut into chunks and shards.
BOX_VARIABLES = (POSITION, SHAPE, CONFIDENCE)


#: Those that only a dataset with escapes has.
ESCAPE_VARIABLES = frozenset({ESCAPE_STATE, "clip_escape_first_frame_0idx", "clip_escape_type"})

#: What a column of the metadata CSV holds. A date, with a time or without, has no time zone.
ColumnType = Literal["int64", "float64", "bool", "str", "date"]
_DTYPES: dict[ColumnType, Literal["int64", "float64", "bool", "fixed_length_utf32"]] = {
    "int64": "int64",
    "float64": "float64",
    "bool": "bool",
    "str": "fixed_length_utf32",
    "date": "float64",
}
#: Dates are stored as so many seconds, NaN for none, from which xarray makes datetime64 (CF
#: conventions, section 4.4).
DATE_UNITS, DATE_CALENDAR = "seconds since 1970-01-01", "proleptic_gregorian"


@dataclass(frozen=True, slots=True)
class ClipColumn:
    """A further column of the metadata CSV, which becomes a coordinate along `clip_id`.

    Parameters
    ----------
    name
        Its name.
    type
        What it holds.
    """

    name: str
    type: ColumnType

    def variable(self) -> Variable:
        """Return the variable of the dataset."""
        return Variable(
            self.name,
            (CLIP_ID,),
            _DTYPES[self.type],
            f"{self.name}, from the metadata CSV",
            units=DATE_UNITS if self.type == "date" else None,
        )


def variables_of(
    schema: int, columns: Sequence[ClipColumn] = (), *, has_escapes: bool = True
) -> tuple[Variable, ...]:
    """Return the variables of a group.

    Parameters
    ----------
    schema
        Its schema, this one or an older one.
    columns
        The further columns of the metadata CSV that it holds.
    has_escapes
        Whether it has the variables of escapes.
    """
    own = (variable for variable in VARIABLES if variable.since <= schema)
    left_out = frozenset() if has_escapes else ESCAPE_VARIABLES
    further = (column.variable() for column in columns)
    return (*(variable for variable in own if variable.name not in left_out), *further)


def renamed(name: str, individual_dim: IndividualDim) -> str:
    """Return the name of a variable or dimension in a store with this dimension of individuals."""
    return individual_dim if name == INDIVIDUAL else name


def own_variables(columns: Sequence[ClipColumn] = ()) -> frozenset[str]:
    """Return the names of all variables of a video, whatever its dimension of individuals.

    Parameters
    ----------
    columns
        The further columns of the metadata CSV that it holds.
    """
    dims = get_args(IndividualDim)
    names = {renamed(variable.name, dim) for variable in VARIABLES for dim in dims}
    return frozenset(names | {column.name for column in columns})


def individual_names(n_individuals: int) -> list[str]:
    """Return the names of a video's individuals, zero-padded to one width.

    >>> individual_names(11)[:2]
    ['id_00000', 'id_00001']
    """
    width = max(_DIGITS, len(str(n_individuals - 1)))
    return [f"id_{number:0{width}d}" for number in range(n_individuals)]
