"""From the tracks of a whole experiment to one checked, analysis-ready Zarr dataset.

Importing this package is cheap: what needs polars, zarr or xarray is imported when it is used.
The public names are listed in ``__init__.pyi``, with the module that each comes from.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
