"""Clips of a store written as files of other formats."""
