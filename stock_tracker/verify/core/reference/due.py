"""What all rules of alerts share in the reference: what must be told, of whom, and for how long they are silent afterwards."""

from collections.abc import Mapping
from typing import Any, NamedTuple

Rule = Mapping[str, Any]
"""The table of a rule, as the rule file has it."""
Figures = Mapping[str, int | float | str]


class DueAlert(NamedTuple):
    """An alert that must be told."""

    rule: str
    symbol: str
    direction: str
    ts_ms: int
    severity: str
    figures: Figures
    """What its ``data`` must say, and may say more."""


def covers(rule: Rule, event: Any) -> bool:
    """Whether a rule watches the symbol of an event."""
    exchange = getattr(event, "exchange", "DER")
    return exchange in (rule.get("exchanges") or [exchange]) and event.symbol in (rule.get("symbols") or [event.symbol])


class Cooldown:
    """How long a rule says nothing about a symbol and direction after an alert: its cooldown, and a second at least."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._least_ms = max(rule.get("cooldown_s", 0) * 1000, 1)
        self._told_ms: dict[str, int] = {}

    def holds(self, direction: str, ts_ms: int) -> bool:
        """Whether the rule may not speak."""
        return direction in self._told_ms and ts_ms - self._told_ms[direction] < self._least_ms

    def alert(self, direction: str, event: Any, figures: Figures) -> DueAlert:
        """An alert that hangs on an event; the rule is silent from now on."""
        self._told_ms[direction] = event.ts_ms
        return DueAlert(self._rule["name"], event.symbol, direction, event.ts_ms, self._rule["severity"], figures)
