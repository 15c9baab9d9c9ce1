"""What faults make of a record's text. Pure: the invocation of one record in, another out.

All of it works on the text as it would be sent, so that it does the same to generated and to captured records.
"""

import json
from typing import Any, Literal, NamedTuple

from connectors.ssi.simulator.core.wire import broadcast, invocation

UNKNOWN_TYPE = "Z-UNKNOWN"
"""A DataType that SSI does not have."""
BAD_BYTE = "\udcff"
"""Stands for a byte that is no UTF-8 until the text is sent: Python's ``surrogateescape`` turns it into 0xFF."""
FOREIGN_COUNTERS = ("BuyVol", "SellVol", "BuyVal", "SellVal")

How = Literal["cut", "type", "symbol", "time", "content"]


class Counters(NamedTuple):
    """What a foreign record counts since the open: shares bought and sold, and their values in VND."""

    bought: float
    sold: float
    bought_value: float
    sold_value: float


def argument_of(text: str) -> str:
    """The argument of Broadcast in an invocation."""
    argument: str = json.loads(text)["A"][0]
    return argument


def garbled(text: str, how: How) -> str:
    """The invocation ``text`` with a record that nobody can decode."""
    envelope = json.loads(argument_of(text))
    data_type, content = envelope["DataType"], envelope["Content"]
    match how:
        case "cut":
            return invocation(broadcast(data_type, content[: len(content) // 2]))
        case "type":
            return invocation(broadcast(UNKNOWN_TYPE, content))
        case "content":
            return invocation(f'{{"DataType":"{data_type}"}}')
        case "symbol":
            name = "IndexId" if "IndexId" in json.loads(content) else "Symbol"
            return _with(text, **{name: "no symbol!"})
        case "time":
            return _with(text, Time="25:61:00")


def with_bad_byte(text: str) -> str:
    """The invocation ``text`` with a byte in its argument that is no UTF-8."""
    return text.replace('"A":["', f'"A":["{BAD_BYTE}', 1)


def counters_of(text: str) -> Counters:
    """What the foreign record in ``text`` counts."""
    content = json.loads(json.loads(argument_of(text))["Content"])
    return Counters(*(content[name] for name in FOREIGN_COUNTERS))


def with_counters(text: str, counters: Counters) -> str:
    """The foreign record in ``text``, with other counters."""
    return _with(text, **dict(zip(FOREIGN_COUNTERS, map(float, counters), strict=True)))


def _with(text: str, **changes: Any) -> str:
    envelope = json.loads(argument_of(text))
    content = json.loads(envelope["Content"]) | changes
    return invocation(broadcast(envelope["DataType"], json.dumps(content, separators=(",", ":"))))
