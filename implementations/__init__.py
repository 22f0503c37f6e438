"""One file per paper: the algorithm and nothing else. The import graph follows the literature."""
