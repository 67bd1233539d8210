"""Pictures of a dataset: the report of a store, and figures of single clips."""

#: The names of all panels of a figure, in the order in which they are drawn.
PANEL_NAMES = ("trajectories", "in-view", "track-lengths", "confidence", "box-sizes")
