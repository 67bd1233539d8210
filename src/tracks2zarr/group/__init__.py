"""One video as a Zarr group: written, read back, compared."""
