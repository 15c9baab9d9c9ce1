"""What the hub sends beyond what was asked for."""

from collections.abc import Callable

import pytest

from connectors.ssi.core.channels import CHANNELS
from connectors.ssi.core.market_clock import WallClock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from schemas.calendar import at
from schemas.units import TradingDay, UnixUs

Arguments = Callable[..., str]
NOON = UnixUs(at(TradingDay(20261123), 12) * 1000)


def a_stream(channels: str) -> RecordStream:
    stream = RecordStream("a", 1, WallClock(), Outbox(1_000, 1_000_000), channels)
    stream.begin(NOON)
    return stream


@pytest.mark.parametrize(
    ("channels", "wanted"),
    [
        ("ALL", set(CHANNELS)),
        ("X-TRADE:ALL,X-QUOTE:ALL,R:ALL,MI:ALL,F:ALL", {"X-TRADE", "X-QUOTE", "R", "MI", "F"}),
        ("B:VNM-SSI,MI:VN30", {"B", "MI"}),
        ("B:SSI,MI:VNINDEX,X-TRADE:VNM", {"X-TRADE"}),
        ("x-quote:vnm,mi:vn30", {"X-QUOTE", "MI"}),
        ("R:SSI,R:VNM", {"R"}),
        ("R:SSI,R:ALL,R:FPT", {"R"}),
        ("F:SSI", set()),
    ],
)
def test_a_type_of_a_symbol_is_taken_only_if_that_pair_was_asked_for(
    channels: str, wanted: set[str], an_argument: Arguments
) -> None:
    # All are of VNM, but for the index, VN30.
    stream = a_stream(channels)
    stream.publish([an_argument(name) for name in CHANNELS], NOON)
    assert {name for name, tally in stream.tallies.items() if tally.taken} == wanted
    assert stream.received == len(wanted)
    assert stream.unwanted == dict.fromkeys(set(CHANNELS) - wanted, 1)


def test_an_index_is_known_by_ssis_name_of_it(an_argument: Arguments) -> None:
    stream = a_stream("MI:VN30-HNXUpcomIndex")
    stream.publish([an_argument("MI", IndexId="HNXUpcomIndex"), an_argument("MI", IndexId="HNXIndex")], NOON)
    assert (stream.received, stream.unwanted) == (1, {"MI": 1})
