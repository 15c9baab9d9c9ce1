"""Which prints at the ceiling or floor must be told, as docs/alerts.md says of ``price_limit``."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.structs import TermsAdopted, TradeEvent
from stock_tracker.verify.core.differences import Difference
from stock_tracker.verify.core.reference.compare import Placed


class AtLimit(NamedTuple):
    """What an alert of a print at a limit is known by."""

    rule: str
    symbol: str
    direction: str
    ts_ms: int
    price: int


def at_limits(rule: Mapping[str, Any], prints: Sequence[TradeEvent]) -> list[AtLimit]:
    """The alerts that the matches of a symbol must bring, in the order in which they were made.

    Args:
        rule: The table of a ``price_limit`` rule.
        prints: Those that were booked in their turn.
    """
    if not prints or prints[0].exchange not in rule.get("exchanges", [prints[0].exchange]):
        return []
    if prints[0].symbol not in rule.get("symbols", [prints[0].symbol]):
        return []
    alerts: list[AtLimit] = []
    held: str | None = None
    limit_price = 0
    for line in prints:
        price = line.price or 0
        if line.limit not in rule["limits"]:
            if abs(price - limit_price) * 100 >= rule["release_pct"] * limit_price:
                held = None
            continue
        direction = "up" if line.limit == "ceiling" else "down"
        cooling_ms = rule.get("cooldown_s", 0) * 1000
        is_cooling = any(told.direction == direction and line.ts_ms - told.ts_ms < cooling_ms for told in alerts)
        if line.limit != held and not is_cooling:
            held, limit_price = line.limit, price
            alerts.append(AtLimit(rule["name"], line.symbol, direction, line.ts_ms, price))
    return alerts


def rules_of(adopted: Iterable[TermsAdopted]) -> list[dict[str, Any]]:
    """The ``price_limit`` rules that held last."""
    latest: list[dict[str, Any]] = []
    for message in adopted:
        if message.topic == "market.trades" and message.terms.rules is not None:
            latest = [dict(rule) for rule in message.terms.rules if rule["kind"] == "price_limit"]
    return latest


def check(rules: Sequence[Mapping[str, Any]], tape: Mapping[str, list[Placed]], told: Sequence[Placed]) -> Iterator[Difference]:
    """Compare the alerts of ``price_limit`` rules with those that the lines must bring: each once, and none else."""
    expected: Counter[AtLimit] = Counter()
    for placed in tape.values():
        in_turn = [line for _, line in placed if line.kind == "print" and line.anchored and not line.late
                   and line.phase not in ("put_through", "odd_lot")]  # fmt: skip
        for rule in rules:
            expected.update(at_limits(rule, in_turn))
    found: Counter[AtLimit] = Counter()
    for at, alert in told:
        if alert.kind == "price_limit":
            known = AtLimit(alert.rule, alert.symbol, alert.direction, alert.ts_ms, alert.data["price"])
            found[known] += 1
            if found[known] > expected[known]:
                yield Difference("unexpected_alert", alert.symbol, f"nothing asks for {known}", at)
    for known in sorted((expected - found).elements()):
        yield Difference("missing_alert", known.symbol, f"{known} was not told", None, "market.alerts")
