"""What a set of alert rules would have said on a day that is over, and what prices did after each alert.

The events of the day go through the very folds that run live, topic by topic and shard by shard, so the alerts are those that the
rules would have made: a rule reads one topic, and all that it remembers begins anew with the day::

    backtest = Backtest(rules, day)
    backtest.take(position, frame)          # each frame of market.trades, market.quotes, …, in the order of its shard
    report = backtest.report()
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from pipelines.core import alert_shard
from pipelines.core.frames import Folded, Shard
from pipelines.core.rules import AnyRule, Rules, tables_of
from pipelines.core.terms import Configured
from schemas.position import Position
from schemas.structs import AlertEvent, Terms, TradeEvent
from schemas.topics import (
    MARKET_ALERTS,
    MARKET_BASIS,
    MARKET_CANDLES,
    MARKET_FOREIGN,
    MARKET_QUOTES,
    MARKET_TRADES,
    Topic,
)
from schemas.units import Symbol, TradingDay, UnixMs

AFTER_MINUTES: Final = (1, 5, 15)
"""How long after an alert its symbol's price is looked at, in minutes of market time, the midday break included."""
SOURCES: Final[tuple[Topic[Any], ...]] = (MARKET_TRADES, MARKET_QUOTES, MARKET_CANDLES, MARKET_FOREIGN, MARKET_BASIS)
"""The topics that rules read. That of trades also tells the prices."""
_PIPELINE: Final = "alerts"
_MINUTE_MS: Final = 60_000


class Outcome(NamedTuple):
    """An alert, and the price of its symbol then and later."""

    alert: AlertEvent
    price: int | None
    """Of the last print up to the alert, in VND or in hundredths of a point; None when there was none."""
    change_pct: dict[int, float | None]
    """Change of the price in percent, by minutes after the alert; None where that is after the last print of the day."""


class After(NamedTuple):
    """What prices did within a time after alerts."""

    minutes: int
    known: int
    """How many alerts have a price then."""
    mean_pct: float | None
    """Mean change of the price in percent; None when none is known."""
    rose: int
    fell: int


class Line(NamedTuple):
    """What a rule said in one direction."""

    rule: str
    kind: str
    direction: str
    """Empty where it has none, and where the rule said nothing at all."""
    fired: int
    symbols: int
    after: tuple[After, ...]


class Report(NamedTuple):
    """A day under a set of rules."""

    day: TradingDay
    events: int
    """How many events of the day there were."""
    lines: tuple[Line, ...]
    """By rule, in the order of the file, and by direction; a rule that said nothing has one line."""
    outcomes: tuple[Outcome, ...]
    """In the order of market time."""


class Backtest:
    """A day's events, as they are folded.

    Args:
        rules: To be tried.
        day: On which; events of other days are left out.
    """

    def __init__(self, rules: Rules, day: TradingDay) -> None:
        self._rules = rules
        self._day = day
        self._folds: dict[str, Callable[..., Folded]] = {
            topic.name: partial(fold, offers=Configured(topic.name, _terms(its)))
            for topic, fold, its in (
                (MARKET_TRADES, alert_shard.fold_trades, rules.trades),
                (MARKET_QUOTES, alert_shard.fold_quotes, rules.quotes),
                (MARKET_CANDLES, alert_shard.fold_candles, rules.candles),
                (MARKET_FOREIGN, alert_shard.fold_foreign, rules.foreign),
                (MARKET_BASIS, alert_shard.fold_basis, rules.basis),
            )
        }
        self._states: defaultdict[tuple[str, int], dict[bytes, bytes]] = defaultdict(dict)
        self._prices = Prices()
        self._alerts: list[AlertEvent] = []
        self._events = 0

    def take(self, position: Position, frame: Any) -> None:
        """Fold a frame of one of :data:`SOURCES`, found at ``position``, which names the topic without a prefix."""
        events = [event for event in frame.events if event.day == self._day]
        if not events:
            return
        self._events += len(events)
        if position.topic == MARKET_TRADES.name:
            self._prices.take(events)
        # A key does nothing but say where alerts are published.
        shard = Shard(_PIPELINE, position.partition, position.partition + 1, "")
        folded = self._folds[position.topic](
            type(frame)(events=events), position, shard, self._states[position.topic, shard.number]
        )
        for output in folded.outputs:
            if output.topic is MARKET_ALERTS:
                self._alerts += MARKET_ALERTS.decode(output.value).events

    def report(self) -> Report:
        """What the rules said up to here, and what prices did then."""
        alerts = sorted(self._alerts, key=lambda alert: (alert.ts_ms, alert.rule, alert.symbol, alert.direction))
        outcomes = tuple(self._prices.outcome(alert) for alert in alerts)
        lines = [line for rule in self._rules for line in _lines(rule, outcomes)]
        return Report(self._day, self._events, tuple(lines), outcomes)


class Prices:
    """The prices of all matches of the order book of a day."""

    def __init__(self) -> None:
        self._times: defaultdict[str, list[int]] = defaultdict(list)
        self._prices: defaultdict[str, list[int]] = defaultdict(list)
        self._last_ms = 0

    def take(self, events: Iterable[TradeEvent]) -> None:
        """Take note of the prints among ``events``; one that comes late is put where its time is."""
        for event in events:
            if event.kind != "print" or not event.anchored or event.price is None or event.phase in ("put_through", "odd_lot"):
                continue
            times, prices = self._times[event.symbol], self._prices[event.symbol]
            # What comes after others of its second is later, unless it is marked as late: then it was there before them.
            place = bisect_right(times, event.ts_ms - 1 if event.late else event.ts_ms)
            times.insert(place, event.ts_ms)
            prices.insert(place, event.price)
            self._last_ms = max(self._last_ms, event.ts_ms)

    def at(self, symbol: Symbol, ts_ms: int) -> int | None:
        """The price of the last print up to a time; None when there was none."""
        place = bisect_right(self._times.get(symbol, ()), ts_ms)
        return self._prices[symbol][place - 1] if place else None

    def outcome(self, alert: AlertEvent) -> Outcome:
        """What the price of the alert's symbol did after it."""
        price = self.at(alert.symbol, alert.ts_ms)
        changes: dict[int, float | None] = {}
        for minutes in AFTER_MINUTES:
            later_ms = UnixMs(alert.ts_ms + minutes * _MINUTE_MS)
            later = self.at(alert.symbol, later_ms) if later_ms <= self._last_ms else None
            changes[minutes] = None if not price or later is None else (later - price) * 100 / price
        return Outcome(alert, price, changes)


def _lines(rule: AnyRule, outcomes: Iterable[Outcome]) -> list[Line]:
    said: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.alert.rule == rule.name:
            said.setdefault(outcome.alert.direction, []).append(outcome)
    return [
        Line(
            rule=rule.name,
            kind=rule.kind,
            direction=direction,
            fired=len(its),
            symbols=len({outcome.alert.symbol for outcome in its}),
            after=tuple(_after(minutes, its) for minutes in AFTER_MINUTES),
        )
        for direction, its in sorted(said.items() or [("", [])])
    ]


def _after(minutes: int, outcomes: Iterable[Outcome]) -> After:
    changes = [change for outcome in outcomes if (change := outcome.change_pct[minutes]) is not None]
    return After(
        minutes=minutes,
        known=len(changes),
        mean_pct=sum(changes) / len(changes) if changes else None,
        rose=sum(change > 0 for change in changes),
        fell=sum(change < 0 for change in changes),
    )


def _terms(rules: Iterable[AnyRule]) -> Terms:
    return Terms(release="", correction_percent=None, reset_percent=None, sectors=None, rules=tables_of(rules))


def as_json(report: Report) -> Mapping[str, Any]:
    """The report as plain values."""
    return {
        "day": report.day,
        "events": report.events,
        "rules": [{**line._asdict(), "after": [after._asdict() for after in line.after]} for line in report.lines],
        "alerts": [
            {
                "alert_id": outcome.alert.alert_id,
                "rule": outcome.alert.rule,
                "symbol": outcome.alert.symbol,
                "direction": outcome.alert.direction,
                "ts_ms": outcome.alert.ts_ms,
                "message": outcome.alert.message,
                "price": outcome.price,
                "change_pct": {str(minutes): change for minutes, change in outcome.change_pct.items()},
            }
            for outcome in report.outcomes
        ],
    }
