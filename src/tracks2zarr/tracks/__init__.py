"""The formats of tracks files, and the readers that turn a file into boxes."""
