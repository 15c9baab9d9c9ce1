"""How long the processes needed to be there again, in figures."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

from stock_tracker.chaos.core.schedule import STOP_S, How

Stretch = Literal["restarting", "starting", "catching_up"]
"""What a part that comes back is at: it has no new process yet, or that is not ready, or has not read all that waits for it."""
STRETCHES: Final[tuple[Stretch, ...]] = ("restarting", "starting", "catching_up")

RECOVER_S: Final = 300.0
"""A process that is not back after so many seconds is taken never to come back."""
AFTERMATH_S: Final = 5.0
"""So many seconds after something has come back, others that waited for it may still be held up."""


@dataclass(frozen=True)
class Recovery:
    """What became of a strike. Times are in seconds after it; of a stop, after its end."""

    at_s: float
    """Seconds after the begin of the play."""
    part: str
    how: How
    pid: int | None
    """The process that was struck; None when there was none to strike until the end of the play."""
    connections: int = 0
    """How many TCP connections were cut."""
    restarted_s: float | None = None
    """Until it had another process; 0 where it was not killed, None when it never had one."""
    ready_s: float | None = None
    """Until it said that it was ready; None when it never did."""
    caught_up_s: float | None = None
    """Until it had read and committed all that was on its topics when it was ready; None when it never had."""
    overlapped: bool = False
    """Whether something else was struck meanwhile, or just before: it may have waited for that."""

    @property
    def failed(self) -> bool:
        """Whether it did not come back."""
        return self.ready_s is None or self.caught_up_s is None

    @property
    def back_s(self) -> float:
        """When it was there again, or was given up, in seconds after the begin of the play."""
        stopped_s = STOP_S if self.how == "stop" else 0.0
        return self.at_s + stopped_s + (RECOVER_S if self.caught_up_s is None else self.caught_up_s)

    @property
    def stretches(self) -> dict[Stretch, float]:
        """How long each part of its way back took, in seconds, as far as it came."""
        found: dict[Stretch, float] = {}
        since_s = 0.0
        for stretch, until_s in zip(STRETCHES, (self.restarted_s, self.ready_s, self.caught_up_s), strict=True):
            if until_s is None:
                break
            found[stretch] = until_s - since_s
            since_s = until_s
        return found


@dataclass(frozen=True)
class Quantiles:
    """Of some durations, in seconds: each the shortest that at least so many of them do not exceed."""

    count: int
    p50: float
    p99: float
    longest: float

    @classmethod
    def of(cls, durations: Iterable[float | None]) -> "Quantiles | None":
        """Those of ``durations``, those apart that are None; None when no other is there."""
        ordered = sorted(duration for duration in durations if duration is not None)
        if not ordered:
            return None
        return cls(len(ordered), _quantile(ordered, 50), _quantile(ordered, 99), ordered[-1])


@dataclass(frozen=True)
class PartRecovery:
    """How a part came back from one kind of strike."""

    part: str
    how: How
    strikes: int
    restarted: Quantiles | None
    ready: Quantiles | None
    caught_up: Quantiles | None
    caught_up_alone: Quantiles | None
    """Of those strikes that nothing else overlapped, until it had caught up."""
    mostly: Stretch | None
    """What took longest of all its ways back together; None when they took no time."""
    never: int
    """How often it did not come back, or not to the end of its topics."""

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return asdict(self)

    def sentence(self) -> str:
        """The same for people."""
        said = [f"{self.part}, {self.how} × {self.strikes}:"]
        if self.how == "kill":
            said.append(f"restarted after {_said(self.restarted)},")
        said.append(f"ready after {_said(self.ready)}, caught up after {_said(self.caught_up)}")
        if self.caught_up_alone is not None:
            said.append(f"({_said(self.caught_up_alone)} of the {self.caught_up_alone.count} struck alone)")
        if self.mostly is not None:
            said.append(f"– mostly {self.mostly.replace('_', ' ')}")
        if self.never:
            said.append(f"; {self.never} times not")
        return " ".join(said).replace(" ;", ";")


def overlaps_noted(recoveries: Sequence[Recovery]) -> list[Recovery]:
    """The recoveries in the order of their strikes, each with whether another one :attr:`~Recovery.overlapped` it."""
    happened = [one for one in recoveries if one.pid is not None]
    return [
        replace(
            one,
            overlapped=any(
                other is not one and other.at_s < one.back_s and one.at_s < other.back_s + AFTERMATH_S for other in happened
            ),
        )
        for one in sorted(recoveries, key=lambda one: one.at_s)
    ]


def by_part(recoveries: Sequence[Recovery]) -> list[PartRecovery]:
    """The recoveries of each part from each kind of strike, by name."""
    found = []
    for part, how in sorted({(one.part, one.how) for one in recoveries}):
        its = [one for one in recoveries if (one.part, one.how) == (part, how)]
        found.append(
            PartRecovery(
                part=part,
                how=how,
                strikes=len(its),
                restarted=Quantiles.of(one.restarted_s for one in its),
                ready=Quantiles.of(one.ready_s for one in its),
                caught_up=Quantiles.of(one.caught_up_s for one in its),
                caught_up_alone=Quantiles.of(one.caught_up_s for one in its if not one.overlapped),
                mostly=_mostly(its),
                never=sum(one.failed for one in its),
            )
        )
    return found


def _mostly(recoveries: Sequence[Recovery]) -> Stretch | None:
    """The stretch that took most of the time of all ``recoveries``."""
    spent_s = {stretch: sum(one.stretches.get(stretch, 0.0) for one in recoveries) for stretch in STRETCHES}
    longest = max(STRETCHES, key=lambda stretch: spent_s[stretch])
    return longest if spent_s[longest] > 0 else None


def _quantile(ordered: Sequence[float], percent: int) -> float:
    """The nearest-rank quantile."""
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1]


def _said(quantiles: Quantiles | None) -> str:
    if quantiles is None:
        return "–"
    return f"{quantiles.p50:.1f} s (p50), {quantiles.p99:.1f} s (p99)"
