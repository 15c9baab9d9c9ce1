"""The foreign ledger of a shard: a frame of records in; ledger entries, board rows and the shard's share of the flow out.

Beside one value for each symbol a shard has one of its own, with what foreigners did in each scope and which symbols have moved
since it last looked. What grows with the number of symbols lies apart and is loaded when it is needed: every five seconds of
market time the symbols whose speeds may be others by then, the largest buyers and sellers when the flow is reported, and the
roster of all symbols when too many of these have fallen back.

**Ageing.** Speeds fall while nothing happens. The fold knows from which bucket of time on those of a symbol will be others, and
has noted it there: with the first clock tick of that bucket its row is shown again, with the speeds at the begin of the bucket.
Between two rows that only show that time has passed lie :data:`STILL_BUCKETS`, and a record that came in between counts as one.
"""

from functools import partial
from operator import itemgetter
from typing import Any, ClassVar, Final

import msgspec

from pipelines.core.codec import LARGEST, Cells, Codec, State, Stored
from pipelines.core.errors import RecordRejected
from pipelines.core.figures import BITS, Figures, check_nothing
from pipelines.core.foreign import TOTALS, Arrival, ForeignTotals, Step, advance, go_on, settle
from pipelines.core.frames import Folded, Shard
from pipelines.core.movers import NetFlow, Ranking, movers_of
from pipelines.core.scopes import MARKET, NOTHING, ScopeSum, ranked_scopes, scopes_of
from pipelines.core.shard import Folding, Kinds, Use, fold_records
from pipelines.core.speed import A_MINUTE, BUCKET_MS, LONG_MS
from pipelines.core.terms import Offers
from schemas.position import Position
from schemas.session import close_ms
from schemas.shards import shard_keys
from schemas.structs import (
    BarRecord,
    FlowSum,
    ForeignRecord,
    ForeignRow,
    Frame,
    IndexRecord,
    LedgerEntry,
    LedgerFrame,
    Movers,
    OddLotRecord,
    PartialFlow,
    ProfileRecord,
    QuoteRecord,
    ReferenceRecord,
    SnapshotRecord,
    StatusRecord,
    TradeRecord,
)
from schemas.topics import MARKET_FOREIGN, PARTIAL_FLOW, STATE_FOREIGN
from schemas.units import Exchange, Shares, Symbol, TradingDay, UnixMs, Vnd

STILL_BUCKETS: Final = 3
"""How many buckets of time, fifteen seconds, a row whose speeds alone change stays as it is."""
_AHEAD: Final = 64
"""More than the number of buckets after which nothing of a volume is in any window: a place is free before it is used again."""


class ForeignShard(Stored):
    """What a shard knows of its day beside its symbols. It has a symbol only for as long as something is to be done about it."""

    VERSION: ClassVar[int] = 3

    bucket: int = 0
    """The bucket of speed that has begun: market time over :data:`~pipelines.core.speed.BUCKET_MS`."""
    changed: bool = True
    """Whether sums or nets changed since the last partial."""
    sums: dict[str, ScopeSum] = msgspec.field(default_factory=dict)
    """What foreigners did in each scope, by scope, as of the last partial."""
    moved: list[str] = msgspec.field(default_factory=list)
    """Symbols of which something is not in the sums, or whose net has moved, since the last partial."""
    suspects: list[str] = msgspec.field(default_factory=list)
    """Symbols that may have an undecided suspect."""
    is_forgetful: bool = False
    """Whether it does not know which symbols it has to look at: then these are all of the day."""


class ForeignDue(Stored):
    """The symbols whose speeds a shard looks at when a bucket begins, if they have not been put off since."""

    DAY_AT: ClassVar[int | None] = 0

    day: int
    bucket: int
    symbols: list[str] = msgspec.field(default_factory=list)


class ForeignRoster(Stored):
    """The symbols of a shard that foreigners have traded on a day, in the order in which they came."""

    DAY_AT: ClassVar[int | None] = 0

    day: int
    symbols: list[str] = msgspec.field(default_factory=list)


class ForeignRankings(Stored):
    """The symbols of a shard that foreigners bought and sold most on a day."""

    VERSION: ClassVar[int] = 2
    DAY_AT: ClassVar[int | None] = 0

    day: int
    by_scope: dict[str, Ranking] = msgspec.field(default_factory=dict)
    """Without the market."""


_Look = tuple[ForeignTotals, int, int, int]
"""What a row shows as of the last change that a viewer notices, whatever has come since: a repeat, say, of a second feed.

Totals, and the time of their newest record and how many were stale as of that change; and the market time of the row's speeds. So
a row is the same however the records were cut into frames.
"""


class ForeignFold:
    """The foreign ledger of a shard while a frame is folded."""

    def __init__(self, folding: Folding) -> None:
        state = folding.state
        self.folded = folding.folded
        self._position = folding.position
        self._where = folding.shard
        self._state = state
        self._terms = folding.terms
        self._feeds = folding.feeds
        self._delivery = folding.delivery
        self._counts = folding.folded.counts
        self._shard = state.load(_SHARDS, _SHARD_KEY, folding.feeds.day) or ForeignShard(is_forgetful=True)
        self._cells = Cells(state, TOTALS, prefix=_TOTALS_PREFIX)
        self._due = Cells(state, _DUE, prefix=_DUE_PREFIX)
        self._rankings: ForeignRankings | None = None
        self._arrival: Arrival | None = None
        """How the records of now arrive; None when that has to be asked anew."""
        self._arrived = 0
        """The delivery's changes when it was asked."""
        self._looks: dict[str, _Look] = {}
        """The last change of each symbol that has looked different since the frame began."""
        self._entries: list[LedgerEntry] = []
        self._thresholds = folding.terms.thresholds
        if self._shard.is_forgetful:
            self._remember()

    def turn(self) -> None:
        """Settle what the day before left undecided, and begin the new one at nothing."""
        self._settle()
        self._show()
        self._shard = ForeignShard(bucket=self._shard.bucket)
        self._arrival = None

    def advance(self) -> None:
        """Let volume age, and report the shard's share of the flow."""
        now_ms = self._feeds.now_ms
        if now_ms // BUCKET_MS > self._shard.bucket:
            begun, self._shard.bucket = self._shard.bucket, now_ms // BUCKET_MS
            if self._shard.suspects and now_ms >= close_ms(TradingDay(self._feeds.day)):
                self._settle()
            self._age(begun)
        self._report(UnixMs(now_ms))

    def finish(self) -> None:
        """Publish what came of the frame, and store what it changed."""
        if self._entries:
            self.folded.publish(MARKET_FOREIGN, self._where.key, LedgerFrame(events=self._entries))
        self._show()
        self._cells.store()
        self._due.store()
        self._state.store(_SHARDS, _SHARD_KEY, self._shard)
        if self._rankings is not None:
            self._state.store(_RANKINGS, _RANKINGS_KEY, self._rankings)

    def take_foreign(self, record: ForeignRecord) -> None:
        """Fold what a record says that foreigners have bought and sold."""
        day, symbol = self._feeds.day, record.symbol
        if record.trading_day < day:
            self.folded.count(["previous_day"])
            return
        totals, arrival = self._cells.get(symbol), self._arrival
        if arrival is None or self._arrived != self._delivery.changes:
            arrival = self._arrive(record)
        if totals is None or totals.day != day or record.exchange is not totals.exchange:
            self._take_rare(totals, record, arrival)
            return
        total_room, stale = totals.total_room, totals.stale
        entries = go_on(totals, record, arrival, self._thresholds)
        if entries is None:
            self._take_rare(totals, record, arrival)
            return
        if entries or total_room != totals.total_room:
            self._entries += entries
            counts = self._counts
            for entry in entries:
                counts[entry.kind] += 1
            if entries and not totals.is_moved:
                totals.is_moved = True
                self._shard.moved.append(symbol)
            self._look(totals, arrival.now_ms, entries)
        if stale != totals.stale:
            self._counts["stale"] += 1

    def _take_rare(self, totals: ForeignTotals | None, record: ForeignRecord, arrival: Arrival) -> None:
        """As :meth:`take_foreign`, for a record that begins or decides something."""
        feeds, symbol = self._feeds, record.symbol
        if totals is not None and totals.is_too_much(record):
            raise RecordRejected(
                "out_of_range",
                f"{symbol} bought {record.bought}, sold {record.sold}: the day's total is beyond every market",
            )
        if totals is None or totals.day != feeds.day:
            totals = self._begin(totals, symbol, record.exchange)
        total_room, is_placed = totals.total_room, False
        if record.exchange is not totals.exchange and record.ts_ms >= totals.ts_ms:
            is_placed = True
            self._place(totals, record.exchange, totals.groups, totals.sector)
        step = advance(totals, record, arrival, self._thresholds)
        self._note(step)
        if step.entries:
            self._move(totals)
        if step.tells or is_placed or total_room != totals.total_room:
            self._suspect(totals)
            self._look(totals, feeds.now_ms or totals.ts_ms, step.entries)

    def take_reference(self, record: ReferenceRecord) -> None:
        """Take the groups and sector of a symbol, and its exchange before a record of the day has said it.

        What REST says of a later day is taken at once.
        """
        if record.trading_day < self._feeds.day:
            self.folded.count(["previous_day"])
            return
        totals = self._cells.get(record.symbol)
        if totals is None or totals.day != self._feeds.day:
            totals = self._begin(totals, record.symbol, record.exchange)
        sector = record.sector or self._terms.sectors.get(record.symbol, "")
        exchange = totals.exchange if totals.ts_ms else record.exchange
        self._place(totals, exchange, sorted(set(record.groups)), sector)

    def _settle(self) -> None:
        """Decide what the end of the day leaves undecided."""
        now_ms = self._feeds.now_ms
        for symbol in self._shard.suspects:
            totals = self._cells.get(symbol)
            if totals is not None and totals.suspects:
                step = settle(totals, self._terms.thresholds, now_ms)
                self._note(step)
                self._move(totals)
                if totals.day == self._feeds.day:
                    self._suspect(totals)
                    self._look(totals, now_ms, step.entries)
                else:
                    self._looks[symbol] = totals, totals.ts_ms, totals.stale, now_ms
        self._shard.suspects.clear()

    def _age(self, begun: int) -> None:
        """Show the symbols whose speeds are others than when they were shown, now that buckets after ``begun`` have begun."""
        bucket, day = self._shard.bucket, self._feeds.day
        passed_over, reached = self._state.passed_over, []
        for number in range(max(begun + 1, bucket - _AHEAD + 1), bucket + 1):
            due = self._due.get(_place_of(number))
            if due is not None and begun < due.bucket <= bucket and due.day == day:
                reached += [(due.bucket, symbol) for symbol in due.symbols]
                due.symbols.clear()
        for number, symbol in reached:
            totals = self._cells.get(symbol)
            if totals is not None and totals.looked_at == number and totals.day == day:
                self._look_again(totals, bucket)
        if self._state.passed_over and not passed_over:
            # Which symbols were due is not known.
            self._look_at_all()

    def _look_again(self, totals: ForeignTotals, bucket: int) -> None:
        """Show a symbol that has not been shown for a while, and look again when its speeds will be others."""
        if totals.shown_at + STILL_BUCKETS > bucket:
            self._put_off(totals, totals.shown_at + STILL_BUCKETS)
            return
        edge_ms = bucket * BUCKET_MS
        totals.shown_at = bucket
        self._looks[totals.symbol] = totals, totals.ts_ms, totals.stale, edge_ms
        ages_at = totals.ages_at(UnixMs(edge_ms))
        if ages_at:
            self._put_off(totals, max(ages_at, bucket + STILL_BUCKETS))

    def _suspect(self, totals: ForeignTotals) -> None:
        """Take note of a symbol that has a suspect, for the end of the day."""
        if totals.suspects and totals.symbol not in self._shard.suspects:
            self._shard.suspects.append(totals.symbol)

    def _look(self, totals: ForeignTotals, now_ms: int, entries: tuple[LedgerEntry, ...]) -> None:
        """Show a symbol as it looks at market time ``now_ms``, and look again when volume begins to leave the windows."""
        bucket = now_ms // BUCKET_MS
        self._looks[totals.symbol] = totals, totals.ts_ms, totals.stale, now_ms
        totals.shown_at = bucket
        grows, latest = False, bucket + A_MINUTE + 1
        for entry in entries:
            grows = grows or entry.volume != 0
            if entry.kind != "delta":
                # What was spread over the time before begins to leave at once.
                latest = bucket + STILL_BUCKETS
        if not grows:
            return
        if bucket * BUCKET_MS - LONG_MS < totals.covered_ms:
            # The time that is covered grows.
            latest = bucket + STILL_BUCKETS
        if not bucket < totals.looked_at <= latest:
            self._put_off(totals, latest)

    def _put_off(self, totals: ForeignTotals, bucket: int) -> None:
        """Look at the speeds of a symbol when ``bucket`` begins, and not before."""
        totals.looked_at = bucket
        place, day = _place_of(bucket), self._feeds.day
        due = self._due.get(place)
        if due is None or due.bucket != bucket or due.day != day:
            due = self._due.put(place, ForeignDue(day, bucket))
        due.symbols.append(totals.symbol)

    def _begin(self, before: ForeignTotals | None, symbol: Symbol, exchange: Exchange) -> ForeignTotals:
        """Begin the shard's day of a symbol of which the day ``before`` may be known."""
        if before is None:
            day, sector = self._feeds.day, self._terms.sectors.get(symbol, "")
            return self._cells.put(symbol, ForeignTotals(symbol=symbol, exchange=exchange, day=day, sector=sector))
        return self._cells.put(symbol, before.next(TradingDay(self._feeds.day)))

    def _arrive(self, record: ForeignRecord) -> Arrival:
        """How a record arrives, and those after it until something is heard of time and coverage."""
        feeds, delivery = self._feeds, self._delivery
        self._arrived = delivery.changes
        arrival = Arrival(
            feed=delivery.feed,
            epoch=delivery.epoch,
            mark=feeds.mark,
            covered_since=feeds.covered_since,
            covered_from=feeds.covered_from,
            joined_ms=UnixMs(feeds.joined_ms),
            now_ms=UnixMs(feeds.now_ms or record.ts_ms),
        )
        # Without a clock the time is that of each record.
        self._arrival = arrival if feeds.now_ms else None
        self._thresholds = self._terms.thresholds
        return arrival

    def _place(self, totals: ForeignTotals, exchange: Exchange, groups: list[str], sector: str) -> None:
        """Move a symbol, with what foreigners did in it today, to the scopes that the newest record says."""
        if (totals.exchange, totals.groups, totals.sector) == (exchange, groups, sector):
            return
        self._add(totals, totals.counted, times=-1)
        totals.exchange, totals.groups, totals.sector = exchange, groups, sector
        self._add(totals, totals.counted)
        if totals.ranked_in:
            self._move(totals)

    def _move(self, totals: ForeignTotals) -> None:
        """Take note that the sums of a symbol may have changed."""
        if not totals.is_moved:
            totals.is_moved = True
            self._shard.moved.append(totals.symbol)

    def _note(self, step: Step) -> None:
        self._entries += step.entries
        counts = self._counts
        for entry in step.entries:
            counts[entry.kind] += 1
        for note in step.notes:
            counts[note] += 1

    def _add(self, totals: ForeignTotals, part: ScopeSum, times: int = 1) -> None:
        """Add ``part`` to the sums of every scope that the symbol is in."""
        if part == NOTHING:
            return
        sums = self._shard.sums
        for scope in scopes_of(totals.exchange, tuple(totals.groups), totals.sector):
            of_scope = sums.get(scope)
            if of_scope is None:
                of_scope = sums[scope] = ScopeSum()
            of_scope.add(part, times)
        self._shard.changed = True

    def _report(self, now_ms: UnixMs) -> None:
        """Publish the shard's share of the flow: in full when something changed, else only that the second has passed."""
        shard = self._shard
        moved = self._count()
        rankings = self._rank(moved) if moved or shard.changed else {}
        share = PartialFlow(
            shard=self._where.number,
            shards=self._where.shards,
            day=TradingDay(self._feeds.day),
            ts_ms=now_ms,
            changed=shard.changed,
            sums=_flow_sums(shard.sums) if shard.changed else [],
            movers=_movers(rankings) if shard.changed else [],
        )
        shard.changed = False
        self.folded.publish(PARTIAL_FLOW, shard_keys(1)[0], share)

    def _count(self) -> list[ForeignTotals]:
        """Take what has come since the last report into the sums. Returns the symbols that are to be ranked because of it."""
        moved = []
        for symbol in self._shard.moved:
            totals = self._cells.get(symbol)
            if totals is None or totals.day != self._feeds.day:
                continue
            totals.is_moved = False
            sums, counted = totals.sums, totals.counted
            if sums != counted:
                # What is counted becomes what is to be added, and then what is counted now.
                counted.take_from(sums)
                self._add(totals, counted)
                totals.counted = sums
            if totals.ranked_in or sums != NOTHING:
                moved.append(totals)
        self._shard.moved.clear()
        return moved

    def _rank(self, moved: list[ForeignTotals]) -> dict[str, Ranking]:
        """The largest buyers and sellers of each scope, now that some symbols have moved."""
        day = self._feeds.day
        rankings = self._rankings or self._state.load(_RANKINGS, _RANKINGS_KEY)
        is_new = rankings is None or rankings.day != day
        if rankings is None or is_new:
            rankings = ForeignRankings(day)
        self._rankings = rankings
        newcomers = [totals.symbol for totals in moved if not totals.ranked_in]
        _rank_in(rankings, moved)
        if newcomers:
            roster = self._roster()
            self._state.store(_ROSTERS, _ROSTER_KEY, ForeignRoster(day, [*roster, *newcomers]))
        # Rankings of today that could not be read are made again. Before the first trade of a day the roster is empty.
        if is_new or not all(ranking.is_exact for ranking in rankings.by_scope.values()):
            self._rank_all(rankings)
        return rankings.by_scope

    def _rank_all(self, rankings: ForeignRankings) -> None:
        """Rank all symbols of the day anew."""
        rankings.by_scope = {scope: Ranking() for scope in rankings.by_scope}
        known = filter(None, map(self._cells.get, self._roster()))
        _rank_in(rankings, [totals for totals in known if totals.day == rankings.day])

    def _remember(self) -> None:
        """Find out what has to be looked at, of a shard that has forgotten it or never knew."""
        shard, symbols = self._shard, self._roster()
        shard.is_forgetful = False
        shard.bucket = shard.bucket or self._feeds.now_ms // BUCKET_MS
        if not shard.sums:
            for totals in filter(None, map(self._cells.get, symbols)):
                totals.counted, totals.is_moved = ScopeSum(), False
                self._move(totals)
        self._look_at_all()

    def _look_at_all(self) -> None:
        """Look at all symbols of the day when the next bucket begins."""
        shard = self._shard
        for symbol in dict.fromkeys([*self._roster(), *shard.moved, *shard.suspects]):
            totals = self._cells.get(symbol)
            if totals is None or totals.day != self._feeds.day:
                continue
            totals.shown_at = 0
            self._put_off(totals, shard.bucket + 1)
            if totals.suspects and symbol not in shard.suspects:
                shard.suspects.append(symbol)

    def _roster(self) -> list[str]:
        """The symbols that foreigners have traded today."""
        roster = self._state.load(_ROSTERS, _ROSTER_KEY)
        return roster.symbols if roster is not None and roster.day == self._feeds.day else []

    def _show(self) -> None:
        """Publish the rows of the symbols that have looked different, in the order in which they first did."""
        self.folded.show_later(STATE_FOREIGN, self._looks, partial(_row, self._position.offset))
        self._looks.clear()


def _place_of(bucket: int) -> str:
    """Where the symbols are noted that are due when ``bucket`` begins."""
    return _PLACES[bucket % _AHEAD]


_FIGURES = Figures("bought", "sold", "bought_value", "sold_value", "current_room", "total_room", least=1 - LARGEST)


def _check_foreign(record: ForeignRecord) -> None:
    figures = record.bought | record.sold | record.bought_value | record.sold_value | record.current_room | record.total_room
    if not figures >> BITS:
        return
    if record.bought < 0 or record.sold < 0:
        raise RecordRejected(
            "negative_counter", f"{record.symbol} bought {record.bought}, sold {record.sold}: counters start at 0"
        )
    _FIGURES.check(record)


_KINDS = Kinds(
    ForeignFold,
    used={
        ForeignRecord: Use(_check_foreign, ForeignFold.take_foreign),
        ReferenceRecord: Use(check_nothing, ForeignFold.take_reference),
    },
    ignored=(),
    unexpected=(TradeRecord, QuoteRecord, SnapshotRecord, BarRecord, OddLotRecord, StatusRecord, IndexRecord, ProfileRecord),
)


def fold_frame(frame: Frame, position: Position, shard: Shard, state: State, *, offers: Offers) -> Folded:
    """Fold a frame of ``ssi.foreign``, and say what to publish because of it."""
    return fold_records(frame, position, shard, state, _KINDS, ForeignFold, offers)


def totals_of(state: State, symbol: str) -> ForeignTotals | None:
    """What a shard keeps of a symbol's foreign day, for whoever looks on; None before its first record.

    Raises:
        StateUnreadable: Another release wrote it.
    """
    data = state.get(_TOTALS_PREFIX + symbol.encode())
    return None if data is None else TOTALS.decode(data)


def _row(src: int, symbol: str, look: _Look) -> ForeignRow:
    totals, ts_ms, stale, at_ms = look
    # State has whole numbers, a row has units. To say so to a type checker figure by figure would cost a third of a row.
    shown: Any = totals
    sums: Any = totals.sums
    bought, sold, bought_value, sold_value = sums.bought, sums.sold, sums.bought_value, sums.sold_value
    speeds = totals.speeds(UnixMs(at_ms))
    return ForeignRow(
        day=shown.day,
        src=src,
        ts_ms=UnixMs(ts_ms),
        symbol=shown.symbol,
        exchange=totals.exchange,
        bought=bought,
        sold=sold,
        bought_value=bought_value,
        sold_value=sold_value,
        net_volume=Shares(bought - sold),
        net_value=Vnd(bought_value - sold_value),
        room=shown.room,
        total_room=shown.total_room,
        buy_speed_1m=speeds.buy_1m,
        sell_speed_1m=speeds.sell_1m,
        buy_speed_5m=speeds.buy_5m,
        sell_speed_5m=speeds.sell_5m,
        acceleration=speeds.acceleration,
        stale=stale,
        suspects=totals.suspects,
        unresolved=totals.unresolved,
    )


def _flow_sums(sums: dict[str, ScopeSum]) -> list[FlowSum]:
    return [
        FlowSum(
            scope=scope,
            bought=Shares(part.bought),
            sold=Shares(part.sold),
            bought_value=Vnd(part.bought_value),
            sold_value=Vnd(part.sold_value),
        )
        for scope, part in sorted(sums.items())
    ]


def _rank_in(rankings: ForeignRankings, moved: list[ForeignTotals]) -> None:
    """Rank symbols in the scopes in which they are now, and no more in those in which they were."""
    flows: dict[str, list[NetFlow]] = {}
    left: dict[str, set[str]] = {}
    for totals in moved:
        buy, sell, symbol = totals.buy, totals.sell, totals.symbol
        value = buy.earlier_value + buy.value - sell.earlier_value - sell.value
        flow = NetFlow(symbol, value, buy.earlier + buy.counter - sell.earlier - sell.counter)
        scopes = ranked_scopes(totals.exchange, tuple(totals.groups), totals.sector)
        for scope in totals.ranked_in:
            left.setdefault(scope, set()).add(symbol)
        for scope in scopes:
            flows.setdefault(scope, []).append(flow)
        if len(scopes) != len(totals.ranked_in) or any(scope not in totals.ranked_in for scope in scopes):
            totals.ranked_in = list(scopes)
    for scope in flows:
        rankings.by_scope.setdefault(scope, Ranking())
    for scope in dict.fromkeys((*left, *flows)):
        if ranking := rankings.by_scope.get(scope):
            ranking.replace(left.get(scope, set()), flows.get(scope, []))


def _movers(rankings: dict[str, Ranking]) -> list[Movers]:
    """The shard's movers of the market, and of each exchange, group and sector in it that has some."""
    exchanges = [rankings[exchange.value] for exchange in Exchange if exchange.value in rankings]
    each = [(scope, [ranking]) for scope, ranking in rankings.items()]
    return [movers_of(scope, made_of) for scope, made_of in sorted([*each, (MARKET, exchanges)], key=itemgetter(0))]


def _take_symbols_out(fields: list[Any]) -> list[Any]:
    """From version 1, which had the net and the activity of every symbol, to version 2, which has to look at these again."""
    bucket, changed, sums, nets, active = fields
    return [bucket, changed, sums, list(nets), sorted(active)]


def _look_ahead(fields: list[Any]) -> list[Any]:
    """From version 2, which looked at active symbols whenever a bucket began, to version 3, which has to look at all for once."""
    return [*fields, True]


def _rank_by_size(fields: list[Any]) -> list[Any]:
    """From version 1, where the flows of sellers were sorted by value and those of buyers against it, to version 2."""
    day, by_scope = fields
    for buyers, sellers in by_scope.values():
        buyers[0] = [[-value, symbol, volume] for symbol, value, volume in buyers[0]]
        sellers[0] = [[value, symbol, volume] for symbol, value, volume in sellers[0]]
    return [day, by_scope]


_SHARDS = Codec(ForeignShard, upgrades={1: _take_symbols_out, 2: _look_ahead})
_SHARD_KEY = b"foreign"
_DUE = Codec(ForeignDue)
_DUE_PREFIX = b"foreign-due:"
_PLACES = [str(number) for number in range(_AHEAD)]
_ROSTERS = Codec(ForeignRoster)
_ROSTER_KEY = b"foreign-roster"
_RANKINGS = Codec(ForeignRankings, upgrades={1: _rank_by_size})
_RANKINGS_KEY = b"foreign-rankings"
_TOTALS_PREFIX = b"f:"
