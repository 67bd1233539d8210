"""The directive ``schema-table``: the variables of a group, from the schema in the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracks2zarr.dataset.schema import VARIABLES, Variable

if TYPE_CHECKING:
    from sphinx.application import Sphinx

COLUMNS = ("name", "kind", "dimensions", "dtype", "unit", "meaning")


def row(variable: Variable) -> tuple[str, ...]:
    """Return the cells of one variable, in the order of `COLUMNS`."""
    return (
        variable.name,
        "coordinate" if variable.is_coordinate else "data",
        ", ".join(variable.dims),
        variable.dtype,
        variable.units or "",
        variable.long_name,
    )


def markdown() -> str:
    """Return the table of all variables as Markdown."""
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    for variable in VARIABLES:
        name, *others = row(variable)
        lines.append((f"`{name}`", *others))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive to Sphinx."""
    from docutils import nodes
    from sphinx.util.docutils import SphinxDirective

    class SchemaTable(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            return self.parse_text_to_nodes(markdown())

    app.add_directive("schema-table", SchemaTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
