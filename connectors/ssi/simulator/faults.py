"""What can be made to go wrong on demand: each fault as the request that asks for it, with what it does to a connection."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from connectors.ssi.simulator.core.errors import UnknownFault
from connectors.ssi.simulator.hub_socket import HubSocket


class Drop(msgspec.Struct, frozen=True, tag="drop", tag_field="fault", forbid_unknown_fields=True):
    """Reset the socket of every connection, without a WebSocket close frame."""

    def strike(self, socket: HubSocket) -> None:
        """Make it happen to one connection."""
        socket.drop()


class Silence(msgspec.Struct, frozen=True, tag="silence", tag_field="fault", forbid_unknown_fields=True):
    """Send nothing on any connection for some time, not even keep-alives, as if the network in between had gone."""

    seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)]
    """How long nothing is sent, in seconds of wall time."""

    def strike(self, socket: HubSocket) -> None:
        """Make it happen to one connection."""
        socket.silence(self.seconds)


class Malformed(msgspec.Struct, frozen=True, tag="malformed", tag_field="fault", forbid_unknown_fields=True):
    """Send a hub message that ends in the middle, and a record of an unknown DataType."""

    def strike(self, socket: HubSocket) -> None:
        """Make it happen to one connection."""
        socket.garble()


Fault = Drop | Silence | Malformed

_faults: msgspec.json.Decoder[Fault] = msgspec.json.Decoder(Fault)


def read_fault(body: bytes) -> Fault:
    """Read a request to ``/sim/faults``.

    Raises:
        UnknownFault: It names no fault, or gives it settings that it does not have.

    """
    try:
        return _faults.decode(body)
    except msgspec.MsgspecError as error:
        raise UnknownFault(str(error)) from error


def strike(fault: Fault, sockets: Iterable[HubSocket]) -> int:
    """Do it to every connection; return how many there were."""
    struck = list(sockets)
    for socket in struck:
        fault.strike(socket)
    return len(struck)
