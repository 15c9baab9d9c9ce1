import pytest

from connectors.ssi.simulator.truth import ConnectionStatus, Ending
from schemas.structs import FeedStatus
from schemas.units import SessionPhase
from stock_tracker.drain import not_received


def a_connection(records: int, *, malformed: int = 0, ended: Ending | None = None) -> ConnectionStatus:
    return ConnectionStatus(
        id=1, connection_id="x", opened_ms=1, subscribed_ms=1, channels="ALL", closed_ms=ended and 2, ended=ended, sent={},
        records=records, skipped=0, malformed=malformed,
    )  # fmt: skip


def a_status(received: int, state: str = "up") -> FeedStatus:
    return FeedStatus(
        feed="a", epoch=1, state=state, reason="no reply in time", ts_us=1, market_ms=1, trading_day=20261123,  # type: ignore[arg-type]
        phase=SessionPhase.CONTINUOUS, received=received, dead_letters=0, dropped=0, connects=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("connections", "received"),
    [
        ([a_connection(100)], 100),
        ([a_connection(70, ended="reset"), a_connection(100)], 100),
        ([a_connection(100, malformed=2)], 102),
    ],
)
def test_what_was_put_on_the_open_connection_is_received_when_the_connector_says_so(
    connections: list[ConnectionStatus], received: int
) -> None:
    assert not_received(connections, a_status(received)) == ""
    assert not_received(connections, a_status(received - 1)) == (
        f"the connector has received {received - 1} of the {received} records on its connection"
    )


@pytest.mark.parametrize("state", ["connecting", "down"])
def test_nothing_is_over_while_the_connector_looks_for_a_connection(state: str) -> None:
    said = not_received([a_connection(70, ended="reset")], a_status(0, state))
    assert said == "the connector has no connection: no reply in time"
