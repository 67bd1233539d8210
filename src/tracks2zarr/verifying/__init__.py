"""Compares a store with its sources, with code that did not make it."""
