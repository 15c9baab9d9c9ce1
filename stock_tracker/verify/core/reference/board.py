"""What the board and the summary of a symbol's day must show, from the lines of its tape and the feed's own totals."""

from collections.abc import Iterator, Mapping, Sequence

from schemas.session import close_ms
from schemas.structs import TradeEvent, TradeRecord
from schemas.units import FUTURES_MULTIPLIER_VND, POINT, Exchange, Side, TradingDay
from stock_tracker.verify.core.differences import Difference
from stock_tracker.verify.core.reference.compare import Placed, Rows, differ
from stock_tracker.verify.core.reference.day import ToldDay
from stock_tracker.verify.core.reference.tape import ExpectedTape, TapeRecord, tape_of

SUMMARY_MS = 5 * 60_000
"""How often a symbol's day is summed up while it changes, in market time."""
Figures = dict[str, object]
"""Expected values by the name of their field."""


def read_tape(told: ToldDay, symbol: str) -> ExpectedTape:
    """What the day's records of a symbol come to."""
    floor, ceiling = told.limits(symbol)
    if told.trades[symbol] and told.trades[symbol][-1].exchange is Exchange.DER:
        # A contract is worth its price many times: the bounds are those of a value.
        floor, ceiling = (limit * FUTURES_MULTIPLIER_VND // POINT for limit in (floor, ceiling))
    return tape_of(
        [
            TapeRecord(each.ts_ms // 1000, each.total_volume, each.volume, each.price, each.total_value, each.session == "PT")
            for each in told.trades[symbol]
        ],
        floor,
        ceiling,
    )


def is_match(line: TradeEvent) -> bool:
    """Whether a line is a match of the order book with a total."""
    return line.kind == "print" and line.anchored and line.phase not in ("put_through", "odd_lot")


def matches(lines: Sequence[TradeEvent]) -> list[TradeEvent]:
    """The matches of the order book with a total, in the order in which they were made."""
    return sorted(filter(is_match, lines), key=lambda line: (line.generation, line.total_volume))


def day_of(told: ToldDay, symbol: str, lines: Sequence[TradeEvent], tape: ExpectedTape) -> Figures:
    """What summary and board of a symbol have in common, as far as the reference knows it."""
    prints = matches(lines)
    deals = [line for line in lines if line.kind == "print" and line.phase == "put_through" and line.anchored]
    figures: Figures = {
        "missed_volume": sum(line.volume for line in lines if line.kind == "gap")
        - sum(line.volume for line in lines if line.kind == "fill"),
        "active_buy": sum(line.volume for line in prints if line.side is Side.BUY),
        "active_sell": sum(line.volume for line in prints if line.side is Side.SELL),
        "neutral": sum(line.volume for line in prints if line.side is Side.NEUTRAL),
        "put_through_volume": sum(line.volume for line in deals),
        "high": _extreme(told, symbol, prints, "high"),
        "low": _extreme(told, symbol, prints, "low"),
    }
    for name in ("reference", "ceiling", "floor"):
        said = [(record.ts_ms, at, value) for at, record in enumerate(told.trades[symbol]) if (value := getattr(record, name))]
        if said and not told.snapshots[symbol]:
            figures[name] = max(said)[-1]
    opening = {line.price for line in prints if line.phase == "ato"}
    if len(opening) == 1:
        figures["open"] = opening.pop()
    if not deals:
        figures["prints"] = len(prints)
    if not tape.reading.unclear and all(stretch.begins_with in ("day", "reset") for stretch in tape.reading.stretches):
        figures["total_volume"] = sum(tape.reading.tops)
        figures["total_value"] = total_value(told, symbol, tape)
    return figures


def board_of(told: ToldDay, symbol: str, lines: Sequence[TradeEvent], tape: ExpectedTape) -> Figures:
    """What ``state.prices`` must show."""
    figures, prints = day_of(told, symbol, lines, tape), matches(lines)
    if not any(line.kind == "correction" for line in lines):
        figures["last"] = prints[-1].price if prints else None
        figures["last_volume"] = prints[-1].last_volume if prints else 0
    if "total_volume" in figures and lines:
        figures["average"] = _average(sum(tape.reading.tops), total_value(told, symbol, tape), lines)
    return figures


def summary_of(told: ToldDay, symbol: str, lines: Sequence[TradeEvent], tape: ExpectedTape) -> Figures:
    """What the last event of ``market.daily`` must say, if nothing came after it."""
    figures, prints = day_of(told, symbol, lines, tape), matches(lines)
    if not any(line.kind == "correction" for line in lines):
        figures["close"] = prints[-1].price if prints else None
    for name, side in (("active_buy", Side.BUY), ("active_sell", Side.SELL), ("neutral", Side.NEUTRAL)):
        figures[f"{name}_value"] = sum(line.value for line in prints if line.side is side)
    deals = [line for line in lines if line.kind == "print" and line.phase == "put_through" and line.anchored]
    figures["put_through_value"] = sum(line.value for line in deals)
    return figures


def lines_of(trades: Sequence[TradeRecord], lines: Sequence[TradeEvent]) -> list[TradeEvent] | None:
    """The lines of a tape that come of its first records; None where that cannot be told.

    Args:
        trades: The first records.
        lines: The whole tape, in order.
    """
    prints = {(record.ts_ms, record.total_volume, record.volume) for record in trades}
    # A gap ends where the match in the record that showed it begins, or at the total of a record without one.
    gaps = {(record.ts_ms, end) for record in trades for end in (record.total_volume, record.total_volume - record.volume)}
    # What is in no sum, such as the match of an odd lot, may stand on either side.
    counted = [line for line in lines if line.kind != "status" and line.anchored]
    placed = [at for at, line in enumerate(counted) if line.kind in ("print", "gap")]
    known = [at for at in placed if _key(counted[at]) in (prints if counted[at].kind == "print" else gaps)]
    if known != placed[: len(known)]:
        return None
    first_unknown = placed[len(known)] if len(known) < len(placed) else len(counted)
    end = known[-1] + 1 if known else 0
    if first_unknown > end:
        # A correction, say, comes of a record that says nothing of it.
        return None
    return counted[:end]


def _key(line: TradeEvent) -> tuple[int, ...]:
    return (line.ts_ms, line.total_volume) if line.kind == "gap" else (line.ts_ms, line.total_volume, line.last_volume or 0)


def total_value(told: ToldDay, symbol: str, tape: ExpectedTape) -> int:
    """What was traded in VND, by the record that reached the highest total of each generation."""
    matched = [record for record in told.trades[symbol] if record.session != "PT" and record.total_volume]
    values: dict[int, int] = {}
    for stretch in tape.reading.stretches:
        if stretch.records:
            newest = max(stretch.records, key=lambda place: (matched[place].total_volume, matched[place].ts_ms))
            values[stretch.generation] = matched[newest].total_value
    return sum(values.values())


def _average(total: int, worth: int, lines: Sequence[TradeEvent]) -> int | None:
    explained = [line for line in lines if line.kind == "fill" and line.phase == "put_through"]
    volume: int = total - sum(line.volume for line in explained)
    value: int = worth - sum(line.value for line in explained)
    if lines[-1].exchange is Exchange.DER:
        volume *= FUTURES_MULTIPLIER_VND // POINT
    if not volume:
        return None
    average: int = (2 * value + volume) // (2 * volume)
    return average


def _extreme(told: ToldDay, symbol: str, prints: Sequence[TradeEvent], name: str) -> int | None:
    """The highest or lowest price of the day: of the prints, or as the feed's newest record says where that goes further."""
    own = [line.price for line in prints if line.price is not None]
    records = [*(record for record in told.trades[symbol] if record.session != "PT"), *told.snapshots[symbol]]
    said = [(record.ts_ms, at, value) for at, record in enumerate(records) if (value := getattr(record, name))]
    every = [*own, *([max(said)[-1]] if said else [])]
    if not every:
        return None
    extreme: int = max(every) if name == "high" else min(every)
    return extreme


def check(
    told: ToldDay,
    tape: Mapping[str, list[Placed]],
    daily: list[Placed] | None,
    rows: Rows | None,
    doubts: list[tuple[str, str, str]],
) -> Iterator[Difference]:
    """Compare the last summary and the row of each symbol with its lines; ``doubts`` says what is left out.

    A summary that is not the day's final one is compared with what had been told by its second.
    """
    summaries = {event.symbol: (at, event) for at, event in daily or ()}
    for symbol in sorted(told.trades):
        lines = [line for _, line in tape.get(symbol, ())]
        expected = read_tape(told, symbol)
        if expected.reading.unclear:
            doubts.append(("state.prices", symbol, "totals and average: its counter can be read in more than one way"))
        if rows is not None and symbol in rows:
            at, row = rows[symbol]
            yield from differ("price_row", symbol, row, board_of(told, symbol, lines, expected), at)
        elif rows is not None:
            yield Difference("missing_state", symbol, "state.prices has no row of it", None, "state.prices")
        if daily is None:
            continue
        if symbol in summaries and summaries[symbol][1].final:
            at, event = summaries[symbol]
            yield from differ("daily", symbol, event, summary_of(told, symbol, lines, expected), at)
        elif told.until_ms >= close_ms(TradingDay(told.day)):
            yield Difference("missing_daily", symbol, "market.daily has no summary of its whole day", None, "market.daily")
        elif symbol in summaries:
            at, event = summaries[symbol]
            so_far = told.until(symbol, event.ts_ms)
            its_tape, its_lines = read_tape(so_far, symbol), lines_of(so_far.trades[symbol], lines)
            if its_lines is None or its_tape.reading.unclear or its_tape.reading.undecided:
                doubts.append(("market.daily", symbol, "which lines its last summary has, its records do not say"))
            else:
                yield from differ("daily", symbol, event, summary_of(so_far, symbol, its_lines, its_tape), at)
        elif (traded_ms := told.traded_ms(symbol)) is not None and told.until_ms - traded_ms >= 2 * SUMMARY_MS:
            yield Difference("missing_daily", symbol, "market.daily has no summary of it", None, "market.daily")
