"""Speed and memory of our training beside that of other libraries (docs/benchmarks.md)."""
