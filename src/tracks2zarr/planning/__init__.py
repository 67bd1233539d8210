"""From the metadata CSV and the tracks files to a frozen plan, with all problems."""
