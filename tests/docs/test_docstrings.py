"""The examples in docstrings are what the functions return."""

import doctest
import importlib
from pathlib import Path

import pytest

import tracks2zarr

SOURCE = Path(tracks2zarr.__file__).parent
MODULES = sorted(
    ".".join(["tracks2zarr", *path.relative_to(SOURCE).with_suffix("").parts])
    for path in SOURCE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    ended = doctest.testmod(importlib.import_module(name))
    assert ended.attempted > 0
    assert ended.failed == 0
