"""Finished videos of other stores brought into one; stores of the older workflow, too."""
