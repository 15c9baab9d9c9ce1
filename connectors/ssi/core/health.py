"""What is wrong with a connector, in one sentence for its operator. Pure."""

from typing import Final, Literal

from connectors.ssi.core.errors import ClockUnavailable
from schemas.errors import KafkaUnavailable

FeedState = Literal["connecting", "up", "down", "stopped"]
"""How the connection to SSI is, as ``ssi.status`` says it."""
MAX_REJECTED_IN_A_ROW: Final = 1_000
"""So many rejected one after the other are no broken records: the feed itself has changed."""


def what_is_wrong(
    state: FeedState,
    reason: str,
    *,
    clock: ClockUnavailable | None,
    rejected_in_a_row: int,
    kafka: KafkaUnavailable | None,
    waiting: int,
) -> str:
    """Say what an operator has to see to first, or "" when all is well.

    Of several troubles the one nearest to Kafka is said: while nothing gets through there, mending the others helps nobody.

    Args:
        state: How the connection to SSI is.
        reason: Why it is not up.
        clock: Why a simulator's clock cannot be read.
        rejected_in_a_row: How many records could not be used since the last one that could.
        kafka: Why nothing gets through to Kafka.
        waiting: How many records wait for it.
    """
    if kafka is not None:
        return f"{kafka}; {waiting} records wait"
    if rejected_in_a_row >= MAX_REJECTED_IN_A_ROW:
        return f"the last {rejected_in_a_row} records could not be decoded: read ssi.dlq; SSI may have changed its format"
    if clock is not None:
        return str(clock)
    return reason if state != "up" else ""
