"""What the pipelines fold with, as they say beside their outputs, on ``pipelines.terms``.

Outputs follow from inputs, state and *terms*: thresholds, rules and the like, which an operator may change. A change takes effect
at the next trading day, unless it is forced, and each one is told here with the place from which it holds. So whoever folds a
range of messages again, years later, knows what was in force there.
"""

from typing import Literal

from schemas.message import Message, Versioned
from schemas.units import TradingDay

RuleValue = int | float | str | list[str]
"""What a key of an alert rule may hold."""
DealCounting = Literal["unknown", "own", "shared"]
"""Whether SSI counts put-through deals in the same TotalVol as the matches of the order book, or in one of their own."""


class Terms(Message):
    """What the messages of one topic are folded with. None where its fold does not use it."""

    release: str
    """Which release of the code folds. It does so from its first message on; code cannot wait for a day."""
    correction_percent: int | None
    """A counter that fell by no more is corrected without further ado."""
    reset_percent: int | None
    """A counter that fell below this part of its mark was restarted by the feed."""
    sectors: dict[str, str] | None
    """The sector of a symbol, where the reference data does not say."""
    rules: list[dict[str, RuleValue]] | None
    """The alert rules that read the topic, in the order of the rule file, with the keys that they have there."""
    put_through_counter: DealCounting | None = None
    """What is known beforehand of how put-through deals are counted. Where it is ``unknown``, each day's records have to tell."""


class TermsAdopted(Versioned):
    """A shard folds with other terms from a message on."""

    pipeline: str
    topic: str
    """The topic that the shard reads, without a prefix."""
    partition: int
    offset: int
    """The offset of the first message that was folded with them. What of it belongs to the day before was folded with the terms
    before.
    """
    day: TradingDay
    """The trading day that the shard was on when it had folded that message."""
    reason: Literal["first", "next_day", "release", "forced"]
    """Why the terms hold from this message on.

    - ``first``: it had none, or none that it could read.
    - ``next_day``: the settings had changed, and its trading day moved forward.
    - ``release``: another release of the code took over; nothing but ``release`` differs from the terms before.
    - ``forced``: the settings had changed, or a part of today's state could not be read, and the operator did not wait for the
      next day. What that state knew is missing in what follows.
    """
    terms: Terms
