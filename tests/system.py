"""The folds of all pipelines one behind the other, without an engine: records in, what the market's topics say out."""

from typing import Any

from pipelines.catalogue import CATALOGUE
from pipelines.core.backtest import SOURCES, Backtest
from pipelines.core.frames import Shard
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.position import Position
from schemas.structs import AlertEvent
from schemas.topics import MARKET_ALERTS
from tests.builders import DAY


class System:
    """The folds of the catalogue one behind the other, in one shard, as Kafka would join them."""

    def __init__(self) -> None:
        parameters = Parameters(PipelineSettings(kafka={}))
        topologies = [topology for pipeline in CATALOGUE for topology in pipeline.topologies]
        self.backtest = Backtest(parameters.rules, DAY)
        self._folds = {topology.source.name: topology.make_fold(parameters) for topology in topologies}
        self._states: dict[str, dict[bytes, bytes]] = {topic: {} for topic in self._folds}
        self._offsets = dict.fromkeys(self._folds, -1)
        self.alerts: list[AlertEvent] = []
        self.events: dict[str, list[Any]] = {}
        """What happened, by topic."""
        self.rows: dict[str, dict[str, Any]] = {}
        """The last row of each key, by topic."""
        self.row_bytes: dict[str, int] = {}
        """How long the last row of each topic was."""

    def take(self, topic: str, message: Any) -> None:
        """Fold a message of a topic, and all that follows from it."""
        self._offsets[topic] += 1
        position = Position(topic, 0, self._offsets[topic])
        if topic in _TESTED_BACK:
            self.backtest.take(position, message)
        for output in self._folds[topic](message, position, Shard.of("test", 0, 1), self._states[topic]).outputs:
            name, said = output.topic.name, output.topic.decode(output.value)
            if name.startswith("market."):
                self.events.setdefault(name, []).extend(said.events)
            if output.topic is MARKET_ALERTS:
                self.alerts += said.events
            if name.startswith("state."):
                self.rows.setdefault(name, {})[output.key] = said
                self.row_bytes[name] = len(output.value)
            if name in self._folds:
                self.take(name, said)

    def restart(self) -> None:
        """Go on from nothing but the bytes of the states, as after a kill."""
        self._states = {topic: {bytes(k): bytes(v) for k, v in own.items()} for topic, own in self._states.items()}


_TESTED_BACK = {topic.name for topic in SOURCES}
