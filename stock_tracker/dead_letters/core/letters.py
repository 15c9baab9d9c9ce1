"""What stands on ``ssi.dlq``, as it may be shown, and what today's code makes of it (pure).

A dead letter is hostile text: whoever sends records can put anything into it, also what moves a terminal's cursor or turns the
direction of writing. Nothing of one is shown before :func:`schemas.plain_text.harmless`.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from connectors.ssi.core.decode import Decoder
from connectors.ssi.core.errors import InvalidRecord
from schemas.errors import InvalidMessage, NewerMessage
from schemas.records import FrameRecord
from schemas.structs import DeadLetter
from schemas.topics import RECORD_TOPICS
from schemas.units import UnixMs

FROM_SSI: Final = "ssi"
"""The source of what the connector could not decode."""
_RECORDS: Final = {topic.name: topic for topic in RECORD_TOPICS}


class Letter(NamedTuple):
    """A dead letter, and where and when it was put aside."""

    offset: int
    ts_ms: UnixMs
    """When Kafka took it."""
    said: DeadLetter

    def as_json(self) -> dict[str, Any]:
        """Plain values, as they are: whoever shows them must escape them.

        ``offset`` is the letter's own; where the record was is in ``position``, null where it was on no topic.
        """
        fields: dict[str, Any] = msgspec.to_builtins(self.said)
        position = {name: fields.pop(name) for name in ("topic", "partition", "offset", "idx")}
        payload = fields.pop("payload")
        is_placed = self.said.topic is not None
        return {
            "offset": self.offset, "ts_ms": self.ts_ms, **fields, "position": position if is_placed else None, "payload": payload,
        }  # fmt: skip


class NoChance(NamedTuple):
    """Why a letter cannot be used today either."""

    reason: str


def counted(letters: Iterable[Letter]) -> list[tuple[str, str, int]]:
    """How many there are of each source and reason, most first."""
    counts = Counter((letter.said.source, letter.said.reason) for letter in letters)
    return [(source, reason, number) for (source, reason), number in counts.most_common()]


def second_chance(letter: DeadLetter, decoder: Decoder) -> list[FrameRecord] | NoChance:
    """The records in a dead letter, by the code of today.

    Args:
        letter: From whichever process.
        decoder: That knows the symbols.
    """
    if letter.source == FROM_SSI:
        try:
            return [decoder.decode(letter.payload)]
        except InvalidRecord as error:
            return NoChance(f"{error.reason.value}: {error.detail}")
    topic = _RECORDS.get(letter.topic or "")
    if topic is None:
        return NoChance(f"it is of {letter.topic}, which is made of records: compute the day again, stock-tracker recompute")
    # A pipeline puts aside a record of a frame, or a whole frame where it cannot read that.
    frame = f'{{"schema":{topic.version},"feed":"","epoch":0,"seq":0,"recv_us":0,"records":[{letter.payload}]}}'
    try:
        return topic.decode((letter.payload if letter.idx is None else frame).encode()).records
    except (InvalidMessage, NewerMessage) as error:
        return NoChance(str(error))
