from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.catalogue import named
from pipelines.core.alert_shard import fold_basis, fold_candles, fold_foreign, fold_quotes, fold_trades
from pipelines.core.alerts import alert_id
from pipelines.core.frames import Folded, Shard
from pipelines.core.rules import load_rules
from pipelines.errors import UnusableRules
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.calendar import at
from schemas.position import Position
from schemas.structs import (
    AlertEvent,
    BasisEvent,
    BasisFrame,
    CandleEvent,
    CandlesFrame,
    LedgerEntry,
    LedgerFrame,
    QuoteEvent,
    QuotesFrame,
    TradeEvent,
    TradesFrame,
)
from schemas.topics import MARKET_ALERTS, MARKET_BASIS, MARKET_CANDLES, MARKET_FOREIGN, MARKET_QUOTES, MARKET_TRADES
from schemas.units import Exchange, Side, TradingDay
from tests.builders import DAY, a_basis_event, a_candle_event, a_ledger_entry, a_quote_event, a_trade_event, offers

OPEN_MS = at(DAY, 9, 15)
POSITION, SHARD = Position("market.trades", 0, 0), Shard("alerts", 0, 3, "s0")
RULES = load_rules("""
[[rule]]
name = "limit"
kind = "price_limit"
severity = "critical"
limits = ["ceiling", "floor"]
release_pct = 0.5

[[rule]]
name = "gap"
kind = "feed_gap"
severity = "critical"

[[rule]]
name = "large"
kind = "large_print"
severity = "info"
min_value_vnd = 1_000_000_000
cooldown_s = 60
""")
OFFERS = offers(MARKET_TRADES, rules=RULES.trades)


def a_print(symbol: str, total: int, price: int = 30_250, second: int = 0, **changes: Any) -> TradeEvent:
    limit = "ceiling" if price == 30_250 else None
    fields = {"ts": OPEN_MS + second * 1000, "total": total, "price": price, "limit": limit}
    return a_trade_event(symbol, **(fields | changes))


def alerts_of(folded: Folded) -> list[AlertEvent]:
    return [alert for output in folded.outputs for alert in MARKET_ALERTS.decode(output.value).events]


def test_alerts_go_out_under_the_key_of_the_shard_that_made_them() -> None:
    folded = fold_trades(
        TradesFrame(events=[a_print("VNM", 100), a_print("HPG", 100)]),
        POSITION,
        SHARD,
        {},
        offers=OFFERS,
    )
    (output,) = folded.outputs
    assert (output.topic, output.key) == (MARKET_ALERTS, "s0")
    assert [alert.symbol for alert in alerts_of(folded)] == ["VNM", "HPG"]
    assert folded.counts == {"price_limit": 2}


def test_what_finds_nothing_publishes_nothing() -> None:
    assert (
        fold_trades(
            TradesFrame(events=[a_print("VNM", 100, 28_000)]),
            POSITION,
            SHARD,
            {},
            offers=OFFERS,
        ).outputs
        == []
    )


def test_state_carries_the_latch_of_each_symbol_from_frame_to_frame() -> None:
    state: dict[bytes, bytes] = {}
    frames = [TradesFrame(events=[a_print(symbol, total, second=total)]) for total in (100, 200) for symbol in ("VNM", "HPG")]
    assert [
        alert.symbol for frame in frames for alert in alerts_of(fold_trades(frame, POSITION, SHARD, state, offers=OFFERS))
    ] == [
        "VNM",
        "HPG",
    ]


def test_a_loss_is_told_once_a_shard_over_frames() -> None:
    state: dict[bytes, bytes] = {}
    frames = [TradesFrame(events=[a_print(symbol, 100, kind="gap", epoch=5)]) for symbol in ("VNM", "HPG")]
    assert [len(fold_trades(frame, POSITION, SHARD, state, offers=OFFERS).outputs) for frame in frames] == [1, 0]


def test_ids_are_the_same_everywhere_and_different_for_different_things() -> None:
    assert alert_id("limit", "VNM", DAY, "up:0:0-100") == "40d552c049c095ed"
    variations = [("limit", "VNM", DAY, "a"), ("limit", "VNM", DAY, "b"), ("limit", "HPG", DAY, "a"), ("other", "VNM", DAY, "a")]
    assert len({alert_id(*variation) for variation in variations}) == len(variations)


def test_foreign_and_basis_events_are_folded_by_their_own_rules() -> None:
    rules = load_rules(
        '[[rule]]\nname = "doubt"\nkind = "ambiguous_correction"\nseverity = "critical"\n'
        '[[rule]]\nname = "band"\nkind = "basis_band"\nseverity = "info"\ncontracts = "all"\nenter_pct = 1.0\nleave_pct = 0.5'
    )
    entry = a_ledger_entry(kind="correction", counter_from=100, volume=-30, ambiguous=True)
    event = a_basis_event(price=204_000)
    doubts = offers(MARKET_FOREIGN, rules=rules.foreign)
    foreign = alerts_of(fold_foreign(LedgerFrame(events=[entry]), POSITION, SHARD, {}, offers=doubts))
    basis = alerts_of(fold_basis(BasisFrame(events=[event]), POSITION, SHARD, {}, offers=offers(MARKET_BASIS, rules=rules.basis)))
    assert [alert.kind for alert in (*foreign, *basis)] == ["ambiguous_correction", "basis_band"]


def test_each_event_topic_has_a_topology_of_its_own(tmp_path: Path) -> None:
    alerts = named("alerts")
    assert [source.name for source in alerts.sources] == [
        "market.trades",
        "market.quotes",
        "market.candles",
        "market.foreign",
        "market.basis",
    ]
    assert all(source.cleanup == "delete" for source in alerts.sources)
    assert len(alerts.make_folds(Parameters(PipelineSettings(kafka={}, home=tmp_path)))) == 5
    assert alerts.commit_interval_s == 0.1


def test_a_rule_file_of_ones_own_replaces_ours(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[[rule]]\nname = "gap"\nkind = "feed_gap"\nseverity = "info"')
    assert len(Parameters(PipelineSettings(kafka={}, home=tmp_path, alert_rules=own)).rules) == 1


@pytest.mark.parametrize("text", [None, "[[rule]]", b"\xff\xfe"])
def test_an_unusable_rule_file_is_named_with_the_remedy(tmp_path: Path, text: str | bytes | None) -> None:
    own = tmp_path / "own.toml"
    if text is not None:
        own.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(UnusableRules) as refused:
        named("alerts").make_folds(Parameters(PipelineSettings(kafka={}, home=tmp_path, alert_rules=own)))
    assert str(own) in str(refused.value)
    assert "unset PIPELINE_ALERT_RULES" in str(refused.value)


def changed_rules(topic: Any, *rules: str) -> Any:
    """What is offered by an operator who does not wait for the next day."""
    return offers(topic, rules=list(load_rules("".join(rules))), forced=True)


@pytest.mark.parametrize(
    ("fold", "topic", "frames", "kind", "before", "after"),
    [
        (
            fold_trades,
            MARKET_TRADES,
            [TradesFrame(events=[a_print("VNM", total, second=total)]) for total in (100, 200)],
            'kind = "price_limit"\nlimits = ["ceiling"]\n',
            "release_pct = 0.5",
            "release_pct = 0.1",
        ),
        (
            fold_quotes,
            MARKET_QUOTES,
            [
                QuotesFrame(events=[a_quote_event("VNM", ts, bid=64_200, bid_volume=1_000, ask_volume=0, limit="ceiling")])
                for ts in ("10:00:00", "10:00:01")
            ],
            'kind = "limit_lock"\nlimits = ["ceiling"]\nrelease_queue_vnd = 1\nrelease_pct = 1.0\n',
            "min_queue_vnd = 60_000_000",
            "min_queue_vnd = 6_000_000",
        ),
        (
            fold_candles,
            MARKET_CANDLES,
            [CandlesFrame(events=[a_candle_event("VNM", revision=n, open=64_000, opens=True)]) for n in (0, 1)],
            'kind = "open_gap"\n',
            "min_pct = 5.0",
            "min_pct = 1.0",
        ),
    ],
    ids=["price_limit", "limit_lock", "open_gap"],
)
def test_rules_that_are_changed_in_the_middle_of_a_day_say_nothing_again(
    fold: Any, topic: Any, frames: list[Any], kind: str, before: str, after: str
) -> None:
    head = '[[rule]]\nname = "one"\nseverity = "info"\n'
    state: dict[bytes, bytes] = {}
    first, second = frames
    assert len(alerts_of(fold(first, POSITION, SHARD, state, offers=changed_rules(topic, head, kind, before)))) == 1
    assert alerts_of(fold(second, POSITION, SHARD, state, offers=changed_rules(topic, head, kind, after))) == []


TAPES = st.lists(
    st.tuples(st.sampled_from(["VNM", "HPG", "SSI"]), st.sampled_from([30_250, 30_000, 28_000]), st.integers(0, 100)),
    max_size=40,
)


@given(TAPES, st.data())
def test_any_cut_into_frames_and_any_restart_give_the_same_alerts(steps: list[Any], data: st.DataObject) -> None:
    events, totals, second = [], dict.fromkeys(("VNM", "HPG", "SSI"), 0), 0
    for symbol, price, pause in steps:
        totals[symbol] += 100
        second += pause
        value = 2_000_000_000 if pause % 2 else 1_000
        events.append(a_print(symbol, totals[symbol], price, second, value=value))
    whole = alerts_of(fold_trades(TradesFrame(events=events), POSITION, SHARD, {}, offers=OFFERS))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=5)))
    state: dict[bytes, bytes] = {}
    pieces = [events[start:end] for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True)]
    alerts = [
        alert
        for piece in pieces
        for alert in alerts_of(fold_trades(TradesFrame(events=piece), POSITION, SHARD, state, offers=OFFERS))
    ]
    assert alerts == whole
    assert len({alert.alert_id for alert in alerts}) == len(alerts)


BIG = 1 << 53
NUMBERS = st.integers(-BIG, BIG)
TIMES = st.integers(OPEN_MS - 90_000_000, OPEN_MS + 90_000_000)
DAYS = st.sampled_from([TradingDay(20261119), DAY, TradingDay(20261123)])
SYMBOLS = st.sampled_from(["VNM", "41I1GC000"])
EXCHANGES = st.sampled_from(list(Exchange))
DEFAULT_RULES = Parameters(PipelineSettings(kafka={})).rules
ANY_TRADE = st.builds(
    TradeEvent, kind=st.sampled_from(["print", "print", "gap", "fill", "correction", "reset"]), symbol=SYMBOLS,
    exchange=EXCHANGES, day=DAYS, ts_ms=TIMES, since_ms=st.none() | TIMES, generation=st.integers(0, 2), start=NUMBERS,
    total_volume=NUMBERS, volume=NUMBERS, value=NUMBERS, price=st.none() | NUMBERS, last_volume=st.none(),
    side=st.none() | st.sampled_from(list(Side)), side_source=st.none(),
    phase=st.none() | st.sampled_from(["ato", "continuous", "put_through"]),
    limit=st.none() | st.sampled_from(["ceiling", "floor"]),
    late=st.booleans(), clipped=st.booleans(), anchored=st.booleans(), cause=st.none() | st.sampled_from(["lost", "unseen"]),
    epoch=st.none() | NUMBERS,
)  # fmt: skip
ANY_ENTRY = st.builds(
    LedgerEntry, kind=st.sampled_from(["delta", "catch_up", "correction", "reset", "revaluation", "room"]), symbol=SYMBOLS,
    exchange=EXCHANGES, day=DAYS,
    ts_ms=TIMES, since_ms=TIMES, side=st.sampled_from([Side.BUY, Side.SELL]), generation=st.integers(0, 2), counter_from=NUMBERS,
    counter=NUMBERS, volume=NUMBERS, value=NUMBERS, room=NUMBERS, ambiguous=st.booleans(),
)  # fmt: skip
ANY_BASIS = st.builds(
    BasisEvent, symbol=SYMBOLS, underlying=st.just("VN30"), month=st.sampled_from([202612, 202701]), day=DAYS, ts_ms=TIMES,
    price=NUMBERS, index_value=NUMBERS, basis=NUMBERS, basis_pct=st.floats(-1e6, 1e6), days_to_expiry=st.integers(0, 400),
    stale=st.booleans(),
)  # fmt: skip
ANY_QUOTE = st.builds(
    QuoteEvent, symbol=SYMBOLS, exchange=EXCHANGES, day=DAYS, ts_ms=TIMES, bid=NUMBERS, bid_volume=NUMBERS, ask=NUMBERS,
    ask_volume=NUMBERS, session=st.none(), limit=st.none() | st.sampled_from(["ceiling", "floor"]),
)  # fmt: skip
ANY_CANDLE = st.builds(
    CandleEvent, symbol=SYMBOLS, exchange=EXCHANGES, day=DAYS, minute_ms=TIMES, ts_ms=TIMES, revision=st.integers(0, 3),
    reference=NUMBERS, opens=st.booleans(), open=NUMBERS, high=NUMBERS, low=NUMBERS, close=NUMBERS, volume=NUMBERS,
    value=NUMBERS, active_buy=NUMBERS, active_sell=NUMBERS, prints=st.integers(0, 1_000), usual_volume=st.none() | NUMBERS,
    usual_days=st.none() | st.integers(0, 20),
)  # fmt: skip


@given(
    st.lists(ANY_TRADE, max_size=30),
    st.lists(ANY_QUOTE, max_size=30),
    st.lists(ANY_CANDLE, max_size=30),
    st.lists(ANY_ENTRY, max_size=30),
    st.lists(ANY_BASIS, max_size=30),
)
def test_no_event_however_odd_stops_the_folds(
    trades: list[TradeEvent],
    quotes: list[QuoteEvent],
    candles: list[CandleEvent],
    entries: list[LedgerEntry],
    bases: list[BasisEvent],
) -> None:
    folds: list[tuple[Any, Any, Any, list[Any]]] = [
        (fold_trades, offers(MARKET_TRADES, rules=DEFAULT_RULES.trades), TradesFrame, trades),
        (fold_quotes, offers(MARKET_QUOTES, rules=DEFAULT_RULES.quotes), QuotesFrame, quotes),
        (fold_candles, offers(MARKET_CANDLES, rules=DEFAULT_RULES.candles), CandlesFrame, candles),
        (fold_foreign, offers(MARKET_FOREIGN, rules=DEFAULT_RULES.foreign), LedgerFrame, entries),
        (fold_basis, offers(MARKET_BASIS, rules=DEFAULT_RULES.basis), BasisFrame, bases),
    ]
    for fold, offered, frame, events in folds:
        state: dict[bytes, bytes] = {}
        for event in events:
            alerts = alerts_of(fold(frame(events=[event]), POSITION, SHARD, state, offers=offered))
            assert all(alert.symbol == event.symbol and alert.message and alert.message_vi for alert in alerts)
