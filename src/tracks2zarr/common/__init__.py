"""What every room may use and that knows nothing of tracks: problems, files, locks, names."""
