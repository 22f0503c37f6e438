"""What planted faults change, measured in a copy of the code: prints JSON.

PYTHONPATH=COPY:tests python tests/spoiled_probe.py FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np
import probes  # noqa: F401 - registers the environments
import torch
from training_tools import lines, ppo, trained

from implementations import ppo_2017
from repro.training.rollout import Rollout

GAMMA, GAE_LAMBDA = 0.9, 0.8
REWARD = [1.0, 2.0, 4.0, 8.0]
VALUE = [0.5, 1.5, 2.5, 3.5, 4.5]  # the last: of the state after the rollout
END = 1  # the step that ends an episode


class Values:
    """A critic that reads the value off the observation."""

    def value(self, observation: torch.Tensor, past: object = None) -> torch.Tensor:
        return observation[..., 0]


def advantages() -> list[float]:
    """Of a rollout of four steps, one actor; an episode ends with the second."""
    rows = (1, 1, len(REWARD))
    ended = np.zeros(rows, dtype=bool)
    ended[..., END] = True
    rollout = Rollout(
        observation=np.zeros((*rows, 1)),
        seen=np.array(VALUE, np.float32).reshape(1, 1, -1, 1),
        action=np.zeros((*rows, 1), np.float32),
        reward=np.array(REWARD, np.float32).reshape(rows),
        terminated=ended,
        truncated=np.zeros(rows, dtype=bool),
        cut=np.zeros((0, 1), np.float32),
        cut_at=(np.zeros(0, np.int64),) * 3,
        device=torch.device("cpu"),
    )
    _, found = ppo_2017.advantages(Values(), rollout, ppo(gamma=GAMMA, gae_lambda=GAE_LAMBDA))
    return found[0, 0].tolist()


def returns(folder: Path) -> list[float]:
    """Logged returns of a task whose every episode returns 2."""
    trained(ppo(), "ProbeConstant-v0", folder, seeds=[0], steps=104)
    return sorted({line["return"] for line in lines(folder, 0, "episode")})


if __name__ == "__main__":
    found = {
        "code": ppo_2017.__file__,
        "advantages": advantages(),
        "returns": returns(Path(sys.argv[1])),
    }
    print(json.dumps(found))
