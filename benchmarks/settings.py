"""The settings that every contender of a comparison trains with.

Standard library only: the contenders of other libraries run in an environment without Repro.
"""

from __future__ import annotations

from itertools import pairwise

ENV = "HalfCheetah-v4"
NORMALIZATION_CLIP = 10.0  # PPO, A2C: running observation and return statistics, every step

# The main job, `repro run ppo-2017 --env HalfCheetah`
MAIN_STEPS = 100_000  # a seed, measured
MAIN_FULL_STEPS = 1_000_000  # a seed, by default
MAIN_SEEDS = 5

# PPO
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

EVALUATION_PERIOD = 2 * HORIZON  # so that the same number falls into everyone's measured window
EVALUATION_EPISODES = 10

UPDATES_PER_ITERATION = EPOCHS * HORIZON // MINIBATCH

# A2C: networks, γ, value coefficient and gradient norm as above
A2C_ACTORS = 16  # environments of one seed
A2C_HORIZON = 5
A2C_STEP_SIZE = 7e-4
A2C_DECAY = 0.99  # RMSProp, ε added to the root of a mean square that starts at 0
A2C_EPSILON = 1e-5
A2C_UPDATES = 25  # between two marks
A2C_STEPS = A2C_UPDATES * A2C_ACTORS * A2C_HORIZON

# TD3, after its authors' code since 2019; one update after each step
TD3_HIDDEN = [256, 256]  # relu
TD3_BATCH = 256
TD3_STEP_SIZE = 3e-4
TD3_TAU = 0.005
TD3_DELAY = 2
TD3_NOISE = 0.1
TD3_TARGET_NOISE = 0.2
TD3_TARGET_CLIP = 0.5
TD3_CAPACITY = 1_000_000
TD3_STEPS = 300  # between two marks; the first so many are random and without updates

# DQN: Nature's network and preset with FIRE at a game's start, one life an episode
DQN_ENV = "ALE/Breakout-v5"
DQN_BATCH = 32
DQN_CAPACITY = 100_000
DQN_PERIOD = 4  # steps between two updates
DQN_TARGET_PERIOD = 1000
DQN_EPSILON = 0.1
DQN_STEP_SIZE = 1e-4  # Adam
DQN_STEPS = 400  # between two marks; the first so many are without updates


def a2c_flop(observation: int = 17, action: int = 6) -> float:
    """Floating-point operations of the matrix products that one environment step asks for.

    The policy acts; both networks are evaluated and differentiated; each actor's last state has
    a value. Defaults are HalfCheetah's sizes.
    """
    widths = [[observation, *HIDDEN, outputs] for outputs in (action, 1)]
    mu, v = map(_products, widths)
    inner = sum(_products(w[1:]) for w in widths)
    return mu + v / A2C_HORIZON + 2 * (mu + v) + inner


def dqn_flop(actions: int = 4) -> float:
    """The same for an agent's step: one greedy action where ε asks for it, a share of an update.

    An update evaluates two networks and differentiates one. Defaults are Breakout's.
    """
    layers, side, channels = [], 84, 4
    for outputs, kernel, stride in zip([32, 64, 64], [8, 4, 3], [4, 2, 1], strict=True):
        side = (side - kernel) // stride + 1
        layers.append(2.0 * side**2 * outputs * kernel**2 * channels)
        channels = outputs
    layers += [_products([side**2 * channels, 512]), _products([512, actions])]
    forward = sum(layers)
    update = 2 * forward + forward + (forward - layers[0])
    return (1 - DQN_EPSILON) * forward + DQN_BATCH * update / DQN_PERIOD


def td3_flop(observation: int = 17, action: int = 6) -> float:
    """Floating-point operations of one update's matrix products, the policy's share per delay.

    The gradients that TD3 needs and no others; defaults are HalfCheetah's sizes.
    """
    policy = [observation, *TD3_HIDDEN, action]
    critic = [observation + action, *TD3_HIDDEN, 1]
    mu, q = _products(policy), _products(critic)
    # A gradient by the inputs needs none of the first layer, unless those inputs are asked for.
    mu_inner, q_inner = _products(policy[1:]), _products(critic[1:])
    critics = mu + 2 * q + 2 * (q + q + q_inner)
    actor = mu + q + q + (mu + mu_inner)
    return TD3_BATCH * (critics + actor / TD3_DELAY)


def _products(widths: list[int]) -> float:
    """Of one sample's way through the layers: a multiplication and an addition a weight."""
    return sum(2.0 * i * o for i, o in pairwise(widths))
