"""Jinja templates for the report and for job scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def render(
    package: str,
    template: str,
    values: Mapping[str, Any],
    *,
    filters: Mapping[str, Callable[[Any], str]],
    is_html: bool,
) -> str:
    """Return a template filled in; a value that is missing is an error.

    Parameters
    ----------
    package
        The package in whose folder ``templates`` the template lies.
    template
        The name of its file.
    values
        What to fill in.
    filters
        Functions that the template may apply to values.
    is_html
        Whether values are escaped for HTML, and the last newline of each file is left out.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        undefined=jinja2.StrictUndefined,
        autoescape=is_html,
        keep_trailing_newline=not is_html,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(template).render(values)
