"""The alerts that a symbol's lines of ``market.quotes`` must bring."""

from collections.abc import Iterator, Sequence
from itertools import dropwhile

from schemas.session import phase_at
from schemas.structs import QuoteEvent
from schemas.units import FUTURES_MULTIPLIER_VND, POINT, Exchange, SessionPhase
from stock_tracker.verify.core.reference.due import Cooldown, DueAlert, Rule


def locks(rule: Rule, quotes: Sequence[QuoteEvent]) -> Iterator[DueAlert]:
    """Enough waits at a limit, and nobody is on the other side; until less waits there, or the best price is away from it."""
    cooldown = Cooldown(rule)
    locked: str | None = None
    locked_at = newest_ms = 0
    for quote in dropwhile(lambda quote: quote.limit is None, quotes):
        if quote.ts_ms < newest_ms:
            continue
        newest_ms = quote.ts_ms
        limit = quote.limit if quote.limit in rule["limits"] else None
        if limit is None:
            best = quote.bid if locked == "ceiling" else quote.ask
            if abs(best - locked_at) * 100 >= rule["release_pct"] * locked_at:
                locked = None
            continue
        price, queue = (quote.bid, quote.bid_volume) if limit == "ceiling" else (quote.ask, quote.ask_volume)
        value = price * queue * (FUTURES_MULTIPLIER_VND // POINT if quote.exchange is Exchange.DER else 1)
        if value < rule["release_queue_vnd"]:
            locked = None
        direction = "up" if limit == "ceiling" else "down"
        is_continuous = phase_at(quote.ts_ms, quote.day, quote.exchange) is SessionPhase.CONTINUOUS
        if value >= rule["min_queue_vnd"] and limit != locked and is_continuous and not cooldown.holds(direction, quote.ts_ms):
            locked, locked_at = limit, price
            yield cooldown.alert(direction, quote, {"price": price, "limit": limit, "queue": queue, "value": value})


KINDS = {"limit_lock": locks}
"""By kind of rule."""
