"""The foreign flow of each scope, added up from the lines of the ledger."""

from collections import defaultdict
from collections.abc import Iterator

from schemas.units import Side
from stock_tracker.verify.core.differences import Difference
from stock_tracker.verify.core.reference.compare import Placed, Rows, differ
from stock_tracker.verify.core.reference.day import ToldDay

SETTLED_MS = 120_000
"""Market time after which a line of the ledger must be in the flow of its minute."""


def check(
    told: ToldDay, entries: list[Placed], flow: list[Placed] | None, rows: Rows | None, doubts: list[tuple[str, str, str]]
) -> Iterator[Difference]:
    """Compare the last flow of each scope; if the ledger has moved just before the end, it is in ``doubts``."""
    sums = _sums(told, entries)
    moved_ms = max((entry.ts_ms for _, entry in entries), default=0)
    if moved_ms + SETTLED_MS > told.until_ms:
        doubts.append(("market.flow", "market", "foreigners traded just before the records end"))
        return
    events = {event.scope: (at, event) for at, event in flow or ()}
    for scope, figures in sorted(sums.items()):
        if flow is not None and scope in events:
            yield from differ("flow", scope, events[scope][1], figures, events[scope][0])
        elif flow is not None and any(figures.values()):
            yield Difference("missing_flow", scope, "market.flow has no event of it", None)
        if rows is not None and scope in rows:
            net = {"net_value": figures["bought_value"] - figures["sold_value"]}
            yield from differ("flow_row", scope, rows[scope][1], figures | net, rows[scope][0])
        elif rows is not None and any(figures.values()):
            yield Difference("missing_state", scope, "state.flow has no row of it", None)


def _sums(told: ToldDay, entries: list[Placed]) -> dict[str, dict[str, int]]:
    """What each scope comes to: the market, exchanges and groups, without the sectors."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("bought", "sold", "bought_value", "sold_value"), 0))
    for _, entry in entries:
        records = told.foreign.get(entry.symbol)
        exchange = max(records, key=lambda record: record.ts_ms).exchange if records else entry.exchange
        reference = told.references.get(entry.symbol)
        groups = reference.groups if reference is not None else []
        name = "bought" if entry.side is Side.BUY else "sold"
        for scope in {"market", exchange.value, *groups}:
            sums[scope][name] += entry.volume
            sums[scope][f"{name}_value"] += entry.value
    return dict(sums)
