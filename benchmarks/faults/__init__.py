"""Faults from outside: kills, full disks, damaged files, clocks; see docs/faults.md."""
