"""Sets of shares, as intervals ``(start, end]`` of a counter; what these functions return is sorted and does not overlap."""

from collections.abc import Iterable

Interval = tuple[int, int]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The intervals as one set; empty ones are left out."""
    merged: list[Interval] = []
    for start, end in sorted(i for i in intervals if i[0] < i[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def subtract(whole: Iterable[Interval], part: Iterable[Interval]) -> list[Interval]:
    """The shares of ``whole`` that are not in ``part``."""
    left = union(whole)
    for start, end in union(part):
        left = [piece for a, b in left for piece in ((a, min(b, start)), (max(a, end), b)) if piece[0] < piece[1]]
    return left


def size(intervals: Iterable[Interval]) -> int:
    """How many shares they hold; a share that is in two of them counts once."""
    return sum(end - start for start, end in union(intervals))
