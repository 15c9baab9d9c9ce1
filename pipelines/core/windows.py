"""Sums over a sliding window of event time, in buckets: bounded, whatever the rate."""

import msgspec


class Window(msgspec.Struct, array_like=True):
    """Counts and sums of the last ``size`` buckets of ``width_ms``, by absolute bucket number, so that ageing is arithmetic."""

    size: int
    width_ms: int
    newest: int
    """Number of the newest bucket: event time ÷ width."""
    counts: list[int]
    sums: list[int]

    @staticmethod
    def of(size: int, width_ms: int) -> "Window":
        """An empty window."""
        return Window(size, width_ms, 0, [0] * size, [0] * size)

    def move_to(self, ts_ms: int) -> None:
        """Let the window end in the bucket of ``ts_ms``, and forget what is older than it. An earlier time changes nothing."""
        bucket = ts_ms // self.width_ms
        for stale in range(max(self.newest + 1, bucket - self.size + 1), bucket + 1):
            self.counts[stale % self.size] = self.sums[stale % self.size] = 0
        self.newest = max(self.newest, bucket)

    def add(self, amount: int) -> None:
        """Count ``amount`` in the newest bucket."""
        slot = self.newest % self.size
        self.counts[slot] += 1
        self.sums[slot] += amount

    def add_at(self, amount: int, ts_ms: int) -> None:
        """Count ``amount`` in the bucket of ``ts_ms``, which is not after the newest; nowhere if that has aged out."""
        bucket = ts_ms // self.width_ms
        if bucket > self.newest - self.size:
            self.counts[bucket % self.size] += 1
            self.sums[bucket % self.size] += amount

    def total(self) -> tuple[int, int]:
        """Count and sum of the whole window."""
        return sum(self.counts), sum(self.sums)

    def recent(self, buckets: int) -> int:
        """Sum of the newest ``buckets``, the current one included."""
        return sum(self.sums[(self.newest - back) % self.size] for back in range(buckets))
