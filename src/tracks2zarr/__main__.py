"""``python -m tracks2zarr``."""

from tracks2zarr.cli import main

if __name__ == "__main__":
    main()
