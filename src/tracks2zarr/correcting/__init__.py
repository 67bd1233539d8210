"""Replaces frames of a clip with hand-corrected tracks."""
