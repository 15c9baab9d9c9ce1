"""How a partition differs from what was put on a connection for it: what is missing, doubled, unknown or out of order. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.marks import RecordMark


class SentThing(NamedTuple):
    """One thing that was put on the connection."""

    n: int
    """Its number there, from 0."""
    mark: RecordMark


class FoundThing(NamedTuple):
    """One record that was published of the connection."""

    position: EventPosition
    mark: RecordMark


class ExplainedLoss(NamedTuple):
    """How a partition differs."""

    differences: list[Difference]
    """One for each way in which it does, with the first example of it."""
    last: int
    """The number of the last thing that was published; what was sent later is missing at the end. -1 where nothing was."""


def explain(where: str, sent: Iterable[SentThing], found: list[FoundThing]) -> ExplainedLoss:
    """Say how what was published differs from what was sent.

    Args:
        where: The connection and the partition, for a person.
        sent: All that was put on the connection for this partition, in order.
        found: All that is on the partition of this connection, in order.
    """
    left = Counter(one.mark for one in found)
    everything: set[RecordMark] = set()
    last, missing, perhaps, matched = -1, list[SentThing](), list[SentThing](), list[SentThing]()
    for one in sent:
        everything.add(one.mark)
        if left[one.mark] > 0:
            left[one.mark] -= 1
            last = one.n
            matched.append(one)
            # What was thought to be missing at the end is missing in the middle.
            missing += perhaps
            perhaps.clear()
        else:
            perhaps.append(one)
    differences = [*_missing(where, missing), *_surplus(where, found, left, everything)]
    if not differences:
        differences += _disorder(where, matched, found)
    return ExplainedLoss(differences, last)


def _missing(where: str, missing: list[SentThing]) -> Iterator[Difference]:
    if missing:
        first = missing[0]
        said = f"{len(missing)} are missing before others that were sent later, the first {_named(first.mark)}, number {first.n}"
        yield Difference("lost_records", first.mark.symbol, f"{where}: {said}", None)


def _surplus(where: str, found: list[FoundThing], left: Counter[RecordMark], sent: set[RecordMark]) -> Iterator[Difference]:
    """What was published more often than sent: the last of them are taken to be too many."""
    doubled, unknown = list[FoundThing](), list[FoundThing]()
    for one in reversed(found):
        if left[one.mark] > 0:
            left[one.mark] -= 1
            (doubled if one.mark in sent else unknown).append(one)
    for kind, surplus, said in (
        ("doubled_records", doubled, "were published more often than they were sent"),
        ("unknown_records", unknown, "were published and not sent on it"),
    ):
        if surplus:
            first = surplus[-1]
            yield Difference(
                kind, first.mark.symbol, f"{where}: {len(surplus)} {said}, the first {_named(first.mark)}", first.position
            )


def _disorder(where: str, sent: list[SentThing], found: list[FoundThing]) -> Iterator[Difference]:
    for one, other in zip(sent, found, strict=True):
        if one.mark != other.mark:
            said = f"{where}: where {_named(one.mark)} was sent, number {one.n}, {_named(other.mark)} was published"
            yield Difference("misordered_records", other.mark.symbol, said, other.position)
            return


def _named(marked: RecordMark) -> str:
    return f"{marked.data_type} of {marked.symbol}" if marked.symbol else marked.data_type
