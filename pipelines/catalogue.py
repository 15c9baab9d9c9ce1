"""Every pipeline, once: its name, what it reads and writes, and how its folds are made.

Whoever runs, starts, drains or describes pipelines reads it here. A new one is an entry in :data:`CATALOGUE` and the fold that
the entry names. The command line imports this module for its help: so it knows nothing of Quix, and imports a fold only to make
it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from pipelines.errors import UnknownPipeline
from schemas import topics
from schemas.structs import BasisFrame, CandlesFrame, Frame, LedgerFrame, PartialBreadth, PartialFlow, QuotesFrame, TradesFrame
from schemas.topics import Topic

if TYPE_CHECKING:
    from pipelines.core.frames import Fold
    from pipelines.core.terms import Offers
    from pipelines.parameters import Parameters

M = TypeVar("M")

BESIDE: Final = (topics.SSI_DLQ, topics.PIPELINES_TERMS, topics.STATE_PROGRESS)
"""What every pipeline may write: dead letters, what it folds with, and how far it has come."""


@dataclass(frozen=True)
class Topology(Generic[M]):
    """One topic that a pipeline reads, and what comes of it. A pipeline reads a topic in one topology only."""

    source: Topic[M]
    sinks: tuple[Topic[Any], ...]
    """What the fold publishes to; what all folds may write besides (:data:`BESIDE`) is not named here."""
    make_fold: "Callable[[Parameters], Fold[M]]"
    """Makes the fold for a process with these parameters."""


@dataclass(frozen=True)
class Pipeline:
    """What runs as one application, with one consumer group and one transaction for all of its topologies."""

    name: str
    """As in ``stock-tracker run <name>``; also names its state directory, and is the source that its dead letters give."""
    does: str
    """What it does, in a line of help."""
    topologies: tuple[Topology[Any], ...]
    commit_interval_s: float = 0.25

    @property
    def group(self) -> str:
        """Its consumer group, without the prefix of the deployment."""
        return f"pipelines.{self.name}"

    @property
    def sources(self) -> tuple[Topic[Any], ...]:
        """The topics that it reads."""
        return tuple(topology.source for topology in self.topologies)

    @property
    def sinks(self) -> tuple[Topic[Any], ...]:
        """The topics that it writes, each once; :data:`BESIDE` left out."""
        return tuple(dict.fromkeys(sink for topology in self.topologies for sink in topology.sinks))

    def make_folds(self, parameters: "Parameters") -> "tuple[Fold[Any], ...]":
        """Make the folds of its topologies, in their order.

        Raises:
            UnusableRules: It needs alert rules, and they cannot be read.
        """
        return tuple(topology.make_fold(parameters) for topology in self.topologies)


def _prices(parameters: "Parameters") -> "Fold[Frame]":
    from pipelines.core.price_shard import fold_frame

    return partial(fold_frame, offers=_of_prices(parameters, topics.SSI_TICKS))


def _breadth(parameters: "Parameters") -> "Fold[PartialBreadth]":
    from pipelines.core.breadth import fold_partial

    return partial(fold_partial, offers=parameters.offers(topics.PARTIAL_BREADTH))


def _foreign(parameters: "Parameters") -> "Fold[Frame]":
    from pipelines.core.foreign_shard import fold_frame

    offers = parameters.offers(topics.SSI_FOREIGN, thresholds=parameters.thresholds, sectors=parameters.sectors)
    return partial(fold_frame, offers=offers)


def _flow(parameters: "Parameters") -> "Fold[PartialFlow]":
    from pipelines.core.flow import fold_partial

    return partial(fold_partial, offers=parameters.offers(topics.PARTIAL_FLOW))


def _indices(parameters: "Parameters") -> "Fold[Frame]":
    from pipelines.core.index_shard import fold_frame

    return partial(fold_frame, offers=_of_prices(parameters, topics.SSI_INDICES))


def _of_prices(parameters: "Parameters", source: Topic[Frame]) -> "Offers":
    """The terms of the folds of prices: of stocks, and of futures beside their indices."""
    return parameters.offers(source, thresholds=parameters.thresholds, put_through_counter=parameters.put_through_counter)


def _tape_alerts(parameters: "Parameters") -> "Fold[TradesFrame]":
    from pipelines.core.alert_shard import fold_trades

    return partial(fold_trades, offers=parameters.offers(topics.MARKET_TRADES, rules=parameters.rules.trades))


def _quote_alerts(parameters: "Parameters") -> "Fold[QuotesFrame]":
    from pipelines.core.alert_shard import fold_quotes

    return partial(fold_quotes, offers=parameters.offers(topics.MARKET_QUOTES, rules=parameters.rules.quotes))


def _candle_alerts(parameters: "Parameters") -> "Fold[CandlesFrame]":
    from pipelines.core.alert_shard import fold_candles

    return partial(fold_candles, offers=parameters.offers(topics.MARKET_CANDLES, rules=parameters.rules.candles))


def _foreign_alerts(parameters: "Parameters") -> "Fold[LedgerFrame]":
    from pipelines.core.alert_shard import fold_foreign

    return partial(fold_foreign, offers=parameters.offers(topics.MARKET_FOREIGN, rules=parameters.rules.foreign))


def _basis_alerts(parameters: "Parameters") -> "Fold[BasisFrame]":
    from pipelines.core.alert_shard import fold_basis

    return partial(fold_basis, offers=parameters.offers(topics.MARKET_BASIS, rules=parameters.rules.basis))


CATALOGUE: Final = (
    Pipeline(
        "prices",
        "prints, quotes, day summaries, candles and board lines of stocks",
        (
            Topology(
                topics.SSI_TICKS,
                (
                    topics.MARKET_TRADES,
                    topics.MARKET_QUOTES,
                    topics.MARKET_DAILY,
                    topics.MARKET_CANDLES,
                    topics.PARTIAL_BREADTH,
                    topics.STATE_PRICES,
                ),
                _prices,
            ),
            Topology(topics.PARTIAL_BREADTH, (topics.STATE_BREADTH,), _breadth),
        ),
    ),
    Pipeline(
        "foreign",
        "what foreigners bought and sold, by symbol and in all",
        (
            Topology(topics.SSI_FOREIGN, (topics.MARKET_FOREIGN, topics.STATE_FOREIGN, topics.PARTIAL_FLOW), _foreign),
            # The second stage is cheap and needs all shards of the first, so both run in one application.
            Topology(topics.PARTIAL_FLOW, (topics.MARKET_FLOW, topics.STATE_FLOW), _flow),
        ),
    ),
    Pipeline(
        "indices",
        "indices, the futures on them, and the basis between the two",
        (
            Topology(
                topics.SSI_INDICES,
                (
                    topics.MARKET_INDICES,
                    topics.MARKET_BASIS,
                    topics.MARKET_TRADES,
                    topics.MARKET_QUOTES,
                    topics.MARKET_DAILY,
                    topics.MARKET_CANDLES,
                    topics.STATE_INDICES,
                    topics.STATE_BASIS,
                    topics.STATE_PRICES,
                ),
                _indices,
            ),
        ),
    ),
    Pipeline(
        "alerts",
        "what the alert rules find in prints, quotes, candles, foreign flow and basis",
        (
            # Two topics have no order between them. A rule reads one of them, so what it says follows from one log alone.
            Topology(topics.MARKET_TRADES, (topics.MARKET_ALERTS,), _tape_alerts),
            Topology(topics.MARKET_QUOTES, (topics.MARKET_ALERTS,), _quote_alerts),
            Topology(topics.MARKET_CANDLES, (topics.MARKET_ALERTS,), _candle_alerts),
            Topology(topics.MARKET_FOREIGN, (topics.MARKET_ALERTS,), _foreign_alerts),
            Topology(topics.MARKET_BASIS, (topics.MARKET_ALERTS,), _basis_alerts),
        ),
        # Readers of alerts wait for the commit: a tenth of a second, where the other pipelines take a quarter.
        commit_interval_s=0.1,
    ),
)
"""All of them; one that reads what another writes comes after it."""
READ_ON: Final = frozenset(source.name for pipeline in CATALOGUE for source in pipeline.sources) - {
    topic.name for topic in topics.RECORD_TOPICS
}
"""The names of the topics that one pipeline, or stage, writes and another reads."""
NAMES: Final = tuple(pipeline.name for pipeline in CATALOGUE)
"""Their names, in the same order."""


def named(name: str) -> Pipeline:
    """The pipeline called ``name``.

    Raises:
        UnknownPipeline: There is none.
    """
    for pipeline in CATALOGUE:
        if pipeline.name == name:
            return pipeline
    raise UnknownPipeline(name, NAMES)
