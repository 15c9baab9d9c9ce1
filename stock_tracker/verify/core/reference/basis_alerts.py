"""The alerts that a contract's lines of ``market.basis`` must bring."""

from collections.abc import Iterator, Sequence

from schemas.instruments import listed_months
from schemas.structs import BasisEvent
from schemas.units import POINT
from stock_tracker.verify.core.reference.due import Cooldown, DueAlert, Rule


def _watched(rule: Rule, events: Sequence[BasisEvent]) -> Iterator[BasisEvent]:
    """What was told against a live index, of no earlier second than what was told before, of the contracts that are watched."""
    newest_ms = 0
    for event in events:
        if event.stale or event.ts_ms < newest_ms:
            continue
        newest_ms = event.ts_ms
        if rule["contracts"] == "all" or event.month == listed_months(event.day)[0]:
            yield event


def _figures(event: BasisEvent) -> dict[str, int | float | str]:
    return {"price": event.price, "index_value": event.index_value, "basis": event.basis, "basis_pct": event.basis_pct}


def flips(rule: Rule, events: Sequence[BasisEvent]) -> Iterator[DueAlert]:
    """A premium became a discount, or the other way round."""
    cooldown = Cooldown(rule)
    side = ""
    for event in _watched(rule, events):
        if abs(event.basis) < rule["min_points"] * POINT:
            continue
        direction = "up" if event.basis > 0 else "down"
        if not side:
            side = direction
        elif side != direction and not cooldown.holds(direction, event.ts_ms):
            side = direction
            yield cooldown.alert(direction, event, _figures(event))


def bands(rule: Rule, events: Sequence[BasisEvent]) -> Iterator[DueAlert]:
    """A contract went out of its band, and was inside or on the other side before."""
    cooldown = Cooldown(rule)
    out = ""
    for event in _watched(rule, events):
        direction = "up" if event.basis > 0 else "down"
        if abs(event.basis_pct) <= rule["leave_pct"]:
            out = ""
        is_outside = abs(event.basis_pct) >= rule["enter_pct"]
        if is_outside and out != direction and not cooldown.holds(direction, event.ts_ms):
            out = direction
            yield cooldown.alert(direction, event, _figures(event))


KINDS = {"basis_flip": flips, "basis_band": bands}
"""By kind of rule."""
