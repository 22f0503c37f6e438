"""The judge, end to end: planted faults, run and judged by the commands that a user types."""
