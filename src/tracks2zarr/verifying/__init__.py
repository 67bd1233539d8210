"""A store compared with its sources, by code that made none of it."""
