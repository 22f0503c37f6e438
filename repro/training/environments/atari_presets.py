"""Named ways of playing Atari, every option said: what papers call "Atari" are several tasks.

| option | dqn-2013 | nature-2015 | machado-2018 | dopamine-2018 |
|---|---|---|---|---|
| frame_skip | 4 ᵃ | 4 ᶠ | 5 ʰ | 4 ᵏ |
| stack | 4 ᵃ | 4 ᶠ | 4 ⁱ | 4 ᵏ |
| resize, crop | 110 × 84, 84 rows ᵃ from the 18th ᵇ | 84 × 84 ᶠ | 84 × 84 ⁱ | 84 × 84 ᵏ |
| max_pool (last two frames) | no ᶜ | yes ᶠ | yes ⁱ | yes ᵏ |
| sticky_actions | 0 ᵈ | 0 ᵈ | 0.25 ʰ | 0.25 ᵏ |
| noop_max | 0 ᶜ | 30 ᶠ | 0 ʰ | 0 ᵏ |
| fire_reset | no ᵉ | no ᵉ | no ᵉ | no ᵏ |
| life_loss_ends | no ᶜ | yes ᵍ | no ʰ | no ᵏ |
| clip_rewards | yes ᵃ | yes ᶠ | yes ⁱ | yes ˡ |
| max_frames | none ᶜ | none ᵍ | 18,000 ʰ | 108,000 ˡ |
| full_action_space | no ᵐ | no ᵐ | yes ʰ | no ᵏ |

An evaluation plays the same game for its whole score, cut where its protocol says
(`AtariPreset.evaluated`).

Sources: a arXiv:1312.5602, sections 4.1 and 5 (k = 3 on Space Invaders; rewards 1, 0 or -1). b Not
printed ("roughly captures the playing area"); spragunr/deep_q_rl crops there. c Not in the paper of
2013; first in Nature's. d The emulator of the time had no sticky actions. e Neither paper nor code
presses it; openai/baselines brought it in. f google-deepmind/dqn@9d9b1d1, run_gpu. g The same, dqn/
train_agent.lua (`step(…, true)`) and google-deepmind/alewrap@5d52649, alewrap/GameEnvironment.lua.
h arXiv:1709.06009, sections 4 and 5 (recalled). i The DQN code of arXiv:1810.00123, by two of its
authors. k google/dopamine@5873f54, dopamine/discrete_domains/atari_lib.py and tf/agents/dqn/
configs/dqn.gin. l The same, discrete_domains/run_experiment.py (27,000 steps of four frames).
m Both print 4 to 18 valid actions, a game's own.

What ALE's code does otherwise than theirs is said in docs/decisions.md.
"""

from __future__ import annotations

from typing import Any

import msgspec

from repro.errors import nearest
from repro.training.hparams import Choice, Count, Fraction, HParams, Natural


class AtariOptions(HParams, frozen=True, kw_only=True):
    """How a game is played.

    frame_skip: frames an action is held, the environment's step
    stack: images in one observation, newest last; black ones before an episode's first
    height, width: an image's; resize_height, crop_top: rows it is first resized to, and the first
        row kept (84 × 84 without cropping: resize_height 84, crop_top 0)
    max_pool: the pixelwise maximum of the last two frames (sprites blink), else the last alone
    sticky_actions: probability, each frame, that the emulator repeats the action of the last
    noop_max: frames of doing nothing at a game's start: 0 … noop_max, each as likely
    fire_reset: press FIRE once at a game's start, where the game has it
    life_loss_ends: a lost life is an end to learning; the game goes on and scores count it whole
    clip_rewards: the reward of a step is cut to ±1; episodes' returns are not
    max_frames: a game is cut after so many frames (no-ops not counted); 0: never
    full_action_space: all 18 actions, else those that the game knows
    """

    frame_skip: Count
    stack: Count
    height: Count
    width: Count
    resize_height: Count
    crop_top: Natural
    max_pool: bool
    sticky_actions: Fraction
    noop_max: Natural
    fire_reset: bool
    life_loss_ends: bool
    clip_rewards: bool
    max_frames: Natural
    full_action_space: bool


_DOPAMINE = AtariOptions(
    frame_skip=4,
    stack=4,
    height=84,
    width=84,
    resize_height=84,
    crop_top=0,
    max_pool=True,
    sticky_actions=0.25,
    noop_max=0,
    fire_reset=False,
    life_loss_ends=False,
    clip_rewards=True,
    max_frames=108_000,
    full_action_space=False,
)
_NATURE = msgspec.structs.replace(
    _DOPAMINE, sticky_actions=0.0, noop_max=30, life_loss_ends=True, max_frames=0
)
PRESETS: dict[str, AtariOptions] = {
    "dqn-2013": msgspec.structs.replace(
        _NATURE,
        resize_height=110,
        crop_top=18,
        max_pool=False,
        noop_max=0,
        life_loss_ends=False,
    ),
    "nature-2015": _NATURE,
    "machado-2018": msgspec.structs.replace(
        _DOPAMINE, frame_skip=5, max_frames=18_000, full_action_space=True
    ),
    "dopamine-2018": _DOPAMINE,
}


class AtariPreset(Choice, frozen=True, kw_only=True, tag="preset"):
    """A preset by name, and what differs from it: options by name (`{}` for nothing)."""

    name: str
    changes: dict[str, Any]

    def __post_init__(self) -> None:
        self.options()

    def evaluated(self, max_frames: int | None) -> AtariPreset:
        """The same game, played whole for its score: neither lives nor clipped rewards count.

        max_frames: after which the protocol cuts a game; None: as in training.
        """
        changes = self.changes | {"life_loss_ends": False, "clip_rewards": False}
        if max_frames is not None:
            changes["max_frames"] = max_frames
        return AtariPreset(name=self.name, changes=changes)

    def options(self) -> AtariOptions:
        """Every option, as the preset and its changes say.

        Raises ValueError for an unknown preset or option, or a value of another type.
        """
        if self.name not in PRESETS:
            raise ValueError(f'no Atari preset "{self.name}": {nearest(self.name, PRESETS)}')
        values = msgspec.to_builtins(PRESETS[self.name])
        for option in self.changes:
            if option not in values:
                raise ValueError(f'Atari has no option "{option}": {nearest(option, values)}')
        try:
            options = msgspec.convert(values | self.changes, AtariOptions)
        except msgspec.ValidationError as error:
            raise ValueError(f"changes of {self.name}: {error}") from None
        if options.crop_top + options.height > options.resize_height:
            raise ValueError(
                f"{options.height} rows from row {options.crop_top} do not fit into "
                f"{options.resize_height}: change resize_height too"
            )
        return options
