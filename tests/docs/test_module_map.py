"""The page on data flow names every module of the package."""

import re
from pathlib import Path

import tracks2zarr
from support.pages import DOCS, spans

SOURCE = Path(tracks2zarr.__file__).parent


def test_design_names_every_module() -> None:
    named = {
        name
        for span in spans((DOCS / "explanation/data-flow.md").read_text())
        for name in span.split()
    }
    paths = [path.relative_to(SOURCE) for path in SOURCE.rglob("*.py")]
    modules = {
        path.as_posix()
        for path in paths
        if not path.name.startswith("__") and path.parts[0] != "cli"
    }
    assert {name for name in named if re.fullmatch(r"[\w/]+\.py", name)} == modules
