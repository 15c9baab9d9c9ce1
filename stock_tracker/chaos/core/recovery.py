"""How long the processes needed to be there again, in figures."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from stock_tracker.chaos.core.schedule import How


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


@dataclass(frozen=True)
class Quantiles:
    """Of some durations, in seconds: each the shortest that at least so many of them do not exceed."""

    count: int
    p50: float
    p99: float
    longest: float

    @classmethod
    def of(cls, durations: Iterable[float]) -> "Quantiles | None":
        """Those of ``durations``; None when there is none."""
        ordered = sorted(durations)
        if not ordered:
            return None
        return cls(len(ordered), _quantile(ordered, 50), _quantile(ordered, 99), ordered[-1])


@dataclass(frozen=True)
class PartRecovery:
    """How a part came back from one kind of strike."""

    part: str
    how: How
    strikes: int
    ready: Quantiles | None
    caught_up: Quantiles | None
    never: int
    """How often it did not come back, or not to the end of its topics."""

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return asdict(self)

    def sentence(self) -> str:
        """The same for people."""
        ready, caught_up = (_said(quantiles) for quantiles in (self.ready, self.caught_up))
        never = f"; {self.never} times not" if self.never else ""
        return f"{self.part}, {self.how} × {self.strikes}: ready after {ready}, caught up after {caught_up}{never}"


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
                ready=Quantiles.of(one.ready_s for one in its if one.ready_s is not None),
                caught_up=Quantiles.of(one.caught_up_s for one in its if one.caught_up_s is not None),
                never=sum(one.failed for one in its),
            )
        )
    return found


def _quantile(ordered: Sequence[float], percent: int) -> float:
    """The nearest-rank quantile."""
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1]


def _said(quantiles: Quantiles | None) -> str:
    if quantiles is None:
        return "–"
    return f"{quantiles.p50:.1f} s (p50), {quantiles.p99:.1f} s (p99)"
