"""How fast foreigners trade: shares a minute over the last one and five minutes, and the change of it.

Volume is kept as it adds up, bucket by bucket, and buckets carry absolute numbers. So the volume of any window is one
subtraction, time that passes changes nothing that is kept, and the speeds depend on the volumes and the market clock alone,
never on how many records brought them.
"""

from bisect import bisect_left
from typing import Final, NamedTuple

import msgspec

BUCKET_MS = 5_000
"""Bucket ``n`` holds the volume of (n × BUCKET_MS, (n + 1) × BUCKET_MS]: a record of 09:01:00 tells of the time before it."""
MINUTE_MS = 60_000
LONG_MS = 5 * MINUTE_MS
"""The longer window; also how far back a day's first record may reach."""
A_MINUTE: Final = MINUTE_MS // BUCKET_MS
"""The same in buckets."""
_WINDOWS: Final = (A_MINUTE, 2 * A_MINUTE, LONG_MS // BUCKET_MS)
"""How many buckets before now the windows begin: this minute, the one before, and five minutes."""


class Spread(msgspec.Struct, array_like=True, gc=False):
    """Volume that came evenly over (since_ms, ts_ms]."""

    volume: int
    since_ms: int
    ts_ms: int
    newest: int
    """The bucket of the market clock when it was told of: what lies ahead of the clock all counts there."""

    @property
    def last(self) -> int:
        """The last bucket that has some of it."""
        return min((self.ts_ms - 1) // BUCKET_MS, self.newest)

    def before(self, number: int) -> int:
        """What of it came before bucket ``number``."""
        edge_ms = number * BUCKET_MS
        if number > self.newest or edge_ms >= self.ts_ms:
            return self.volume
        return self.volume * max(edge_ms - self.since_ms, 0) // (self.ts_ms - self.since_ms)


class Volumes(msgspec.Struct, array_like=True, gc=False):
    """One side's volume over the last five minutes or more."""

    buckets: list[int] = msgspec.field(default_factory=list)
    """The buckets in which there was some, in order."""
    sums: list[int] = msgspec.field(default_factory=list)
    """What it had added up to at the end of each."""
    spreads: list[Spread] = msgspec.field(default_factory=list)
    """What is in no bucket."""

    def add(self, volume: int, ts_ms: int, now_ms: int) -> int:
        """Put ``volume`` into the bucket of ``ts_ms``, or of the market clock if that is behind. Returns the bucket."""
        number = ((ts_ms if ts_ms < now_ms else now_ms) - 1) // BUCKET_MS
        buckets, sums = self.buckets, self.sums
        if not buckets or number > buckets[-1]:
            sums.append(sums[-1] + volume if sums else volume)
            buckets.append(number)
            # One bucket from before all windows stays: what had come up to then.
            while len(buckets) > 1 and buckets[1] < number - _WINDOWS[-1]:
                del buckets[0], sums[0]
            return number
        at = bisect_left(buckets, number)
        if buckets[at] != number:
            buckets.insert(at, number)
            sums.insert(at, sums[at - 1] if at else 0)
        for later in range(at, len(sums)):
            sums[later] += volume
        return number

    def spread(self, volume: int, since_ms: int, ts_ms: int, now_ms: int) -> None:
        """Have ``volume`` come evenly over (since_ms, ts_ms]."""
        if ts_ms <= since_ms:
            self.add(volume, ts_ms, now_ms)
            return
        newest = (now_ms - 1) // BUCKET_MS
        self.spreads = [spread for spread in self.spreads if spread.last >= newest - _WINDOWS[-1]]
        self.spreads.append(Spread(volume, since_ms, ts_ms, newest))

    def windows(self, now_ms: int) -> tuple[int, int, int]:
        """The volume of the last minute, of the minute before it, and of the last five minutes.

        The last minute begins at an edge of buckets, and reaches to ``now_ms``.
        """
        edge = now_ms // BUCKET_MS
        if not self.spreads and (not self.buckets or self.buckets[-1] < edge - _WINDOWS[-1]):
            return 0, 0, 0
        of_minute, of_before, of_long = _WINDOWS
        total, minute = self._before(edge + 1), self._before(edge - of_minute)
        return total - minute, minute - self._before(edge - of_before), total - self._before(edge - of_long)

    def changes_after(self, edge: int) -> int:
        """The first bucket after ``edge`` that begins with less volume in one of the windows; 0 when none does."""
        first = 0
        for window in _WINDOWS:
            at = bisect_left(self.buckets, edge - window)
            if at < len(self.buckets):
                leaves = self.buckets[at] + window + 1
                first = min(first or leaves, leaves)
            for spread in self.spreads:
                if spread.last >= edge - window:
                    leaves = max(spread.since_ms // BUCKET_MS, edge - window) + window + 1
                    first = min(first or leaves, leaves)
        return first

    def _before(self, number: int) -> int:
        """What came before bucket ``number``."""
        at = bisect_left(self.buckets, number)
        volume = self.sums[at - 1] if at else 0
        for spread in self.spreads:
            volume += spread.before(number)
        return volume


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


def speeds(buy: Volumes, sell: Volumes, covered_ms: int, now_ms: int) -> Speeds:
    """Measure both sides at ``now_ms``.

    The volume of whole buckets and of the one that is still filling is divided by the time that these really span, so that a
    steady flow reads the same at every second.

    Args:
        buy: What foreigners bought.
        sell: What they sold.
        covered_ms: Since when the flow is known: no window begins earlier.
        now_ms: Market time, not before that of any volume.
    """
    edge = now_ms // BUCKET_MS * BUCKET_MS
    minute, long, before = edge - MINUTE_MS, edge - LONG_MS, edge - 2 * MINUTE_MS
    bought, bought_before, bought_long = buy.windows(now_ms)
    sold, sold_before, sold_long = sell.windows(now_ms)
    last = max(now_ms - max(minute, covered_ms), BUCKET_MS)
    whole = max(now_ms - max(long, covered_ms), BUCKET_MS)
    acceleration = 0
    if covered_ms < minute:
        earlier = _a_minute(bought_before - sold_before, minute - max(before, covered_ms))
        acceleration = _a_minute(bought - sold, last) - earlier
    # As _a_minute() says it, without its calls: each row comes here.
    return Speeds(
        (2 * bought * MINUTE_MS + last) // (2 * last),
        (2 * sold * MINUTE_MS + last) // (2 * last),
        (2 * bought_long * MINUTE_MS + whole) // (2 * whole),
        (2 * sold_long * MINUTE_MS + whole) // (2 * whole),
        acceleration,
    )


def ages_at(buy: Volumes, sell: Volumes, covered_ms: int, now_ms: int) -> int:
    """From which bucket on the speeds will be others because time has passed; 0 when they stay what they are at ``now_ms``."""
    edge = now_ms // BUCKET_MS
    bought, sold = buy.changes_after(edge), sell.changes_after(edge)
    first = min(bought or sold, sold or bought)
    # While the longer window is not covered, the time that it spans grows.
    return edge + 1 if first and edge * BUCKET_MS - LONG_MS < covered_ms else first


def _a_minute(volume: int, span_ms: int) -> int:
    """``volume`` in ``span_ms`` as shares a minute, rounded. A span shorter than a bucket counts as one: it says too little."""
    span_ms = max(span_ms, BUCKET_MS)
    return (2 * volume * MINUTE_MS + span_ms) // (2 * span_ms)
