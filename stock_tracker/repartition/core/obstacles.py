"""What is in the way of another number of partitions (pure).

The partition of a symbol decides where its state is, so that all of a day is folded in one layout: the new one begins with a day,
on topics of its own, and nothing of the old one may still be under way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.session import close_ms
from schemas.units import TradingDay, UnixMs


@dataclass(frozen=True)
class PresentLayout:
    """How a deployment is at this moment."""

    shards: int
    """Partitions of its sharded topics."""
    day: TradingDay | None
    """Of the newest clock tick; None where there is none."""
    market_ms: UnixMs | None
    """Market time of that clock tick."""
    members: Sequence[str]
    """Consumer groups of ours that have members."""
    unread: Sequence[str]
    """Consumer groups of ours that have something still to read."""
    written: Sequence[str]
    """Topics that got messages while it was looked at."""


@dataclass(frozen=True)
class WantedLayout:
    """How it is to be."""

    prefix: str
    """Before the names of the new topics."""
    shards: int
    found: int | None
    """Partitions of the sharded topics that have that prefix already; None where there are none."""
    used: bool
    """Whether there are records on them."""


def obstacles(now: PresentLayout, prefix: str, wanted: WantedLayout, *, day_is_over: bool = False) -> list[str]:
    """What has to be seen to first, each with what to do; empty when nothing has.

    Args:
        now: How the deployment is.
        prefix: Before the names of its topics.
        wanted: How it is to be.
        day_is_over: Whether an operator says that its trading day will not go on, whatever its clock says.
    """
    said = []
    if wanted.prefix == prefix:
        said.append(f"the topics of {prefix!r} are those that there are: name another prefix with --into, such as v2.")
    if wanted.shards == now.shards and wanted.prefix != prefix:
        said.append(f"they have {now.shards} partitions already: name another number with --shards")
    if wanted.prefix != prefix and wanted.used:
        said.append(f"there are records on topics of {wanted.prefix!r} already: name another prefix with --into")
    elif wanted.prefix != prefix and wanted.found not in (None, wanted.shards):
        said.append(f"topics of {wanted.prefix!r} have {wanted.found} partitions already: name another prefix with --into")
    if now.day is not None and now.market_ms is not None and not day_is_over and now.market_ms < close_ms(now.day):
        said.append(
            f"{now.day} is under way on them: wait until the pipelines have folded 16:00; "
            "if that day will not go on, say --day-is-over"
        )
    if now.written:
        said.append(f"something writes to {', '.join(now.written)}: stop the connectors")
    if now.unread:
        said.append(f"{', '.join(now.unread)} have not read all yet: let them come to the end, then stop them")
    if now.members:
        said.append(
            f"{', '.join(now.members)} are at work: stop these services; one that has stopped is a member for another 12 s"
        )
    return said
