"""High-Dimensional Continuous Control Using Generalized Advantage Estimation.

Schulman et al. 2015, arXiv:1506.02438. Card: papers/gae-2015.yaml. The trap: an episode that a
time limit cut off has not terminated; the estimate stops there, yet its last state has a value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def generalized_advantage(
    reward: Array,
    value: Array,
    next_value: Array,
    terminated: NDArray[np.bool_],
    done: NDArray[np.bool_],
    gamma: float,
    gae_lambda: float,
) -> Array:
    """Advantages Â(γ, λ) of steps 0..T-1; time is the last axis, [..., T].

    next_value: the value of the state that the action led to, before any reset; it counts unless
    `terminated`. done: the episode ended with this step (terminated or cut off), so nothing
    flows back over it.
    """
    delta = reward + gamma * next_value * ~terminated - value  # gae-2015 eq.10
    decay = (gamma * gae_lambda) * ~done
    # Time first and contiguous: the loop below is all there is to this function's cost.
    delta, decay = (np.ascontiguousarray(np.moveaxis(x, -1, 0)) for x in (delta, decay))
    decay = decay.astype(delta.dtype)
    for t in reversed(range(len(delta) - 1)):
        delta[t] += decay[t] * delta[t + 1]  # gae-2015 eq.16
    return np.moveaxis(delta, 0, -1)
