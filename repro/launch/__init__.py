"""Running experiments: seeds in stacks, stacks in worker processes, progress for the whole plan."""
