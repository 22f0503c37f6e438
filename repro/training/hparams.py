"""The base of every implementation's hyperparameters: frozen, strict, without defaults.

A field without a default must stand in every set of `hparams/<id>.yaml`; a value there that is no
field is refused. So "which value did we run?" has one answer, and it is in the YAML.

A choice with parameters of its own is a tagged union: a base class that names the `tag_field`,
one subclass per kind. YAML then reads `surrogate: {kind: clip, range: 0.2}`.
"""

from __future__ import annotations

import msgspec


class HParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hyperparameters without defaults."""


class Choice(HParams, frozen=True, kw_only=True, tag_field="kind"):
    """A choice between kinds; subclasses say `tag="name"`."""
