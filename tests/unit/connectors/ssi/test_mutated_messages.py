"""What a feed may do to its messages: whatever it is, it costs the records that it was done to and no other."""

import json
from collections.abc import Callable
from random import Random
from typing import Final

from connectors.ssi.core.hub_client import HubClient, Publish, RejectMessage
from connectors.ssi.core.market_clock import WallClock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from schemas.calendar import at
from schemas.structs import TradeRecord
from schemas.topics import SSI_DLQ, SSI_TICKS
from schemas.units import MonotonicMs, TradingDay, UnixUs
from tests.proof import usually

Arguments = Callable[..., str]
NOW = UnixUs(at(TradingDay(20261123), 9, 15, 2) * 1000)
MESSAGES: Final = usually(1_500, proving=100_000)
DATA_TYPES: Final = ("X-TRADE", "X-QUOTE", "X", "R", "MI", "B", "F", "OL")
ODD: Final = (
    b"null", b"true", b'""', b'\\"NaN\\"', b"1e999", b"-1e999", b"1e308", b"-0", b"9" * 30, b"0." + b"3" * 40, b"[]", b"{}",
    b"[[[[", b"\\u0000", b"\\ud800", b"\xff", b"\xc3\x28", b"\x00", b'"', b"\\", b"\\\\\\", b"]}", b'{"', b'"]}', b",", b"\n",
    b"Infinity",
)  # fmt: skip


def mutated(argument: bytes, random: Random) -> bytes:
    """``argument`` with one to four things done to it."""
    changed = bytearray(argument)
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(changed) + 1)
        end = min(start + random.choice((0, 1, 1, 2, 5, 30, 300)), len(changed))
        match random.randrange(6):
            case 0:
                changed[start:end] = random.randbytes(end - start)
            case 1:
                changed[start:end] = random.choice(ODD)
            case 2:
                changed[start:end] = changed[start:end] * 2
            case 3:
                del changed[start:end]
            case 4:
                # Numbers are what a market is made of, so they get more than their share.
                numbers = [place for place, byte in enumerate(changed) if chr(byte).isdigit()]
                if numbers:
                    place = random.choice(numbers)
                    changed[place : place + 1] = random.choice((*ODD, b"1", b"0", b".", b"-"))
            case _:
                changed = bytearray(argument[: start // 2]) + changed[start // 2 :]
    return bytes(changed)


def test_whatever_is_done_to_a_record_it_is_a_record_or_a_dead_letter_and_the_others_stay(an_argument: Arguments) -> None:
    random = Random(8)
    samples = [an_argument(data_type) for data_type in DATA_TYPES]
    outbox = Outbox(10_000_000, 10_000_000_000)
    stream = RecordStream("a", 1, WallClock(), outbox, "ALL")
    stream.begin(NOW)
    client = HubClient("https://fc-datahub.ssi.com.vn/", "ALL")
    untouched, letters = 0, 0
    for number in range(1, MESSAGES + 1):
        arguments = [an_argument("X-TRADE", Symbol="AAA", LastVol=1.0, TotalVol=2 * number + after) for after in (0, 1)]
        first, last = (in_an_invocation(argument) for argument in arguments)
        whole = in_an_invocation(random.choice(samples))
        # Either what SSI wraps is broken, or the invocation with all that is in it.
        spoilt = mutated(whole, random) if number % 2 else whole[:60] + mutated(whole[60:-3], random) + whole[-3:]
        if not spoilt.strip(b" ,]}\n"):
            # Nothing is left of it, so that nobody can know that there was anything.
            spoilt = b"null"
        message = b'{"C":"d-1","M":[' + b",".join((first, spoilt, last)) + b"]}"
        received = stream.received
        stream.keep(message, NOW)
        for action in client.receive(message, MonotonicMs(0)):
            if isinstance(action, Publish):
                stream.publish(action.arguments, NOW)
            elif isinstance(action, RejectMessage):
                stream.reject(action.reason, action.detail, action.idx, action.payload, count=action.count)
        assert stream.received >= received + 3, message
        stream.flush()
        while (outgoing := outbox.take()) is not None:
            if outgoing.topic == SSI_TICKS.name:
                records = SSI_TICKS.decode(outgoing.value).records
                untouched += sum(isinstance(record, TradeRecord) and record.symbol == "AAA" for record in records)
            elif outgoing.topic == SSI_DLQ.name:
                letters += 1
                assert SSI_DLQ.decode(outgoing.value).detail
        assert untouched == 2 * number, message
    assert letters == stream.dead_letters
    assert letters > MESSAGES // 4


def in_an_invocation(argument: str) -> bytes:
    return json.dumps({"H": "FcMarketDataV2Hub", "M": "Broadcast", "A": [argument]}, separators=(",", ":")).encode()
