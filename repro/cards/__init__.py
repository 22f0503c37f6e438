"""Papers and their hyperparameters: strict YAML → typed, frozen objects."""

from repro.cards.load import (
    ancestors,
    card_digest,
    card_ids,
    claim_digest,
    known,
    known_ids,
    load_card,
    load_data,
    resolve_id,
)
from repro.cards.sets import HParamSet, convert_hparams, load_sets, set_digest

__all__ = [
    "HParamSet",
    "ancestors",
    "card_digest",
    "card_ids",
    "claim_digest",
    "convert_hparams",
    "known",
    "known_ids",
    "load_card",
    "load_data",
    "load_sets",
    "resolve_id",
    "set_digest",
]
