"""The lines of ``market.trades`` against what the whole day's records come to."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from schemas.structs import TradeEvent
from schemas.units import FUTURES_MULTIPLIER_VND, POINT, Exchange
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.reference.board import is_match, read_tape
from stock_tracker.verify.core.reference.day import ToldDay
from stock_tracker.verify.core.reference.tape import ExpectedTape, Print

Tape = Mapping[str, list[tuple[EventPosition, TradeEvent]]]


def check(told: ToldDay, tape: Tape, doubts: list[tuple[str, str, str]]) -> Iterator[Difference]:
    """Compare the tape of each symbol; those whose records can be read in more than one way are added to ``doubts``."""
    for symbol in sorted(told.trades.keys() | tape.keys()):
        placed = tape.get(symbol, [])
        for at, line in placed:
            yield from _check_line(at, line, told)
        expected = read_tape(told, symbol)
        if not told.trades.get(symbol):
            continue
        if expected.reading.unclear or expected.reading.undecided:
            doubts.append(("market.trades", symbol, "its counter can be read in more than one way"))
            continue
        yield from _check_prints(symbol, placed, expected)


def _check_line(at: EventPosition, line: TradeEvent, told: ToldDay) -> Iterator[Difference]:
    if line.kind == "print" and line.price is not None:
        unit = FUTURES_MULTIPLIER_VND // POINT if line.exchange is Exchange.DER else 1
        if line.value != line.price * line.volume * unit:
            yield Difference("wrong_value", line.symbol, f"value is {line.value}, not {line.price * line.volume * unit}", at)
        floor, ceiling = told.limits(line.symbol)
        limit = "ceiling" if line.price == ceiling else "floor" if line.price == floor else None
        if line.phase != "odd_lot" and line.symbol in told.trades and line.limit != limit:
            yield Difference("wrong_limit", line.symbol, f"limit is {line.limit}, not {limit}", at)


def _check_prints(symbol: str, placed: list[tuple[EventPosition, TradeEvent]], expected: ExpectedTape) -> Iterator[Difference]:
    booked: dict[Print, list[EventPosition]] = defaultdict(list)
    for at, line in placed:
        if is_match(line):
            second, volume, price = line.ts_ms // 1000, line.last_volume or 0, line.price or 0
            booked[Print(line.generation, second, line.total_volume, volume, price)].append(at)
    for known, places in sorted(booked.items()):
        if len(places) > 1:
            yield Difference("doubled_print", symbol, f"{known} is booked {len(places)} times", places[1])
        if known not in expected.prints and known not in expected.possible:
            yield Difference("unknown_print", symbol, f"no record told of {known}", places[0])
    for known in sorted(expected.prints - booked.keys()):
        yield Difference("missing_print", symbol, f"{known} is not booked", None, "market.trades")
    deals = Counter(
        (line.total_volume, line.last_volume or 0)
        for _, line in placed
        if line.kind == "print" and line.anchored and line.phase == "put_through"
    )
    if any(times > 1 for times in deals.values()) or not expected.deals - expected.like_a_match <= set(deals) <= expected.deals:
        detail = f"put-through deals are {sorted(deals.elements())} for {sorted(expected.deals)}"
        yield Difference("wrong_deals", symbol, detail, None, "market.trades")
    if expected.can_tell_gaps:
        yield from _check_gaps(symbol, [line for _, line in placed], expected)


def _check_gaps(symbol: str, lines: list[TradeEvent], expected: ExpectedTape) -> Iterator[Difference]:
    gaps = sum(line.volume for line in lines if line.kind == "gap")
    filled = sum(line.volume for line in lines if line.kind == "fill")
    dealt = sum(line.volume for line in lines if line.kind == "fill" and line.phase == "put_through")
    untold = sum(end - start for holes in expected.untold.values() for start, end in holes)
    if gaps - filled + dealt != untold:
        yield Difference(
            "wrong_gap", symbol, f"{gaps - filled + dealt} shares are missing in gaps, not {untold}", None, "market.trades"
        )
