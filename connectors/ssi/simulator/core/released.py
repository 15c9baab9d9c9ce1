"""How much of a day has been due, counted as it is played. Pure."""

from collections import Counter
from collections.abc import Sequence

from connectors.ssi.simulator.core.places import DEAL_BIT, KINDS, PRINT_BIT, kinds_of, plain
from connectors.ssi.simulator.core.records import CHANNELS, Channel

_TRADE, _QUOTE, _INDEX = plain("X-TRADE"), plain("X-QUOTE"), plain("MI")
_FOREIGN = plain("R")
_PRINT, _DEAL = _TRADE | PRINT_BIT, _TRADE | DEAL_BIT


class Released:
    """The records that have been due: a byte for each, and counts."""

    def __init__(self, day_begins_ms: int, *, derives: bool = True) -> None:
        """Nothing has been due yet.

        Args:
            day_begins_ms: When the trading day begins.
            derives: Whether ``X`` and ``B`` follow from the other records; in a captured day they are there themselves.
        """
        self._derives = derives
        self._day_begins_ms = day_begins_ms
        self.kinds = bytearray()
        """Of each record, by its place: see :mod:`connectors.ssi.simulator.core.places`."""
        self.previous = 0
        """How many of them, the first, are of the trading day before."""
        self._today: Counter[int] = Counter()
        """How many of each kind are of the trading day."""

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def prints(self) -> int:
        """Prints of the trading day."""
        return self._today[_PRINT]

    @property
    def deals(self) -> int:
        """Put-through deals of the trading day that the feed has a record of."""
        return self._today[_DEAL]

    @property
    def foreign(self) -> int:
        """Foreign records of the trading day."""
        return self._today[_FOREIGN]

    def by_channel(self) -> dict[Channel, int]:
        """Records of the trading day, by channel; those of ``X`` and ``B`` follow from the others."""
        today = self._today
        counted: dict[Channel, int] = {channel: sum(today[kind] for kind in kinds_of(channel)) for channel in CHANNELS}
        if not self._derives:
            return counted
        counted["X"] = today[_TRADE] + today[_PRINT] + today[_QUOTE]
        counted["B"] = today[_PRINT] + today[_INDEX]
        return counted

    def take(self, dues: Sequence[int], keys: Sequence[int]) -> None:
        """Count the next records of the day.

        Args:
            dues: When each was due, in order.
            keys: What each is: see :mod:`connectors.ssi.simulator.core.places`.
        """
        kinds = bytes([key % KINDS for key in keys])
        self.kinds += kinds
        if dues and dues[0] < self._day_begins_ms:
            before = sum(due_ms < self._day_begins_ms for due_ms in dues)
            self.previous += before
            kinds = kinds[before:]
        self._today.update(kinds)
