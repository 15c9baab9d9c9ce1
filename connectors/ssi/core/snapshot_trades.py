"""Matches out of ``X``, for those who subscribe it without ``X-TRADE``. Pure.

SSI sends an ``X`` on any change, so it repeats the last match again and again. But it has LastVol and TotalVol like an
``X-TRADE``, and these are the identity of a match: the interval (TotalVol - LastVol, TotalVol]. So a trade record is made of an
``X`` whose TotalVol differs from that of the ``X`` before it, and what the price fold makes of it is exact: a match that it knows
is a repeat, and matches between two ``X`` are a gap, because nobody told their prices. What an ``X`` does not have is the side.
"""

from typing import Final

from connectors.ssi.core.channels import SubscribedChannels
from schemas.structs import SnapshotRecord, TradeRecord
from schemas.units import Symbol, TradingDay

MAX_SYMBOLS: Final = 100_000
"""How many symbols are remembered; far more than any market has."""


class SnapshotTrades:
    """Makes trade records of the snapshots of symbols whose ``X-TRADE`` is not subscribed."""

    def __init__(self, subscription: SubscribedChannels) -> None:
        self._subscription = subscription
        self._told: dict[Symbol, tuple[TradingDay, int]] = {}
        """Day and TotalVol of the last record that was made of a symbol's snapshots in this epoch."""
        self.made = 0
        """Trade records made since the start."""

    def begin(self) -> None:
        """Begin an epoch: what an earlier connection told may have been lost on its way."""
        self._told.clear()

    def trade_in(self, record: SnapshotRecord) -> TradeRecord | None:
        """The match that ``record`` tells of; None where it tells of none, or where ``X-TRADE`` does."""
        told = (record.trading_day, record.total_volume)
        if not record.total_volume or self._told.get(record.symbol) == told:
            return None
        if self._subscription.covers("X-TRADE", record.symbol):
            return None
        if len(self._told) >= MAX_SYMBOLS:
            self._told.clear()
        self._told[record.symbol] = told
        self.made += 1
        return TradeRecord(
            symbol=record.symbol,
            trading_day=record.trading_day,
            ts_ms=record.ts_ms,
            exchange=record.exchange,
            price=record.price,
            volume=record.volume,
            total_volume=record.total_volume,
            total_value=record.total_value,
            reference=record.reference,
            ceiling=record.ceiling,
            floor=record.floor,
            high=record.high,
            low=record.low,
            expected=record.expected,
            side=None,
            session=record.session,
            status=record.status,
            from_snapshot=True,
        )
