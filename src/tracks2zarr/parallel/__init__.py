"""Worker processes, threads, and interruptions that do no harm."""
