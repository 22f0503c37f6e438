"""The one setting that every contender of the comparison trains with.

Standard library only: the contenders of other libraries run in an environment without Repro.
"""

from __future__ import annotations

ENV = "HalfCheetah-v4"
HORIZON = 2048
EPOCHS = 10
MINIBATCH = 64
HIDDEN = [64, 64]  # tanh; policy and value networks apart
STEP_SIZE = 3e-4
ADAM_EPSILON = 1e-5
GAMMA = 0.99
GAE_LAMBDA = 0.95
CLIP_RANGE = 0.2
VALUE_COEFFICIENT = 0.5
MAX_GRAD_NORM = 0.5
NORMALIZATION_CLIP = 10.0  # running observation and return statistics, every step

EVALUATION_PERIOD = 2 * HORIZON  # so that the same number falls into everyone's measured window
EVALUATION_EPISODES = 10

UPDATES_PER_ITERATION = EPOCHS * HORIZON // MINIBATCH
