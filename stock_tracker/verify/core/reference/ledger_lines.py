"""The lines of ``market.foreign`` and the rows of ``state.foreign`` against what the whole day's records come to."""

from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from itertools import pairwise

from schemas.structs import ForeignRecord
from schemas.units import Side
from stock_tracker.verify.core.differences import Difference
from stock_tracker.verify.core.reference.compare import Placed, Rows, differ
from stock_tracker.verify.core.reference.counter import RESET_PERCENT, CounterReading, Told
from stock_tracker.verify.core.reference.day import ToldDay
from stock_tracker.verify.core.reference.ledger import account_of


def check(told: ToldDay, entries: list[Placed], rows: Rows | None, doubts: list[tuple[str, str, str]]) -> Iterator[Difference]:
    """Compare the ledger of each symbol; sides that can be read in more than one way are added to ``doubts``."""
    ledger: dict[tuple[str, Side], list[Placed]] = defaultdict(list)
    for at, entry in entries:
        ledger[entry.symbol, entry.side].append((at, entry))
    for symbol in sorted(told.foreign.keys() | {symbol for symbol, _ in ledger}):
        is_clear, only_grew = True, True
        for side in (Side.BUY, Side.SELL):
            yield from _check_chain(symbol, side, ledger[symbol, side])
            yield from _check_kinds(told, symbol, ledger[symbol, side])
            reading = yield from _check_side(told, symbol, side, ledger[symbol, side], doubts)
            is_clear &= not (reading.unclear or reading.undecided)
            only_grew &= len(reading.stretches) == 1 and not reading.dropped
        if is_clear and only_grew:
            yield from _check_rooms(told, symbol, [*ledger[symbol, Side.BUY], *ledger[symbol, Side.SELL]])
        if rows is not None and symbol in rows:
            at, row = rows[symbol]
            yield from differ("foreign_row", symbol, row, _row(told, symbol, ledger, is_clear=is_clear), at)
        elif rows is not None and symbol in told.foreign:
            yield Difference("missing_state", symbol, "state.foreign has no row of it", None, "state.foreign")


def _check_chain(symbol: str, side: Side, entries: list[Placed]) -> Iterator[Difference]:
    reached: dict[int, int] = {}
    for at, entry in entries:
        before = reached.get(entry.generation, 0)
        if entry.counter_from != before or entry.counter - entry.counter_from != entry.volume:
            detail = f"{side}: {entry.volume} from {entry.counter_from} to {entry.counter}, after {before}"
            yield Difference("wrong_entry", symbol, detail, at)
        reached[entry.generation] = entry.counter


def _check_kinds(told: ToldDay, symbol: str, entries: list[Placed]) -> Iterator[Difference]:
    """What a line is called must be what it does, and its room one that was told."""
    rooms = {record.current_room for record in told.foreign.get(symbol, ())}
    for at, entry in entries:
        does = {
            "delta": entry.volume > 0,
            "catch_up": entry.volume > 0,
            "correction": entry.volume < 0,
            "reset": entry.generation > 0 and entry.counter_from == 0,
            "revaluation": entry.volume == 0 and entry.value != 0,
            "room": entry.volume == 0 and entry.value == 0 and entry.side is Side.BUY,
        }
        if not does[entry.kind]:
            yield Difference("wrong_entry", symbol, f"a {entry.kind} of {entry.volume} shares and {entry.value} VND", at)
        if entry.room not in rooms and entry.room != 0:
            yield Difference("wrong_entry", symbol, f"no record told a room of {entry.room}", at, fields=("room",))


def _check_rooms(told: ToldDay, symbol: str, entries: list[Placed]) -> Iterator[Difference]:
    """A line tells the room of its own second; if records came out of order, perhaps that of a later one that came before it.

    Only where counters have grown and nothing else, and not just after a rise that may have been doubted: a line that waits for a
    verdict keeps the room of before.
    """
    records = told.foreign.get(symbol, ())
    in_order = all(before.ts_ms <= after.ts_ms for before, after in pairwise(records))
    its_own = {(record.ts_ms, record.current_room) for record in records}
    last_ms: dict[int, int] = {}
    for record in records:
        last_ms[record.current_room] = max(record.ts_ms, last_ms.get(record.current_room, record.ts_ms))
    from_ms = _undoubted_from_ms(records)
    for at, entry in entries:
        if entry.ts_ms < from_ms:
            continue
        is_later = not in_order and last_ms.get(entry.room, -1) > entry.ts_ms
        if (entry.ts_ms, entry.room) not in its_own and not is_later:
            detail = f"no record of its second told a room of {entry.room}"
            yield Difference("wrong_entry", symbol, detail, at, fields=("room",))


def _undoubted_from_ms(records: Sequence[ForeignRecord]) -> int:
    """Since when no counter has risen so far that its way back would look like a reset, nor waited to be confirmed."""
    bought = sold = risen_ms = 0
    for record in sorted(records, key=lambda record: record.ts_ms):
        if bought * 100 < record.bought * RESET_PERCENT or sold * 100 < record.sold * RESET_PERCENT:
            risen_ms = record.ts_ms
        bought, sold = max(bought, record.bought), max(sold, record.sold)
    later = sorted({record.ts_ms for record in records if record.ts_ms > risen_ms})
    # The first may be as doubtful as the rise itself, and the next confirms it; what comes with that one has been held too.
    return later[2] if len(later) > 2 else max(later, default=risen_ms) + 1


def _check_side(
    told: ToldDay, symbol: str, side: Side, entries: list[Placed], doubts: list[tuple[str, str, str]]
) -> Generator[Difference, None, CounterReading]:
    is_buy = side is Side.BUY
    said = [
        Told(
            record.ts_ms // 1000,
            record.bought if is_buy else record.sold,
            record.bought_value if is_buy else record.sold_value,
        )
        for record in told.foreign.get(symbol, ())
    ]
    account = account_of(said, *told.limits(symbol))
    if account.reading.unclear or account.reading.undecided:
        doubts.append(("market.foreign", symbol, f"{side}: its counter can be read in more than one way"))
        return account.reading
    volume, value = (sum(getattr(entry, name) for _, entry in entries) for name in ("volume", "value"))
    expected = sum(account.volumes), sum(account.values)
    if (volume, value) != expected:
        detail = f"{side}: {volume} shares and {value} VND, not {expected[0]} and {expected[1]}"
        yield Difference("wrong_ledger", symbol, detail, None, "market.foreign")
    return account.reading


def _row(told: ToldDay, symbol: str, ledger: dict[tuple[str, Side], list[Placed]], *, is_clear: bool) -> dict[str, object]:
    def total(side: Side, name: str) -> int:
        return sum(getattr(entry, name) for _, entry in ledger[symbol, side])

    bought, sold = total(Side.BUY, "volume"), total(Side.SELL, "volume")
    bought_value, sold_value = total(Side.BUY, "value"), total(Side.SELL, "value")
    figures: dict[str, object] = {
        "bought": bought,
        "sold": sold,
        "bought_value": bought_value,
        "sold_value": sold_value,
        "net_volume": bought - sold,
        "net_value": bought_value - sold_value,
    }
    newest = max((record.ts_ms for record in told.foreign.get(symbol, ())), default=0)
    rooms = {record.current_room for record in told.foreign.get(symbol, ()) if record.ts_ms == newest}
    if is_clear and len(rooms) == 1:
        figures["room"] = rooms.pop()
    total_rooms = {record.total_room for record in told.foreign.get(symbol, ())}
    if len(total_rooms) == 1:
        figures["total_room"] = total_rooms.pop()
    return figures
