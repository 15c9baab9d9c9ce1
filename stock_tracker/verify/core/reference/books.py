"""The best bid and ask, against the books that the feeds told."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from stock_tracker.verify.core.differences import Difference
from stock_tracker.verify.core.reference.compare import Placed, Rows
from stock_tracker.verify.core.reference.day import Heard, ToldDay

Top = tuple[int, int, int, int]
"""Best bid and its volume, best ask and its volume."""


def check(told: ToldDay, quotes: list[Placed] | None, rows: Rows | None) -> Iterator[Difference]:
    """Compare ``market.quotes`` and the books of ``state.prices`` with what was told.

    Of several feeds one leads, and nobody can say from the records which: then each book must be one that some feed told.
    """
    told_quotes: dict[str, list[Placed]] = defaultdict(list)
    for at, event in quotes or ():
        told_quotes[event.symbol].append((at, event))
    for symbol in sorted(told.books.keys() | told_quotes.keys()):
        heard = told.books.get(symbol, [])
        if quotes is not None:
            yield from _check_limits(told, symbol, told_quotes[symbol])
            yield from _check_tops(symbol, heard, told_quotes[symbol], is_one_feed=len(told.feeds) == 1)
        if rows is not None and symbol in rows:
            yield from _check_book(symbol, heard, rows[symbol])


def _top(record: Any) -> Top:
    return (*(record.bids[:2] or (0, 0)), *(record.asks[:2] or (0, 0)))


def _check_tops(symbol: str, heard: list[Heard], events: list[Placed], *, is_one_feed: bool) -> Iterator[Difference]:
    known = {(record.ts_ms, _top(record)) for _, record in heard}
    said = [(event.ts_ms, (event.bid, event.bid_volume, event.ask, event.ask_volume)) for _, event in events]
    for (at, _), one in zip(events, said, strict=True):
        if one not in known:
            yield Difference("wrong_quote", symbol, f"no book had {one[1]} at {one[0]}", at)
    if is_one_feed:
        newest, tops = 0, []
        for _, record in heard:
            if record.ts_ms >= newest:
                newest = record.ts_ms
                tops.append(_top(record))
        expected = [top for top, _ in groupby([(0, 0, 0, 0), *tops])][1:]
        if [top for _, top in said] != expected:
            yield Difference(
                "wrong_quotes", symbol, f"{len(said)} books were told, for {len(expected)} changes", None, "market.quotes"
            )


def _check_limits(told: ToldDay, symbol: str, events: list[Placed]) -> Iterator[Difference]:
    """A book is at a limit that was told, and nobody is on its other side."""
    records = [*told.trades.get(symbol, ()), *told.snapshots.get(symbol, ())]
    ceilings, floors = ({getattr(record, name) for record in records} for name in ("ceiling", "floor"))
    for at, event in events:
        is_right = {
            None: True,
            "ceiling": event.bid_volume > 0 and not event.ask_volume and event.bid in ceilings,
            "floor": event.ask_volume > 0 and not event.bid_volume and event.ask in floors,
        }[event.limit]
        if not is_right:
            detail = f"{event.bid_volume} at {event.bid} and {event.ask_volume} at {event.ask} are not at the {event.limit}"
            yield Difference("wrong_quote", symbol, detail, at, fields=("limit",))


def _check_book(symbol: str, heard: list[Heard], placed: Placed) -> Iterator[Difference]:
    at, row = placed
    # Each feed has its own newest; the one that leads shows its own.
    last: dict[str, Any] = {}
    for feed, record in heard:
        if feed not in last or record.ts_ms >= last[feed].ts_ms:
            last[feed] = record
    shown = row.quote_ms, row.bids, row.asks
    if last and shown not in [(record.ts_ms, record.bids, record.asks) for record in last.values()]:
        yield Difference("wrong_price_row", symbol, f"the book is {row.bids} | {row.asks}, of {row.quote_ms}", at)
