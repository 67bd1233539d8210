"""Merges finished videos of other stores, and stores of the older workflow."""
