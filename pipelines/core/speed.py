"""How fast foreigners trade: shares a minute over the last one and five minutes, and the change of it.

Volume lies in a ring of buckets that carry absolute numbers, so a ring that nobody touched for an hour ages by one
subtraction, and the speeds depend on the volumes and the market clock alone, never on how many records brought them.
"""

from typing import NamedTuple

import msgspec

BUCKET_MS = 5_000
"""Bucket ``n`` holds the volume of (n × BUCKET_MS, (n + 1) × BUCKET_MS]: a record of 09:01:00 tells of the time before it."""
MINUTE_MS = 60_000
LONG_MS = 5 * MINUTE_MS
"""The longer window; also how far back a day's first record may reach."""
_A_MINUTE = MINUTE_MS // BUCKET_MS
_SLOTS = LONG_MS // BUCKET_MS + 1


class VolumeRing(msgspec.Struct, array_like=True, gc=False):
    """One side's volume over the last five minutes, and in the bucket that is still filling."""

    newest: int = 0
    """Absolute number of the newest bucket."""
    slots: list[int] = msgspec.field(default_factory=list)
    """The volume of each bucket, the newest last; empty when there was none for five minutes."""

    def roll(self, now_ms: int) -> None:
        """Age to ``now_ms``. Time does not run backwards: an earlier one changes nothing."""
        passed = _bucket(now_ms) - self.newest
        if passed <= 0:
            return
        self.newest += passed
        if not self.slots:
            return
        del self.slots[:passed]
        if any(self.slots):
            self.slots.extend([0] * (_SLOTS - len(self.slots)))
        else:
            self.slots.clear()

    def add(self, volume: int, ts_ms: int) -> None:
        """Put ``volume`` into the bucket of ``ts_ms``: the newest one if that is ahead of the clock, none if it has aged out."""
        self._put(volume, min(_bucket(ts_ms), self.newest))

    def spread(self, volume: int, since_ms: int, ts_ms: int) -> None:
        """Put ``volume`` evenly over (since_ms, ts_ms]; what lies before the ring is left out."""
        span = ts_ms - since_ms
        if span <= 0:
            self.add(volume, ts_ms)
            return
        edge = max(since_ms, self._start * BUCKET_MS)
        placed = volume * (edge - since_ms) // span
        while edge < ts_ms:
            number = edge // BUCKET_MS
            # What lies ahead of the clock all goes into the newest bucket.
            edge = min((number + 1) * BUCKET_MS, ts_ms) if number < self.newest else ts_ms
            share = volume * (edge - since_ms) // span - placed
            placed += share
            self._put(share, min(number, self.newest))

    def volumes(self, now_ms: int) -> tuple[int, int, int]:
        """The volume of the last minute, of the minute before it, and of the last five minutes.

        The last minute begins at an edge of buckets, and reaches to ``now_ms``.
        """
        if not self.slots:
            return 0, 0, 0
        start = self._start
        minute, end = now_ms // BUCKET_MS - _A_MINUTE - start, max(_bucket(now_ms) + 1 - start, 0)
        first, before, long = max(minute, 0), max(minute - _A_MINUTE, 0), max(minute - 4 * _A_MINUTE, 0)
        last = sum(self.slots[first:end])
        earlier = sum(self.slots[before:first])
        return last, earlier, sum(self.slots[long:before]) + earlier + last

    @property
    def _start(self) -> int:
        """Absolute number of the oldest bucket."""
        return self.newest - _SLOTS + 1

    def _put(self, volume: int, number: int) -> None:
        if not volume or number < self._start:
            return
        if not self.slots:
            self.slots.extend([0] * _SLOTS)
        self.slots[number - self._start] += volume


class Speeds(NamedTuple):
    """What foreigners buy and sell, in shares a minute over one and five minutes; acceleration in shares a minute per minute."""

    buy_1m: int
    sell_1m: int
    buy_5m: int
    sell_5m: int
    acceleration: int
    """Of net buying: its speed over the last minute less that over the minute before; 0 while that minute is not covered."""


STILL = Speeds(0, 0, 0, 0, 0)
"""Nothing moved within five minutes."""


def speeds(buy: VolumeRing, sell: VolumeRing, covered_ms: int, now_ms: int) -> Speeds:
    """Measure both sides at ``now_ms``, to which the rings have been rolled.

    The volume of whole buckets and of the one that is still filling is divided by the time that these really span, so that a
    steady flow reads the same at every second.

    Args:
        buy: What foreigners bought.
        sell: What they sold.
        covered_ms: Since when the flow is known: no window begins earlier.
        now_ms: Market time.
    """
    if not buy.slots and not sell.slots:
        return STILL
    edge = now_ms // BUCKET_MS * BUCKET_MS
    minute, long, before = edge - MINUTE_MS, edge - LONG_MS, edge - 2 * MINUTE_MS
    bought, bought_before, bought_long = buy.volumes(now_ms)
    sold, sold_before, sold_long = sell.volumes(now_ms)
    last = max(now_ms - max(minute, covered_ms), BUCKET_MS)
    whole = max(now_ms - max(long, covered_ms), BUCKET_MS)
    acceleration = 0
    if covered_ms < minute:
        earlier = _a_minute(bought_before - sold_before, minute - max(before, covered_ms))
        acceleration = _a_minute(bought - sold, last) - earlier
    # As _a_minute() says it, without its calls: after every five seconds all symbols that trade come here.
    return Speeds(
        (2 * bought * MINUTE_MS + last) // (2 * last),
        (2 * sold * MINUTE_MS + last) // (2 * last),
        (2 * bought_long * MINUTE_MS + whole) // (2 * whole),
        (2 * sold_long * MINUTE_MS + whole) // (2 * whole),
        acceleration,
    )


def _bucket(ts_ms: int) -> int:
    return (ts_ms - 1) // BUCKET_MS


def _a_minute(volume: int, span_ms: int) -> int:
    """``volume`` in ``span_ms`` as shares a minute, rounded. A span shorter than a bucket counts as one: it says too little."""
    span_ms = max(span_ms, BUCKET_MS)
    return (2 * volume * MINUTE_MS + span_ms) // (2 * span_ms)
