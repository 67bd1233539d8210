"""The base of documents on disk: what is written, and what is refused when it is read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest

from tracks2zarr.common.documents import Document, DocumentError
from tracks2zarr.common.problems import Problem


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    size: float = 0.0
    reader: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(Document):
    format_key = "tracks2zarr_example"
    formats = (1, 2)

    parts: tuple[Part, ...]
    colour: Colour | None = None
    mode: Literal["a", "w"] = "a"
    seconds: Mapping[str, float]
    problems: tuple[Problem, ...] = ()


EXAMPLE = Example(
    parts=(Part("é", 2, "polars"),),
    colour=Colour.RED,
    seconds={"parse": 0.5},
    problems=(Problem(kind="k", what="w", row=3),),
)


def changed(**fields: Any) -> str:
    """Return the example as JSON with other fields."""
    return json.dumps(json.loads(EXAMPLE.to_json()) | fields)


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    for one in (EXAMPLE, replace(EXAMPLE, colour=None, parts=(), problems=())):
        one.write(tmp_path / "folder" / "example.json")
        assert Example.read(tmp_path / "folder" / "example.json") == one
    assert list(json.loads(EXAMPLE.to_json()))[:2] == ["tracks2zarr_example", "parts"]
    assert json.loads(EXAMPLE.to_json())["tracks2zarr_example"] == 2
    assert json.loads(EXAMPLE.to_json())["problems"] == [{"kind": "k", "what": "w", "row": 3,
                                                          "severity": "error"}]  # fmt: skip


def test_an_older_format_gets_defaults_and_unknown_fields_are_ignored() -> None:
    text = changed(tracks2zarr_example=1, parts=[{"name": "x", "later": 1}], later=1)
    assert Example.from_json(text) == replace(EXAMPLE, parts=(Part("x"),))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (changed(tracks2zarr_example=3), "format 3"),
        (changed(parts=[{"size": 1}]), "missing 1 required positional argument: 'name'"),
        (changed(parts={"name": "x"}), "where list was expected"),
        (changed(parts=[{"name": 5}]), "5 where str was expected"),
        (changed(parts=[{"name": "x", "size": "5"}]), "'5' where float was expected"),
        (changed(parts=[{"name": "x", "size": True}]), "True where float was expected"),
        (changed(colour="blue"), "'blue' is not a valid Colour"),
        (changed(mode="x"), "'x' where one of ('a', 'w') was expected"),
        (changed(seconds=[1]), "[1] where dict was expected"),
        ("{}", "'tracks2zarr_example'"),
        ("[]", "list indices"),
        ("{", "JSONDecodeError"),
    ],
)
def test_what_is_no_such_document_is_refused(text: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(DocumentError) as raised:
        Example.from_json(text)
    assert found in str(raised.value)
    (tmp_path / "example.json").write_text(text)
    assert Example.read(tmp_path / "example.json") is None


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert Example.read(tmp_path / "example.json") is None
