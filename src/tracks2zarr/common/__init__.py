"""What every room may use and knows nothing of tracks: problems, files, locks, names."""
