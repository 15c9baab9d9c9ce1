"""Indices and the distance of their futures, against what the feed told of them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from schemas.calendar import as_date
from schemas.instruments import contract_of, expiry, listed_months
from schemas.structs import IndexRecord, TradeEvent
from stock_tracker.verify.core.differences import Difference
from stock_tracker.verify.core.reference.board import matches
from stock_tracker.verify.core.reference.compare import Placed, Rows, differ
from stock_tracker.verify.core.reference.day import ToldDay

_FIGURES = (
    "value", "prior_value", "volume", "traded_value", "put_through_volume", "put_through_value", "advances", "no_changes",
    "declines", "ceilings", "floors",
)  # fmt: skip
_BREADTH = ("advances", "no_changes", "declines", "ceilings", "floors")
_ALIASES = ("F1M", "F2M", "F1Q", "F2Q")
"""What traders call the contracts of the listed months, the nearest first."""
_FAR_PERCENT = 20
"""A value so far from the day before, or from the one before it, is not believed at once."""


def check(
    told: ToldDay, events: list[Placed] | None, rows: Rows | None, doubts: list[tuple[str, str, str]]
) -> Iterator[Difference]:
    """Compare ``market.indices`` and ``state.indices`` with the records; an index with a value beyond belief is in ``doubts``."""
    by_symbol: dict[str, list[Placed]] = defaultdict(list)
    for at, event in events or ():
        by_symbol[event.symbol].append((at, event))
    for symbol, records in sorted(told.indices.items()):
        valid = [record for record in records if record.value > 0]
        if not valid:
            continue
        if any(abs(one.value - other.value) * 100 > _FAR_PERCENT * one.value for one in valid for other in (valid[0],)):
            doubts.append(("market.indices", symbol, "a value is beyond belief"))
            continue
        newest = _newest_of_each(told, symbol)
        known = {(record.ts_ms, _content(record)) for record in valid}
        last: Placed | None = None
        for at, event in by_symbol[symbol]:
            last = at, event
            if (event.ts_ms, _content(event)) not in known:
                yield Difference("wrong_index", symbol, f"no record said {_content(event)} at {event.ts_ms}", at)
        if events is not None and last is None:
            yield Difference("missing_index", symbol, "market.indices has no event of it", None, "market.indices")
        elif last is not None:
            yield from differ("index", symbol, last[1], _figures(_nearest(last[1], newest)), last[0])
        if rows is not None and symbol not in rows:
            yield Difference("missing_state", symbol, "state.indices has no row of it", None, "state.indices")
        elif rows is not None:
            at, row = rows[symbol]
            record = _nearest(row, newest)
            yield from differ("index_row", symbol, row, _row_of(record), at)


def check_basis(
    told: ToldDay, tape: Mapping[str, list[Placed]], events: list[Placed] | None, rows: Rows | None
) -> Iterator[Difference]:
    """Compare each basis with its own arithmetic, with the prints of its contract, and with what its index was told to be."""
    values: dict[str, set[int]] = defaultdict(set)
    for symbol, records in told.indices.items():
        values[symbol] |= {record.value for record in records}
    for symbol, earlier in told.earlier_indices.items():
        values[symbol] |= earlier
    prices = {symbol: matches([line for _, line in placed]) for symbol, placed in tape.items()}
    first_ms = {symbol: _first_ms(lines) for symbol, lines in prices.items()}
    for at, event in events or ():
        yield from _check_one("basis", event, at)
        yield from differ("basis", event.symbol, event, _contract(told, event, prefix=event.underlying), at)
        if told.day and event.index_value not in values[event.underlying]:
            yield Difference("wrong_basis", event.symbol, f"no record said {event.index_value} of {event.underlying}", at)
        made_ms = first_ms.get(event.symbol, {}).get(event.price)
        if told.day and (made_ms is None or made_ms > event.ts_ms):
            yield Difference("wrong_basis", event.symbol, f"no print until {event.ts_ms} had the price {event.price}", at)
    for symbol, (at, row) in sorted((rows or {}).items()):
        yield from _check_one("basis_row", row, at)
        yield from differ("basis_row", symbol, row, _contract(told, row, prefix=""), at)
        in_turn = [line for line in prices.get(symbol, ()) if not line.late]
        newest = {record.value for record in _newest_of_each(told, row.underlying)}
        if in_turn and newest:
            index_value = row.index_value if row.index_value in newest else max(newest)
            yield from differ("basis_row", symbol, row, {"price": in_turn[-1].price, "index_value": index_value}, at)


def _contract(told: ToldDay, message: Any, *, prefix: str) -> dict[str, object]:
    """What a basis must say of its contract, where reference data does not say otherwise than the exchange's rule.

    Args:
        told: What the feed said.
        message: An event or a row.
        prefix: What its alias begins with.
    """
    rule = listed_months(message.day)
    futures = [reference for reference in told.references.values() if reference.underlying == message.underlying]
    listed = {contract.month for reference in futures if (contract := contract_of(reference.symbol)) is not None}
    if listed and listed != set(rule):
        return {}
    own = told.references.get(message.symbol)
    last_day = (own.last_trading_day if own is not None else None) or expiry(message.month)
    days = max((as_date(last_day) - as_date(message.day)).days, 0)
    if message.alias is None:
        # What releases before 0.3.0 told has none.
        return {"days_to_expiry": days}
    aliases = dict(zip(rule, (f"{prefix}{alias}" for alias in _ALIASES), strict=True))
    return {"days_to_expiry": days, "alias": aliases.get(message.month)}


def _first_ms(lines: Iterable[TradeEvent]) -> dict[int | None, int]:
    """When each price was first paid."""
    first: dict[int | None, int] = {}
    for line in lines:
        first[line.price] = min(line.ts_ms, first.get(line.price, line.ts_ms))
    return first


def _newest_of_each(told: ToldDay, symbol: str) -> list[IndexRecord]:
    """The last word of each feed: that of the one which leads is the last of the day."""
    spoken = [[record for record in records if record.value > 0] for records in told.index_feeds[symbol].values()]
    return [max(records, key=lambda record: (record.ts_ms, record.volume)) for records in spoken if records]


def _nearest(message: Any, newest: list[IndexRecord]) -> IndexRecord:
    """The record that a message is of; where it is of none, the newest."""
    same = [record for record in newest if _content(record) == _content(message)]
    return same[0] if same else max(newest, key=lambda record: (record.ts_ms, record.volume))


def _figures(record: IndexRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in _FIGURES}


def _row_of(record: IndexRecord) -> dict[str, object]:
    """What a row must show: nothing where the feed sends zeros because it does not know."""
    expected = _figures(record) | dict.fromkeys(("change", "change_pct"))
    if record.prior_value:
        change = record.value - record.prior_value
        expected |= {"change": change, "change_pct": round(change * 100 / record.prior_value, 2)}
    else:
        expected["prior_value"] = None
    return expected | dict.fromkeys(_BREADTH) if not any(expected[name] for name in _BREADTH) else expected


def _check_one(part: str, event: Any, at: Any) -> Iterator[Difference]:
    if not event.index_value:
        yield Difference(f"wrong_{part}", event.symbol, "the index is 0", at)
        return
    basis = event.price - event.index_value
    expected = {"basis": basis, "basis_pct": round(basis * 100 / event.index_value, 4)}
    yield from differ(part, event.symbol, event, expected, at)


def _content(said: Any) -> tuple[object, ...]:
    """Its figures; rows have None where the feed sends 0 because it does not know."""
    return tuple(getattr(said, name) or 0 for name in _FIGURES)
