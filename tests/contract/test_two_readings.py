"""The simulator writes SSI's protocol, the connector reads it, neither imports the other: they must mean the same."""

import ast
import json
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import connectors.ssi
from connectors.ssi.core.decode import decode
from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.market import generate
from connectors.ssi.simulator.core.records import Foreign, IndexValue, Quote, SimulatedRecord, Status, Trade
from schemas.units import TradingDay

SIDES = {"BU": "buy", "SD": "sell", None: None}
EVERY = 3


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
    return found


def test_the_connector_reads_what_the_simulator_meant() -> None:
    for record in generate(7, TradingDay(20261123), Random).records[::EVERY]:
        read = decode(json.loads(wire.encode(record))["A"][0])
        meant = meaning(record)
        assert {name: getattr(read, name) for name in meant} == meant


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
