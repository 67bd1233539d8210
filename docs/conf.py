"""Settings of Sphinx; the build needs no network."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "tracks2zarr"
author = "the tracks2zarr developers"
copyright = f"2026, {author}"
release = version = version_of("tracks2zarr")

extensions = ["myst_parser", "schema_table", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
# Their inventories would have to be fetched, so names of other packages are not links.
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(collections|concurrent|numpy|np|os|pathlib|polars|typing|xarray|xr|zarr)\..*"
        r"|Path|optional|default.*|tracks2zarr\.store\.Store",
    ),
]

html_theme = "pydata_sphinx_theme"
html_title = "tracks2zarr"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
}
