"""What figures have to reach, and how far two runs may differ, as ``benchmarks/thresholds.toml`` says it. Pure."""

import tomllib
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stock_tracker.bench.core.results import SectionName


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FigureThreshold(_Entry):
    """One figure's two marks: what is wished for, and what it must reach."""

    section: SectionName
    figure: str
    """Its name; one that ends in ``*`` stands for all figures that begin so, of which each is judged."""
    target: float
    """Reached: it passes."""
    limit: float
    """Not even this: it fails. Between the two it is a warning."""
    why: str
    """Where the marks come from."""


class Noise(_Entry):
    """By what part a figure may differ from the baseline although nothing changed, beside what its own rounds show."""

    usual: float = Field(gt=0)
    figures: dict[str, float] = {}
    """By ``section.figure``, or the beginning of that."""

    def of(self, name: str) -> float:
        """That of a figure, named ``section.figure``: of the longest beginning that is listed."""
        found = [beginning for beginning in self.figures if name.startswith(beginning)]
        return self.figures[max(found, key=len)] if found else self.usual


class BenchThresholds(_Entry):
    """The whole file."""

    loop: Literal[1]
    """The number of the calibrating loop that the marks are in terms of."""
    reference_loop_us: float = Field(gt=0)
    """Times and rates are judged as on a machine on which the calibrating loop takes so many microseconds."""
    noise: Noise
    threshold: list[FigureThreshold] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [(one.section, one.figure) for one in self.threshold]
        if len(set(names)) != len(names):
            raise ValueError("a figure has two thresholds")
        return self


class WrongThresholds(Exception):
    """A file of thresholds cannot be used; ``problems`` says why, a line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_thresholds(text: str) -> BenchThresholds:
    """The thresholds in a file.

    Raises:
        WrongThresholds: It is no TOML, or something in it is missing or unknown.
    """
    try:
        return BenchThresholds.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise WrongThresholds([str(error)]) from error
    except ValidationError as error:
        raise WrongThresholds(
            [f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in error.errors(include_url=False)]
        ) from error
