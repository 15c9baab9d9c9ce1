"""Faults without a socket: schedules strike at the same moments every time, and what they do to a record is in the books."""

import json
from collections.abc import Callable
from itertools import pairwise, takewhile
from random import Random
from typing import Any

import pytest

from connectors.ssi.core.decode import decode
from connectors.ssi.core.errors import InvalidRecord
from connectors.ssi.simulator.core import garble, wire
from connectors.ssi.simulator.core.blocks import symbols_of
from connectors.ssi.simulator.core.errors import UnknownFault, UnreadableSchedule
from connectors.ssi.simulator.core.fault_log import FaultLog
from connectors.ssi.simulator.core.faults import Drop, Fault, Refuse, Schedule, Unanswered, name_of, read_fault, struck_places
from connectors.ssi.simulator.core.feed import Spoken
from connectors.ssi.simulator.core.gates import Gates
from connectors.ssi.simulator.core.kept_texts import KeptTexts
from connectors.ssi.simulator.core.logbook import FaultAffected, FaultEntry
from connectors.ssi.simulator.core.market import MarketDay
from connectors.ssi.simulator.core.places import KINDS, kind_of
from connectors.ssi.simulator.core.record_faults import DueRecord, RecordFaults, RecordPath
from connectors.ssi.simulator.core.sent import SentRecord
from connectors.ssi.simulator.core.truth import AffectedTruth
from connectors.ssi.simulator.faults import SETS, read_schedule
from schemas.calendar import at
from schemas.units import TradingDay, UnixMs

DAY = TradingDay(20261123)


def a_schedule(*entries: str, seed: int = 1) -> Schedule:
    return Schedule.parse("\n".join([f"seed = {seed}", *(f"[[fault]]\n{entry}" for entry in entries)]), "a.toml")


class Way:
    """The way of a day's records to one client, with the faults of a schedule in it."""

    def __init__(self, market: MarketDay, schedule: Schedule) -> None:
        self.market = market
        self._symbols = symbols_of(market)
        self._numbers = {symbol: number for number, symbol in enumerate(self._symbols)}
        self.log = FaultLog(self._symbols)
        self.faults = RecordFaults(self._symbols, schedule.by_chance(), schedule.seed, DAY, Random, self.log)
        self.path = self.another(1)

    def another(self, connection: int) -> RecordPath:
        """The way to another client."""
        return RecordPath(self.faults, self.older, self.log, connection)

    def record(self, place: int) -> DueRecord:
        record = self.market.records[place]
        return DueRecord(self.key(place), place, wire.encode(record), record.due_ms)

    def key(self, place: int) -> int:
        """The number of its symbol and channel."""
        record = self.market.records[place]
        return self._numbers[record.listing.symbol] * KINDS + kind_of(record)

    def older(self, key: int) -> Spoken | None:
        places = [place for place in range(self.newest) if self.key(place) == key]
        return self.record(places[-2])[:3] if len(places) > 1 else None

    newest = 0
    """How many records have been due, for :meth:`older`."""

    def pass_on(self, place: int) -> list[SentRecord]:
        return self.path.pass_on(self.record(place))

    def send(self, places: range) -> list[SentRecord]:
        sent = [sent for place in places for sent in self.pass_on(place)]
        return sent + self.path.release(None)

    def effects(self) -> list[AffectedTruth]:
        return list(self.log.affected_lines(self.log.affected))


@pytest.fixture
def busy(market: MarketDay) -> range:
    """Some thousand places from the opening auction on."""
    first = next(n for n, record in enumerate(market.records) if record.due_ms > at(DAY, 9, 14))
    return range(first, first + 4_000)


# -- schedules


@pytest.mark.parametrize("name", SETS)
def test_the_named_sets_can_be_read(name: str) -> None:
    assert read_schedule(name).entries


def test_hostile_has_every_kind_of_fault() -> None:
    kinds = {name_of(entry.fault) for entry in read_schedule("hostile").entries}
    every = {str(kind.__struct_config__.tag) for kind in Fault.__args__}
    # From a key that SSI takes back no connector recovers, unless somebody gives it another.
    assert kinds == every - {"revoke"}


def test_without_a_schedule_nothing_goes_wrong() -> None:
    assert read_schedule(None).entries == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = ", "Invalid value"),
        ('seed = "x"', "whole number"),
        ("speed = 1", "speed"),
        ('[[fault]]\nfault = "earthquake"\nat = "09:00"', "fault 1"),
        ('[[fault]]\nfault = "drop"', "either at or a probability"),
        ('[[fault]]\nfault = "drop"\nat = "9:00"', "HH:MM"),
        ('[[fault]]\nfault = "drop"\nat = "24:00"', "HH:MM"),
        ('[[fault]]\nfault = "drop"\nat = []', "either at or a probability"),
        ('[[fault]]\nfault = "drop"\nat = "09:00"\nprobability = 0.5', "either at or a probability"),
        ('[[fault]]\nfault = "drop"\nat = "09:00"\nuntil = "10:00"', "go with a probability"),
        ('[[fault]]\nfault = "drop"\nprobability = 2', "at most 1"),
        ('[[fault]]\nfault = "drop"\nprobability = 0.5\nfrom = "11:00"\nuntil = "10:00"', "before it begins"),
        ('[[fault]]\nfault = "drop"\nat = "09:00"\nseconds = 3', "seconds"),
        ('[[fault]]\nfault = "late"\nprobability = 0.5', "seconds"),
        ('[[fault]]\nfault = "stale_snapshot"\nat = "09:00"', "probability"),
        ("fault = 3", "[[fault]]"),
        ('[[fault]]\nfault = "drop"\nat = "09:00"\n[[fault]]\nfault = "drop"\nat = 9', "fault 2 (drop)"),
    ],
)
def test_a_schedule_that_cannot_be_read_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(UnreadableSchedule) as wrong:
        Schedule.parse(text, "a.toml")
    assert str(wrong.value).startswith("a.toml: ")
    assert said in str(wrong.value)


def test_a_schedule_that_is_no_file_names_the_sets() -> None:
    with pytest.raises(UnreadableSchedule, match="calm, rough, hostile"):
        read_schedule("no-such-file.toml")


@pytest.mark.parametrize(
    "body", ['{"fault":"earthquake"}', '{"fault":"silence","seconds":-1}', "drop", '{"fault":"stale_snapshot"}']
)
def test_a_request_for_an_unknown_fault_is_refused(body: str) -> None:
    with pytest.raises(UnknownFault):
        read_fault(body.encode())


def test_connection_faults_strike_at_their_times_in_order() -> None:
    schedule = a_schedule('fault = "drop"\nat = ["13:00:05", "09:30"]', 'fault = "close"\nat = "10:00"')
    assert [(strike.ms, name_of(strike.entry.fault)) for strike in schedule.strikes(DAY, Random)] == [
        (at(DAY, 9, 30), "drop"),
        (at(DAY, 10), "close"),
        (at(DAY, 13, 0, 5), "drop"),
    ]


def test_chance_is_the_same_for_the_same_seed_and_keeps_its_bounds() -> None:
    def moments(seed: int) -> list[UnixMs]:
        schedule = a_schedule('fault = "drop"\nprobability = 0.2\nfrom = "09:00"\nuntil = "11:00"', seed=seed)
        return [strike.ms for strike in schedule.strikes(DAY, Random)]

    assert moments(1) == moments(1) != moments(2)
    assert 8 < len(moments(1)) < 45
    assert all(at(DAY, 9) <= ms < at(DAY, 11) for ms in moments(1))


@pytest.mark.parametrize("probability", [0.001, 0.2, 0.9, 1.0])
def test_records_are_struck_as_often_as_their_probability_says(probability: float) -> None:
    (entry,) = a_schedule(f'fault = "withhold"\nprobability = {probability}').entries
    struck = list(takewhile(lambda place: place < 50_000, struck_places(entry, 1, Random)))
    assert struck == sorted(set(struck))
    assert len(struck) == pytest.approx(50_000 * probability, rel=0.4)


# -- requests


def test_a_request_fault_spoils_as_many_requests_of_its_step_as_it_says(market: MarketDay) -> None:
    log = FaultLog(symbols_of(market))
    gates = Gates([], 1, DAY, Random, log)
    fault = Refuse(step="negotiate", status=502, count=2)
    gates.arm(fault, log.open(fault, None, at(DAY, 9)))
    never = Unanswered(step="connect")
    gates.arm(never, log.open(never, None, at(DAY, 9)))
    now = at(DAY, 9)
    steps = ("rest", "negotiate", "negotiate", "negotiate", "connect", "connect")
    assert [gates.take(step, now) for step in steps] == [None, fault, fault, None, never, None]  # type: ignore[arg-type]
    assert [line.requests for line in log.fault_lines(2)] == [2, 1]


def test_requests_are_spoilt_by_chance_within_a_span(market: MarketDay) -> None:
    entries = a_schedule(
        'fault = "refuse"\nstep = "rest"\nstatus = 500\nprobability = 0.5\nfrom = "09:00"\nuntil = "10:00"'
    ).by_chance()
    log = FaultLog(symbols_of(market))
    gates = Gates(entries, 1, DAY, Random, log)
    within = [gates.take("rest", at(DAY, 9, 30)) for _ in range(200)]
    assert 60 < sum(fault is not None for fault in within) < 140
    assert not any(gates.take("rest", at(DAY, 11)) for _ in range(50))


# -- records


def test_a_text_that_a_fault_wrote_is_kept_to_the_letter(market: MarketDay, busy: range) -> None:
    texts = [wire.encode(market.records[place]) for place in busy[:200]]
    texts += ["", "chứng khoán", garble.with_bad_byte(texts[0])]
    kept = KeptTexts()
    for number, text in enumerate(texts):
        kept[3 * number] = text
    assert [kept.get(3 * number) for number in range(len(texts))] == texts
    assert kept.get(1) is None


def test_a_day_without_faults_passes_as_it_is(market: MarketDay, busy: range) -> None:
    way = Way(market, a_schedule())
    assert way.path.is_clear
    assert way.send(busy) == [SentRecord(place, wire.encode(market.records[place]), "good") for place in busy]
    assert way.effects() == []


def test_what_is_withheld_repeated_or_late_is_in_the_books_record_by_record(market: MarketDay, busy: range) -> None:
    way = Way(
        market,
        a_schedule(
            'fault = "withhold"\nprobability = 0.02', 'fault = "repeat"\ntimes = 2\nprobability = 0.02',
            'fault = "late"\nseconds = 5\nprobability = 0.02',
        ),
    )  # fmt: skip
    sent = way.send(busy)
    effects = way.effects()
    by_effect: dict[str, list[AffectedTruth]] = {}
    for line in effects:
        by_effect.setdefault(line.effect, []).append(line)
    assert {effect: len(lines) > 20 for effect, lines in by_effect.items()} == {"withheld": True, "repeated": True, "late": True}
    assert len(sent) == len(busy) - len(by_effect["withheld"]) + len(by_effect["repeated"])
    assert {one.state for one in sent} == {"good"}
    assert len(set(busy) - {one.place for one in sent}) == len(by_effect["withheld"])
    behind = [one for before, one in pairwise(sent) if one.place < before.place]
    assert behind, "no record was late"
    # A record is late by no more than it is to be: what is due six seconds later comes after it.
    due = [market.records[one.place].due_ms for one in sent]
    latest = 0
    for ms in due:
        latest = max(latest, ms)
        assert latest - ms <= 6_000


def test_two_clients_meet_the_same_faults(market: MarketDay, busy: range) -> None:
    schedule = a_schedule('fault = "withhold"\nprobability = 0.05', 'fault = "garble"\nprobability = 0.05')
    way = Way(market, schedule)
    other = way.another(2)
    for place in busy:
        assert way.pass_on(place) == other.pass_on(way.record(place))
    again = Way(market, schedule)
    again.send(busy)
    first = [line for line in way.effects() if line.connection == 1]
    assert first == again.effects()


@pytest.mark.parametrize("how", ["cut", "type", "symbol", "time", "content"])
def test_what_is_garbled_nobody_can_decode(market: MarketDay, busy: range, how: Any) -> None:
    for place in busy[::40]:
        text = wire.encode(market.records[place])
        decode(garble.argument_of(text))
        with pytest.raises(InvalidRecord):
            decode(garble.argument_of(garble.garbled(text, how)))


def test_a_bad_byte_is_no_utf8_and_spoils_its_own_invocation_only(market: MarketDay, busy: range) -> None:
    text = garble.with_bad_byte(wire.encode(market.records[busy[0]]))
    raw = text.encode(errors="surrogateescape")
    with pytest.raises(UnicodeDecodeError):
        raw.decode()
    with pytest.raises(InvalidRecord):
        decode(garble.argument_of(raw.decode(errors="replace")))


def foreign(market: MarketDay, symbol: str) -> list[int]:
    return [n for n, r in enumerate(market.records) if r.channel == "R" and r.listing.symbol == symbol and r.due_ms > at(DAY, 9)]


def counters(sent: SentRecord) -> tuple[float, ...]:
    return garble.counters_of(sent.text)


def test_a_foreign_counter_goes_back_once(market: MarketDay) -> None:
    way = Way(market, a_schedule())
    places = foreign(market, "HPG")[:4]
    first, second = (way.pass_on(n)[0] for n in places[:2])
    fault = read_fault(b'{"fault":"foreign_back","symbols":["HPG"]}')
    way.faults.arm(fault, way.log.open(fault, None, at(DAY, 9)))  # type: ignore[arg-type]
    third, fourth = (way.pass_on(n)[0] for n in places[2:])
    true = [counters(SentRecord(n, wire.encode(market.records[n]), "good")) for n in places]
    assert [counters(one) for one in (first, second, fourth)] == [true[0], true[1], true[3]]
    assert counters(third) == tuple(count * 2 // 3 for count in true[2])
    (line,) = way.effects()
    assert (line.effect, line.symbol, third.state) == ("altered", "HPG", "altered")
    assert line.argument == garble.argument_of(third.text)
    # All but the counters is as it was, written as .NET writes it.
    content = json.loads(json.loads(line.argument)["Content"])
    assert content["BuyVol"] == counters(third)[0]
    assert '\\"TotalRoom\\":' in line.argument


def test_a_foreign_counter_begins_again_and_stays_lower(market: MarketDay) -> None:
    way = Way(market, a_schedule())
    fault = read_fault(b'{"fault":"foreign_restart","symbols":["HPG"]}')
    way.faults.arm(fault, way.log.open(fault, None, at(DAY, 9)))  # type: ignore[arg-type]
    places = foreign(market, "HPG")[3:8]
    true = [counters(SentRecord(n, wire.encode(market.records[n]), "good")) for n in places]
    said = [counters(way.pass_on(n)[0]) for n in places]
    assert said == [tuple(max(0, a - b) for a, b in zip(now, true[0], strict=True)) for now in true]
    # So does what a snapshot says of it.
    (snapshot,) = way.path.answer(way.record(places[-1]))
    assert counters(snapshot) == said[-1]


@pytest.mark.parametrize(("killed_after", "goes_on_to"), [(1, 2), (4, 6)])
def test_a_simulator_that_was_killed_leaves_lowered_counters_lower(market: MarketDay, killed_after: int, goes_on_to: int) -> None:
    places = foreign(market, "HPG")[3:9]
    # Begun again with the first record and once more with the third; the fourth alone is lowered otherwise.
    strikes = {places[0]: "foreign_restart", places[2]: "foreign_restart", places[3]: "foreign_back"}
    way, logbook, said = Way(market, a_schedule()), list[FaultEntry](), []
    way.log.note = logbook.append
    for place in places:
        if place in strikes:
            fault = read_fault(f'{{"fault":"{strikes[place]}","symbols":["HPG"]}}'.encode())
            way.faults.arm(fault, way.log.open(fault, None, at(DAY, 9)))  # type: ignore[arg-type]
        said.append(counters(way.pass_on(place)[0]))
    told = [entry for entry in logbook if not (isinstance(entry, FaultAffected) and entry.place >= places[killed_after])]

    again = Way(market, a_schedule())
    again.log.restore(told)
    again.faults.restore(told, lambda place: wire.encode(market.records[place]))
    assert not again.path.is_clear
    assert [counters(again.pass_on(place)[0]) for place in places[killed_after:goes_on_to]] == said[killed_after:goes_on_to]
    assert [line.effect for line in again.effects()] == ["altered"] * goes_on_to


def test_a_stale_snapshot_has_older_records_of_the_same_symbol_and_channel(market: MarketDay) -> None:
    way = Way(market, a_schedule('fault = "stale_snapshot"\nprobability = 0.5'))
    way.newest = next(n for n, record in enumerate(market.records) if record.due_ms > at(DAY, 9, 20))
    last = {way.key(n): n for n in range(way.newest)}
    asked = sorted(last.values())[-120:]
    sent = [one for n in asked for one in way.path.answer(way.record(n))]
    older = [(n, one.place) for n, one in zip(asked, sent, strict=True) if one.place != n]
    assert len(older) == len(way.effects()) > 20
    assert all(place < newest and way.record(place).key == way.record(newest).key for newest, place in older)


def test_a_fault_may_name_channels_and_symbols(market: MarketDay, busy: range) -> None:
    way = Way(market, a_schedule('fault = "withhold"\nprobability = 1\nchannels = ["X-TRADE"]\nsymbols = ["HPG", "SSI"]'))
    way.send(busy)
    lines = way.effects()
    assert {(line.channel, line.symbol) for line in lines} == {("X-TRADE", "HPG"), ("X-TRADE", "SSI")}


def test_a_drop_is_asked_for_as_before() -> None:
    asked: Callable[[bytes], Fault] = read_fault
    assert asked(b'{"fault":"drop"}') == Drop()
