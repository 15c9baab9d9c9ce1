"""Records of every kind against what the simulator sent: none is lost, none came twice, none was refused without a reason."""

from collections.abc import Iterable, Iterator

from connectors.ssi.simulator.core.truth import SimulatorStatus
from schemas.position import Position
from schemas.structs import DeadLetter
from stock_tracker.verify.core.differences import Difference, EventPosition

CONNECTOR = "ssi"
"""The source of the connector's dead letters. What they hold is on no other topic; the dead letters of the pipelines and of the
sink hold messages and records that are on a topic as well."""


def compare_records(status: SimulatorStatus, received: int, dead_letters: Iterable[DeadLetter]) -> Iterator[Difference]:
    """Compare how much was sent, how much arrived, and how much of that nobody could use.

    Args:
        status: The simulator's connections. Everything on a connection that is open must have arrived; of one that has ended the
            last records may be lost.
        received: Records on the ``ssi.*`` topics, and the connector's dead letters.
        dead_letters: Those of all processes.
    """
    sent = {connection.id: connection.records + connection.malformed for connection in status.connections}
    least = sum(sent[connection.id] for connection in status.connections if connection.ended is None)
    most = sum(sent.values())
    if received < least:
        yield Difference("lost_records", "", f"{least} are on connections that are open, {received} on the ssi.* topics", None)
    elif received > most:
        yield Difference("doubled_records", "", f"{most} were put on sockets, {received} are on the ssi.* topics", None)

    undecodable = 0
    for letter in dead_letters:
        if letter.source == CONNECTOR:
            undecodable += 1
        else:
            position = (
                None
                if letter.topic is None
                else EventPosition(Position(letter.topic, letter.partition or 0, letter.offset or 0), letter.idx or 0)
            )
            yield Difference("dead_letter", "", f"{letter.source}, {letter.reason}: {letter.detail}", position)
    malformed = sum(connection.malformed for connection in status.connections)
    if undecodable > malformed:
        yield Difference(
            "dead_letter",
            "",
            f"the connector could not use {undecodable} things, the simulator garbled {malformed} on purpose",
            None,
        )
