"""What a profile says: a JSON file with a section for each thing that was looked at, and in it figures. Pure.

A figure has a value for each round that was measured, and beside each value how long a loop took that always does the same
(:mod:`stock_tracker.bench.core.calibrating`). So a figure of a slow machine can be told from a slow program.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

FORMAT: Final = 1
"""The version of the layout. A file of another one is refused: its figures may mean something else."""
SECTIONS: Final = ("cpu", "memory", "asyncio", "archive", "end_to_end", "side_by_side")
"""What a whole profile has, in the order of the report."""
SectionName = Literal["cpu", "memory", "asyncio", "archive", "end_to_end", "side_by_side"]
Scaling = Literal["time", "rate", "none"]
"""What a slower machine does to a figure: a time grows, a rate shrinks, a ratio or a size stays."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MachineSeen(_Part):
    """The machine that a section was measured on."""

    system: str
    """Operating system and architecture."""
    processors: int = Field(ge=1)
    load_before: float = Field(ge=0)
    """The system's load average of the last minute when the section began: above 0.5, others were at work too."""


class Taken(_Part):
    """What has to be known of a measurement before it is compared with another one."""

    at: str
    """When it began, UTC, ISO 8601."""
    seconds: float = Field(ge=0)
    """How long the section took."""
    commit: str
    """The commit of the checkout, with ``+`` where files were changed; the release where there is no checkout."""
    machine: MachineSeen
    versions: dict[str, str] = Field(min_length=1)
    """Python, and the libraries that matter."""


class BenchFigure(_Part):
    """A number that was measured, once a round."""

    unit: str
    values: list[float] = Field(min_length=1)
    loops: list[float] = Field(default=[])
    """Microseconds of CPU of the calibrating loop beside each value, taken in turn with it; empty where nothing scales."""
    better: Literal["lower", "higher", "neither"] = "lower"
    scales: Scaling = "none"

    @model_validator(mode="after")
    def _has_its_loops(self) -> Self:
        if self.scales != "none" and len(self.loops) != len(self.values):
            raise ValueError("a figure that scales with the machine has a calibrating loop beside each value")
        if any(loop <= 0 for loop in self.loops):
            raise ValueError("a calibrating loop takes time")
        return self


class HotSpot(_Part):
    """A function, or a module, that takes much of something."""

    where: str
    """``module:function`` or a module, of our own code."""
    share: float = Field(ge=0, le=1)
    """Of the whole that was looked at."""
    amount: float
    """In the table's unit."""


class HotSpots(_Part):
    """A table of them, the greatest first."""

    title: str
    unit: str
    rows: list[HotSpot]


class Measured(_Part):
    """A section with figures."""

    kind: Literal["measured"] = "measured"
    taken: Taken
    load: str
    """What was done while it was measured, in a sentence."""
    figures: dict[str, BenchFigure] = Field(min_length=1)
    tables: list[HotSpots] = []


class Unavailable(_Part):
    """A section that could not be measured."""

    kind: Literal["unavailable"] = "unavailable"
    reason: str = Field(min_length=1)
    """What it needs, and what to do to have it."""


Section = Annotated[Measured | Unavailable, Field(discriminator="kind")]


class BenchResults(_Part):
    """The file that ``bench profile`` writes."""

    format: Literal[1] = FORMAT
    sections: dict[SectionName, Section]

    def with_section(self, name: SectionName, section: Measured | Unavailable) -> "BenchResults":
        """The same with one section more, or another in its place."""
        return BenchResults(sections={**self.sections, name: section})


class WrongResults(Exception):
    """A file is not what ``bench profile`` writes; ``problems`` says where, a line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_results(data: bytes) -> BenchResults:
    """The results in a file.

    Raises:
        WrongResults: They are no results, or not of this format.
    """
    try:
        return BenchResults.model_validate_json(data)
    except ValidationError as error:
        raise WrongResults(
            [
                f"{'.'.join(str(place) for place in wrong['loc']) or 'the file'}: {wrong['msg']}"
                for wrong in error.errors(include_url=False, include_input=False)
            ]
        ) from error
