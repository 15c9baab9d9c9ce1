"""What a feed is subscribed to: for each channel all symbols, or some. Pure."""

from collections.abc import Iterator
from typing import Final

from schemas.instruments import INDEX_SYMBOLS

CHANNELS: Final = ("X-TRADE", "X-QUOTE", "X", "R", "MI", "B", "F", "OL")
"""The channels that SSI offers. The DataType of a record is the name of its channel."""


class SubscribedChannels:
    """The channels and symbols of SSI_CHANNELS, such as ``X-TRADE:ALL,R:VNM-SSI``; ``ALL`` alone means every channel."""

    def __init__(self, channels: str) -> None:
        self._symbols: dict[str, frozenset[str]] = {}
        """Of the channels that are subscribed for some symbols: which."""
        self.whole: frozenset[str] = frozenset()
        """The channels that are subscribed for all symbols."""
        for channel in channels.upper().split(","):
            name, _, symbols = channel.strip().partition(":")
            if name == "ALL":
                self.whole |= set(CHANNELS)
            elif symbols.strip() == "ALL":
                self.whole |= {name}
            else:
                self._symbols[name] = self._symbols.get(name, frozenset()) | frozenset(_each(symbols))

    def covers(self, channel: str, symbol: str) -> bool:
        """Whether ``channel`` is subscribed for ``symbol``."""
        return channel in self.whole or symbol.upper() in self._symbols.get(channel, frozenset())


def _each(symbols: str) -> Iterator[str]:
    names = (symbol.strip() for symbol in symbols.split("-"))
    return (INDEX_SYMBOLS.get(name, name) for name in names)
