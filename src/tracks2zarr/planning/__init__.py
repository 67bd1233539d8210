"""From metadata and files to a frozen plan, with all problems."""
