"""One file per contender; each is a process of its own: `python -m benchmarks.contenders.sb3`."""
