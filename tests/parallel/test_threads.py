"""Imports in the background."""

from __future__ import annotations

import sys

import pytest

from tracks2zarr.parallel.threads import importing_in_background


def test_modules_are_there_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with importing_in_background("colorsys"):
        pass
    assert "colorsys" in sys.modules


def test_what_cannot_be_imported_is_left_to_whoever_needs_it() -> None:
    with importing_in_background("no_such_module_anywhere"):
        pass


def test_the_error_of_the_block_comes_through() -> None:
    with pytest.raises(KeyError), importing_in_background("colorsys"):
        raise KeyError
