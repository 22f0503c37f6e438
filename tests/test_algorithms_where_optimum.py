"""PPO with other optimisers: against torch's own, masked, and in PPO's place of Adam."""

from __future__ import annotations

import copy

import evidence_tools as tools
import msgspec
import pytest
import torch
from algorithm_cases import tiny
from runner_tools import assert_same
from torch import nn
from training_tools import kept, make_run

from implementations import ppo_2017, where_optimum_2018
from implementations.where_optimum_2018 import SGD, AMSGrad
from repro.cards import load_card
from repro.errors import ReproError
from repro.experiment import resolve
from repro.training.optim import FlatParameters
from repro.training.rng import Streams

PAPER = "where-optimum-2018"
CHOICES = {
    "sgd": (SGD(momentum=0.0), torch.optim.SGD, {}),
    "momentum": (SGD(momentum=0.9), torch.optim.SGD, {"momentum": 0.9}),
    "amsgrad": (
        AMSGrad(beta1=0.8, beta2=0.9, epsilon=1e-5),
        torch.optim.Adam,
        {"betas": (0.8, 0.9), "eps": 1e-5, "amsgrad": True},
    ),
}
choices = pytest.mark.parametrize("name", CHOICES)


class Numbers(nn.Module):
    """Five parameters of each of two seeds."""

    def __init__(self):
        super().__init__()
        self.numbers = nn.Parameter(Streams([0, 1], "test").normal(5))


@choices
def test_steps_are_torchs(name):
    """A gradient that shrinks, so that the largest square is an earlier one."""
    choice, torchs, settings = CHOICES[name]
    module = Numbers()
    theirs = nn.Parameter(module.numbers.detach().clone())
    parameters = FlatParameters(module)
    ours, other = choice.make(parameters), torchs([theirs], lr=0.1, **settings)
    for gradient in Streams([0, 1], "gradient").normal(6, 5).unbind(1):
        shrunk = gradient * 0.5 ** len(other.state.get(theirs, {}))
        parameters.grad.copy_(shrunk)
        theirs.grad = shrunk.clone()
        ours.step(torch.full((2,), 0.1))
        other.step()
    torch.testing.assert_close(module.numbers, theirs)


@choices
def test_a_seed_that_rests_stays_as_it_is(name):
    choice = CHOICES[name][0]
    whole, part = Numbers(), Numbers()
    both, one = FlatParameters(whole), FlatParameters(part)
    steps, rests = choice.make(both), choice.make(one)
    start = one.data.clone()
    for parameters in (both, one):
        parameters.grad.fill_(0.3)
    for _ in range(3):
        steps.step(torch.tensor([0.1, 0.2]))
        rests.step(torch.tensor([0.1, 0.2]), torch.tensor([False, True]))
    assert torch.equal(one.data[0], start[0])
    assert torch.equal(one.data[1], both.data[1])
    assert not torch.equal(one.data[1], start[1])
    restored = choice.make(FlatParameters(Numbers()))
    restored.load_state_dict(rests.state_dict())
    assert_same(restored.state_dict(), rests.state_dict())
    assert all(not value[0].any() for value in rests.state_dict().values())


@choices
def test_restored_it_goes_on_as_if_undisturbed(name):
    module = Numbers()
    ours = CHOICES[name][0].make(FlatParameters(module))
    gradients = Streams([0, 1], "gradient").normal(6, 5) * 0.1 ** torch.arange(6.0).reshape(-1, 1)
    for number, gradient in enumerate(gradients.unbind(1)):
        if number == 3:
            other = copy.deepcopy(module)
            restored = CHOICES[name][0].make(FlatParameters(other))
            restored.load_state_dict(copy.deepcopy(ours.state_dict()))
        for optimizer in (ours, restored) if number >= 3 else (ours,):
            optimizer.parameters.grad.copy_(gradient)
            optimizer.step(0.1)
    assert torch.equal(module.numbers, other.numbers)


def test_with_adam_it_is_ppo_bit_for_bit(tmp_path):
    hp, env = tiny(PAPER, "ppo", "Reacher")
    values = msgspec.to_builtins(hp)
    values["adam"] = values.pop("optimizer")
    del values["adam"]["kind"]
    plain = msgspec.convert(values, ppo_2017.HParams)
    ppo_2017.train(make_run(plain, env, tmp_path / "ppo", steps=128))
    where_optimum_2018.train(make_run(hp, env, tmp_path / "adam", steps=128))
    for seed in (0, 1):
        ours, theirs = (tmp_path / name / f"seed-{seed}.jsonl" for name in ("adam", "ppo"))
        assert ours.read_text() == theirs.read_text()
    ours, theirs = kept(tmp_path / "adam"), kept(tmp_path / "ppo")
    assert_same(ours["kept"], theirs["kept"])


@pytest.mark.parametrize("ablation", load_card(PAPER).ablations)
def test_every_ablation_trains_otherwise(ablation, tmp_path):
    """And the chosen step size and optimiser are those that move the parameters."""
    changes = load_card(PAPER).ablations[ablation].changes
    moved = {}
    for name, more in (("plain", {}), ("changed", changes)):
        hp, env = tiny(PAPER, "ppo", "Reacher", epochs=1, minibatch_size=64, **more)
        run = make_run(hp, env, tmp_path / name, [0], 128)
        where_optimum_2018.train(run)
        moved[name] = run._kept["optimizer"].parameters.data
    assert torch.isfinite(moved["changed"]).all()
    assert not torch.equal(moved["plain"], moved["changed"])


def test_as_typed(tmp_path):
    clone = tools.make_clone(tmp_path)
    command = ("run", PAPER, "--env", "HalfCheetah", "--ablation", "sgd-momentum", "--seeds", "2")
    small = ("--steps", "64", "--set", "horizon=64", "--set", "epochs=1", "--workers", "1")
    done = tools.main(*command, *small, root=clone)
    assert done.returncode == 0, done.stderr
    assert "ppo+sgd-momentum" in done.stdout
    wrong = tools.main("run", PAPER, "--env", "Hopper", "--set", "optimizer.kind=sgdd", root=clone)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert 'did you mean "sgd"' in wrong.stderr


def test_the_set_that_waits_is_one_line():
    with pytest.raises(ReproError, match="a2c cannot be run yet: only the paper's runs of PPO"):
        resolve(PAPER, "Hopper", "a2c")
