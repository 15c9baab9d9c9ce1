"""Fixtures of the pytest plugin that need a broker: a day is replayed, stored and shown."""

import pytest

from stock_tracker.errors import UnusableFixture
from stock_tracker.testing.archive import Archive
from stock_tracker.testing.gateway_client import GatewayClient
from stock_tracker.testing.replay import Replay
from tests.make_days import DAYS

pytestmark = pytest.mark.kafka


@pytest.mark.clickhouse
def test_a_replayed_day_is_published_stored_and_shown(replay: Replay, archive: Archive, gateway_client: GatewayClient) -> None:
    # The gateway has been there before the day was, and follows it.
    index = gateway_client.subscribe("index")
    assert index.rows == {}
    # Those alone of which something is looked at: each pipeline takes seconds of a processor to begin.
    replayed = replay(DAYS / "quiet.jsonl.zst", pipelines=("prices", "indices"))
    assert replayed.messages > 1_000
    archive.store()

    events = replay.published("market.indices")
    values = {event.symbol: event.value for event in events}
    assert len(values) > 1
    assert archive.query("SELECT count() AS events FROM indices") == [{"events": len(events)}]
    assert {row["symbol"]: row["value"] for row in gateway_client.snapshot("index")} == values
    index.until(lambda seen: {symbol: row["value"] for symbol, row in seen.rows.items()} == values)
    board = gateway_client.subscribe("px")
    assert {"HOSE", "HNX", "DER"} == {row["exchange"] for row in board.rows.values()}


@pytest.mark.shards(2)
def test_a_day_of_other_shards_is_refused_with_the_marker_that_helps(replay: Replay) -> None:
    with pytest.raises(UnusableFixture, match=r"has 3 shards, the topics have 2: mark the test with @pytest.mark.shards\(3\)"):
        replay(DAYS / "quiet.jsonl.zst")
