"""The dataset as values: names, dimensions, dtypes, units, chunk shapes, the boxes of a clip."""
