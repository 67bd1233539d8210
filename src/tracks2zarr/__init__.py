"""From the tracks of a whole experiment to one checked, analysis-ready Zarr dataset.

Importing this package is cheap: what needs polars, zarr or xarray is imported when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracks2zarr.convert import Outcome, Result
    from tracks2zarr.creation import Interrupted, Summary, create
    from tracks2zarr.load import OpenStore, load_clip, open_store
    from tracks2zarr.matching import plan
    from tracks2zarr.merging.merge import Merged, merge
    from tracks2zarr.overview import StoreInfo, info
    from tracks2zarr.planning import Plan
    from tracks2zarr.problems import Problem, Tracks2ZarrError
    from tracks2zarr.reporting.plot import plot
    from tracks2zarr.reporting.report import report
    from tracks2zarr.root import Finalised, finalise
    from tracks2zarr.store import State
    from tracks2zarr.verification import Verification, verify

_HOME = {
    "Finalised": "root",
    "Interrupted": "creation",
    "Merged": "merging.merge",
    "OpenStore": "load",
    "Outcome": "convert",
    "Plan": "planning",
    "Problem": "problems",
    "Result": "convert",
    "State": "store",
    "StoreInfo": "overview",
    "Summary": "creation",
    "Tracks2ZarrError": "problems",
    "Verification": "verification",
    "create": "creation",
    "finalise": "root",
    "info": "overview",
    "load_clip": "load",
    "merge": "merging.merge",
    "open_store": "load",
    "plan": "matching",
    "plot": "reporting.plot",
    "report": "reporting.report",
    "verify": "verification",
}

__all__ = [
    "Finalised",
    "Interrupted",
    "Merged",
    "OpenStore",
    "Outcome",
    "Plan",
    "Problem",
    "Result",
    "State",
    "StoreInfo",
    "Summary",
    "Tracks2ZarrError",
    "Verification",
    "create",
    "finalise",
    "info",
    "load_clip",
    "merge",
    "open_store",
    "plan",
    "plot",
    "report",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tracks2zarr")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
