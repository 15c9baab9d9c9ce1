from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.clickhouse.core import rows
from connectors.clickhouse.core.rows import Block
from schemas import topics
from schemas.position import Position
from schemas.structs import AlertsFrame, QuoteEvent, QuotesFrame
from tests.builders import a_dead_letter, a_quote_event, an_alert, changed

TAKEN_MS = 1_795_140_900_123
POSITION = {"partition": "UInt16", "offset": "UInt64", "idx": "UInt16"}
TYPES = {
    "quotes": {
        **dict.fromkeys(("symbol", "exchange"), "LowCardinality(String)"),
        **dict.fromkeys(("session", "limit"), "LowCardinality(Nullable(String))"),
        **POSITION,
        "day": "Date",
        "ts": "DateTime64(3, 'Asia/Ho_Chi_Minh')",
        **dict.fromkeys(("bid", "ask"), "Int32"),
        **dict.fromkeys(("bid_volume", "ask_volume"), "Int64"),
    },
    "alerts": {
        **dict.fromkeys(
            ("alert_id", "rule", "kind", "severity", "symbol", "direction", "message", "message_vi", "data"), "String"
        ),
        "day": "Date",
        "ts": "DateTime64(3, 'Asia/Ho_Chi_Minh')",
        **POSITION,
    },
}


def a_quote(**overrides: Any) -> QuoteEvent:
    quote = a_quote_event(ts=TAKEN_MS, bid=60_000, bid_volume=100, ask=60_100, ask_volume=200, session=None)
    return changed(quote, **overrides)


def decode(value: bytes | None, offset: int = 0, topic: str = "market.quotes") -> rows.Decoded:
    return rows.decode(Position(topic, 2, offset), TAKEN_MS, value)


def read_quotes(*frames: list[QuoteEvent]) -> list[rows.Decoded]:
    return [decode(topics.encode(QuotesFrame(events=frame)), i) for i, frame in enumerate(frames)]


def lines(block: Block) -> list[dict[str, Any]]:
    return [dict(zip(block.names, row, strict=True)) for row in zip(*block.columns, strict=True)]


def test_an_event_becomes_a_row_with_its_position() -> None:
    (block,), rejects = rows.blocks(read_quotes([a_quote(), a_quote(bid=0)]), TYPES)
    assert (block.table, block.month, rejects) == ("quotes", 202611, [])
    first, second = lines(block)
    assert first == {
        "symbol": "VNM", "exchange": "HOSE", "day": 20_777, "ts": TAKEN_MS, "bid": 60_000, "bid_volume": 100, "ask": 60_100,
        "ask_volume": 200, "session": None, "limit": None, "partition": 2, "offset": 0, "idx": 0,
    }  # fmt: skip
    assert (second["bid"], second["idx"]) == (0, 1)


def test_each_month_is_a_block_of_its_own_in_order() -> None:
    messages = read_quotes([a_quote(day=20261201), a_quote()], [a_quote(day=20261130)])
    made, _ = rows.blocks(messages, TYPES)
    assert [(block.month, block.rows) for block in made] == [(202611, 2), (202612, 1)]


@pytest.mark.parametrize("value", [None, b"", b"{", b'{"schema":1,"events":[{}]}', b"\xff\xfe"])
def test_a_message_that_does_not_decode_is_a_dead_letter(value: bytes | None) -> None:
    message = decode(value, 7)
    (block,), rejects = rows.blocks([message], TYPES)
    (letter,) = lines(block)
    assert (block.table, len(rejects), message.rows) == ("dlq", 1, 1)
    assert (letter["source"], letter["reason"], letter["topic"], letter["offset"]) == (
        "archive",
        "bad_message",
        "market.quotes",
        7,
    )


@pytest.mark.parametrize(
    "wrong", [{"bid": 2**31}, {"ask": -(2**31) - 1}, {"day": 20261131}, {"day": 0}, {"ts_ms": -1}, {"ts_ms": 10**15}]
)
def test_a_row_that_does_not_fit_goes_to_the_dead_letters_and_the_rest_goes_on(wrong: dict[str, int]) -> None:
    (quotes, letters), rejects = rows.blocks(read_quotes([a_quote(), a_quote(**wrong), a_quote(bid=1)]), TYPES)
    assert [line["idx"] for line in lines(quotes)] == [0, 2]
    (letter,) = lines(letters)
    assert (letter["reason"], letter["idx"], len(rejects)) == ("bad_value", 1, 1)
    assert next(iter(wrong)) in letter["detail"]
    assert "VNM" in letter["payload"]


def test_a_dead_letter_keeps_where_it_was_found_and_where_it_was_read() -> None:
    letter = a_dead_letter("prices", partition=1, offset=2, idx=3, payload="<b>")
    (block,), rejects = rows.blocks([decode(topics.encode(letter), 9, "ssi.dlq")], TYPES)
    (line,) = lines(block)
    assert rejects == []
    assert (line["found_topic"], line["found_partition"], line["found_offset"], line["found_idx"]) == ("ssi.ticks", 1, 2, 3)
    assert (line["topic"], line["partition"], line["offset"], line["idx"]) == ("ssi.dlq", 2, 9, 0)
    assert (line["source"], line["payload"], line["ts"]) == ("prices", "<b>", TAKEN_MS)


def test_an_alerts_figures_are_json() -> None:
    alert = an_alert(data={"volume": 5, "ratio": 1.5, "side": "buy"})
    (block,), _ = rows.blocks([decode(topics.encode(AlertsFrame(events=[alert])), 0, "market.alerts")], TYPES)
    assert lines(block)[0]["data"] == '{"volume":5,"ratio":1.5,"side":"buy"}'


quotes = st.builds(
    a_quote,
    day=st.sampled_from([20261120, 20261130, 20261201, 20270101, 20261131]),
    bid=st.integers(-(2**33), 2**33),
    ts_ms=st.integers(-1, 2**45),
)


@given(st.lists(st.lists(quotes, max_size=5), min_size=1, max_size=6))
def test_every_event_is_in_one_block_and_the_same_messages_make_the_same_blocks(frames: list[list[QuoteEvent]]) -> None:
    messages = read_quotes(*frames)
    made, rejects = rows.blocks(messages, TYPES)
    assert (made, rejects) == rows.blocks(messages, TYPES)
    placed = sorted((line["offset"], line["idx"]) for block in made for line in lines(block))
    assert placed == sorted((offset, idx) for offset, frame in enumerate(frames) for idx in range(len(frame)))
    assert sum(block.rows for block in made if block.table == "dlq") == len(rejects)
