"""Which alerts must be told, as docs/alerts.md says: each of them once, with its figures, and none else.

The kinds are told apart by the topic that they read, in a module for each. A kind is a function from the table of a rule and a
symbol's events, in the order of their topic, to the alerts that must come of them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from schemas.structs import TermsAdopted
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.reference import basis_alerts, candle_alerts, foreign_alerts, quote_alerts, tape_alerts
from stock_tracker.verify.core.reference.compare import Placed
from stock_tracker.verify.core.reference.due import DueAlert, Rule, covers

_KINDS: Final[Mapping[str, Mapping[str, Callable[[Rule, Sequence[Any]], Iterator[DueAlert]]]]] = {
    "market.trades": tape_alerts.KINDS,
    "market.quotes": quote_alerts.KINDS,
    "market.candles": candle_alerts.KINDS,
    "market.foreign": foreign_alerts.KINDS,
    "market.basis": basis_alerts.KINDS,
}
_GAP_RULE: Final = "feed_gap"
_AlertKey = tuple[str, str, str, int]
"""Rule, symbol, direction and time: a rule says nothing twice in one second."""


def rules_of(adopted: Iterable[TermsAdopted]) -> dict[str, list[dict[str, Any]]]:
    """The rules that held last, by the topic that they read. A topic of which nobody has said so is left out."""
    latest: dict[str, list[dict[str, Any]]] = {}
    for message in adopted:
        if message.topic in _KINDS and message.terms.rules is not None:
            latest[message.topic] = [dict(rule) for rule in message.terms.rules]
    return latest


def check(
    rules: Mapping[str, Sequence[Rule]], events: Mapping[str, Sequence[Placed]], told: Sequence[Placed]
) -> Iterator[Difference]:
    """Compare the alerts of some symbols with those that their events must bring; but those of ``feed_gap``.

    Args:
        rules: By the topic that they read.
        events: By topic, in order. What comes of topics that are not there is not judged.
        told: ``market.alerts``.
    """
    due: dict[_AlertKey, DueAlert] = {}
    judged: set[str] = set()
    for topic, tables in rules.items():
        by_symbol: dict[str, list[Any]] = defaultdict(list)
        for _, event in events.get(topic, ()):
            by_symbol[event.symbol].append(event)
        for rule in tables if topic in events else ():
            kind = _KINDS[topic].get(rule["kind"])
            if kind is None:
                continue
            judged.add(rule["name"])
            for own in by_symbol.values():
                watched = [event for event in own if covers(rule, event)]
                due |= {_key_of_due(alert): alert for alert in kind(rule, watched)}
    found: set[_AlertKey] = set()
    for at, alert in told:
        if alert.rule in judged:
            key = _key_of(alert)
            yield from _compare(due.get(key), alert, at, is_repeated=key in found)
            found.add(key)
    yield from (_missing(due[key]) for key in sorted(due.keys() - found))


class FeedGaps:
    """The alerts of ``feed_gap``, whose rules look at all symbols of a shard: the first loss that a connection shows is told.

    The losses of futures are told apart from those of stocks.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, int, bool, int], tuple[EventPosition, DueAlert]] = {}
        """By rule, shard, whether it is of a future, and connection."""
        self._told: list[Placed] = []

    def add(self, rules: Sequence[Rule], tape: Iterable[Placed], told: Iterable[Placed]) -> None:
        """Add the lines of some symbols of a shard, and their alerts.

        Args:
            rules: Those that read ``market.trades``.
            tape: Their part of it.
            told: Their part of ``market.alerts``.
        """
        for rule in rules:
            if rule["kind"] == _GAP_RULE:
                for at, line in tape:
                    if line.kind == "gap" and line.cause == "lost" and line.epoch is not None and covers(rule, line):
                        key = rule["name"], at.message.partition, line.exchange == "DER", line.epoch
                        if key not in self._first or at < self._first[key][0]:
                            self._first[key] = at, _lost(rule, line)
        self._told += ((at, alert) for at, alert in told if alert.kind == _GAP_RULE)

    def check(self) -> Iterator[Difference]:
        """Compare; once all symbols have been added."""
        due: dict[tuple[_AlertKey, object], DueAlert] = {
            (_key_of_due(alert), alert.figures["epoch"]): alert for _, alert in self._first.values()
        }
        found: set[tuple[_AlertKey, object]] = set()
        for at, alert in self._told:
            key = _key_of(alert), alert.data.get("epoch")
            yield from _compare(due.get(key), alert, at, is_repeated=key in found)
            found.add(key)
        yield from (_missing(alert) for key, alert in due.items() if key not in found)


def _lost(rule: Rule, line: Any) -> DueAlert:
    since_ms = line.ts_ms if line.since_ms is None else line.since_ms
    figures = {"epoch": line.epoch, "since_ms": since_ms, "volume": line.volume}
    return DueAlert(rule["name"], line.symbol, "", line.ts_ms, rule["severity"], figures)


def _key_of(alert: Any) -> _AlertKey:
    return alert.rule, alert.symbol, alert.direction, alert.ts_ms


def _key_of_due(alert: DueAlert) -> _AlertKey:
    return alert.rule, alert.symbol, alert.direction, alert.ts_ms


def _compare(due: DueAlert | None, alert: Any, at: EventPosition, *, is_repeated: bool) -> Iterator[Difference]:
    named = f"{alert.rule} {alert.direction or 'without direction'} at {alert.ts_ms}"
    if due is None or is_repeated:
        yield Difference("unexpected_alert", alert.symbol, f"nothing asks for {named}", at)
        return
    expected = {**due.figures, "severity": due.severity}
    found = {**alert.data, "severity": alert.severity}
    wrong = [name for name, value in expected.items() if found.get(name) != value]
    if wrong:
        said = ", ".join(f"{name} is {found.get(name)}, not {expected[name]}" for name in wrong)
        yield Difference("wrong_alert", alert.symbol, f"{named}: {said}", at, fields=tuple(wrong))


def _missing(due: DueAlert) -> Difference:
    detail = f"{due.rule} {due.direction or 'without direction'} at {due.ts_ms} was not told, {due.figures}"
    return Difference("missing_alert", due.symbol, detail, None, "market.alerts")
