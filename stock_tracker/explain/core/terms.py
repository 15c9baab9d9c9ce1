"""What a trace was folded with, and how it is known."""

from typing import Any, NamedTuple

import msgspec

from schemas.structs import Terms


class TermsInForce(NamedTuple):
    """Terms, and where they come from."""

    topic: str
    """The topic that is folded with them."""
    terms: Terms
    origin: str
    """``pipelines.terms``, or that they are those of this command's own settings."""

    def sentence(self) -> str:
        """The same for people."""
        terms = self.terms
        if terms.correction_percent is None:
            return f"Rules that read {self.topic} are those of {self.origin}"
        return (
            f"On {self.topic} a fall of up to {terms.correction_percent} % is a correction, "
            f"and one to below {terms.reset_percent} % a reset, by {self.origin}"
        )

    def as_json(self) -> dict[str, Any]:
        """The same as plain values; the sectors, which are long, are left out."""
        values: dict[str, Any] = msgspec.to_builtins(self.terms)
        return {"topic": self.topic, "origin": self.origin, "terms": {**values, "sectors": None}}
