"""The directive ``module-table``: the modules of each room, from their docstrings."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tracks2zarr

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SOURCE = Path(tracks2zarr.__file__).parent
COLUMNS = ("room", "module", "what it is for")


def modules() -> dict[str, str]:
    """Return the first line of the docstring of each module in a room, by path, sorted."""
    paths = sorted(SOURCE.glob("*/**/*.py"))
    return {path.relative_to(SOURCE).as_posix(): first_line(path) for path in paths}


def first_line(path: Path) -> str:
    """Return the first line of a module's docstring; the module is not imported."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return (docstring or "").partition("\n")[0]


def markdown() -> str:
    """Return the table as Markdown, without the rooms' own ``__init__``."""
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    shown = ""
    for path, line in modules().items():
        room, _, module = path.partition("/")
        if module != "__init__.py":
            name = "" if room == shown else f"`{room}/`"
            lines.append((name, f"`{module}`", line.removesuffix(".")))
            shown = room
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive to Sphinx."""
    from docutils import nodes
    from sphinx.util.docutils import SphinxDirective

    class ModuleTable(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            return self.parse_text_to_nodes(markdown())

    app.add_directive("module-table", ModuleTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
