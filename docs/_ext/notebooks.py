"""Brings the notebooks of ``examples/notebooks`` into the tutorials, where they are executed.

They stand in one place, where a person can open them; their copies are not committed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = EXAMPLES / "notebooks"
#: What the notebooks look for in the folder above their own.
SAMPLE = EXAMPLES / "crab-loops"


def as_page(text: str) -> str:
    """Return a notebook with its links as they are in ``docs/tutorials``."""
    return text.replace("](../../docs/", "](../")


def bring(app: Sphinx, config: Config) -> None:
    """Write the notebooks, and the pictures that they show, into ``docs/tutorials``."""
    tutorials = Path(app.srcdir) / "tutorials"
    sample = Path(app.srcdir) / SAMPLE.name
    if not sample.is_symlink():
        sample.symlink_to(os.path.relpath(SAMPLE, app.srcdir))
    for path in NOTEBOOKS.iterdir():
        if path.suffix == ".png":
            shutil.copy2(path, tutorials)
        elif path.suffix == ".md":
            page, text = tutorials / path.name, as_page(path.read_text(encoding="utf-8"))
            if not page.exists() or page.read_text(encoding="utf-8") != text:
                page.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Bring the notebooks before Sphinx looks for pages."""
    from jupyter_client.manager import KernelManager

    # Other users of the machine cannot listen; without it, each kernel warns of that.
    KernelManager.transport_encryption.default_value = "auto"
    app.connect("config-inited", bring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
