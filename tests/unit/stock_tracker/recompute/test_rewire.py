"""Frames with the records of a mended decoder in the places of those that were decoded wrong."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.fixtures.core.layout import FixtureMessage
from connectors.fixtures.core.parts import frame_of
from connectors.ssi.core.decode import Decoder
from connectors.ssi.core.errors import InvalidRecord, Reason
from connectors.ssi.core.market_clock import WallClock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.redecode import Redecoder, WireMessage
from connectors.ssi.core.stream import RecordStream
from schemas.calendar import at
from schemas.kinds import is_from_ssi
from schemas.shards import shard_keys, shard_of
from schemas.structs import Frame, TradeRecord
from schemas.topics import RECORD_TOPICS, SSI_WIRE
from schemas.units import TradingDay, UnixMs, UnixUs
from stock_tracker.recompute.core.rewire import rewired
from tests.builders import a_reference, changed

DAY = TradingDay(20261123)
BEGIN_MS = at(DAY, 9, 16)
SHARDS = 3
CHANNELS = "X-TRADE:ALL"
NAMES = {topic.name for topic in RECORD_TOPICS}


def argument(symbol: str, second: int, price: int) -> str:
    prices = dict.fromkeys(("Ceiling", "Floor", "RefPrice", "Highest", "Lowest", "LastPrice", "AvgPrice"), float(price))
    content = {
        "RType": "X-TRADE", "TradingDate": "23/11/2026", "Time": f"09:16:{second:02}", "Symbol": symbol, "Exchange": "HOSE",
        "LastVol": 100.0, "TotalVol": 100.0 * (second + 1), "TotalVal": 1e6 * (second + 1), "MarketId": "HOSE",
        "TradingSession": "LO",
    }  # fmt: skip
    return json.dumps({"DataType": "X-TRADE", "Content": json.dumps(content | prices)})


def published() -> tuple[list[FixtureMessage], list[WireMessage]]:
    """What a connector makes of twenty seconds of two stocks: its frames, and the hub's messages."""
    outbox = Outbox(1_000_000, 1_000_000_000)
    stream = RecordStream("a", SHARDS, WallClock(), outbox, CHANNELS)
    stream.begin(UnixUs(BEGIN_MS * 1_000))
    stream.refer([a_reference(symbol, trading_day=DAY) for symbol in ("VNM", "HPG")], UnixUs(BEGIN_MS * 1_000))
    for second in range(20):
        now = UnixUs((BEGIN_MS + second * 1_000) * 1_000)
        said = [argument(symbol, second, 60_000 + second * 10) for symbol in ("VNM", "HPG")]
        invocations = [{"H": "FcMarketDataV2Hub", "M": "Broadcast", "A": [one]} for one in said]
        stream.keep(json.dumps({"C": "d-1", "M": invocations}).encode(), now)
        stream.publish(said, now)
        stream.tick(UnixUs(now + 10_000), "up")
    stream.flush()
    messages, wire = [], []
    while (sent := outbox.take()) is not None:
        if sent.topic == SSI_WIRE.name:
            wire.append(WireMessage.of(dict(sent.headers), sent.value))
        elif sent.topic in NAMES:
            assert sent.cut is not None
            partition = sent.cut.partition.number
            message = FixtureMessage(sent.topic, partition, 0, UnixMs(BEGIN_MS), (sent.key or "").encode(), sent.value, ())
            messages.append(message)
    return messages, wire


def again(messages: list[FixtureMessage], wire: list[WireMessage]) -> list[FixtureMessage]:
    return list(rewired(messages, wire, Redecoder(CHANNELS), SHARDS, shard_keys(SHARDS).__getitem__))


def frames(messages: list[FixtureMessage]) -> Iterator[tuple[str, int, Frame]]:
    for message in messages:
        frame = frame_of(message)
        assert frame is not None
        yield message.topic, message.partition, frame


def trades(messages: list[FixtureMessage], symbol: str) -> list[TradeRecord]:
    return [
        one for *_, frame in frames(messages) for one in frame.records if isinstance(one, TradeRecord) and one.symbol == symbol
    ]


def test_what_was_decoded_right_is_the_same_frame_by_frame() -> None:
    messages, wire = published()
    assert list(frames(again(messages, wire))) == list(frames(messages))


def test_what_was_decoded_wrong_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    right, wire = published()
    decode = Decoder.decode

    def wrong(decoder: Decoder, said: str | bytes) -> Any:
        found = decode(decoder, said)
        return changed(found, price=6) if isinstance(found, TradeRecord) and found.symbol == "VNM" else found

    with monkeypatch.context() as planted:
        planted.setattr(Decoder, "decode", wrong)
        messages, _ = published()
    assert {record.price for record in trades(messages, "VNM")} == {6}
    assert list(frames(again(messages, wire))) == list(frames(right))


def test_what_was_not_decoded_at_all_comes_when_it_was_received_and_no_frame_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    right, wire = published()
    decode = Decoder.decode

    def refusing(decoder: Decoder, said: str | bytes) -> Any:
        found = decode(decoder, said)
        if isinstance(found, TradeRecord) and found.symbol == "VNM" and found.total_volume > 500:
            raise InvalidRecord(Reason.BAD_FIELD, "planted")
        return found

    with monkeypatch.context() as planted:
        planted.setattr(Decoder, "decode", refusing)
        messages, _ = published()
    assert len(trades(messages, "VNM")) == 5
    mended = again(messages, wire)
    assert trades(mended, "VNM") == trades(right, "VNM")
    assert trades(mended, "HPG") == trades(right, "HPG")
    for place in {(topic, partition) for topic, partition, _ in frames(mended)}:
        seqs = [frame.seq for topic, partition, frame in frames(mended) if (topic, partition) == place]
        assert seqs == list(range(len(seqs)))
    keys = shard_keys(SHARDS)
    assert all(message.key == keys[message.partition].encode() for message in mended)
    vnm = shard_of("VNM", SHARDS)
    received = [frame.recv_us for topic, partition, frame in frames(mended) if (topic, partition) == ("ssi.ticks", vnm)]
    assert received == sorted(received)
    assert not any(is_from_ssi(one) for *_, frame in frames(mended) for one in frame.records if not isinstance(one, TradeRecord))
