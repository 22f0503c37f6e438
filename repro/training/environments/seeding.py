"""One seed for each environment, from the seed, the purpose and the environment's place."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def environment_seed(seed: int, purpose: str, index: int) -> int:
    """The integer that Gymnasium's `reset(seed=…)` gets for environment `index` of `seed`.

    It depends on nothing else, so a seed meets the same environments in any stack.
    Returns 64 bits of `numpy.random.SeedSequence([seed, crc32(purpose), index])`.
    """
    sequence = np.random.SeedSequence([seed, crc32(purpose.encode()), index])
    return int(sequence.generate_state(1, np.uint64)[0])
