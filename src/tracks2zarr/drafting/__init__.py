"""A metadata CSV drafted from tracks files, for an experiment that has none."""
