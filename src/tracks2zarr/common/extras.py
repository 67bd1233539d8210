"""Libraries that only some users need, which an extra of the package installs."""

from __future__ import annotations

import importlib

from tracks2zarr.common.problems import Problem, Tracks2ZarrError


def require_extra(extra: str, purpose: str, *modules: str) -> None:
    """Check that the libraries of an extra can be imported.

    Parameters
    ----------
    extra
        The name of the extra.
    purpose
        What needs it, as the beginning of a sentence.
    modules
        The modules that it brings.

    Raises
    ------
    Tracks2ZarrError
        If one is missing.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise Tracks2ZarrError(
                Problem(
                    kind="extra-missing",
                    what=f"{purpose} needs libraries that are not installed.",
                    found=f"no module {module}",
                    remedy=f"Run: pip install 'tracks2zarr[{extra}]'",
                )
            ) from error
