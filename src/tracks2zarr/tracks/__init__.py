"""Tracks files: the formats, and the readers that turn a file into boxes."""
