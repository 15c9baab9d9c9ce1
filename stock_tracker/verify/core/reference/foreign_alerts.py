"""The alerts that a symbol's lines of ``market.foreign`` must bring."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from schemas.calendar import at
from schemas.session import phase_at
from schemas.structs import LedgerEntry
from schemas.units import SessionPhase
from stock_tracker.verify.core.reference.due import Cooldown, DueAlert, Rule

_STEP_MS: Final = 10_000
"""In steps of so much market time does the window of ``foreign_acceleration`` move."""


def _in_order(entries: Sequence[LedgerEntry]) -> Iterator[LedgerEntry]:
    """The lines that go on where their chain had come to; a rule looks at no other."""
    last: dict[tuple[str, int], LedgerEntry] = {}
    for entry in entries:
        before = last.get((entry.side, entry.generation))
        is_next = before is None or entry.ts_ms > before.ts_ms
        if is_next or (before is not None and entry.ts_ms == before.ts_ms and entry.counter_from == before.counter):
            last[entry.side, entry.generation] = entry
            yield entry


def accelerations(rule: Rule, entries: Sequence[LedgerEntry]) -> Iterator[DueAlert]:
    """A side trades much faster than before, measured since the last break of the ledger or of the session."""
    cooldown = Cooldown(rule)
    recent_steps, steps = rule["recent_s"] * 1000 // _STEP_MS, (rule["recent_s"] + rule["base_s"]) * 1000 // _STEP_MS
    since_ms: int | None = None
    newest: dict[str, int] = defaultdict(int)
    traded: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for entry in _in_order(entries):
        since_ms = entry.ts_ms if since_ms is None else since_ms
        if entry.kind in ("room", "revaluation") or entry.ts_ms < since_ms:
            continue
        if entry.kind != "delta":
            since_ms = entry.ts_ms
            newest.clear()
            traded.clear()
            continue
        side, step = entry.side, entry.ts_ms // _STEP_MS
        traded[side][step] += entry.value
        newest[side] = max(newest[side], step)
        if step < newest[side]:
            continue
        reopens_ms = at(entry.day, 13, 0)
        if since_ms < reopens_ms <= entry.ts_ms:
            since_ms = reopens_ms
        recent = sum(traded[side].get(step - back, 0) for back in range(recent_steps))
        base = max(sum(traded[side].get(step - back, 0) for back in range(recent_steps, steps)), 0)
        covered_s = (entry.ts_ms - since_ms) // 1000
        base_s = min(rule["base_s"], covered_s - rule["recent_s"])
        is_judged = covered_s >= rule["warmup_s"] and base_s > 0
        is_judged &= phase_at(entry.ts_ms, entry.day, entry.exchange) is SessionPhase.CONTINUOUS
        # Paces without division: recent ÷ recent_s against base ÷ base_s.
        is_faster = recent >= rule["min_value_vnd"] and recent * base_s >= rule["ratio"] * base * rule["recent_s"]
        if is_judged and is_faster and not cooldown.holds(side, entry.ts_ms):
            figures = {
                "recent_value": recent, "recent_s": rule["recent_s"], "base_value": base, "base_s": base_s,
                "counter": entry.counter,
            }  # fmt: skip
            yield cooldown.alert(side, entry, figures)


def exhausted_rooms(rule: Rule, entries: Sequence[LedgerEntry]) -> Iterator[DueAlert]:
    """There was room, and there is none any more."""
    cooldown = Cooldown(rule)
    was_open = False
    for entry in _in_order(entries):
        was_open |= entry.room >= rule["release_shares"]
        if was_open and entry.room <= rule["max_shares"] and not cooldown.holds("", entry.ts_ms):
            was_open = False
            yield cooldown.alert("", entry, {"room": entry.room})


def ambiguous_corrections(rule: Rule, entries: Sequence[LedgerEntry]) -> Iterator[DueAlert]:
    """A line that is to be looked at."""
    cooldown = Cooldown(rule)
    for entry in _in_order(entries):
        if entry.ambiguous and not cooldown.holds(entry.side, entry.ts_ms):
            figures = {"volume": entry.volume, "counter_from": entry.counter_from, "counter": entry.counter}
            yield cooldown.alert(entry.side, entry, figures)


KINDS = {
    "foreign_acceleration": accelerations,
    "room_exhausted": exhausted_rooms,
    "ambiguous_correction": ambiguous_corrections,
}
"""By kind of rule."""
