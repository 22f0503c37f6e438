"""The base of every implementation's hyperparameters: frozen, strict, without defaults.

A field without a default must stand in every set of `hparams/<id>.yaml`; a value there that is no
field is refused. So "which value did we run?" has one answer, and it is in the YAML.

A choice with parameters of its own is a tagged union: a base class that names the `tag_field`,
one subclass per kind. YAML then reads `surrogate: {kind: clip, range: 0.2}`.

A field's type bounds it (`gamma: Fraction`): a value outside is refused when a set, an ablation or
`--set` is read, not by a worker. Bounds leave room for controls that switch something off (step
size 0, discount 0). What relates two fields is said by `__post_init__`, with a ValueError.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]  # how many of what there must be one of
Natural = Annotated[int, msgspec.Meta(ge=0)]  # how many of what there may be none of
Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]  # a probability, a discount, λ, τ
Decay = Annotated[float, msgspec.Meta(ge=0, lt=1)]  # the share of the past in a running mean


class HParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hyperparameters without defaults."""


class Choice(HParams, frozen=True, kw_only=True, tag_field="kind"):
    """A choice between kinds; subclasses say `tag="name"`."""
