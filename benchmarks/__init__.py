"""Benchmarks: a generator of input, programs to compare with, and what runs and measures them."""
