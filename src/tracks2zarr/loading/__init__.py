"""A store opened in xarray."""
