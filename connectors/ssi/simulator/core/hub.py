"""SSI's hub without a socket: the messages of ASP.NET SignalR 2, subscriptions, and what waits to be sent to one client.

Text in, text out; :mod:`connectors.ssi.simulator.hub_socket` does the reading and writing. Two things SSI does not document. We
assume that a second SwitchChannels replaces the first; and that ``X-TRADE:VCB,R:SSI`` asks for both channels of both symbols,
because a capture of such a subscription holds records that ``X-TRADE`` of VCB and ``R`` of SSI alone would not have brought.
"""

import base64
import hmac
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from connectors.ssi.simulator.core.errors import (
    InvalidConnectionToken,
    InvalidInvocation,
    MissingConnectionToken,
    ProtocolError,
    UnknownChannel,
    UnknownMethod,
    UnknownTransport,
)
from connectors.ssi.simulator.core.records import SimulatedRecord
from connectors.ssi.simulator.core.wire import HUB, broadcast, invocation

KNOWN_CHANNELS = ("X", "X-QUOTE", "X-TRADE", "R", "MI", "B", "F", "OL")
"""The channels that SSI offers."""
METHOD = "SwitchChannels"
"""The only hub method that clients call."""
KEEP_ALIVE = "{}"
KEEP_ALIVE_S = 10.0
"""Seconds between two keep-alives, where nothing else is sent."""
MESSAGE_INVOCATIONS = 50
"""Most invocations, and so records, in one hub message."""
STARTED = '{ "Response": "started" }'
PONG = '{ "Response": "pong" }'

_OLDEST_PROTOCOL, _NEWEST_PROTOCOL = (1, 2), (2, 0)
# Base64 makes +, / and = of these: so every token has the characters that a client must escape in a URL.
_TOKEN_PREFIX = b"\xfb\xff\xbf"
_TAG_BYTES = 15


def negotiated(connection_id: str, token: str, protocol: str | None) -> dict[str, Any]:
    """The answer to negotiate: SignalR's default time-outs, and the client's protocol version, brought between 1.2 and 2.0."""
    return {
        "Url": "/v2.0/signalr",
        "ConnectionToken": token,
        "ConnectionId": connection_id,
        "KeepAliveTimeout": 20.0,
        "DisconnectTimeout": 30.0,
        "ConnectionTimeout": 110.0,
        "TryWebSockets": True,
        "ProtocolVersion": _protocol(protocol),
        "TransportConnectTimeout": 5.0,
        "LongPollDelay": 0.0,
    }


def _protocol(asked: str | None) -> str:
    try:
        major, _, minor = (asked or "").partition(".")
        version = (int(major), int(minor or 0))
    except ValueError:
        version = _OLDEST_PROTOCOL
    return "{}.{}".format(*min(max(version, _OLDEST_PROTOCOL), _NEWEST_PROTOCOL))


def check_transport(transport: str | None) -> None:
    """Refuse every transport but the one that SSI's clients use.

    Raises:
        UnknownTransport: It is not ``webSockets``.

    """
    if (transport or "").lower() != "websockets":
        raise UnknownTransport


class ConnectionTokens:
    """Issues connection tokens and reads them. A token is a connection id, signed: so none has to be remembered."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, connection_id: uuid.UUID) -> str:
        """Make the token of a connection. It always has ``+``, ``/`` and ``=`` in it."""
        return base64.b64encode(_TOKEN_PREFIX + connection_id.bytes + self._tag(connection_id.bytes)).decode()

    def connection_id(self, token: str | None) -> str:
        """The id of the connection that the token was issued for.

        Raises:
            MissingConnectionToken: There is none.
            InvalidConnectionToken: This server did not issue it.

        """
        if not token:
            raise MissingConnectionToken
        try:
            raw = base64.b64decode(token, validate=True)
        except ValueError as error:
            raise InvalidConnectionToken from error
        body, tag = raw[len(_TOKEN_PREFIX) : -_TAG_BYTES], raw[-_TAG_BYTES:]
        if len(body) != 16 or not hmac.compare_digest(tag, self._tag(body)):
            raise InvalidConnectionToken
        return str(uuid.UUID(bytes=body))

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_TAG_BYTES]


@dataclass(frozen=True)
class HubSubscription:
    """What a client asked for: every one of these channels for every one of these symbols."""

    text: str
    """The channel list as the client wrote it."""
    channels: frozenset[str]
    symbols: frozenset[str] | None
    """The symbols asked for, in upper case; None for all."""

    @classmethod
    def parse(cls, text: str) -> "HubSubscription":
        """Read ``CHANNEL:ALL``, ``CHANNEL:SYM-SYM``, several of these with commas between, or ``ALL``; in upper or lower case.

        Raises:
            UnknownChannel: It cannot be read, or names a channel that SSI does not have.

        """
        channels: set[str] = set()
        symbols: set[str] = set()
        for part in text.upper().split(","):
            channel, separator, names = (piece.strip() for piece in part.partition(":"))
            if channel == "ALL" and not separator:
                channels.update(KNOWN_CHANNELS)
                names = "ALL"
            elif channel in KNOWN_CHANNELS and names:
                channels.add(channel)
            else:
                raise UnknownChannel
            symbols.update(name.strip() for name in names.split("-"))
        return cls(text, frozenset(channels), None if "ALL" in symbols else frozenset(symbols))

    def wants(self, record: SimulatedRecord) -> bool:
        """Whether it asks for ``record``."""
        return record.channel in self.channels and (self.symbols is None or record.listing.symbol in self.symbols)


class _Invocation(msgspec.Struct):
    method: str = msgspec.field(name="M")
    arguments: list[Any] = msgspec.field(name="A")
    hub: str = msgspec.field(name="H")
    identifier: int | str | None = msgspec.field(name="I", default=None)


_invocations = msgspec.json.Decoder(_Invocation)


class HubMessage(NamedTuple):
    """One message to a client."""

    text: str
    places: tuple[int, ...]
    """The places of its records in the day's list."""


class HubConnection:
    """One client's connection: its subscription, and a bounded queue of what is to be sent to it.

    If a client reads too slowly, the oldest records in its queue are dropped and counted. SignalR's own buffer does the same.
    """

    def __init__(self, number: int, connection_id: str, most_waiting: int) -> None:
        self.number = number
        self.connection_id = connection_id
        self.subscription: HubSubscription | None = None
        self.skipped = 0
        """Records that the client was subscribed to and does not get."""
        self.malformed = 0
        """Messages and records that no client can decode."""
        self._most_waiting = most_waiting
        self._answers: deque[str] = deque()
        """Messages of the protocol itself; they go before the records."""
        self._records: deque[tuple[int, str]] = deque()
        self._sent = 0
        """Invocations in the messages taken so far; the cursor counts them."""

    @property
    def waiting(self) -> int:
        """Records in the queue."""
        return len(self._records)

    @property
    def idle(self) -> bool:
        """Whether nothing at all waits to be sent."""
        return not self._records and not self._answers

    def wants(self, record: SimulatedRecord) -> bool:
        """Whether the client is subscribed to ``record``."""
        return self.subscription is not None and self.subscription.wants(record)

    def open(self) -> None:
        """Queue the message that says that the connection is up."""
        self._answers.append(f'{{"C":"{self._cursor()}","S":1,"M":[]}}')

    def reopen(self) -> None:
        """Queue the first message after a reconnect. Nothing was kept for the client, not even its subscription."""
        self._answers.append(f'{{"C":"{self._cursor()}","M":[]}}')

    def keep_alive(self) -> None:
        """Queue a keep-alive, unless something is to be sent anyway."""
        if self.idle:
            self._answers.append(KEEP_ALIVE)

    def receive(self, text: str) -> HubSubscription | None:
        """Take in a message of the client and queue the answer. Returns its new subscription, if the message made one.

        Raises:
            InvalidInvocation: It is no invocation; SignalR gives no answer to such a message.

        """
        try:
            call = _invocations.decode(text)
        except msgspec.MsgspecError as error:
            raise InvalidInvocation(str(error)) from error
        try:
            subscription = self._switch(call)
        except ProtocolError as error:
            self._reply(call, error)
            return None
        self._reply(call, None)
        self.subscription = subscription
        return subscription

    def _switch(self, call: _Invocation) -> HubSubscription:
        if call.hub.lower() != HUB.lower() or call.method.lower() != METHOD.lower():
            raise UnknownMethod(call.method)
        if len(call.arguments) != 1 or not isinstance(call.arguments[0], str):
            raise UnknownMethod(call.method)
        return HubSubscription.parse(call.arguments[0])

    def _reply(self, call: _Invocation, error: ProtocolError | None) -> None:
        """Queue the answer to a call. It has the call's identifier as a string, even if that was a number."""
        if call.identifier is None:
            return
        answer = {"I": str(call.identifier)} | ({"E": str(error)} if error else {})
        self._answers.append(msgspec.json.encode(answer).decode())

    def offer(self, place: int, text: str) -> None:
        """Queue a record, which is encoded as an invocation; if too many wait, drop the oldest.

        Args:
            place: Its place in the day's list of records.
            text: The invocation.
        """
        self._records.append((place, text))
        if len(self._records) > self._most_waiting:
            self._records.popleft()
            self.skipped += 1

    def skip(self, count: int = 1) -> None:
        """Count records that the client does not get."""
        self.skipped += count

    def garble(self) -> None:
        """Queue a message that ends in the middle, and a record of a DataType that does not exist."""
        self._answers.append(f'{{"C":"{self._cursor()}","M":[{{"H":"{HUB}","M":"Broadcast","A":["{{\\"DataType')
        self._answers.append(self._message([invocation(broadcast("Z-UNKNOWN", '{"RType":"Z-UNKNOWN","Symbol":"SSI"}'))]))
        self.malformed += 2

    def next_message(self) -> HubMessage | None:
        """Take the next message out of the queue: an answer, or as many records as one message holds. None when nothing waits."""
        if self._answers:
            return HubMessage(self._answers.popleft(), ())
        if not self._records:
            return None
        taken = [self._records.popleft() for _ in range(min(MESSAGE_INVOCATIONS, len(self._records)))]
        return HubMessage(self._message([text for _, text in taken]), tuple(place for place, _ in taken))

    def _message(self, invocations: Iterable[str]) -> str:
        texts = list(invocations)
        self._sent += len(texts)
        return f'{{"C":"{self._cursor()}","M":[{",".join(texts)}]}}'

    def _cursor(self) -> str:
        return f"d-{self.connection_id[:8].upper()}-B,{self._sent:X}|C,0|D,1|E,0"
