"""From socket bytes to records and to frames, beside orjson parsing the same JSON: ``python benchmarks/bench_decode.py``.

A hub message is JSON in JSON in JSON: the message, the argument, the content. orjson parses all three into dicts and knows no
more; the connector makes records of them, in their units and checked. Both are given the same bytes in turn, message by message
of eight records each, and compared round by round: machines differ, and a machine differs from minute to minute.

X-TRADE, X-QUOTE, R, MI and F are records of the simulator's market day. X, B and OL are made of them; "futures" are its trades
and quotes of futures, which are in points. "mix" has the share of each type in a market day. Garbage collection is off while the
clock runs, as the services freeze and thin it out.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from random import Random
from typing import Any

import orjson

from connectors.ssi.core.decode import Decoder
from connectors.ssi.core.frames import FrameBuilder
from connectors.ssi.core.hub_client import HubClient, Publish
from connectors.ssi.core.symbols import Symbols
from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.market import generate
from schemas.topics import encode
from schemas.units import MonotonicMs, TradingDay, UnixUs

RECORDS = 4_000
IN_A_MESSAGE = 8
SHARDS = 6
MIX = {"X-TRADE": 18, "X-QUOTE": 70, "R": 10, "MI": 2}
"""Percent of each type in a market day."""


def arguments_by_type() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    futures: list[str] = []
    for record in generate(7, TradingDay(20261123), Random).records:
        argument = wire.broadcast(record.channel, wire.content(record))
        found.setdefault(record.channel, []).append(argument)
        if record.channel in ("X-TRADE", "X-QUOTE") and "DERIVATIVES" in argument:
            futures.append(argument)
    quotes = {content_of(quote)["Symbol"]: content_of(quote) for quote in found["X-QUOTE"]}
    trades = [content_of(trade) for trade in found["X-TRADE"][len(found["X-TRADE"]) // 2 :][:RECORDS]]
    some = {channel: arguments[len(arguments) // 2 :][:RECORDS] for channel, arguments in found.items()}
    some["X"] = [snapshot(trade, quotes[trade["Symbol"]]) for trade in trades]
    some["B"] = [bar(trade) for trade in trades]
    some["OL"] = [odd_lot(trade, quotes[trade["Symbol"]]) for trade in trades if trade["Exchange"] != "DERIVATIVES"]
    some["futures"] = futures[:RECORDS]
    some["mix"] = [argument for channel, percent in MIX.items() for argument in some[channel][: RECORDS * percent // 100]]
    Random(1).shuffle(some["mix"])
    return some


def content_of(argument: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.loads(argument)["Content"])
    return content


def written(data_type: str, content: dict[str, Any]) -> str:
    return wire.broadcast(data_type, json.dumps({"RType": data_type, **content}, separators=(",", ":")))


def taken(content: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: content[name] for name in names}


def snapshot(trade: dict[str, Any], quote: dict[str, Any]) -> str:
    book = [f"{side}{what}{n}" for side in ("Bid", "Ask") for what in ("Price", "Vol") for n in range(1, 11)]
    content = taken(trade, "TradingDate", "Time", "Isin", "Symbol", "Ceiling", "Floor", "RefPrice")
    content |= {"Open": trade["RefPrice"], "High": trade["Highest"], "Low": trade["Lowest"], "Close": trade["LastPrice"]}
    content |= taken(trade, "AvgPrice", "PriorVal", "LastPrice", "LastVol", "TotalVal", "TotalVol")
    content |= taken(quote, *book)
    content |= taken(trade, "MarketId", "Exchange", "TradingSession", "TradingStatus", "Change", "RatioChange", "EstMatchedPrice")
    return written("X", content | {"Side": None, "CloseQtty": 0.0})


def bar(trade: dict[str, Any]) -> str:
    prices = dict.fromkeys(("Open", "High", "Low", "Close"), trade["LastPrice"])
    return written("B", taken(trade, "TradingDate", "Time", "Symbol") | prices | {"Volume": trade["LastVol"], "Value": 0.0})


def odd_lot(trade: dict[str, Any], quote: dict[str, Any]) -> str:
    """As in SSI's guide: whole numbers without a point, but for TotalVal, which has a fraction of a dong."""
    book = [f"{side}{what}{n}" for side in ("Bid", "Ask") for what in ("Price", "Vol") for n in range(1, 4)]
    content = taken(trade, "TradingDate", "Time") | {"StockNo": 1207} | taken(trade, "Symbol", "Ceiling", "Floor", "RefPrice")
    content |= {"Open": trade["RefPrice"], "High": trade["Highest"], "Low": trade["Lowest"]}
    content |= taken(trade, "LastPrice", "LastVol") | {"TotalVal": trade["TotalVal"] - 0.00129, "TotalVol": trade["TotalVol"]}
    content |= taken(quote, *book)
    content |= taken(trade, "Exchange", "TradingSession", "TradingStatus", "Change", "RatioChange") | {"StockType": "Stock"}
    whole = {name: int(value) if isinstance(value, float) and value == int(value) else value for name, value in content.items()}
    return written("OL", whole)


def hub_messages(arguments: list[str]) -> list[bytes]:
    invocations = [{"H": "FcMarketDataV2Hub", "M": "Broadcast", "A": [argument]} for argument in arguments]
    return [
        json.dumps({"C": "d-1", "M": invocations[first : first + IN_A_MESSAGE]}, separators=(",", ":")).encode()
        for first in range(0, len(invocations), IN_A_MESSAGE)
    ]


def parse(messages: list[bytes]) -> int:
    """What orjson does: three layers, nothing else."""
    records = 0
    loads = orjson.loads
    for message in messages:
        for invocation in loads(message)["M"]:
            loads(loads(invocation["A"][0])["Content"])
            records += 1
    return records


class Connector:
    """The parts of a connector that a record passes; they live as long as a type is measured, as they do all day."""

    def __init__(self) -> None:
        symbols = Symbols()
        self._client = HubClient("http://127.0.0.1/", "ALL")
        self._decoder = Decoder(symbols)
        self._builder = FrameBuilder("a", SHARDS, symbols.is_index)

    def decode(self, messages: list[bytes]) -> int:
        """What it does to have records."""
        records = 0
        decode = self._decoder.decode
        for message in messages:
            for action in self._client.receive(message, MonotonicMs(0)):
                if isinstance(action, Publish):
                    for argument in action.arguments:
                        decode(argument)
                        records += 1
        return records

    def frame(self, messages: list[bytes]) -> int:
        """What it does to have frames, as bytes."""
        records = 0
        decode, add = self._decoder.decode, self._builder.add
        for message in messages:
            for action in self._client.receive(message, MonotonicMs(0)):
                if isinstance(action, Publish):
                    for argument in action.arguments:
                        add(decode(argument), UnixUs(0))
                        records += 1
            for cut in self._builder.due(UnixUs(0)):
                encode(cut.frame)
        for cut in self._builder.flush():
            encode(cut.frame)
        return records


def microseconds(work: Callable[[list[bytes]], int], messages: list[bytes]) -> float:
    began = time.process_time()
    records = work(messages)
    return (time.process_time() - began) / records * 1e6


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=25)
    options.add_argument("--types", nargs="*", help="only these")
    chosen = options.parse_args()
    by_type = arguments_by_type()
    gc.collect()
    gc.disable()
    print("µs CPU a record, medians; × orjson is the median of the rounds' ratios (least … most)")
    titles = f"{'orjson':>8} {'records':>8} {'frames':>8}   {'records × orjson':>24} {'frames ×':>9}"
    print(f"{'type':8} {'count':>7} {'bytes':>6} {titles}")
    for name, arguments in by_type.items():
        if chosen.types and name not in chosen.types:
            continue
        messages = hub_messages(arguments)
        connector = Connector()
        works = (parse, connector.decode, connector.frame)
        rounds = [[microseconds(work, messages) for work in works] for _ in range(chosen.rounds + 1)][1:]
        parsed, decoded, framed = (statistics.median(times) for times in zip(*rounds, strict=True))
        ratios = sorted(times[1] / times[0] for times in rounds)
        framed_ratio = statistics.median(times[2] / times[0] for times in rounds)
        size = sum(map(len, messages)) // len(arguments)
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} … {ratios[-1]:.2f})"
        print(
            f"{name:8} {len(arguments):7} {size:6} {parsed:8.2f} {decoded:8.2f} {framed:8.2f}   {spread:>24} {framed_ratio:9.2f}"
        )


if __name__ == "__main__":
    main()
