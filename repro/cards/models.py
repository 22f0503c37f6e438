"""What a card holds, as types. `papers/schema.json` is generated from this file.

Cards are data about a paper: they are read by people first. The field names are the field's
words; every figure has its source and says how it was obtained.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

SCHEMA_VERSION = 1

Confidence = Literal["verified", "approximate", "recalled"]
How = Literal["printed", "read off the figure", "authors' data", "derived"]
Band = Literal["std", "standard-error", "half-std", "min-max", "unstated"]


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Strict and frozen; a field without a default must be given."""


class Published(Model, frozen=True, kw_only=True):
    """A figure from the paper or its authors' released data.

    mean: the printed level in the metric's unit. std: spread between seeds (population or sample,
    as `band` says); None where nothing is printed. seeds: number of the paper's seeds, None when
    unknown. per_seed: one value a seed where the authors released them. reading_error: half-width
    of the error of reading a plot, in the metric's unit. curve: a file in `papers/data/` with
    columns step, mean, band, n; smoothing says what the curve's points average over.

    Where a claim compares two arms, mean, std and per_seed are those of the claim's own arm (its
    set and ablation), and rival is the other arm's level; their difference is the published effect.
    """

    mean: float | None = None
    rival: float | None = None
    std: float | None = None
    band: Band | None = None
    seeds: int | None = None
    per_seed: list[float] | None = None
    reading_error: float | None = None
    curve: str | None = None
    smoothing: str | None = None
    how: How
    confidence: Confidence
    source: str | None = None


class Check(Model, frozen=True, kw_only=True, tag_field="kind"):
    """How a claim is decided; each kind is one pure function of `repro/judge`."""


class Level(Check, frozen=True, kw_only=True, tag="level"):
    """Our mean against the published one; margin = tolerance × scale (judge.md)."""

    tolerance: float = 0.2
    absolute_tolerance: float | None = None
    reason: str | None = None  # why another tolerance than 0.2, or an absolute one


class Curve(Check, frozen=True, kw_only=True, tag="curve"):
    """Area under the learning curve and five points of it."""

    tolerance: float = 0.2
    reason: str | None = None


class Ordering(Check, frozen=True, kw_only=True, tag="ordering"):
    """One arm better than another.

    An arm is "paper" (the claim's own set), an ablation of it, another paper's id, or a set by
    its full name: `a3c-2016/a2c`, `td3-2018/classic+myopic`. at_least: the smallest difference
    that counts, said before the run, in the metric's unit (of a claim over several tasks in
    shares of the larger gain over random); None for any.
    """

    better: str
    than: str
    at_least: Annotated[float, msgspec.Meta(gt=0)] | None = None


class NotWorse(Check, frozen=True, kw_only=True, tag="not-worse"):
    """Arm not worse than another by more than margin × scale."""

    arm: str = "paper"
    than: str
    margin: float = 0.2


class TimeTo(Check, frozen=True, kw_only=True, tag="time-to"):
    """Steps or episodes until `threshold`, censored at the budget."""

    threshold: float
    unit: Literal["steps", "episodes"] = "steps"
    tolerance: float = 0.2


class Property(Check, frozen=True, kw_only=True, tag="property"):
    """A measured number against a bound."""

    measure: str
    at_least: float | None = None
    at_most: float | None = None


class Aggregate(Check, frozen=True, kw_only=True, tag="aggregate"):
    """A published aggregate over environments, computed with the paper's own aggregator."""

    environments: list[str]
    aggregator: str  # a name of repro/judge/metrics.py, e.g. "mean-normalised-random-best"
    tolerance: float = 0.2
    arms: list[str] | None = None  # the arms that "best" ranges over (ablations, "paper")


AnyCheck = Level | Curve | Ordering | NotWorse | TimeTo | Property | Aggregate


class Claim(Model, frozen=True, kw_only=True):
    """One checkable statement of a paper."""

    id: str
    says: str
    source: str
    env: str  # alias (HalfCheetah), or "several" for aggregates
    paper_env: str | None = None
    hparams: str  # name of the set in hparams/<id>.yaml that this figure belongs to
    ablation: str | None = None
    steps: int | None = None  # environment steps a seed
    metric: str  # a name of repro/judge/metrics.py
    protocol: str  # evaluation protocol in words: episodes, period, starts, cap
    published: Published | None = None
    check: AnyCheck
    central: bool = False  # counts for the paper's status
    note: str | None = None


class Ablation(Model, frozen=True, kw_only=True):
    """A named change of hyperparameters that the paper itself studies.

    changes: nested values merged over a set (a tagged block is replaced whole).
    """

    changes: dict[str, Any]
    source: str
    says: str | None = None
    published: dict[str, Any] | None = None


class Deviation(Model, frozen=True, kw_only=True):
    """Where we knowingly differ, why, and what it should do."""

    what: str
    why: str
    effect: str


class Gotcha(Model, frozen=True, kw_only=True):
    """What makes the paper hard to reproduce; threads as owner/name#number."""

    says: str
    threads: list[str] = []


Kind = Literal["algorithm", "analysis", "benchmark", "system", "theory", "survey"]
Depth = Literal["index", "claims", "full"]
Tier = Literal["quick", "full", "scaled", "none"]


class Card(Model, frozen=True, kw_only=True):
    """One key paper: what it says, as data."""

    schema_version: Literal[1]
    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]+-(19|20)\d\d[a-z]?$")]
    aliases: list[str] = []
    title: str
    authors: list[str]
    authors_complete: bool = True
    year: int
    venue: str | None
    arxiv: Annotated[str, msgspec.Meta(pattern=r"^(\d{4}\.\d{4,5}|[a-z-]+/\d{7})$")] | None
    url: str | None = None
    section: str  # place in the Spinning Up list
    number: int  # its number there
    kind: Kind
    depth: Depth
    tier: Tier
    summary: str
    builds_on: list[str]
    environments: list[str] = []
    equations: dict[str, str] = {}  # anchors that code lines point at
    default: dict[str, str] = {}  # environment alias (or "*") → hparam set of `repro run`
    claims: list[Claim] = []
    ablations: dict[str, Ablation] = {}
    parameters: dict[str, int] = {}  # network → number of parameters, for the environment named
    tuning_budget: str | None = None
    experiment: str | None = None  # what would test the central claim here
    no_experiment: str | None = None  # or why there is none
    deviations: list[Deviation] = []
    gotchas: list[Gotcha] = []
    official_code: str | None = None
    data: str | None = None  # papers/data/<id>.yaml
    notes: list[str] = []


class ListedPaper(Model, frozen=True, kw_only=True):
    """A paper of the list: what is known before it has a card."""

    number: int
    id: str
    title: str
    year: int


class Topic(Model, frozen=True, kw_only=True):
    """One section of the Spinning Up list."""

    section: str
    papers: list[ListedPaper]


class Topics(Model, frozen=True, kw_only=True):
    """`papers/topics.yaml`: the list of 105 key papers, by topic."""

    schema_version: Literal[1]
    source: str
    topics: list[Topic]


Status = Literal["stated", "author-code", "inferred", "chosen by us"]
Unit = Literal[
    "environment steps",
    "environment steps per actor",
    "frames",
    "updates",
    "episodes",
    "epochs",
    "samples",
    "actors",
    "nats",
    "seconds",
]


class Field(Model, frozen=True, kw_only=True):
    """What a hyperparameter means. symbol: the paper's; unit: of its numbers, where they have one.

    A dotted name (`surrogate.range`) documents a part of a nested block.
    """

    about: str
    symbol: str | None = None
    unit: Unit | None = None


class Block(Model, frozen=True, kw_only=True):
    """Values that share one source.

    source: where they are read, `ppo1:mlp_policy.py` with a name of the file's `sources` before
    the colon, or words ("Table 3, p. 10"). status: stated (printed in the paper), author-code
    (the authors' code does it), inferred (follows from what is printed), chosen by us. note: what
    a reader should know. values: field → plain value; a choice is a mapping with `kind`.
    """

    source: str
    status: Status
    confidence: Confidence = "verified"
    note: str | None = None
    values: dict[str, Any]


Count = Annotated[int, msgspec.Meta(gt=0)]


class Evaluation(Model, frozen=True, kw_only=True):
    """How a set's agents are evaluated beside training, as the claims on it say.

    source, status, confidence, note: as a `Block`'s. period: environment steps of a seed from one
    evaluation to the next. episodes: whole ones, each time. deterministic: the policy's mode is
    played, not samples of it; an ε is a hyperparameter. max_frames: of Atari, after which a game is
    cut; 0: never.
    """

    source: str
    status: Status
    confidence: Confidence = "verified"
    note: str | None = None
    period: Count
    episodes: Count
    deterministic: bool
    max_frames: Annotated[int, msgspec.Meta(ge=0)] | None = None

    @property
    def protocol(self) -> dict[str, Any]:
        """What an experiment holds of it; max_frames only where it is said."""
        frames = {} if self.max_frames is None else {"max_frames": self.max_frames}
        return {
            "period": self.period,
            "episodes": self.episodes,
            "deterministic": self.deterministic,
            **frames,
        }


class SetFile(Model, frozen=True, kw_only=True):
    """One named set: blocks of values, over those of the set it extends.

    environments: those it is meant for, by alias. evaluation: None for that of the set it extends,
    and where none has any for TD3's protocol. overrides: environment alias → blocks laid over the
    set's own for that environment.
    """

    about: str
    extends: str | None = None
    environments: list[str]
    evaluation: Evaluation | None = None
    blocks: list[Block]
    overrides: dict[str, list[Block]] = {}


class Trial(Model, frozen=True, kw_only=True):
    """How tests try an implementation in seconds; none of it is anything that a paper says.

    changes: values laid over any set, dotted names allowed, that make it small. steps:
    environment steps of a seed in one iteration with them. tasks: set → task it is tried on; a
    set that is not named cannot run yet. uneven: sets whose iterations have no fixed length.
    probes: probe task of tests/probes.py → steps after which its best action must be known,
    with the values of `probe_changes`.
    """

    changes: dict[str, Any]
    steps: int
    tasks: dict[str, str]
    uneven: list[str] = []
    probes: dict[str, int] = {}
    probe_changes: dict[str, Any] = {}


class HParamFile(Model, frozen=True, kw_only=True):
    """`hparams/<id>.yaml`: every named set of a paper's hyperparameters, with its sources.

    sources: short name → repository, commit and folder, or publication. missing: what no source
    states, in words. trial: how tests try the implementation, once there is one.
    """

    schema_version: Literal[1]
    paper: str
    sources: dict[str, str]
    fields: dict[str, Field]
    sets: dict[str, SetFile]
    missing: list[str] = []
    trial: Trial | None = None


Cell = float | int | str | None


class Table(Model, frozen=True, kw_only=True):
    """A published table in our own form: one row a task or variant, a cell for each column.

    confidence "recalled" marks figures that were not read in a source.
    """

    id: str
    title: str
    source: str
    confidence: Confidence
    protocol: str | None = None
    note: str | None = None
    columns: list[str]
    rows: dict[str, list[Cell]]


class DataFile(Model, frozen=True, kw_only=True):
    """`papers/data/<id>.yaml`: whole published tables, a source for each."""

    schema_version: Literal[1]
    paper: str
    tables: list[Table]


class Reference(Model, frozen=True, kw_only=True):
    """What a good agent scores on an environment; the judge's scale leans on it."""

    mean: float
    source: str
    confidence: Confidence


class ReferenceScores(Model, frozen=True, kw_only=True):
    """`papers/data/reference-scores.yaml`: environment id → sourced score."""

    schema_version: Literal[1]
    scores: dict[str, Reference]
