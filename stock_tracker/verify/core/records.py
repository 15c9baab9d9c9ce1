"""Records of every kind against what the simulator put on its sockets: none lost, none twice, none refused without a reason."""

from collections.abc import Iterable, Iterator

from connectors.ssi.simulator.core.truth import SimulatorStatus
from schemas.structs import DeadLetter
from stock_tracker.verify.core.differences import Difference, Position

CONNECTOR = "ssi"
"""The source of dead letters that stand for something received; those of others stand for records that are on a topic too."""


def compare_records(status: SimulatorStatus, received: int, dead_letters: Iterable[DeadLetter]) -> Iterator[Difference]:
    """Compare how much was sent, how much arrived, and how much of that nobody could use.

    Args:
        status: The simulator's connections. What it put on one that is open must have arrived; one that has ended may have
            taken its last records with it.
        received: Records on the ``ssi.*`` topics, and the connector's dead letters.
        dead_letters: Of every process.
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
                else Position(letter.topic, letter.partition or 0, letter.offset or 0, letter.idx or 0)
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
