"""What a run of chaos came to."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from stock_tracker.chaos.core.known import Suspicion
from stock_tracker.chaos.core.recovery import Recovery, by_part


class Machine(NamedTuple):
    """Where it was run: recovery times of a busy machine are those of its queue for a processor."""

    processors: int
    load: float
    """How many processes wanted a processor at a time, in the mean of the last five minutes."""


@dataclass(frozen=True)
class ChaosReport:
    """What was struck, how it came back, and what was made of the differences."""

    seed: int
    recoveries: Sequence[Recovery]
    suspicions: Sequence[Suspicion]
    cuts_refused: str
    """Why the system did not let connections be cut; empty when it did."""
    machine: Machine

    @property
    def all_came_back(self) -> bool:
        """Whether every process that was struck was there again, and got to the end of its topics."""
        return not any(one.failed for one in self.recoveries if one.pid is not None)

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        struck = [one for one in self.recoveries if one.pid is not None]
        return {
            "seed": self.seed,
            "machine": self.machine._asdict(),
            "strikes": {how: sum(one.how == how for one in struck) for how in ("kill", "stop", "cut")},
            "not_struck": len(self.recoveries) - len(struck),
            "cuts_refused": self.cuts_refused,
            "all_came_back": self.all_came_back,
            "recovery": [part.as_json() for part in by_part(struck)],
            "known": [suspicion.as_json() for suspicion in self.suspicions],
            "struck": [asdict(one) for one in self.recoveries],
        }

    def sentences(self) -> Iterator[str]:
        """The same for people, a line each."""
        struck = [one for one in self.recoveries if one.pid is not None]
        processors, load = self.machine
        yield f"Chaos with seed {self.seed}: {len(struck)} strikes, on {processors} processors that {load:.1f} processes wanted"
        for part in by_part(struck):
            yield f"  {part.sentence()}"
        if self.cuts_refused:
            yield f"✗ no connection was cut: {self.cuts_refused}"
        if missed := len(self.recoveries) - len(struck):
            yield f"  {missed} strikes found nobody to strike until the end"
        for known, count in self.suspicions:
            met = f"which {count} of the differences may come from. {known.says}" if count else "which did not happen this time"
            yield f"Known, and not mended yet: {known.name}, {met}"
