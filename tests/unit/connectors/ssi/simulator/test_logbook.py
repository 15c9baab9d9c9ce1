from pathlib import Path

import pytest

from connectors.ssi.simulator.core.errors import UnreadableLogbook
from connectors.ssi.simulator.core.logbook import ClockSet, Opened, Put, Read, SubscriptionNoted
from connectors.ssi.simulator.core.sent import SentRecord, nonsense
from connectors.ssi.simulator.logbook import FILE, Logbook
from schemas.units import TradingDay, UnixMs

DAY = TradingDay(20261123)
RECORDS = (
    SentRecord(5, "five", "good"),
    SentRecord(6, "six", "good"),
    SentRecord(9, "nine, otherwise", "altered"),
    SentRecord(10, "ten, garb", "garbled"),
    nonsense("no record at all"),
    SentRecord(6, "six", "good"),
)


def a_day(folder: Path) -> Logbook:
    logbook = Logbook(folder)
    logbook.begin(DAY, "seed 7")
    return logbook


def test_what_was_put_on_a_socket_is_remembered_in_its_order(tmp_path: Path) -> None:
    logbook = a_day(tmp_path)
    logbook.write(Opened(1, "an-id", UnixMs(1), UnixMs(2)))
    logbook.write(SubscriptionNoted(1, "X:ALL", UnixMs(3)))
    logbook.write(Put.of(1, RECORDS[:3]))
    logbook.write(Put.of(1, RECORDS[3:]))
    logbook.write(Read(1, 4))
    remembered = a_day(tmp_path).remembered
    assert remembered is not None
    (connection,) = remembered.connections
    assert remembered.delivered == [(5, 1), (6, 1), (9, 1), (6, 1)]
    assert (len(connection.journal), connection.read, connection.malformed) == (6, 4, 2)
    assert connection.subscribed == SubscriptionNoted(1, "X:ALL", UnixMs(3))


def test_a_message_takes_a_short_line_whatever_it_holds() -> None:
    entry = Put.of(1, [SentRecord(place, "x" * 400, "good") for place in range(1_000, 1_050)])
    assert entry.runs == [(1_000, 50)]
    assert [sent.place for sent in entry.records()] == list(range(1_000, 1_050))


def test_a_line_that_was_being_written_is_cut_off_and_the_next_one_is_whole(tmp_path: Path) -> None:
    a_day(tmp_path).write(ClockSet(1.0, None, 0.0, None))
    file = tmp_path / FILE
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"e":"clock","began_s":2.')
    logbook = a_day(tmp_path)
    assert logbook.remembered is not None
    assert logbook.remembered.clock == ClockSet(1.0, None, 0.0, None)
    logbook.write(ClockSet(3.0, None, 0.0, None))
    remembered = a_day(tmp_path).remembered
    assert remembered is not None
    assert remembered.clock == ClockSet(3.0, None, 0.0, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [("nonsense\n", "line 1 is no entry"), ('{"e":"read","connection":1,"count":1}\n', "it does not begin with a day")],
)
def test_a_damaged_logbook_is_refused_with_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UnreadableLogbook, match=said) as refused:
        Logbook(tmp_path)
    assert "delete it, or choose another folder with --state" in str(refused.value)


def test_a_day_that_is_made_from_something_else_is_refused(tmp_path: Path) -> None:
    a_day(tmp_path)
    with pytest.raises(UnreadableLogbook, match="it is of another day: 20261123, seed 7"):
        Logbook(tmp_path).begin(DAY, "seed 8")
