"""A prices application as one would first write it: what the prices pipeline is measured against.

    python benchmarks/peers/simple_prices.py quix HOST PREFIX       Quix Streams, exactly-once, a value of bytes for each symbol
    python benchmarks/peers/simple_prices.py loop HOST PREFIX       a loop over librdkafka, in transactions, with a dict as state

Both read the frames of ``ssi.ticks`` and fold them alike: a match is booked when its total is above the symbol's, with its side
by the quote before it; sums by phase and side, a running minute, three levels of the book, and alerts for a spike of volume, a
price at a limit and a large match. Of each frame they publish a message of prints, and of each symbol in it one of prices. They
keep no gaps, suspects, days, feeds, dead letters or breadth, and the loop forgets all it knows when it dies.
"""

import gc
import signal
import sys
from collections.abc import Callable
from tempfile import mkdtemp
from typing import Any

import msgspec
from confluent_kafka import Consumer, Producer
from quixstreams import Application
from quixstreams.models import Serializer

from schemas.structs import Frame, QuoteRecord, TradeRecord
from schemas.topics import SSI_TICKS
from schemas.units import Side

COMMIT_S = 0.1
LARGE = 50_000
SPIKE, SPIKE_MATCHES = 3.0, 10


class Price(msgspec.Struct, array_like=True, gc=False):
    """What is known of a symbol."""

    version: int = 1
    day: int = 0
    top: int = 0
    last: int = 0
    value: int = 0
    volume: int = 0
    high: int = 0
    low: int = 0
    bids: list[int] = []
    asks: list[int] = []
    sums: dict[str, list[int]] = {}
    """By phase: bought, sold, neutral."""
    minute: int = 0
    candle: list[int] = []
    matches: int = 0
    at_limit: str = ""
    repeats: int = 0


class Print(msgspec.Struct):
    """A match."""

    symbol: str
    ts_ms: int
    price: int
    volume: int
    total: int
    side: str


class Alert(msgspec.Struct):
    """Something that a rule found."""

    rule: str
    symbol: str
    ts_ms: int


class Prints(msgspec.Struct):
    """Of a frame."""

    schema: int
    feed: str
    seq: int
    prints: list[Print]
    alerts: list[Alert]


encode_state = msgspec.msgpack.Encoder().encode
decode_state = msgspec.msgpack.Decoder(Price).decode
encode = msgspec.json.Encoder().encode


class Shown(msgspec.Struct):
    """What is published of a symbol."""

    symbol: str
    last: int
    high: int
    low: int
    volume: int
    vwap: float
    bids: list[int]
    asks: list[int]
    sums: dict[str, list[int]]
    candle: list[int]


def fold(frame: Frame, known: Callable[[str], Price]) -> tuple[Prints | None, dict[str, Price]]:
    """Fold a frame; what there is to say of it, and the symbols in it."""
    touched: dict[str, Price] = {}
    prints: list[Print] = []
    alerts: list[Alert] = []
    for record in frame.records:
        kind = type(record)
        if kind is not TradeRecord and kind is not QuoteRecord:
            continue
        found: Any = record
        price = touched.get(found.symbol)
        if price is None:
            price = touched[found.symbol] = known(found.symbol)
        if price.day != found.trading_day:
            price = touched[found.symbol] = Price(day=found.trading_day, bids=price.bids, asks=price.asks)
        if kind is QuoteRecord:
            price.bids, price.asks = found.bids[:6], found.asks[:6]
        else:
            _match(found, price, prints, alerts)
    said = Prints(1, frame.feed, frame.seq, prints, alerts) if prints else None
    return said, touched


def _match(match: Any, price: Price, prints: list[Print], alerts: list[Alert]) -> None:
    if match.total_volume <= price.top:
        price.repeats += 1
        return
    side = match.side
    if side is None:
        bought = bool(price.asks) and match.price >= price.asks[0]
        side = Side.BUY if bought else Side.SELL if price.bids and match.price <= price.bids[0] else None
    place = 0 if side is Side.BUY else 1 if side is Side.SELL else 2
    price.sums.setdefault(match.session or "", [0, 0, 0])[place] += match.volume
    if price.matches >= SPIKE_MATCHES and match.volume > SPIKE * price.volume / price.matches:
        alerts.append(Alert("spike", match.symbol, match.ts_ms))
    limit = "ceiling" if match.price >= match.ceiling else "floor" if match.price <= match.floor else ""
    if limit and limit != price.at_limit:
        alerts.append(Alert(limit, match.symbol, match.ts_ms))
    if match.volume >= LARGE:
        alerts.append(Alert("large", match.symbol, match.ts_ms))
    price.at_limit = limit
    price.top, price.last = match.total_volume, match.price
    price.volume += match.volume
    price.value += match.volume * match.price
    price.matches += 1
    price.high, price.low = max(price.high, match.price), min(price.low or match.price, match.price)
    minute = match.ts_ms // 60_000
    if minute != price.minute:
        price.minute, price.candle = minute, [match.price, match.price, match.price, match.price, 0]
    candle = price.candle
    candle[1], candle[2], candle[3] = max(candle[1], match.price), min(candle[2], match.price), match.price
    candle[4] += match.volume
    prints.append(Print(match.symbol, match.ts_ms, match.price, match.volume, match.total_volume, side or "none"))


def shown(symbol: str, price: Price) -> bytes:
    """The message of a symbol's prices."""
    vwap = price.value / price.volume if price.volume else 0.0
    return encode(
        Shown(symbol, price.last, price.high, price.low, price.volume, vwap, price.bids, price.asks, price.sums, price.candle)
    )


def quix(bootstrap: str, prefix: str) -> None:
    application = Application(
        broker_address=bootstrap, consumer_group=f"{prefix}quix", auto_offset_reset="earliest", state_dir=mkdtemp(),
        loglevel="ERROR", commit_interval=COMMIT_S, processing_guarantee="exactly-once", consumer_poll_timeout=0.01,
        producer_extra_config={"transactional.id": f"{prefix}quix-0", "compression.type": "lz4", "linger.ms": 5},
    )  # fmt: skip

    class Second(Serializer):
        def __call__(self, value: Any, ctx: Any) -> bytes:
            said: bytes = value[1]
            return said

    source = application.topic(SSI_TICKS.named(prefix), key_deserializer="str", value_deserializer="bytes")
    out = {
        name: application.topic(f"{prefix}peer.{name}", key_serializer="str", value_serializer=Second())
        for name in ("prints", "prices")
    }

    def fold_message(value: bytes, key: str, ts: int, headers: Any, state: Any) -> list[tuple[str | None, bytes, str]]:
        frame = SSI_TICKS.decode(value)

        def known(symbol: str) -> Price:
            stored = state.get_bytes(symbol)
            return Price() if stored is None else decode_state(stored)

        said, touched = fold(frame, known)
        for symbol, price in touched.items():
            state.set_bytes(symbol, encode_state(price))
        prints = [] if said is None else [(key, encode(said), "prints")]
        return [*prints, *((symbol, shown(symbol, price), "prices") for symbol, price in touched.items())]

    frames = application.dataframe(source).apply(fold_message, stateful=True, expand=True, metadata=True)
    frames.to_topic(lambda value, *_: out[value[2]], key=lambda value: value[0])
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    application.run()


def loop(bootstrap: str, prefix: str) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"{prefix}loop",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": bootstrap, "transactional.id": f"{prefix}loop-0", "compression.type": "lz4", "linger.ms": 5,
            "partitioner": "murmur2",
        }
    )  # fmt: skip
    producer.init_transactions()
    consumer.subscribe([SSI_TICKS.named(prefix)])
    prices: dict[str, Price] = {}
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)

    def known(symbol: str) -> Price:
        return prices.setdefault(symbol, Price())

    while not stopped:
        messages = consumer.consume(1_000, COMMIT_S)
        if not messages:
            continue
        producer.begin_transaction()
        dirty: dict[str, Price] = {}
        for message in messages:
            if message.error() is not None:
                continue
            said, touched = fold(SSI_TICKS.decode(message.value()), known)
            prices.update(touched)
            dirty.update(touched)
            if said is not None:
                producer.produce(f"{prefix}peer.prints", key=message.key(), value=encode(said))
            for symbol, price in touched.items():
                producer.produce(f"{prefix}peer.prices", key=symbol, value=shown(symbol, price))
            producer.poll(0)
        for symbol, price in dirty.items():
            producer.produce(f"{prefix}peer.changelog", key=symbol, value=encode_state(price))
        producer.send_offsets_to_transaction(consumer.position(consumer.assignment()), consumer.consumer_group_metadata())
        producer.commit_transaction()
    consumer.close()


if __name__ == "__main__":
    {"quix": quix, "loop": loop}[sys.argv[1]](*sys.argv[2:])
