"""CPU time from a Broadcast argument to a typed record, by data type: ``python benchmarks/bench_decode.py``.

Records of the simulator's market day where it plays the type (X-TRADE, X-QUOTE, R, MI, F), made up from them where it does not
(X). "message" adds the hub message around them, eight invocations each: the whole way from socket bytes. Garbage collection
is off while the clock runs, as the services freeze and thin it out; each figure is one pass over all records.
"""

import gc
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from random import Random

from connectors.ssi.core.decode import decode
from connectors.ssi.core.hub_client import HubClient, Publish
from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.market import generate
from schemas.units import TradingDay, UnixMs

ROUNDS = 15
RECORDS = 4_000
MIX = {"X-TRADE": 18, "X-QUOTE": 70, "R": 10, "MI": 2}
"""Percent of each type in a market day."""


def arguments_by_type() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for record in generate(7, TradingDay(20261123), Random).records:
        found.setdefault(record.channel, []).append(wire.broadcast(record.channel, wire.content(record)))
    some = {channel: arguments[len(arguments) // 2 :][:RECORDS] for channel, arguments in found.items()}
    quotes = {symbol_in(quote): quote for quote in found["X-QUOTE"]}
    some["X"] = [snapshot(trade, quotes[symbol_in(trade)]) for trade in some["X-TRADE"]]
    mixed = [argument for channel, percent in MIX.items() for argument in some[channel][: RECORDS * percent // 100]]
    some["mix"] = mixed
    return some


def symbol_in(argument: str) -> str:
    return str(json.loads(json.loads(argument)["Content"])["Symbol"])


def snapshot(trade: str, quote: str) -> str:
    content = {**json.loads(json.loads(quote)["Content"]), **json.loads(json.loads(trade)["Content"])}
    content |= {"RType": "X", "Open": content["RefPrice"], "High": content.pop("Highest"), "Low": content.pop("Lowest")}
    content |= {"Close": content["LastPrice"], "Side": None, "CloseQtty": 0.0}
    return json.dumps({"DataType": "X", "Content": json.dumps(content, separators=(",", ":"))}, separators=(",", ":"))


def hub_messages(arguments: list[str]) -> list[bytes]:
    invocations = [{"H": "FcMarketDataV2Hub", "M": "Broadcast", "A": [argument]} for argument in arguments]
    return [
        json.dumps({"C": "d-1", "M": invocations[first : first + 8]}, separators=(",", ":")).encode()
        for first in range(0, len(invocations), 8)
    ]


def decode_all(arguments: list[str]) -> None:
    for argument in arguments:
        decode(argument)


def receive_all(messages: list[bytes]) -> None:
    client = HubClient("http://127.0.0.1/", "X-TRADE:ALL")
    for message in messages:
        for action in client.receive(message, UnixMs(0)):
            if isinstance(action, Publish):
                decode_all(list(action.arguments))


def microseconds(work: Callable[[], None], records: int) -> list[float]:
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        taken.append((time.process_time() - began) / records * 1e6)
    return sorted(taken)


def main() -> None:
    by_type = arguments_by_type()
    gc.collect()
    gc.disable()
    print("µs CPU a record, min/median/max")
    print(f"{'type':8} {'records':>7} {'bytes':>6}   {'argument → record':>26}   {'message → records':>24}")
    for channel, arguments in by_type.items():
        messages = hub_messages(arguments)
        alone = microseconds(partial(decode_all, arguments), len(arguments))
        whole = microseconds(partial(receive_all, messages), len(arguments))
        size = sum(map(len, arguments)) // len(arguments)
        columns = [f"{times[0]:8.2f}/{statistics.median(times):6.2f}/{times[-1]:6.2f}" for times in (alone, whole)]
        print(f"{channel:8} {len(arguments):7} {size:6}   {columns[0]:>26}   {columns[1]:>24}")


if __name__ == "__main__":
    main()
