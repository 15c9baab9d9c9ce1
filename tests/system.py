"""The folds of all pipelines one behind the other, without an engine: records in, what the market's topics say out."""

from collections.abc import Callable
from functools import partial
from typing import Any

from pipelines.core import foreign_shard, index_shard, price_shard
from pipelines.core.alert_shard import fold_basis, fold_candles, fold_foreign, fold_trades
from pipelines.core.backtest import Backtest
from pipelines.core.frames import Folded, Shard
from pipelines.core.rules import Rules
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.position import Position
from schemas.structs import AlertEvent
from schemas.topics import (
    MARKET_ALERTS,
    MARKET_BASIS,
    MARKET_CANDLES,
    MARKET_FOREIGN,
    MARKET_TRADES,
    SSI_FOREIGN,
    SSI_INDICES,
    SSI_TICKS,
    STATE_BASIS,
    STATE_FOREIGN,
    STATE_INDICES,
    STATE_PRICES,
)
from tests.builders import DAY, offers


class System:
    """The folds of all pipelines one behind the other, in one shard, as Kafka would join them."""

    def __init__(self, rules: Rules | None = None) -> None:
        rules = Parameters(PipelineSettings(kafka={})).rules if rules is None else rules
        self.backtest = Backtest(rules, DAY)
        self._folds: dict[str, Callable[..., Folded]] = {
            "ssi.ticks": partial(price_shard.fold_frame, offers=offers(SSI_TICKS)),
            "ssi.foreign": partial(foreign_shard.fold_frame, offers=offers(SSI_FOREIGN, sectors={})),
            "ssi.indices": partial(index_shard.fold_frame, offers=offers(SSI_INDICES)),
            "market.trades": partial(fold_trades, offers=offers(MARKET_TRADES, rules=rules.trades)),
            "market.candles": partial(fold_candles, offers=offers(MARKET_CANDLES, rules=rules.candles)),
            "market.foreign": partial(fold_foreign, offers=offers(MARKET_FOREIGN, rules=rules.foreign)),
            "market.basis": partial(fold_basis, offers=offers(MARKET_BASIS, rules=rules.basis)),
        }
        self._states: dict[str, dict[bytes, bytes]] = {topic: {} for topic in self._folds}
        self._offsets = dict.fromkeys(self._folds, -1)
        self._topics = {topic.name: topic for topic in (MARKET_TRADES, MARKET_CANDLES, MARKET_FOREIGN, MARKET_BASIS)}
        self.alerts: list[AlertEvent] = []
        self.events: dict[str, list[Any]] = {}
        """What happened, by topic."""
        self.rows: dict[str, dict[str, Any]] = {}
        """The last row of each symbol, by topic."""
        self.row_bytes: dict[str, int] = {}
        """How long the last row of each topic was."""

    def take(self, topic: str, message: Any) -> None:
        """Fold a message of a topic, and all that follows from it."""
        self._offsets[topic] += 1
        position = Position(topic, 0, self._offsets[topic])
        if topic in self._topics:
            self.backtest.take(position, message)
        for output in self._folds[topic](message, position, Shard.of("test", 0, 1), self._states[topic]).outputs:
            name = output.topic.name
            if name.startswith("market."):
                said = output.topic.decode(output.value)
                self.events.setdefault(name, []).extend(said.events)
                if output.topic is MARKET_ALERTS:
                    self.alerts += said.events
                elif name in self._topics:
                    self.take(name, said)
            elif output.topic in (STATE_PRICES, STATE_FOREIGN, STATE_INDICES, STATE_BASIS):
                row = output.topic.decode(output.value)
                self.rows.setdefault(name, {})[row.symbol] = row
                self.row_bytes[name] = len(output.value)

    def restart(self) -> None:
        """Go on from nothing but the bytes of the states, as after a kill."""
        self._states = {topic: {bytes(k): bytes(v) for k, v in own.items()} for topic, own in self._states.items()}
