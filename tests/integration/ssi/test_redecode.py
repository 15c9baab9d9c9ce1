"""What SSI sent, decoded again from ``ssi.wire`` and compared with what was published."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from connectors.ssi.core.market_clock import WallClock
from connectors.ssi.core.outbox import Outbox, Outgoing
from connectors.ssi.core.stream import RecordStream
from connectors.ssi.redecode import redecode
from schemas.calendar import ICT, at
from schemas.kinds import is_from_ssi
from schemas.structs import Frame, TradeRecord
from schemas.topics import RECORD_TOPICS, SSI_TICKS, encode
from schemas.units import TradingDay, UnixMs, UnixUs
from stock_tracker import cli
from stock_tracker.verify.topics import read_topic
from tests.builders import a_reference, changed
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.kafka
DAY = TradingDay(20261123)
SECONDS = 30
BEGIN = UnixMs((time.time_ns() // 1_000_000_000 - 2 * SECONDS) * 1000)
"""When the first message was received: just before it was put on Kafka, which keeps its own time."""
NINE_FIFTEEN = at(DAY, 9, 15)
CHANNELS = "X:ALL,X-QUOTE:ALL,R:ALL,MI:ALL,B:ALL"
Change = Callable[[Outgoing], Outgoing | None]


def record(data_type: str, second: int, **fields: Any) -> str:
    content = {"RType": data_type, "TradingDate": "23/11/2026", "Time": f"09:15:{second:02}", "Symbol": "VNM", "Exchange": "HOSE"}
    return json.dumps({"DataType": data_type, "Content": json.dumps(content | fields)})


def messages() -> Iterator[tuple[UnixUs, bytes]]:
    """A hub message a second: what was traded, foreigners, a bar of an index that is new, and one that cannot be read."""
    prices = dict.fromkeys(("Ceiling", "Floor", "RefPrice", "Open", "High", "Low", "LastPrice", "EstMatchedPrice"), 60_000.0)
    book = {f"{side}{what}{n}": 100.0 for side in ("Bid", "Ask") for what in ("Price", "Vol") for n in range(1, 4)}
    for second in range(SECONDS):
        totals = {"LastVol": 100.0, "TotalVol": 100.0 * (second + 1), "TotalVal": 6e6 * (second + 1)}
        said = [
            record("X", second, **prices, **totals, **book),
            record("R", second, TotalRoom=9.0, CurrentRoom=8.0, BuyVol=float(second), SellVol=0.0, BuyVal=0.0, SellVal=0.0),
            record("B", second, Symbol="ODDTHING", Open=1746.0, High=1746.0, Low=1746.0, Close=1746.0, Volume=1.0),
            record("R", second, CurrentRoom="NaN"),
        ]
        invocations = [{"H": "FcMarketDataV2Hub", "M": "Broadcast", "A": [argument]} for argument in said]
        yield UnixUs((BEGIN + second * 1000) * 1000), json.dumps({"C": "d-1", "M": invocations}).encode()


def published(kafka: str, prefix: str, change: Change = lambda outgoing: outgoing) -> None:
    """Run the messages through a connector's stream, and put what comes out on Kafka, with ``change`` made to it."""
    outbox = Outbox(1_000_000, 1_000_000_000)
    stream = RecordStream("a", 3, WallClock(), outbox, CHANNELS)
    now = UnixUs(BEGIN * 1000)
    stream.begin(now)
    stream.refer([a_reference("ODDTHING", trading_day=DAY)], now)
    for now, message in messages():
        stream.keep(message, now)
        stream.publish([invocation["A"][0] for invocation in json.loads(message)["M"]], now)
        stream.tick(UnixUs(now + 10_000), "up")
    stream.flush()
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2"})
    while (outgoing := outbox.take()) is not None:
        if (sent := change(outgoing)) is not None:
            headers = list(sent.headers)
            producer.produce(f"{prefix}{sent.topic}", sent.value, sent.key, headers=headers)
    assert producer.flush(PATIENCE_S) == 0


def frames(kafka: str, prefix: str) -> list[tuple[str, int, Frame]]:
    return [
        (topic.name, raw.partition, topic.decode(raw.value))
        for topic in RECORD_TOPICS
        for raw in read_topic({"bootstrap.servers": kafka}, topic.named(prefix))
    ]


def records(kafka: str, prefix: str) -> list[tuple[str, int, bytes]]:
    """The records of SSI by partition, in the order in which they stand there."""
    found = [(topic, number, entry) for topic, number, frame in frames(kafka, prefix) for entry in frame.records]
    placed = [(topic, number, encode(entry)) for topic, number, entry in found if is_from_ssi(entry)]
    return sorted(placed, key=lambda place: place[:2])


def test_what_is_decoded_again_is_the_same_and_lies_beside_it(kafka: str, topics: str) -> None:
    published(kafka, topics)
    again = redecode({"bootstrap.servers": kafka}, topics, CHANNELS, BEGIN, UnixMs(BEGIN + SECONDS * 1000), "redecoded.")
    assert again.is_same, again.differences
    # An X, the match in it, a foreign record and a bar in each second.
    assert again.same == 4 * SECONDS
    assert again.rejected == {"bad_field": SECONDS}
    assert records(kafka, f"{topics}redecoded.") == records(kafka, topics)
    side = frames(kafka, f"{topics}redecoded.")
    assert {(frame.feed, frame.epoch) for _, _, frame in side} == {("a", BEGIN)}


def test_a_part_of_it_is_compared_without_the_rest(kafka: str, topics: str) -> None:
    published(kafka, topics)
    again = redecode({"bootstrap.servers": kafka}, topics, CHANNELS, UnixMs(BEGIN + 10_000), UnixMs(BEGIN + 20_000), None)
    assert again.is_same, again.differences
    assert again.same == 40


def test_what_was_published_otherwise_or_not_at_all_is_told(kafka: str, topics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(outgoing: Outgoing) -> Outgoing | None:
        if outgoing.topic != SSI_TICKS.name or outgoing.cut is None:
            return outgoing
        frame = outgoing.cut.frame
        second = frame.recv_us // 1_000_000 - BEGIN // 1000
        if second == 15:
            return None
        if second == 12:
            wrong = [changed(entry, price=1) if isinstance(entry, TradeRecord) else entry for entry in frame.records]
            return outgoing._replace(value=encode(changed(frame, records=wrong)))
        return outgoing

    published(kafka, topics, change)
    monkeypatch.setenv("KAFKA_BOOTSTRAP", kafka)
    monkeypatch.setenv("TOPIC_PREFIX", topics)
    monkeypatch.setenv("SSI_CHANNELS", CHANNELS)
    begin, end = (datetime.fromtimestamp(BEGIN // 1000 + seconds, ICT).replace(tzinfo=None) for seconds in (0, SECONDS))
    command = ["ssi", "redecode", "--from", begin.isoformat(), "--to", end.isoformat(), "--json"]
    ran = CliRunner().invoke(cli.build(), command)
    assert ran.exit_code == 1, ran.output
    said = json.loads(ran.stdout)
    lost = [entry for entry in said["differences"] if entry["record"]["ts_ms"] == NINE_FIFTEEN + 15_000]
    wrong = [entry for entry in said["differences"] if entry["record"]["ts_ms"] == NINE_FIFTEEN + 12_000]
    assert {entry["where"] for entry in lost} == {"again"}
    assert sorted(entry["record"]["kind"] for entry in lost) == ["bar", "snapshot", "trade"]
    assert {entry["where"]: entry["record"]["price"] for entry in wrong} == {"again": 60_000, "published": 1}
    assert (said["only_again"], said["only_published"], said["same"]) == (4, 1, 4 * SECONDS - 4)

    # The topics beside it are made once: their frames must not be mixed with those of another run.
    again = CliRunner().invoke(cli.build(), command)
    assert again.exit_code == 1
    assert "name others with --into" in str(again.exception)
