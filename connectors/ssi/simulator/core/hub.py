"""SSI's hub without a socket: the messages of ASP.NET SignalR 2, subscriptions, and what waits to be sent to one client.

Text in, text out; :mod:`connectors.ssi.simulator.hub_socket` does the reading and writing. SSI does not document whether a second
SwitchChannels replaces the first or adds to it: :class:`Customs` says which it is here. That ``X-TRADE:VCB,R:SSI`` asks for both
channels of both symbols is assumed, because a capture of such a subscription holds records that ``X-TRADE`` of VCB and ``R`` of
SSI alone would not have brought.
"""

import base64
import hmac
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

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
from connectors.ssi.simulator.core.faults import OddReply, RequestFault, Unanswered
from connectors.ssi.simulator.core.garble import UNKNOWN_TYPE
from connectors.ssi.simulator.core.sent import SentRecord, nonsense
from connectors.ssi.simulator.core.wire import HUB, broadcast, invocation

KNOWN_CHANNELS = ("X", "X-QUOTE", "X-TRADE", "R", "MI", "B", "F", "OL")
"""The channels that SSI offers."""
METHOD = "SwitchChannels"
"""The only hub method that clients call."""
KEEP_ALIVE = "{}"
MESSAGE_INVOCATIONS = 50
"""Most invocations, and so records, in one hub message."""
STARTED = '{ "Response": "started" }'
PONG = '{ "Response": "pong" }'

_OLDEST_PROTOCOL, _NEWEST_PROTOCOL = (1, 2), (2, 0)
# Base64 makes +, / and = of these: so every token has the characters that a client must escape in a URL.
_TOKEN_PREFIX = b"\xfb\xff\xbf"
_TAG_BYTES = 15


@dataclass(frozen=True)
class Customs:
    """What nobody outside SSI knows of its hub, and a client must be right under either way."""

    snapshot: bool = True
    """Whether a subscription is answered with the last record of everything that it names."""
    second_subscription: Literal["replaces", "adds"] = "replaces"
    """What a second SwitchChannels on a connection does to the first."""
    evicts: bool = False
    """Whether a second connection of a key ends the first."""
    keep_alive_s: float = 10.0
    """Seconds between two keep-alives, where nothing else is sent. (These are SignalR's; SSI's own are unknown.)"""


def negotiated(connection_id: str, token: str, protocol: str | None, customs: Customs) -> dict[str, Any]:
    """The answer to negotiate: SignalR's default time-outs, and the client's protocol version, brought between 1.2 and 2.0."""
    return {
        "Url": "/v2.0/signalr",
        "ConnectionToken": token,
        "ConnectionId": connection_id,
        "KeepAliveTimeout": 2 * customs.keep_alive_s,
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


class _Invocation(msgspec.Struct):
    method: str = msgspec.field(name="M")
    arguments: list[Any] = msgspec.field(name="A")
    hub: str = msgspec.field(name="H")
    identifier: int | str | None = msgspec.field(name="I", default=None)


_invocations = msgspec.json.Decoder(_Invocation)


class HubMessage(NamedTuple):
    """One message to a client."""

    text: str
    records: tuple[SentRecord, ...] = ()
    """Its records; and what a client has to reject, each piece as one."""

    @property
    def bytes(self) -> bytes:
        """As it goes over the socket; a message of a captured day that nobody could read is kept in Base64."""
        if self.records and self.records[0].state == "message":
            return base64.b64decode(self.text)
        return self.text.encode(errors="surrogateescape")


class HubConnection:
    """One client's connection: its subscription, and a bounded queue of what is to be sent to it.

    If a client reads too slowly, the oldest records in its queue are dropped and counted. SignalR's own buffer does the same.
    """

    def __init__(self, number: int, connection_id: str, most_waiting: int, customs: Customs | None = None) -> None:
        self.number = number
        self.connection_id = connection_id
        self.subscription: HubSubscription | None = None
        """The last that the client asked for."""
        self.skipped = 0
        """Records that the client was subscribed to and does not get."""
        self.malformed = 0
        """Messages and records that no client can decode, in the messages taken so far."""
        self._most_waiting = most_waiting
        self._customs = customs or Customs()
        self.subscriptions: list[HubSubscription] = []
        """Those that hold."""
        self._answers: deque[HubMessage] = deque()
        """Messages of the protocol itself; they go before the records."""
        self._records: deque[SentRecord] = deque()
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

    def open(self) -> None:
        """Queue the message that says that the connection is up."""
        self._answer(f'{{"C":"{self._cursor()}","S":1,"M":[]}}')

    def reopen(self) -> None:
        """Queue the first message after a reconnect. Nothing was kept for the client, not even its subscription."""
        self._answer(f'{{"C":"{self._cursor()}","M":[]}}')

    def keep_alive(self, records_wait: bool = False) -> None:
        """Queue a keep-alive, unless something is to be sent anyway; with ``records_wait`` records are held back meanwhile."""
        if self.idle or (records_wait and not self._answers):
            self._answer(KEEP_ALIVE)

    def say(self, text: str) -> None:
        """Queue a message that is none of SignalR's; it goes before the records."""
        self._answer(text, text)

    def call_error(self, text: str) -> None:
        """Queue an invocation of the client's method Error."""
        told = msgspec.json.encode(text).decode()
        self._answer(self._message([f'{{"H":"{HUB}","M":"Error","A":[{told}]}}']))

    def leaving(self) -> str:
        """The message that says that the server is about to shut down; it is the last."""
        return f'{{"C":"{self._cursor()}","T":1,"M":[]}}'

    def receive(self, text: str, spoilt_by: Callable[[], RequestFault | None] = lambda: None) -> HubSubscription | None:
        """Take in a message of the client and queue the answer. Returns its new subscription, if the message made one.

        Args:
            text: The message.
            spoilt_by: Called for a subscription; gives the fault that it meets.

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
            self._reply(call, str(error))
            return None
        fault = spoilt_by()
        if isinstance(fault, Unanswered):
            return None
        self._reply(call, None, fault if isinstance(fault, OddReply) else None)
        if isinstance(fault, OddReply) and fault.error is not None:
            return None
        if self._customs.second_subscription == "replaces":
            self.subscriptions.clear()
        self.subscriptions.append(subscription)
        self.subscription = subscription
        return subscription

    def _switch(self, call: _Invocation) -> HubSubscription:
        if call.hub.lower() != HUB.lower() or call.method.lower() != METHOD.lower():
            raise UnknownMethod(call.method)
        if len(call.arguments) != 1 or not isinstance(call.arguments[0], str):
            raise UnknownMethod(call.method)
        return HubSubscription.parse(call.arguments[0])

    def _reply(self, call: _Invocation, error: str | None, fault: OddReply | None = None) -> None:
        """Queue the answer to a call. It has the call's identifier as a string, even if that was a number."""
        if call.identifier is None:
            return
        said: dict[str, Any] = {"I": str(call.identifier)}
        if fault is not None and fault.state is not None:
            said["S"] = fault.state
        if error is None and fault is not None:
            error = fault.error
        if error is not None:
            said["E"] = error
        if fault is not None and fault.trace is not None:
            said["T"] = fault.trace
        self._answer(msgspec.json.encode(said).decode())

    def offer(self, sent: SentRecord) -> None:
        """Queue a record; if too many wait, drop the oldest."""
        self._records.append(sent)
        if len(self._records) > self._most_waiting:
            self._records.popleft()
            self.skipped += 1

    def skip(self, count: int = 1) -> None:
        """Count records that the client does not get."""
        self.skipped += count

    def garble(self) -> None:
        """Queue a message that ends in the middle, and a record of a DataType that does not exist."""
        torn = f'{{"C":"{self._cursor()}","M":[{{"H":"{HUB}","M":"Broadcast","A":["{{\\"DataType'
        self._answer(torn, torn)
        argument = broadcast(UNKNOWN_TYPE, f'{{"RType":"{UNKNOWN_TYPE}","Symbol":"SSI"}}')
        self._answer(self._message([invocation(argument)]), argument)

    def next_message(self, only_answers: bool = False) -> HubMessage | None:
        """Take the next message out of the queue: an answer, or as many records as one message holds. None when nothing waits.

        With ``only_answers`` the records stay in it.
        """
        message = self._next(only_answers)
        if message is not None:
            self.malformed += sum(sent.state in ("garbled", "message") for sent in message.records)
        return message

    def _next(self, only_answers: bool) -> HubMessage | None:
        if self._answers:
            return self._answers.popleft()
        if not self._records or only_answers:
            return None
        if self._records[0].state == "message":
            return HubMessage(self._records[0].text, (self._records.popleft(),))
        taken = tuple(self._take_records())
        return HubMessage(self._message([sent.text for sent in taken]), taken)

    def _take_records(self) -> Iterator[SentRecord]:
        """Take as many records as one message holds."""
        for _ in range(MESSAGE_INVOCATIONS):
            if not self._records or self._records[0].state == "message":
                return
            yield self._records.popleft()

    def _answer(self, text: str, rejected: str | None = None) -> None:
        """Queue a message of the protocol; or, with ``rejected``, one in which the client has to reject that."""
        self._answers.append(HubMessage(text, () if rejected is None else (nonsense(rejected),)))

    def _message(self, invocations: Iterable[str]) -> str:
        texts = list(invocations)
        self._sent += len(texts)
        return f'{{"C":"{self._cursor()}","M":[{",".join(texts)}]}}'

    def _cursor(self) -> str:
        return f"d-{self.connection_id[:8].upper()}-B,{self._sent:X}|C,0|D,1|E,0"
