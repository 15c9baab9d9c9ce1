"""What the alert rules make of the events of one symbol: the very folds, given one event at a time."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from pipelines.core.codec import LARGEST
from pipelines.core.frames import Fold, Shard
from schemas.position import Position
from schemas.topics import MARKET_ALERTS, Topic
from schemas.units import Symbol

_LATEST: Final = LARGEST
"""The offset of an event that was folded anew and has none: the terms that hold at it are the last of its day."""


class AlertTrace:
    """Listens to the events of a shard.

    What a rule knows is of one symbol, but for the losses of a connection, which are alerted once for all symbols of a shard. So
    the gaps of all symbols are folded, and of everything else what is of the symbol.

    Args:
        symbol: Whose alerts are wanted.
        folds: The folds of the alerts pipeline, by the name of the topic that each reads.
        shard: Where the symbol lives, as the alerts pipeline calls it.
    """

    def __init__(self, symbol: Symbol, folds: Mapping[str, Fold[Any]], shard: Shard) -> None:
        self._symbol = symbol
        self._folds = folds
        self._shard = shard
        self._states: defaultdict[str, dict[bytes, bytes]] = defaultdict(dict)

    def __call__(self, topic: Topic[Any], frame: Any) -> dict[int, list[Any]]:
        """Fold a frame of events; the alerts that came of each of them, by its place in the frame.

        Raises:
            TermsUnknown: Nothing is known of what the shard folded with.
        """
        found: dict[int, list[Any]] = {}
        fold = self._folds.get(topic.name)
        if fold is None:
            return found
        position = Position(topic.name, self._shard.number, _LATEST)
        for place, event in enumerate(frame.events):
            if event.symbol == self._symbol or getattr(event, "kind", None) == "gap":
                folded = fold(type(frame)(events=[event]), position, self._shard, self._states[topic.name])
                alerts = [MARKET_ALERTS.decode(output.value) for output in folded.outputs if output.topic is MARKET_ALERTS]
                if alerts:
                    found[place] = [alert for each in alerts for alert in each.events]
        return found
