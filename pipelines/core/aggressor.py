"""Who made a print: the buyer who paid the ask, the seller who took the bid, or nobody."""

from collections import Counter

from pipelines.core.lines import Label
from schemas.events import TradePhase
from schemas.structs import TradeRecord
from schemas.units import Side

_AUCTIONS = ("ato", "atc")


def label(
    record: TradeRecord, phase: TradePhase, bids: list[int], asks: list[int], *, in_order: bool, counts: Counter[str]
) -> Label:
    """Decide the side of a print: the feed's word first, then the auction rule, then the quote before it.

    Args:
        record: A match.
        phase: Of the match. An auction has one price for all, so in it nobody paid the spread.
        bids: The buyers' side of the book as it stood when the record came, ``[price1, volume1, …]``.
        asks: The sellers' side, likewise.
        in_order: Whether that book is the one that the match was made in. It is not for a late record: the book has moved on.
        counts: Gets ``side_disagreement`` when feed and quote differ.
    """
    quoted = _by_quote(record.price, bids, asks) if in_order and phase == "continuous" else None
    if record.side is not None:
        if quoted is not None and quoted is not record.side:
            counts["side_disagreement"] += 1
        return Label(record.side, "feed", phase)
    if phase in _AUCTIONS:
        return Label(Side.NEUTRAL, "auction", phase)
    if quoted is not None:
        return Label(quoted, "quote", phase)
    return Label(Side.NEUTRAL, "none", phase)


def _by_quote(price: int, bids: list[int], asks: list[int]) -> Side | None:
    """What a quote says of a print at ``price``; None inside the spread. A level with price 0 is a market order, no quote."""
    if asks and 0 < asks[0] <= price:
        return Side.BUY
    if bids and 0 < price <= bids[0]:
        return Side.SELL
    return None
