"""The alerts that a symbol's lines of ``market.trades`` must bring."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from operator import itemgetter

from schemas.structs import TradeEvent
from stock_tracker.verify.core.reference.due import Cooldown, DueAlert, Rule

_STEPS = 20
"""In so many steps does the window of ``volume_spike`` move."""


def _in_turn(lines: Sequence[TradeEvent]) -> list[TradeEvent]:
    """The matches that were booked in their turn: late ones, deals, odd lots and those without a total do nothing."""
    return [
        line
        for line in lines
        if line.kind == "print" and line.anchored and not line.late and line.phase not in ("put_through", "odd_lot")
        and line.price is not None
    ]  # fmt: skip


def _continuous(lines: Sequence[TradeEvent]) -> list[TradeEvent]:
    return [line for line in _in_turn(lines) if line.phase == "continuous"]


def _aggressor(line: TradeEvent) -> str:
    return line.side if line.side in ("buy", "sell") else ""


def volume_spikes(rule: Rule, lines: Sequence[TradeEvent]) -> Iterator[DueAlert]:
    """A print much larger than the average of the window before it, which moves step by step."""
    cooldown, step_ms = Cooldown(rule), rule["window_s"] * 1000 // _STEPS
    before: deque[tuple[int, int]] = deque()
    traded = step = 0
    for line in _continuous(lines):
        step = max(step, line.ts_ms // step_ms)
        while before and before[0][0] <= step - _STEPS:
            traded -= before.popleft()[1]
        prints, volume = len(before), traded
        before.append((step, line.volume))
        traded += line.volume
        if prints < rule["min_prints"] or not volume or line.value < rule["min_value_vnd"]:
            continue
        ratio, direction = line.volume / (volume / prints), _aggressor(line)
        if ratio >= rule["ratio"] and not cooldown.holds(direction, line.ts_ms):
            figures = {
                "volume": line.volume, "value": line.value, "price": line.price or 0, "prints": prints,
                "average_volume": round(volume / prints, 1), "ratio": round(ratio, 2),
            }  # fmt: skip
            yield cooldown.alert(direction, line, figures)


def large_prints(rule: Rule, lines: Sequence[TradeEvent]) -> Iterator[DueAlert]:
    """A print that is worth a lot."""
    cooldown = Cooldown(rule)
    for line in _continuous(lines):
        direction = _aggressor(line)
        if line.value >= rule["min_value_vnd"] and not cooldown.holds(direction, line.ts_ms):
            yield cooldown.alert(direction, line, {"volume": line.volume, "value": line.value, "price": line.price or 0})


def at_limits(rule: Rule, lines: Sequence[TradeEvent]) -> Iterator[DueAlert]:
    """A print at the ceiling or floor, unless one told so before and none has been away from it since."""
    cooldown = Cooldown(rule)
    held: str | None = None
    limit_price = 0
    for line in _in_turn(lines):
        price = line.price or 0
        if line.limit not in rule["limits"]:
            if abs(price - limit_price) * 100 >= rule["release_pct"] * limit_price:
                held = None
            continue
        direction = "up" if line.limit == "ceiling" else "down"
        if line.limit != held and not cooldown.holds(direction, line.ts_ms):
            held, limit_price = line.limit, price
            yield cooldown.alert(direction, line, {"price": price, "limit": line.limit or ""})


def opened_locks(rule: Rule, lines: Sequence[TradeEvent]) -> Iterator[DueAlert]:
    """The first print away from a limit at which all prints were for long enough."""
    cooldown = Cooldown(rule)
    stretches = groupby(((line.limit if line.limit in rule["limits"] else None, line) for line in _in_turn(lines)), itemgetter(0))
    for (limit, held), (_, after) in pairwise((limit, [line for _, line in own]) for limit, own in stretches):
        held_s = (held[-1].ts_ms - held[0].ts_ms) // 1000
        direction = "down" if limit == "ceiling" else "up"
        line = after[0]
        if limit is not None and held_s >= rule["min_held_s"] and not cooldown.holds(direction, line.ts_ms):
            yield cooldown.alert(direction, line, {"price": line.price or 0, "limit": limit, "held_s": held_s})


def put_through_deals(rule: Rule, lines: Sequence[TradeEvent]) -> Iterator[DueAlert]:
    """A deal beside the order book that is worth a lot, in whatever order it came."""
    cooldown = Cooldown(rule)
    for line in lines:
        is_deal = line.kind == "print" and line.phase == "put_through" and line.price is not None
        if is_deal and line.value >= rule["min_value_vnd"] and not cooldown.holds("", line.ts_ms):
            yield cooldown.alert("", line, {"volume": line.volume, "value": line.value, "price": line.price or 0})


def clusters(rule: Rule, lines: Sequence[TradeEvent]) -> Iterator[DueAlert]:
    """Many large prints in the last seconds, that of the last print included."""
    cooldown, within_ms = Cooldown(rule), rule["within_s"] * 1000
    recent: deque[tuple[int, TradeEvent]] = deque()
    for line in _continuous(lines):
        if line.value < rule["min_value_vnd"]:
            continue
        while recent and recent[0][0] <= line.ts_ms - within_ms:
            recent.popleft()
        # A print of an earlier second than the one before it counts with that one.
        recent.append((max(recent[-1][0], line.ts_ms) if recent else line.ts_ms, line))
        if len(recent) >= rule["min_prints"] and not cooldown.holds("", line.ts_ms):
            prints = [one for _, one in recent]
            sums = {side: sum(one.value for one in prints if one.side == side) for side in ("buy", "sell")}
            figures = {
                "prints": len(prints), "value": sum(one.value for one in prints), "bought": sums["buy"], "sold": sums["sell"],
                "price": line.price or 0,
            }  # fmt: skip
            yield cooldown.alert("", line, figures)


KINDS = {
    "volume_spike": volume_spikes,
    "large_print": large_prints,
    "price_limit": at_limits,
    "lock_opened": opened_locks,
    "put_through": put_through_deals,
    "print_cluster": clusters,
}
"""By kind of rule; ``feed_gap`` looks at all symbols together."""
