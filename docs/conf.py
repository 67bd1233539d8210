"""Settings of Sphinx; the build needs no network."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "tracks2zarr"
author = "the tracks2zarr developers"
copyright = f"2026, {author}"
release = version = version_of("tracks2zarr")

extensions = [
    "command_table",
    "module_table",
    "myst_nb",
    "notebooks",
    "schema_table",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_design",
]
exclude_patterns = ["_build", "crab-loops"]
source_suffix = {".md": "myst-nb"}

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

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
        r"(collections|concurrent|numpy|np|os|pandas|pathlib|pd|polars|typing|xarray|xr|zarr)\..*"
        r"|Path|optional|default.*|tracks2zarr\.store\.Store|PublishedStore"
        r"|tracks2zarr\..*\.(ClipColumn|ColumnValue)",
    ),
]

html_theme = "pydata_sphinx_theme"
html_title = "tracks2zarr"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_sidebars = {"index": [], "start": [], "troubleshooting": []}
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_nav_level": 2,
    "header_links_before_dropdown": 6,
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
