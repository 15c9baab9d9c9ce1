"""Which rule decided about a record, told from what its fold says: the events, and the names that it counts by.

A fold counts each decision by a name, and a record is folded alone, so the names are that record's. Nothing is decided here.
"""

from collections import Counter
from typing import Final

from schemas.structs import CandleEvent, IndexEvent, LedgerEntry, QuoteEvent, TradeEvent
from stock_tracker.explain.core.step import BookedLine, Decision
from stock_tracker.explain.core.words import clock, price

COUNTED: Final = {
    "repeat": "a repeat: earlier records have covered all of its interval, or a verdict was about it already",
    "empty": "it says nothing: no match, or a total of 0 in the middle of a day",
    "not_leading": "not from the leading feed: what has no counter is taken from one feed only, or it would be booked twice",
    "previous_day": "of an earlier trading day: it books nothing",
    "stale_quote": "a newer book is shown already",
    "stale": "a repeat: it is no newer than what is known, and adds nothing",
    "doubted": "the index leapt beyond belief: it waits until another record says the same",
    "unchanged": "the same as before",
    "ignored": "the fold has no use for this kind of record",
    "after_close": "the day is over",
    "forced": "one record more than can wait: it forced the verdict as if it were newer",
    "range_disagreement": "its price lies outside the high and low that the feed says itself",
    "outside_limits": "its price lies outside the day's limits: it makes no basis",
    "put_through_own": "it proves that put-through deals have a counter of their own",
    "put_through_shared": "it proves that put-through deals share the counter of the order book",
    "put_through_disputed": "it tells of volume that a put-through deal was taken for: the counter has fallen between the two",
}
"""Names that say something about the record itself, whatever it booked."""
DROPPED: Final = {
    "glitch": "a glitch: a newer record shows that its counter was wrong, so it is dropped",
    "unresolved": "undecided: the day ended before a newer record came, so it is dropped",
}
"""Names of verdicts that drop a record."""
_GAPS: Final = {
    "lost": "no feed ran without a break since the record before it, so the volume between was lost",
    "unseen": "some feed ran all the time since the record before it, so the volume between was never sent",
    "before_start": "the shard was first told of this day after the exchange had opened",
}
_ENTRIES: Final = {
    "delta": "the counter grew while some feed ran without a break",
    "catch_up": "the counter grew unseen: no feed ran without a break since the record before it, or it is the day's first",
    "correction": "the feed took volume back, and a newer record confirms it",
    "reset": "the feed's counter began at 0 again; what was counted before stays",
    "revaluation": "the value moved, and no share did",
    "room": "the room moved, and nothing else did",
}


def counted(counts: Counter[str]) -> list[Decision]:
    """What the names say that a fold counted a record by."""
    return [Decision(name, text) for name, text in COUNTED.items() if counts[name]]


def booked(line: BookedLine) -> list[Decision]:
    """What an event says about why it was booked."""
    event = line.event
    if isinstance(event, TradeEvent):
        return [Decision(*reason) for reason in _tape(event)]
    if isinstance(event, LedgerEntry):
        text = f"{event.side.value} {event.counter_from:,} to {event.counter:,}: {_ENTRIES[event.kind]}"
        found = [Decision(event.kind, text)]
        if event.ambiguous:
            found.append(Decision("ambiguous", "nobody can tell that it was one: it is flagged to be looked at"))
        return found
    if isinstance(event, QuoteEvent):
        return [Decision("quote", "the best prices or their volumes changed")]
    if isinstance(event, IndexEvent):
        return [Decision("index", "the index changed")]
    if isinstance(event, CandleEvent):
        again = (
            "amended by a late print, and told again" if event.revision else "its minute was over for 15 seconds, and it was told"
        )
        return [Decision("candle", f"the candle of {clock(event.minute_ms)[:5]}: {again}")]
    return []


def _tape(event: TradeEvent) -> list[tuple[str, str]]:
    interval = f"({event.start:,}, {event.total_volume:,}]"
    if event.kind == "gap":
        return [(f"gap_{event.cause}", f"a gap {interval}: {_GAPS[str(event.cause)]}")]
    if event.kind == "fill":
        by = "a put-through deal" if event.phase == "put_through" else "it"
        return [("fill", f"{by} fills {interval} of an earlier gap ({event.cause})")]
    if event.kind == "correction":
        found = [
            ("correction", f"a correction from {event.start:,} to {event.total_volume:,}: the feed took volume back, or gave it")
        ]
        if event.ambiguous:
            found.append(("ambiguous", "too large for a correction and too small for a restart: it is flagged to be looked at"))
        return found
    if event.kind == "reset":
        found = [
            ("reset", f"a reset: the counter had reached {event.start:,} and begins at 0 again, in generation {event.generation}")
        ]
        if event.ambiguous:
            found.append(
                (
                    "ambiguous",
                    "it leads back to where the counter was before its last large rise: nobody can tell which was wrong",
                )
            )
        return found
    if event.kind == "status":
        return [("status", f"session {event.session}, status {event.status} from now on")]
    return _print(event, interval)


def _print(event: TradeEvent, interval: str) -> list[tuple[str, str]]:
    match = f"booked {event.volume:,} at {price(event.price, event.exchange)}"
    if event.phase == "put_through":
        return [("put_through", f"a put-through deal, a line of its own: {match}")]
    if event.phase == "odd_lot":
        return [("odd_lot", f"a match of the odd-lot board, a line of its own: {match}")]
    if not event.anchored:
        return [("unanchored", f"a match without a total, counted apart: {match}")]
    if event.late:
        found = [("late", f"{match}: a late print. It lies below the highest total, and covers what was a gap; last price stays")]
    else:
        found = [("print", f"{match}: {interval} lies above all that was counted before")]
    if event.clipped:
        found.append(("clipped", f"of its {event.last_volume:,} the rest was covered by earlier prints, or its total was less"))
    return found
