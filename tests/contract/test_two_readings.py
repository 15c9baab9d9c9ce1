"""The simulator writes SSI's protocol, the connector reads it, neither imports the other: they must mean the same."""

import ast
import json
from collections import Counter
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import connectors.ssi
from connectors.ssi.core.decode import decode
from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.blocks import blocks_of, symbols_of
from connectors.ssi.simulator.core.feed import DayFeed
from connectors.ssi.simulator.core.market import MarketSize, generate
from connectors.ssi.simulator.core.places import KINDS, X_PLACE, channel_of
from connectors.ssi.simulator.core.records import Foreign, IndexValue, OddLot, Quote, SimulatedRecord, Status, Trade
from connectors.ssi.simulator.core.released import Released
from connectors.ssi.simulator.core.universe import FEWEST_SYMBOLS
from schemas.calendar import at
from schemas.structs import BarRecord, SnapshotRecord
from schemas.units import TradingDay

SIDES = {"BU": "buy", "SD": "sell", None: None}
EVERY = 5


def meaning(record: SimulatedRecord) -> dict[str, Any]:
    """What the connector has to find in a record."""
    found: dict[str, Any] = {"symbol": record.listing.symbol, "ts_ms": record.ts_ms, "exchange": record.listing.exchange}
    match record:
        case Trade(listing=listing):
            found |= {"reference": listing.reference, "ceiling": listing.ceiling, "floor": listing.floor}
            found |= {"price": record.price, "volume": record.volume, "side": SIDES[record.side], "session": record.session}
            found |= {"total_volume": record.total_volume, "total_value": record.total_value}
            found |= {"high": record.high, "low": record.low, "expected": record.expected}
        case Quote():
            found |= {"bids": list(chain.from_iterable(zip(record.bid_prices, record.bid_volumes, strict=True)))}
            found |= {"asks": list(chain.from_iterable(zip(record.ask_prices, record.ask_volumes, strict=True)))}
            found |= {"session": record.session}
        case Foreign():
            found |= {"bought": record.bought, "sold": record.sold, "current_room": record.room}
            found |= {"bought_value": record.bought_value, "sold_value": record.sold_value}
            found |= {"total_room": record.listing.total_room}
        case IndexValue():
            found |= {"value": record.value, "prior_value": record.prior, "volume": record.volume}
            found |= {"traded_value": record.traded_value, "put_through_value": record.put_through_value}
            found |= {"advances": record.advances, "no_changes": record.no_changes, "declines": record.declines}
            found |= {"ceilings": record.ceilings, "floors": record.floors}
        case Status():
            found |= {"session": record.session}
        case OddLot():
            found |= {"price": record.price, "volume": record.volume, "session": record.session}
            found |= {"total_volume": record.total_volume, "total_value": record.total_value}
            found |= {"bids": list(chain.from_iterable(zip(record.bid_prices, record.bid_volumes, strict=True)))}
            found |= {"asks": list(chain.from_iterable(zip(record.ask_prices, record.ask_volumes, strict=True)))}
    return found


def test_the_connector_reads_what_the_simulator_meant() -> None:
    market = generate(7, TradingDay(20261123), Random, MarketSize.of(0.02, FEWEST_SYMBOLS, "index"))
    records = market.records[::EVERY]
    assert {type(record) for record in records} == {Trade, Quote, Foreign, IndexValue, Status, OddLot}
    for record in records:
        read = decode(json.loads(wire.encode(record))["A"][0])
        meant = meaning(record)
        assert {name: getattr(read, name) for name in meant} == meant


def test_the_connector_reads_the_channels_that_repeat_what_others_say() -> None:
    market = generate(7, TradingDay(20261123), Random, MarketSize.of(0.01, FEWEST_SYMBOLS, "own"))
    feed = DayFeed(symbols_of(market), Released(at(market.day, 0)))
    wanted = [feed.wanted(frozenset({"X", "B"}), None)]
    trades: dict[str, Trade] = {}
    seen: Counter[str] = Counter()
    for block in blocks_of(market):
        for key, place, text in feed.speak(block, 0, len(block), wanted):
            record, channel = market.records[place % X_PLACE], channel_of(key % KINDS)
            if isinstance(record, Trade) and not record.is_deal:
                trades[record.listing.symbol] = record
            if channel not in ("X", "B") or place % EVERY:
                continue
            seen[channel] += 1
            read = decode(json.loads(text)["A"][0])
            assert read.symbol == record.listing.symbol
            if isinstance(read, SnapshotRecord):
                trade = trades[read.symbol]
                assert (read.price, read.volume, read.total_volume) == (trade.price, trade.volume, trade.total_volume)
                assert (read.total_value, read.high, read.low) == (trade.total_value, trade.high, trade.low)
                assert read.ts_ms == record.ts_ms
                if isinstance(record, Quote):
                    assert read.bids == meaning(record)["bids"]
                    assert read.asks == meaning(record)["asks"]
            else:
                assert isinstance(read, BarRecord)
                price = record.value if isinstance(record, IndexValue) else trades[read.symbol].price
                assert read.open == read.high == read.low == read.close == price
    assert min(seen["X"], seen["B"]) > 500


def test_the_two_readings_are_independent() -> None:
    package = Path(connectors.ssi.__file__).parent
    for path in package.rglob("*.py"):
        modules = [
            node.module or ""
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
        ]
        ours = [module for module in modules if module.startswith("connectors.ssi")]
        is_simulator = (package / "simulator") in path.parents
        assert all(module.startswith("connectors.ssi.simulator") is is_simulator for module in ours), path
