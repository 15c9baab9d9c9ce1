"""The kinds of record in a frame: which there are, and which of them SSI said.

The others, clock ticks, loss markers and reference records, are the connector's own words.
"""

from typing import Any, Final, TypeGuard, get_args

from schemas.message import twin
from schemas.records import FrameRecord, SsiRecord

FRAME_KINDS: Final[frozenset[type[Any]]] = frozenset(twin(model) for model in get_args(FrameRecord))
"""The twins of all kinds of record that a frame can hold."""
SSI_KINDS: Final[frozenset[type[Any]]] = frozenset(twin(model) for model in get_args(SsiRecord))
"""The twins of those that SSI's feed can say."""


def is_from_ssi(record: FrameRecord) -> TypeGuard[SsiRecord]:
    """Whether SSI said it, and not the connector."""
    return type(record) in SSI_KINDS
