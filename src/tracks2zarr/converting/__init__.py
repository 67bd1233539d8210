"""From a plan to finished videos."""
