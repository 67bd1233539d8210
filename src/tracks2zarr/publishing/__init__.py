"""A finished store copied to an object store, and read from there."""
