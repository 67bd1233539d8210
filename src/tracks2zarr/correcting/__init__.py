"""Corrections of tracks by hand, put in the place of the same frames."""
