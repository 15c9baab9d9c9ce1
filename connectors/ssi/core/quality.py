"""Whether what a feed sends can be used: judged for each type of record, by the run and by the share of the last minute.

One good record of another type says nothing about a type that no longer decodes, so each is judged by itself. Pure.
"""

from collections import Counter, deque
from collections.abc import Mapping
from typing import Final, NamedTuple

from connectors.ssi.core.channels import SubscribedChannels

WINDOW_S: Final = 60.0
"""The share is that of the last so many seconds."""
MAX_PERCENT: Final = 10
"""From this share on that cannot be used, these are no broken records: the feed has changed."""
MAX_RUN: Final = 1_000
"""So many in a row are no broken records either."""
FEW: Final = 10
"""Fewer than so many prove nothing, whatever their share."""
SILENT_S: Final = 300.0
"""After so many seconds of continuous trading without a record of a type that always comes, something is wrong with it."""
OTHERS: Final = 100
"""So many records of other types have to come meanwhile: else the whole market may be still, or the feed is."""
ALWAYS: Final = frozenset({"X-TRADE", "X-QUOTE", "X", "R", "MI", "B"})
"""Types of which records come all the time while the market trades, if they are subscribed for all symbols."""


class TypeTally:
    """What became of the records of one type since the start."""

    __slots__ = ("rejected", "run", "taken", "why")

    def __init__(self) -> None:
        self.taken = 0
        self.rejected = 0
        self.run = 0
        """Rejected since the last that was taken."""
        self.why = ""
        """What was wrong with the last that was rejected, for a person."""


class _Counts(NamedTuple):
    """The counts at one time."""

    at_s: float
    taken: dict[str, int]
    rejected: dict[str, int]
    """By type; under "" of all types, and of what has none."""
    left_out: Counter[tuple[str, str]]


class FeedQuality:
    """Keeps the counts of the last minute, and says what is wrong."""

    def __init__(self, subscription: SubscribedChannels) -> None:
        self._expected = sorted(ALWAYS & subscription.whole)
        self._window: deque[_Counts] = deque()
        self._runs: dict[str, tuple[float, int]] = {}
        """Since when nothing of a type was taken, and how many had been taken by then."""
        self._heard: dict[str, tuple[float, int, int]] = {}
        """When a record of an expected type came last, and how many of it and of all had come by then."""
        self.trouble = ""
        """What is wrong, as one sentence; empty when nothing is."""

    def note(
        self,
        now_s: float,
        tallies: Mapping[str, TypeTally],
        rejected: int,
        left_out: Counter[tuple[str, str]],
        *,
        trading: bool,
    ) -> None:
        """Take note of the counts. To be called about once a second.

        Args:
            now_s: By a clock that never goes back.
            tallies: By DataType, since the start.
            rejected: Everything that could not be used since the start, also what has no DataType.
            left_out: Fields that could not be read since the start, by DataType and name.
            trading: Whether the market trades continuously and the feed is connected.
        """
        taken = {data_type: tally.taken for data_type, tally in tallies.items()}
        refused = {data_type: tally.rejected for data_type, tally in tallies.items()}
        self._window.append(
            _Counts(now_s, {**taken, "": sum(taken.values())}, {**refused, "": rejected}, Counter(left_out)),
        )
        while len(self._window) > 1 and self._window[1].at_s <= now_s - WINDOW_S:
            self._window.popleft()
        found = [sentence for data_type in taken if (sentence := self._type_trouble(now_s, data_type, tallies[data_type]))]
        if not found and self._is_over(""):
            found = [f"{self._share('')} records could not be used"]
        found += self._field_troubles() + self._missing(now_s, taken, refused, trading=trading)
        self.trouble = f"{'; '.join(found)}: read ssi.dlq; SSI may have changed its format" if found else ""

    def _type_trouble(self, now_s: float, data_type: str, tally: TypeTally) -> str:
        since_s, taken = self._runs.get(data_type, (now_s, tally.taken))
        if not tally.run or taken != tally.taken:
            since_s = now_s
        self._runs[data_type] = (since_s, tally.taken)
        is_long = tally.run >= MAX_RUN or (tally.run >= FEW and now_s - since_s >= WINDOW_S)
        if is_long:
            return f"the last {tally.run} {data_type} records could not be used ({tally.why})"
        return f"{self._share(data_type)} {data_type} records could not be used ({tally.why})" if self._is_over(data_type) else ""

    def _grown(self, data_type: str) -> tuple[int, int]:
        """How many of a type were taken, and how many rejected, within the window."""
        first, last = self._window[0], self._window[-1]
        return (
            last.taken[data_type] - first.taken[data_type],
            last.rejected[data_type] - first.rejected[data_type],
        )

    def _is_over(self, data_type: str) -> bool:
        taken, rejected = self._grown(data_type)
        return rejected >= FEW and rejected * 100 >= (taken + rejected) * MAX_PERCENT

    def _share(self, data_type: str) -> str:
        taken, rejected = self._grown(data_type)
        return f"{rejected * 100 // (taken + rejected)} % of the last minute's {taken + rejected}"

    def _field_troubles(self) -> list[str]:
        first, last = self._window[0], self._window[-1]
        found = []
        for (data_type, field), count in last.left_out.items():
            unread, taken = count - first.left_out[data_type, field], self._grown(data_type)[0]
            if unread >= FEW and unread * 100 >= taken * MAX_PERCENT:
                found.append(f"{field} could not be read in {unread} of the last minute's {taken} {data_type} records")
        return found

    def _missing(self, now_s: float, taken: Mapping[str, int], refused: Mapping[str, int], *, trading: bool) -> list[str]:
        everything = sum(taken.values()) + sum(refused.values())
        found = []
        for data_type in self._expected:
            came = taken[data_type] + refused[data_type]
            since_s, before, all_before = self._heard.get(data_type, (now_s, came, everything))
            if not trading or came != before:
                since_s, before, all_before = now_s, came, everything
            self._heard[data_type] = (since_s, before, all_before)
            others = everything - all_before
            if now_s - since_s >= SILENT_S and others >= OTHERS:
                found.append(f"no {data_type} record came for {now_s - since_s:.0f} s of trading, and {others} others did")
        return found
