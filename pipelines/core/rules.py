"""Alert rules: data, read from TOML into frozen types, one type a kind.

Every threshold is written out in the file: a rule that leaves one away is refused, and so is a key that its kind does not
know. ``docs/alerts.md`` says when each kind fires and when it fires again.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.core.errors import InvalidRules
from schemas.units import SYMBOL_PATTERN, Exchange

BUCKETS = 20
"""Into how many buckets a volume window is cut. Volume leaves the window a bucket at a time."""
BUCKET_S = 10
"""How many seconds of foreign trading are one bucket."""

Severity = Literal["info", "warning", "critical"]
Seconds = Annotated[int, Field(ge=0)]
Ratio = Annotated[float, Field(gt=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
MinVnd = Annotated[int, Field(gt=0)]

T = TypeVar("T")


def _not_empty(values: tuple[T, ...]) -> tuple[T, ...]:
    if not values:
        raise ValueError("an empty list watches nothing; name something, or leave the key away")
    return values


Symbols = Annotated[tuple[Annotated[str, Field(pattern=SYMBOL_PATTERN)], ...], Field(strict=False), AfterValidator(_not_empty)]
Exchanges = Annotated[tuple[Annotated[Exchange, Field(strict=False)], ...], Field(strict=False), AfterValidator(_not_empty)]
Limits = Annotated[tuple[Literal["ceiling", "floor"], ...], Field(strict=False), AfterValidator(_not_empty)]


class Rule(BaseModel):
    """What every rule says."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    """Part of the ids of its alerts, and the key of what it remembers: a renamed rule starts afresh."""
    severity: Severity
    symbols: Symbols | None = None
    """The symbols that it watches; all, when it is left away."""
    exchanges: Exchanges | None = None
    """The exchanges whose symbols it watches; all, when it is left away."""

    def covers(self, symbol: str, exchange: Exchange) -> bool:
        """Whether it watches ``symbol``."""
        return (self.symbols is None or symbol in self.symbols) and (self.exchanges is None or exchange in self.exchanges)


class OnceRule(Rule):
    """A rule that fires once for what it found (a latch, an epoch, an entry): its cooldown may be left away."""

    cooldown_s: Seconds = 0
    """Event time between two alerts of the rule on a symbol in one direction."""


class RepeatingRule(Rule):
    """A rule that fires on each event that deserves it, but not more often than its cooldown allows."""

    cooldown_s: Seconds
    """Event time between two alerts of the rule on a symbol in one direction."""


class VolumeSpike(RepeatingRule):
    """A print much larger than the average print of the window before it."""

    kind: Literal["volume_spike"]
    window_s: Annotated[int, Field(ge=BUCKETS, multiple_of=BUCKETS)]
    min_prints: Annotated[int, Field(ge=2)]
    """The window must hold at least so many prints."""
    ratio: Ratio
    min_value_vnd: MinVnd


class LargePrint(RepeatingRule):
    """A print worth a lot."""

    kind: Literal["large_print"]
    min_value_vnd: MinVnd


class PriceLimit(OnceRule):
    """A print at the day's ceiling or floor."""

    kind: Literal["price_limit"]
    limits: Limits
    release_pct: Positive
    """How far from the limit, in percent of it, a print must be to say that the symbol has left it."""


class LockOpened(OnceRule):
    """A print away from the ceiling or floor at which a symbol was held."""

    kind: Literal["lock_opened"]
    limits: Limits
    min_held_s: Seconds
    """How long it must have been held there: from the first to the last of the prints at the limit."""


class PutThrough(OnceRule):
    """A deal outside the order book that is worth a lot."""

    kind: Literal["put_through"]
    min_value_vnd: MinVnd


class PrintCluster(RepeatingRule):
    """Several prints within seconds, each worth something: one order that was cut up, or many that came at once."""

    kind: Literal["print_cluster"]
    within_s: Annotated[int, Field(ge=1, le=60)]
    """How long the stretch is, the second of the last print included."""
    min_prints: Annotated[int, Field(ge=2)]
    min_value_vnd: MinVnd
    """Smaller prints do not count."""


class FeedGap(OnceRule):
    """Prints were lost while no connection covered them."""

    kind: Literal["feed_gap"]


class ForeignAcceleration(RepeatingRule):
    """Foreigners buy, or sell, much faster than before."""

    kind: Literal["foreign_acceleration"]
    recent_s: Annotated[int, Field(gt=0, le=600, multiple_of=BUCKET_S)]
    base_s: Annotated[int, Field(gt=0, le=3600, multiple_of=BUCKET_S)]
    """Length of the window before the recent one, which the recent one is compared with."""
    ratio: Ratio
    min_value_vnd: MinVnd
    """Least value traded in the recent window."""
    warmup_s: Seconds
    """How long the symbol's ledger must have run without a break."""


class RoomExhausted(OnceRule):
    """What foreigners may still buy of a symbol is used up."""

    kind: Literal["room_exhausted"]
    max_shares: Annotated[int, Field(ge=0)]
    """The room is exhausted at so much or less."""
    release_shares: Annotated[int, Field(gt=0)]
    """There is room again at so much or more."""

    @model_validator(mode="after")
    def _release_above_max(self) -> "RoomExhausted":
        if self.release_shares <= self.max_shares:
            raise ValueError("release_shares must be greater than max_shares, else the alert repeats at every step of the room")
        return self


class AmbiguousCorrection(OnceRule):
    """The feed took foreign volume back, too much for a correction and too little for a restart."""

    kind: Literal["ambiguous_correction"]


class BasisFlip(RepeatingRule):
    """A future went from a premium over its index to a discount, or back."""

    kind: Literal["basis_flip"]
    contracts: Literal["front", "all"]
    min_points: Positive
    """Only at this many points or more does a basis have a sign."""


class BasisBand(OnceRule):
    """A future is far from its index."""

    kind: Literal["basis_band"]
    contracts: Literal["front", "all"]
    enter_pct: Positive
    """In percent of the index. A basis of so much or more, of either sign, is outside the band."""
    leave_pct: Positive
    """In percent of the index. A basis of so much or less is inside it again."""

    @model_validator(mode="after")
    def _leave_below_enter(self) -> "BasisBand":
        if self.leave_pct >= self.enter_pct:
            raise ValueError("leave_pct must be less than enter_pct, else the alert repeats at every step across the edge")
        return self


class LimitLock(OnceRule):
    """Nobody sells at the ceiling, or buys at the floor, and many wait."""

    kind: Literal["limit_lock"]
    limits: Limits
    min_queue_vnd: MinVnd
    """Least value of what waits at the limit."""
    release_queue_vnd: MinVnd
    """It is locked no more when what waits at the limit is worth less than this."""
    release_pct: Positive
    """It is locked no more either when the best price on the waiting side is so far from the limit, in percent of it."""

    @model_validator(mode="after")
    def _release_below_min(self) -> "LimitLock":
        if self.release_queue_vnd >= self.min_queue_vnd:
            raise ValueError(
                "release_queue_vnd must be less than min_queue_vnd, else the alert repeats at every step of the queue"
            )
        return self


class UnusualVolume(RepeatingRule):
    """Much more traded than is usual at that time of the day."""

    kind: Literal["unusual_volume"]
    ratio: Ratio
    min_value_vnd: MinVnd
    """Least value traded in the five minutes."""
    min_days: Annotated[int, Field(ge=1)]
    """Of so many earlier days at least it must be known what is usual."""


class OpenGap(OnceRule):
    """The day opened far from its reference."""

    kind: Literal["open_gap"]
    min_pct: Positive
    """In percent of the reference price."""


TradeRule = VolumeSpike | LargePrint | PriceLimit | LockOpened | FeedGap | PutThrough | PrintCluster
"""Kinds that read ``market.trades``."""
QuoteRule = LimitLock
"""Kinds that read ``market.quotes``."""
CandleRule = OpenGap | UnusualVolume
"""Kinds that read ``market.candles``."""
ForeignRule = ForeignAcceleration | RoomExhausted | AmbiguousCorrection
"""Kinds that read ``market.foreign``."""
BasisRule = BasisFlip | BasisBand
"""Kinds that read ``market.basis``."""
AnyRule = TradeRule | QuoteRule | CandleRule | ForeignRule | BasisRule

_KINDS: dict[str, type[AnyRule]] = {get_args(t.model_fields["kind"].annotation)[0]: t for t in get_args(AnyRule)}
_READS: Final[Mapping[str, Any]] = {
    "market.trades": TradeRule,
    "market.quotes": QuoteRule,
    "market.candles": CandleRule,
    "market.foreign": ForeignRule,
    "market.basis": BasisRule,
}
"""The kinds that read a topic, by its name without a prefix."""


@dataclass(frozen=True)
class Rules:
    """The rules of a file, checked: by the one event topic that each reads, in the order of the file."""

    trades: tuple[TradeRule, ...]
    quotes: tuple[QuoteRule, ...]
    candles: tuple[CandleRule, ...]
    foreign: tuple[ForeignRule, ...]
    basis: tuple[BasisRule, ...]

    @staticmethod
    def of(rules: Iterable[AnyRule]) -> "Rules":
        """``rules``, sorted to their topics."""
        known = tuple(rules)
        its: dict[str, tuple[Any, ...]] = {topic: tuple(rule for rule in known if topic_of(rule) == topic) for topic in _READS}
        return Rules(
            trades=its["market.trades"],
            quotes=its["market.quotes"],
            candles=its["market.candles"],
            foreign=its["market.foreign"],
            basis=its["market.basis"],
        )

    def __iter__(self) -> Iterator[AnyRule]:
        """All of them, topic by topic."""
        return chain[AnyRule](self.trades, self.quotes, self.candles, self.foreign, self.basis)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def topic_of(rule: AnyRule) -> str:
    """The one event topic that ``rule`` reads, without a prefix."""
    return next(topic for topic, kinds in _READS.items() if isinstance(rule, kinds))


def load_rules(text: str) -> Rules:
    """Read a rule file: an array of tables ``[[rule]]``.

    Raises:
        InvalidRules: With every problem found, each naming the rule, the key and what to write instead.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRules((f"the file is not TOML: {error}",)) from error
    problems = [
        f"unknown key {key!r} at the top: a rule file holds [[rule]] tables and nothing else" for key in document if key != "rule"
    ]
    tables = document.get("rule", [])
    if not isinstance(tables, list):
        raise InvalidRules((*problems, "write [[rule]] with two brackets: there may be several rules"))
    rules, wrong = _read_all(tables)
    problems += wrong
    if not rules and not problems:
        problems.append("the file has no [[rule]]: write at least one, or do not start the alerts app")
    if problems:
        raise InvalidRules(tuple(problems))
    return Rules.of(rules)


def rules_of(tables: Iterable[Any]) -> Rules:
    """The rules in ``tables``, as :func:`tables_of` made them; none is fine.

    Raises:
        InvalidRules: With every problem found.
    """
    rules, problems = _read_all(tables)
    if problems:
        raise InvalidRules(tuple(problems))
    return Rules.of(rules)


def tables_of(rules: Iterable[AnyRule]) -> list[dict[str, Any]]:
    """``rules`` as plain values, with the keys that they have in a rule file."""
    return [rule.model_dump(mode="json", exclude_none=True) for rule in rules]


def _read_all(tables: Iterable[Any]) -> tuple[list[AnyRule], list[str]]:
    """The rules in ``tables``, and what is wrong with them."""
    rules: list[AnyRule] = []
    problems: list[str] = []
    for number, table in enumerate(tables, 1):
        found, wrong = _read(number, table)
        problems += wrong
        if found is None:
            continue
        if any(found.name == rule.name for rule in rules):
            problems.append(
                f'rule "{found.name}": the name is taken by an earlier rule; state and ids go by it, so choose another'
            )
        rules.append(found)
    return rules, problems


def _read(number: int, table: Any) -> tuple[AnyRule | None, list[str]]:
    """One table as a rule, or what is wrong with it."""
    if not isinstance(table, dict):
        return None, [f"rule {number}: it is no table; write [[rule]] and its keys below"]
    who = f'rule "{table["name"]}"' if isinstance(table.get("name"), str) else f"rule {number}"
    kind = table.get("kind")
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        said = f"kind {kind!r} is unknown" if "kind" in table else "key kind is missing"
        return None, [f"{who}: {said}; use one of {', '.join(_KINDS)}"]
    try:
        return model.model_validate(table), []
    except ValidationError as error:
        return None, [_explain(who, model, problem) for problem in error.errors()]


def _explain(who: str, model: type[AnyRule], problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"]) or "the rule"
    if problem["type"] == "missing":
        return f"{who}: key {key} is missing; write {key} = … (docs/alerts.md says what it means)"
    if problem["type"] == "extra_forbidden":
        return f"{who}: key {key} is unknown; a rule of this kind has {', '.join(model.model_fields)}"
    remedy = str(problem["msg"]).removeprefix("Value error, ")
    return (
        f"{who}: key {key}: {remedy[:1].lower()}{remedy[1:]}, not {problem['input']!r}" if problem["loc"] else f"{who}: {remedy}"
    )
