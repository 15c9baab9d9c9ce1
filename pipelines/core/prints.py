"""A symbol's tape: which part of its counted volume was seen as prints, and which was not.

The feed has no trade ids. What it has is TotalVol, the day's volume after each match, so a print *is* an interval of it::

    TotalVol   0        100       150            400   450
               ├─ print ─┤░░ gap ░░├──── print ────┤     │
                         ▲                         ▲     ▲
                    a record with              top of    a record with LastVol 50 and TotalVol 450
                    TotalVol 100               the tape  books (400, 450]

A record books the part of its interval that no earlier record covered. What it leaves over between the old top and itself
is a gap; a late record closes a gap, or a part of one; one that brings nothing new is a repeat. A total below the top at a newer
time, or one that rose beyond belief, is held as a suspect (:mod:`pipelines.core.suspects`).

A put-through deal is a line of its own, known again by its own interval. Whether SSI counts deals in the same TotalVol is not
known: the terms of the shard say so, or it is learnt from the records, and only then does a deal take its volume off a gap.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from pipelines.core.feeds import Feeds
from pipelines.core.lines import (
    Gap,
    Label,
    correction_line,
    deal_line,
    fill_line,
    gap_line,
    print_line,
    reset_line,
    value_of,
)
from pipelines.core.phases import is_over, trade_phase
from pipelines.core.suspects import (
    MAX_HELD,
    Bounds,
    SuspectVerdict,
    Thresholds,
    is_doubtful,
    is_restart,
    judge,
    judge_at_close,
    judge_rise,
)
from pipelines.core.tape import Booked, BookedDeal, Count, DealCounter, Doubt, Received, Tape, identity
from schemas.events import GapCause
from schemas.session import open_ms
from schemas.structs import TradeEvent, TradeRecord
from schemas.terms import DealCounting
from schemas.units import Exchange, Shares, Symbol, TradingDay, UnixMs

MAX_GAPS: Final = 32
"""How many open gaps of a symbol are kept. With one more the oldest becomes final: what comes for it later counts as a repeat."""

MAX_JUDGED: Final = MAX_HELD
"""How many records of a symbol that a verdict was about are remembered: no fewer than one verdict can be about."""

MAX_DEALS: Final = 32
"""How many put-through deals of a symbol are remembered. One below all of them counts as a repeat."""

CACHED_MS: Final = 60_000
"""A deal is told within seconds. What is told this long after its time, or longer, comes from SSI's cache."""


class TapeRecorder:
    """Writes the tapes of a shard while one frame is folded.

    Args:
        feeds: The shard's; its marks tell a lost record from one that was never sent.
        thresholds: Gives those in force, for totals that fell or rose.
        put_through: Gives what the shard has learnt of its feed's put-through deals; it learns from the records.
        counting: Gives what is known of them beforehand; it holds whatever the records say.
        events: Gets what goes to ``market.trades``, in order.
        counts: Gets what the records came to, by name.
    """

    __slots__ = ("_counting", "_counts", "_events", "_feeds", "_put_through", "_thresholds")

    def __init__(
        self,
        feeds: Feeds,
        thresholds: Callable[[], Thresholds],
        put_through: Callable[[], DealCounter],
        counting: Callable[[], DealCounting],
        events: list[TradeEvent],
        counts: Counter[str],
    ) -> None:
        self._feeds = feeds
        self._thresholds = thresholds
        self._put_through = put_through
        self._counting = counting
        self._events = events
        self._counts = counts

    @property
    def shares_counter(self) -> bool:
        """Whether put-through deals are known to be counted in the same total as the matches of the order book."""
        counting = self._counting()
        return (self._put_through().counter if counting == "unknown" else counting) == "shared"

    def take(self, tape: Tape, record: TradeRecord, label: Label, epoch: int) -> list[Booked]:
        """Fold a record of the tape's symbol and day.

        Args:
            tape: Changed in place.
            record: Of a match, or without one (price or volume 0). A match without a total goes to :meth:`take_unanchored`, a
                put-through deal to :meth:`take_deal`.
            label: For the match, if it is one.
            epoch: The connection that it came from.

        Returns:
            The prints that were booked: this record's, if it is one, and before it those of the records that had waited, if this
            record decides about them.
        """
        booked: list[Booked] = []
        if self.follows(tape, record):
            start = tape.base + tape.count.top
            return [Booked(record, self.go_on(tape, record, label), start)]
        received = Received(record, label.side, label.side_source, label.phase, epoch, self._feeds.mark)
        if (tape.judged or tape.waiting) and tape.knows(record):
            self._repeat(tape, received)
        elif record.total_volume == 0 and tape.count.top > 0:
            # In the middle of a day the feed sends zeros when it has nothing to say. Had the counter restarted, the next match
            # would show it.
            self._counts["empty"] += 1
        elif tape.before is not None and tape.is_before(record):
            self._take_tail(tape, tape.before, received, booked)
        else:
            while tape.waiting and record.ts_ms > tape.waiting[0].record.ts_ms:
                self._decide(tape, record.total_volume, record.total_volume, booked)
            self._fold(tape, received, booked)
        if tape.deals:
            self.explain(tape, record.symbol, record.exchange, record.trading_day)
        return booked

    def take_unanchored(self, tape: Tape, record: TradeRecord, label: Label) -> TradeEvent:
        """Book a match without a total. It has no place in the counted volume, so it is a line of its own, counted apart."""
        tape.unanchored += 1
        self._counts["unanchored"] += 1
        line = print_line(record, label, tape.count.generation, 0, record.volume, late=False, anchored=False)
        self._events.append(line)
        return line

    def is_cached_match(self, tape: Tape, record: TradeRecord) -> bool:
        """Whether a record of the put-through session tells of a match of the order book.

        After 14:45 the session of every symbol is put-through. Who connects then gets the last match of each symbol from SSI's
        cache under that session.
        """
        day, exchange = record.trading_day, record.exchange
        if not 0 < record.volume <= record.total_volume or not is_over(UnixMs(self._feeds.now_ms), day, exchange):
            return False
        if not tape.count.top_ms and self._opening(record) != "unseen":
            return True
        is_match = trade_phase(None, exchange, day, record.ts_ms) != "post_close"
        return is_match and self._feeds.now_ms - record.ts_ms >= CACHED_MS

    def take_deal(self, tape: Tape, record: TradeRecord, label: Label, *, leads: bool) -> Booked | None:
        """Fold a record of the put-through session. Its deal is a line of its own and moves nothing else.

        Args:
            tape: Changed in place.
            record: Of the tape's symbol and day.
            label: For the deal.
            leads: Whether it came from the leading feed: a deal without an interval is taken from that one only.

        Returns:
            The deal, if it is a new one.
        """
        count, total, volume = tape.count, record.total_volume, record.volume
        if record.price <= 0 or volume <= 0:
            self._counts["empty"] += 1
            return None
        start = total - volume
        if start < 0:
            if not leads:
                self._counts["not_leading"] += 1
                return None
            return Booked(record, self.take_unanchored(tape, record, label), 0)
        known = total <= tape.deals_until or any(deal.start == start and deal.total == total for deal in tape.deals)
        if known or self._is_last_match(count, record):
            tape.repeats += 1
            self._counts["repeat"] += 1
            return None
        self._counts["put_through"] += 1
        line = print_line(record, label, count.generation, start, volume, late=False, anchored=True)
        self._events.append(line)
        tape.deals.append(BookedDeal(start, total, record.price, record.ts_ms))
        if len(tape.deals) > MAX_DEALS:
            tape.deals_until = max(tape.deals_until, tape.deals.pop(0).total)
        self.explain(tape, record.symbol, record.exchange, record.trading_day)
        return Booked(record, line, start)

    def _is_last_match(self, count: Count, record: TradeRecord) -> bool:
        """Whether it is the last match of the order book, told again under the session of now: it ends at the top."""
        if record.total_volume != count.top or not is_over(UnixMs(self._feeds.now_ms), record.trading_day, record.exchange):
            return False
        start = record.total_volume - record.volume
        return not any(gap.start < record.total_volume and gap.end > start for gap in count.gaps)

    def explain(self, tape: Tape, symbol: Symbol, exchange: Exchange, day: TradingDay) -> None:
        """Take the deals of a tape off its gaps, where deals share the counter of the order book.

        A gap over time that no feed covered keeps its volume: what else was lost in it nobody knows.
        """
        if not self.shares_counter:
            return
        count = tape.count
        for deal in tape.deals:
            if deal.explains or deal.disputed or not tape.counts(deal) or not any(_holds(gap, deal) for gap in count.gaps):
                continue
            if tape.may_have_fallen_by(deal.ts_ms):
                # Which count it was made in is told by the verdict.
                continue
            deal.explains = True
            _take_out(count, deal.start, deal.total)
            line = deal_line(symbol, exchange, day, count.generation, deal.start, deal.total, deal.price, UnixMs(deal.ts_ms))
            self._events.append(line)
            self._counts["fill"] += 1
            tape.missed -= line.volume
            tape.explained += line.volume
            tape.explained_value += line.value

    def _dispute(self, tape: Tape, received: Received) -> None:
        """Put back into a gap what deals were thought to explain of it, where a match tells of the same volume.

        The counter has fallen between the two, unheard. What it told is booked, as if nothing had been known of the deals.
        """
        record, count = received.record, tape.count
        for deal in tape.deals:
            is_doubled = deal.start < record.total_volume and received.start < deal.total
            if not is_doubled or not deal.explains or not tape.is_of_this_count(deal):
                continue
            deal.explains, deal.disputed = False, True
            gap = Gap(deal.start, deal.total, "unseen")
            value = value_of(deal.price, gap.volume, record.exchange)
            since_ms = UnixMs(min(deal.ts_ms, record.ts_ms))
            self._events.append(gap_line(record, count.generation, gap, value, since_ms, received.epoch))
            self._counts["gap_unseen"] += 1
            self._counts["put_through_disputed"] += 1
            tape.gap_count += 1
            tape.missed += gap.volume
            tape.explained -= gap.volume
            tape.explained_value -= value
            count.gaps = sorted([*count.gaps, gap], key=lambda each: each.start)
            _finish(count)

    def close(self, tape: Tape) -> list[Booked]:
        """Decide about what still waits when the day is over; return the prints that were booked because of it."""
        booked: list[Booked] = []
        while tape.waiting:
            self._decide(tape, None, tape.count.top, booked)
        return booked

    def follows(self, tape: Tape, record: TradeRecord) -> bool:
        """Whether a record's match begins where the counter stands, on a tape on which nothing is open that it could decide."""
        top, total = tape.count.top, record.total_volume
        return (
            0 < top == total - record.volume < total
            and record.price > 0
            and not (tape.waiting or tape.judged or tape.before is not None or tape.deals)
        )

    def go_on(self, tape: Tape, record: TradeRecord, label: Label) -> TradeEvent:
        """As :meth:`take` for a record that :meth:`follows`: nearly every one does.

        Returns:
            The line of its match.
        """
        count, total, top, volume = tape.count, record.total_volume, tape.count.top, record.volume
        if is_restart(total, top, self._thresholds()):
            count.risen_from, count.risen_to = top, total
        line = print_line(record, label, count.generation, top, volume, late=False, anchored=True)
        self._events.append(line)
        self._counts["print"] += 1
        tape.prints += 1
        tape.printed += volume
        count.top, count.top_value, count.mark = total, record.total_value, self._feeds.mark
        if record.ts_ms > count.top_ms:
            count.top_ms = record.ts_ms
        return line

    def _fold(self, tape: Tape, received: Received, booked: list[Booked]) -> None:
        """Fold a record of the counter that runs now."""
        record, count = received.record, tape.count
        total = record.total_volume
        if total > count.top:
            if self._doubts(count, received):
                self._hold(tape, received, booked, "rise")
            else:
                self._grow(tape, received, booked)
        elif total < count.top and (record.ts_ms > count.top_ms or tape.falls_with_suspect(record)):
            # A counter does not run backwards, so this is no late print, even where a gap lies. Else a counter that had begun at
            # 0 again would fill the gap, and the last price would stay as it was.
            self._hold(tape, received, booked, "fall")
        elif not self._fill_late(tape, received, booked):
            self._repeat(tape, received)
        count = tape.count
        if total == count.top and record.ts_ms > count.top_ms:
            count.top_ms, count.top_value, count.mark = record.ts_ms, record.total_value, received.mark

    def _doubts(self, count: Count, received: Received) -> bool:
        """Whether the volume that a record shows above the top, and nobody told of, is more than can be believed."""
        record, start = received.record, received.start
        if start <= count.top:
            # Its own match explains it.
            return False
        value = record.total_value - count.top_value - value_of(record.price, record.total_volume - start, record.exchange)
        bounds = _bounds(record)
        # Where the totals agree with one another it was the value before that was wrong.
        is_sound = bounds.allow(record.total_volume, record.total_value)
        return not is_sound and is_doubtful(count.top, start, value, bounds, self._thresholds())

    def _hold(self, tape: Tape, received: Received, booked: list[Booked], reason: Doubt) -> None:
        """Let a record wait for a verdict."""
        waiting = tape.waiting
        if len(waiting) == MAX_HELD:
            self._counts["forced"] += 1
            self._decide(tape, received.record.total_volume, tape.count.top, booked)
            self._fold(tape, received, booked)
            return
        self._counts["held" if waiting else "suspect"] += 1
        if received.covered_since is None:
            received.covered_since, received.opening = self._feeds.covered_since, self._opening(received.record)
        received.waits_for, received.top = reason, tape.count.top
        waiting.append(received)

    def _decide(self, tape: Tape, decider: int | None, until: int, booked: list[Booked]) -> None:
        """Decide about the suspect, and fold what has waited behind it.

        Args:
            tape: Changed in place.
            decider: The total that decides; None at the end of the day.
            until: The lowest total that is known of a time after the suspect.
            booked: Gets the prints that are booked because of it.
        """
        waiting, top = tape.waiting, tape.count.top
        suspect, *held = waiting
        tape.waiting = []
        verdict = self._verdict(tape.count, waiting, decider)
        self._counts[verdict.value] += 1
        if verdict is SuspectVerdict.CONFIRMED:
            self._accept(tape, suspect, booked)
        elif verdict in (SuspectVerdict.GLITCH, SuspectVerdict.UNRESOLVED):
            self._remember(tape, suspect.record)
            # What waits for the same reason is wrong with it.
            alike = [each for each in held if each.waits_for == suspect.waits_for]
            held = [each for each in held if each.waits_for != suspect.waits_for]
            self._counts[verdict.value] += len(alike)
            for each in alike:
                self._remember(tape, each.record)
        else:
            # A counter grows with time: the lowest total is the oldest, and the first of the count that goes on from here.
            fallen = sorted((each for each in waiting if each.record.total_volume < top), key=_total)
            held = [*fallen[1:], *(each for each in waiting if each.record.total_volume >= top)]
            # Told again, one of these could pass for what comes late of the counter as it was: their second is that of both.
            for each in waiting:
                self._remember(tape, each.record)
            if until < fallen[-1].record.total_volume:
                # The decider fell again, and says nothing of how far this count came.
                until = top
            if verdict is SuspectVerdict.RESET:
                self._restart(tape, fallen[0], suspect.record.ts_ms, until, booked)
            else:
                self._correct(tape, fallen[0], suspect.record.ts_ms, until, booked, verdict)
        for received in held:
            self._fold(tape, received, booked)

    def _verdict(self, count: Count, waiting: list[Received], decider: int | None) -> SuspectVerdict:
        suspect = waiting[0]
        total = suspect.record.total_volume
        if suspect.waits_for == "rise":
            if total <= count.top:
                # Growth that could be believed has gone past it meanwhile.
                return SuspectVerdict.CONFIRMED
            return SuspectVerdict.UNRESOLVED if decider is None else judge_rise(total, decider)
        # The counter fell to the lowest of these totals, and had grown again when the others were told.
        total = Shares(min(_total(received) for received in waiting if received.waits_for == "fall"))
        if decider is None:
            return judge_at_close(count.top, total, self._thresholds())
        return judge(count.top, total, decider, self._thresholds())

    def _accept(self, tape: Tape, suspect: Received, booked: list[Booked]) -> None:
        """Book a rise that is believed now."""
        if suspect.record.total_volume > tape.count.top:
            self._grow(tape, suspect, booked)
        elif not self._fill_late(tape, suspect, booked):
            self._repeat(tape, suspect)

    def _grow(self, tape: Tape, received: Received, booked: list[Booked]) -> None:
        """Raise the top to a record's total. Of the volume between, the last part is its print, and what is before that a gap."""
        record, count = received.record, tape.count
        total, top, start = record.total_volume, count.top, received.start
        cause = self._cause(count, received) if start > top else None
        if cause is not None:
            self._gap(tape, count, received, cause)
        if tape.deals:
            self._compare_with_deals(tape, received, cause)
            if received.is_print:
                self._dispute(tape, received)
        if top and is_restart(total, top, self._thresholds()):
            count.risen_from, count.risen_to = top, total
        if received.is_print:
            fills = _take_out(count, start, top)
            first = fills[0].start if fills else max(start, top)
            self._print(tape, count, received, first, total - max(start, top), fills, booked, late=False)
        count.top, count.top_value, count.top_ms = total, record.total_value, max(count.top_ms, record.ts_ms)
        count.mark = received.mark

    def _gap(self, tape: Tape, count: Count, received: Received, cause: GapCause) -> None:
        """Open the gap between the top and where a record's own match begins."""
        record, top, start = received.record, count.top, received.start
        left_over = record.total_value - count.top_value - value_of(record.price, record.total_volume - start, record.exchange)
        since_ms = UnixMs(min(count.top_ms or open_ms(record.trading_day, record.exchange), record.ts_ms))
        gap = Gap(top, start, cause)
        self._events.append(gap_line(record, count.generation, gap, left_over, since_ms, received.epoch))
        self._counts[f"gap_{cause}"] += 1
        tape.gap_count += 1
        tape.missed += gap.volume
        count.gaps.append(gap)
        _finish(count)

    def _fill_late(self, tape: Tape, received: Received, booked: list[Booked]) -> bool:
        """Book what a record, not above the top, covers of open gaps. False when that is nothing."""
        count = tape.count
        if tape.deals and received.is_print:
            self._dispute(tape, received)
        if not count.gaps or not received.is_print:
            return False
        fills = _take_out(count, received.start, received.record.total_volume)
        if fills:
            self._print(tape, count, received, fills[0].start, 0, fills, booked, late=True)
        return bool(fills)

    def _take_tail(self, tape: Tape, before: Count, received: Received, booked: list[Booked]) -> None:
        """Book what comes late from before a correction or reset, in the counter as it was: two feeds give the union."""
        record = received.record
        total, start, top = record.total_volume, received.start, before.top
        if before.may_precede(record):
            self._repeat(tape, received)
            return
        if self._doubts(before, received) or (total < top and record.ts_ms > before.top_ms):
            # It is wrong for this counter as for the one after it, and no newer record of it will come to decide.
            self._counts[SuspectVerdict.GLITCH.value] += 1
            self._remember(tape, record)
            return
        fills: list[Gap] = []
        if received.is_print:
            if tape.corrected_to:
                fills += _take_out(tape.count, start, min(total, tape.corrected_to))
            fills += _take_out(before, max(start, tape.corrected_to), min(total, top))
        if total <= top and not fills:
            self._repeat(tape, received)
            return
        if start > top:
            self._gap(tape, before, received, self._cause(before, received))
        if received.is_print:
            first = fills[0].start if fills else max(start, top)
            self._print(tape, before, received, first, max(total - max(start, top), 0), fills, booked, late=True)
        if total > top:
            if tape.corrected_to:
                # The feed took this volume back as well, when it corrected itself.
                taken_back = correction_line(
                    record, before.generation, total, top, before.top_value - record.total_value, is_ambiguous=False
                )
                self._events.append(taken_back)
            before.top, before.top_value, before.top_ms = total, record.total_value, max(before.top_ms, record.ts_ms)
            before.mark = received.mark

    def _print(
        self,
        tape: Tape,
        count: Count,
        received: Received,
        start: int,
        above: int,
        fills: list[Gap],
        booked: list[Booked],
        *,
        late: bool,
    ) -> None:
        """Book a print: volume ``above`` the top, and what it fills of the gaps below."""
        record, label = received.record, received.label
        volume = above + sum(fill.volume for fill in fills)
        event = print_line(record, label, count.generation, start, volume, late=late, anchored=True)
        self._events.append(event)
        self._counts["print"] += 1
        self._counts["late"] += late
        self._counts["clipped"] += event.clipped
        tape.prints += 1
        tape.printed += volume
        for fill in fills:
            self._events.append(fill_line(record, count.generation, fill))
            self._counts["fill"] += 1
            tape.missed -= fill.volume
        booked.append(Booked(record, event, tape.begins_at(count) + start))

    def _remember(self, tape: Tape, record: TradeRecord) -> None:
        tape.judged = [*tape.judged, identity(record)][-MAX_JUDGED:]

    def _repeat(self, tape: Tape, received: Received) -> None:
        if received.is_print:
            tape.repeats += 1
            self._counts["repeat"] += 1

    def _correct(
        self, tape: Tape, first: Received, settled_ms: int, until: int, booked: list[Booked], verdict: SuspectVerdict
    ) -> None:
        """Go on from a lower total: from what the first record that said so counted before its own match.

        Args:
            tape: Changed in place.
            first: The record with the lowest total.
            settled_ms: Exchange time of the suspect.
            until: The lowest total that is known of a time after it.
            booked: Gets the print of ``first``.
            verdict: CORRECTION or AMBIGUOUS.
        """
        record, count = first.record, tape.count
        total, top = first.start, count.top
        value = record.total_value - value_of(record.price, record.total_volume - total, record.exchange)
        is_ambiguous = verdict is SuspectVerdict.AMBIGUOUS
        line = correction_line(record, count.generation, top, total, value - count.top_value, is_ambiguous=is_ambiguous)
        self._events.append(line)
        # The feed will count the volume above the new top once more, and nothing would tell that from a gap up there. So such
        # gaps are left to the counter as it was.
        above = [Gap(max(gap.start, total), gap.end, gap.cause) for gap in count.gaps if gap.end > total]
        before = Count(count.generation, top, count.top_value, count.top_ms, count.mark, above)
        before.begun_ms, before.begun_below = count.begun_ms, count.begun_below
        self._settle(tape, before, settled_ms, until, corrected_to=total)
        count.gaps = [Gap(gap.start, min(gap.end, total), gap.cause) for gap in count.gaps if gap.start < total]
        count.top, count.top_value, count.top_ms, count.mark = total, value, record.ts_ms, first.mark
        count.risen_from = count.risen_to = 0
        count.begun_ms, count.begun_below = record.ts_ms, top
        if total < record.total_volume:
            self._grow(tape, first, booked)

    def _restart(self, tape: Tape, first: Received, settled_ms: int, until: int, booked: list[Booked]) -> None:
        """Begin to count from 0 again. What was counted stays, and ``first`` is the first record of the new count.

        Args:
            tape: Changed in place.
            first: The record with the lowest total.
            settled_ms: Exchange time of the suspect.
            until: The lowest total that is known of a time after it.
            booked: Gets the print of ``first``.
        """
        record, old = first.record, tape.count
        is_ambiguous = self._ends_a_rise(old, record.total_volume)
        self._counts[SuspectVerdict.UNRESOLVED.value] += is_ambiguous
        self._settle(tape, old, settled_ms, until, corrected_to=0)
        tape.count = Count(old.generation + 1, top_ms=old.top_ms, mark=old.mark, begun_ms=record.ts_ms, begun_below=old.top)
        self._events.append(reset_line(record, old.generation + 1, old.top, is_ambiguous=is_ambiguous))
        self._grow(tape, first, booked)
        tape.count.top_ms = record.ts_ms

    def _ends_a_rise(self, count: Count, total: int) -> bool:
        """Whether a restart brings the counter back to where it would be if its last large rise had never been.

        Then nobody can tell whether the rise was wrong, though its value agreed, or the counter restarted.
        """
        is_last_rise = count.risen_to > 0 and not is_restart(count.top, count.risen_to, self._thresholds())
        return is_last_rise and total >= count.risen_from

    def _settle(self, tape: Tape, before: Count, ts_ms: int, until: int, *, corrected_to: int) -> None:
        """Keep the counter as it was ``before``, for what still comes of it; that of the settlement before this one is closed."""
        closed = tape.before
        if closed is not None and closed.generation < tape.count.generation:
            tape.base += closed.top
            tape.base_value += closed.top_value
        tape.before, tape.settled_ms, tape.settled_total, tape.corrected_to = before, ts_ms, until, corrected_to

    def _compare_with_deals(self, tape: Tape, received: Received, cause: GapCause | None) -> None:
        """Learn from a match of the order book that is about to be booked whether deals are counted with it.

        They are not if it goes on exactly where the book had ended before a deal, or counts what a deal of its second has
        counted. That a total is below an earlier deal's proves nothing: the counter may have fallen in between, also to 0. If a
        gap between two matches is exactly the deals that were told in between, they share it.
        """
        count, record, start = tape.count, received.record, received.start
        if self._put_through().counter != "unknown" or not received.is_print:
            return
        deals = [deal for deal in tape.deals if tape.counts(deal)]
        for deal in deals:
            goes_on = start == count.top > 0 and count.top_ms < deal.ts_ms < record.ts_ms
            is_counted_twice = deal.ts_ms == record.ts_ms and deal.start < record.total_volume and deal.total > start
            if goes_on or is_counted_twice:
                self._learn("own")
                return
        # At the beginning of a day both counters are at 0.
        if cause == "unseen" and count.top and _fit_exactly(deals, count.top, start):
            self._learn("shared")

    def _learn(self, counter: DealCounting) -> None:
        put_through = self._put_through()
        if put_through.counter == "unknown":
            self._counts[f"put_through_{counter}"] += 1
            put_through.counter = counter
            if self._counting() not in ("unknown", counter):
                self._counts["put_through_contradicted"] += 1

    def _cause(self, count: Count, received: Received) -> GapCause:
        """Why volume before a record was not seen, as far as it was known when the record came."""
        if count.top_ms:
            since = self._feeds.covered_since if received.covered_since is None else received.covered_since
            return "unseen" if since <= count.mark else "lost"
        return received.opening or self._opening(received.record)

    def _opening(self, record: TradeRecord) -> GapCause:
        """Why volume before the first record of a day was not seen."""
        opened_ms = open_ms(record.trading_day, record.exchange)
        if self._feeds.covered_from(opened_ms):
            return "unseen"
        return "before_start" if self._feeds.joined_ms > opened_ms else "lost"


def _bounds(record: TradeRecord) -> Bounds:
    """What one share, or contract, can be worth on the day of a record: within its limits, where it says any.

    A tenth is allowed beyond them: values that were rounded, taken back or told a match too late are no wrong totals.
    """
    unit = value_of(1, 1, record.exchange)
    if record.floor > 0 and record.ceiling > 0:
        return Bounds(record.floor * unit * 9 // 10, record.ceiling * unit * 11 // 10)
    return Bounds.around(record.price * unit)


def _total(received: Received) -> int:
    return received.record.total_volume


def _holds(gap: Gap, deal: BookedDeal) -> bool:
    """Whether a deal can be taken off a gap."""
    return gap.cause == "unseen" and gap.start <= deal.start and deal.total <= gap.end


def _fit_exactly(deals: list[BookedDeal], start: int, end: int) -> bool:
    """Whether deals cover (start, end] without a hole, and nothing twice."""
    for deal in sorted(deals, key=lambda deal: deal.start):
        if start <= deal.start and deal.total <= end:
            if deal.start != start:
                return False
            start = deal.total
    return start == end


def _take_out(count: Count, start: int, end: int) -> list[Gap]:
    """Cut (start, end] out of the open gaps; return what was cut out, lowest first."""
    taken: list[Gap] = []
    left: list[Gap] = []
    for gap in count.gaps:
        low, high = max(gap.start, start), min(gap.end, end)
        if low >= high:
            left.append(gap)
            continue
        taken.append(Gap(low, high, gap.cause))
        if gap.start < low:
            left.append(Gap(gap.start, low, gap.cause))
        if high < gap.end:
            left.append(Gap(high, gap.end, gap.cause))
    if taken:
        count.gaps = left
        _finish(count)
    return taken


def _finish(count: Count) -> None:
    """Make the lowest gap final if there is one too many."""
    if len(count.gaps) > MAX_GAPS:
        count.has_final_holes |= count.gaps.pop(0).cause != "unseen"
