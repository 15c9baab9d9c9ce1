"""SSI's hub seen from a client, without the socket: what happens goes in, what to do comes out. Pure.

The hub speaks classic ASP.NET SignalR: negotiate, connect, a first message that says the connection is ready, start, one
invocation of SwitchChannels, then messages with Broadcasts in them, and ``{}`` to keep the connection alive. A
:class:`HubClient` lives as long as one such connection; a new attempt makes a new one. :mod:`connectors.ssi.client` carries
its actions out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import orjson

from connectors.ssi.core.errors import (
    ChannelsRejected,
    ConnectionClosed,
    QuotaExceeded,
    Reason,
    SsiError,
    SsiUnavailable,
    TokenRejected,
)
from connectors.ssi.core.replies import objection, one_line, speaks_of_quota, speaks_of_token
from connectors.ssi.core.salvage import Piece, invocations_in
from schemas.units import MonotonicMs

HUB: Final = "FcMarketDataV2Hub"
PROTOCOL: Final = "1.5"
HANDSHAKE_MS: Final = 15_000
"""How long the hub may take from the opening of the WebSocket to its first message, and then to answer SwitchChannels."""
MAX_REJECTIONS: Final = 1_000
"""Invocations of one message that are rejected one by one; of more only the number is told."""
NO_KEEP_ALIVE_MS: Final = 110_000
"""The longest that the hub may be silent if it promises no keep-alive: SignalR's own time-out of a connection."""
SHORTEST_SILENCE_MS: Final = 1_000
"""The shortest silence that ends a connection, whatever the hub promises: less than this happens on every network."""


@dataclass(frozen=True, slots=True)
class Start:
    """Call the start URL. Go on whether it answers or not: the hub serves clients that never call it, too."""

    url: str


@dataclass(frozen=True, slots=True)
class BeginEpoch:
    """Begin a new epoch: whatever is received from here on belongs to it."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send ``text`` over the WebSocket."""

    text: str


@dataclass(frozen=True, slots=True)
class Subscribed:
    """Note that data can flow: the hub accepted the channels, or sent data, which says the same."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Decode Broadcast arguments and publish their records; they are in the order in which they came."""

    arguments: Sequence[str]


@dataclass(frozen=True, slots=True)
class RejectMessage:
    """Make a dead letter of a hub message, or of one invocation in it."""

    reason: Reason
    detail: str
    idx: int | None
    """Which invocation of the message it is, from 0; None for the whole message."""
    payload: str | bytes
    count: int = 1
    """How many invocations it stands for."""


@dataclass(frozen=True, slots=True)
class Warn:
    """Log something that SSI says and an operator should read."""

    text: str


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Close the connection and, after a pause, make a new one."""

    error: SsiError


Action = Start | BeginEpoch | Send | Subscribed | Publish | RejectMessage | Warn | Reconnect


class _Negotiation(msgspec.Struct, rename="pascal"):
    """The reply to negotiate, as far as it is needed."""

    connection_token: str
    keep_alive_timeout: Any = None
    """After so many seconds without a message the connection is dead; None when the hub sends no keep-alives."""
    try_web_sockets: bool = True


class _Invocation(msgspec.Struct, gc=False):
    """A call of a method of ours by the hub; the names are SignalR's."""

    M: str
    """The method: Broadcast or Error."""
    A: list[str]
    """Its arguments."""


class _HubMessage(msgspec.Struct, gc=False):
    """What the hub sends; the names are SignalR's."""

    S: Any = None
    """1 in the first message of a connection. In the answer to an invocation it is an object: the state of the hub's client."""
    M: list[_Invocation] | None = None
    """Invocations."""
    I: str | int | None = None  # noqa: E741 - SignalR's name of the id of the invocation that is answered
    E: Any = None
    """Why that invocation failed."""
    T: Any = None
    """1 when the server is about to go. In the answer to an invocation that failed it is a text: the server's stack trace."""


_KEEP_ALIVE: Final = ("{}", b"{}")
_MESSAGE_KEYS: Final = frozenset("CMSTLGIERDHP")
"""The keys of SignalR's messages. An object without any of them is none, unless it is empty."""
_negotiation = msgspec.json.Decoder(_Negotiation, strict=False)
_hub_message = msgspec.json.Decoder(_HubMessage)
_NOT_JSON = (msgspec.MsgspecError, UnicodeError, RecursionError)
_NOT_PLAIN: Final = (orjson.JSONDecodeError, KeyError, TypeError, ValueError)
_CONNECTION_DATA = msgspec.json.encode([{"name": HUB}]).decode()


class HubClient:
    """Decides what to do about one connection to the hub, from negotiate to its end.

    Whoever has the socket tells it what happens (``negotiated``, ``connected``, ``receive``, …) and carries out the actions that
    it returns, in their order.
    """

    def __init__(self, stream_url: str, channels: str) -> None:
        """Prepare for one connection.

        Args:
            stream_url: Of the hub; it ends in a slash.
            channels: What to subscribe to, as SwitchChannels takes it: ``X-TRADE:ALL,R:ALL``.
        """
        self._base = f"{stream_url}v2.0/signalr/"
        self._channels = channels
        self._token = ""
        self._silence_ms = NO_KEEP_ALIVE_MS
        self._heard_ms = MonotonicMs(0)
        self._waiting_since_ms: MonotonicMs | None = None
        self._is_ready = False
        self.awaited = "the reply to negotiate"
        """What the hub has to do next before data can flow; empty once it can."""

    @property
    def negotiate_url(self) -> str:
        """The URL of negotiate, for GET."""
        return self._url("negotiate")

    def negotiated(self, body: bytes) -> str:
        """Take in the reply to negotiate and return the URL of the WebSocket.

        Raises:
            SsiUnavailable: The reply is not SignalR's, or offers no WebSocket.
        """
        try:
            reply = _negotiation.decode(body)
        except _NOT_JSON as error:
            raise SsiUnavailable("negotiate", f"the reply is not SignalR's: {error}"[:200]) from None
        if not reply.try_web_sockets:
            raise SsiUnavailable("negotiate", "the hub offers no WebSocket")
        if not reply.connection_token:
            raise SsiUnavailable("negotiate", "the reply holds no ConnectionToken")
        self._token = reply.connection_token
        self._silence_ms = _silence_ms(reply.keep_alive_timeout)
        self.awaited = "the upgrade to a WebSocket"
        url = self._url("connect", transport="webSockets", connectionToken=self._token, tid="0")
        return "ws" + url.removeprefix("http")

    @property
    def is_subscribed(self) -> bool:
        """Whether data can flow."""
        return not self.awaited

    def connected(self, now_ms: MonotonicMs) -> list[Action]:
        """Note that the WebSocket is open."""
        self._heard_ms = self._waiting_since_ms = now_ms
        self.awaited = "the hub's first message"
        return [BeginEpoch()]

    def started(self, now_ms: MonotonicMs) -> list[Action]:
        """Note that start has been called: it is time to subscribe."""
        self._heard_ms = now_ms
        if not self.is_subscribed:
            self._waiting_since_ms = now_ms
            self.awaited = "the answer to SwitchChannels"
        invocation = {"H": HUB, "M": "SwitchChannels", "A": [self._channels], "I": 0}
        return [Send(msgspec.json.encode(invocation).decode())]

    def receive(self, text: str | bytes, now_ms: MonotonicMs) -> list[Action]:
        """Take in one hub message, as it came over the WebSocket."""
        if (records := _arguments_in(text)) is not None and self.is_subscribed:
            self._heard_ms = now_ms
            return [Publish(records)]
        try:
            message = _hub_message.decode(text)
        except _NOT_JSON:
            return self._receive_odd(text, now_ms)
        if message.M is None and text not in _KEEP_ALIVE and not _has_message_keys(text):
            return self._receive_foreign(text)
        self._heard_ms = now_ms
        actions: list[Action] = []
        if message.M:
            self._invoked(message.M, actions)
        if message.I is not None:
            self._answered(message.E, actions)
            return actions
        if message.S == 1 and not self._is_ready:
            self._is_ready = True
            self.awaited = self.awaited and "the reply to start"
            actions.append(Start(self._url("start", transport="webSockets", connectionToken=self._token)))
        if message.E is not None:
            actions.append(Reconnect(self._refused(_as_text(message.E))))
        elif message.T == 1:
            actions.append(Reconnect(SsiUnavailable("the stream", "the hub is shutting down")))
        return actions

    def tick(self, now_ms: MonotonicMs) -> list[Action]:
        """Note what time it is, to find out that the hub has fallen silent. To be called a few times a second."""
        silent_ms = now_ms - self._heard_ms
        if silent_ms >= self._silence_ms:
            why = f"nothing came for {silent_ms / 1000:.0f} s, not even a keep-alive"
            return [Reconnect(SsiUnavailable("the stream", why))]
        if self._waiting_since_ms is not None and now_ms - self._waiting_since_ms >= HANDSHAKE_MS:
            return [Reconnect(SsiUnavailable("the stream", f"{self.awaited} did not come within {HANDSHAKE_MS // 1000} s"))]
        return []

    def closed(self, code: int | None, reason: str) -> list[Action]:
        """Note that the other side closed the WebSocket, or that it broke.

        Args:
            code: In its close frame; None when it broke without one.
            reason: In its close frame; it may complain of a quota or of the token.
        """
        if error := objection(reason):
            return [Reconnect(error)]
        how = f"was closed with code {code}" if code is not None else "broke"
        why = f": {one_line(reason)}" if reason else ""
        return [Reconnect(ConnectionClosed("the stream", f"the connection {how}{why}"))]

    def _url(self, operation: str, **parameters: str) -> str:
        query = urlencode({**parameters, "connectionData": _CONNECTION_DATA, "clientProtocol": PROTOCOL})
        return f"{self._base}{operation}?{query}"

    def _subscribed(self, actions: list[Action]) -> None:
        if not self.is_subscribed:
            self.awaited = ""
            self._waiting_since_ms = None
            actions.append(Subscribed())

    def _invoked(self, invocations: list[_Invocation], actions: list[Action]) -> None:
        arguments: list[str] = []
        for idx, invocation in enumerate(invocations):
            if invocation.M == "Broadcast" and invocation.A:
                arguments += invocation.A
                continue
            method = invocation.M.lower()
            if method == "broadcast" and invocation.A:
                arguments += invocation.A
            elif method == "error":
                actions.append(self._told(" ".join(invocation.A)))
            elif method == "broadcast":
                actions.append(RejectMessage(Reason.BAD_MESSAGE, "a Broadcast without an argument", idx, ""))
            else:
                detail = f"the hub calls {invocation.M[:20]!r}, which this connector does not know"
                actions.append(RejectMessage(Reason.UNKNOWN_METHOD, detail, idx, " ".join(invocation.A)))
        if arguments:
            self._subscribed(actions)
            actions.append(Publish(arguments))

    def _answered(self, error: Any, actions: list[Action]) -> None:
        """Take in the answer to SwitchChannels, the only invocation that we make."""
        if error is None:
            self._subscribed(actions)
        else:
            actions.append(Reconnect(self._refused(_as_text(error))))

    def _receive_foreign(self, text: str | bytes) -> list[Action]:
        """Take in what is no SignalR message: it counts as no sign of life, and it may say why the hub will not serve us."""
        rejected = RejectMessage(Reason.BAD_MESSAGE, "not a SignalR message", None, text)
        error = objection(text.decode(errors="replace") if isinstance(text, bytes) else text)
        return [rejected, Reconnect(error)] if error else [rejected]

    def _receive_odd(self, text: str | bytes, now_ms: MonotonicMs) -> list[Action]:
        """Take in a text that is not quite as expected: a message with objects for arguments, a broken one, or none at all."""
        try:
            message = msgspec.json.decode(text)
        except _NOT_JSON:
            pieces = list(invocations_in(text))
        else:
            invoked = message.get("M") if isinstance(message, dict) else None
            if not isinstance(invoked, list):
                return self._receive_foreign(text)
            pieces = [Piece(invocation, b"") for invocation in invoked]
        if not any(piece.invocation is not None for piece in pieces):
            return self._receive_foreign(text)
        self._heard_ms = now_ms
        actions: list[Action] = []
        invocations: list[_Invocation] = []
        spare = 0
        for idx, piece in enumerate(pieces):
            invocation = _invocation_in(piece.invocation)
            if invocation is not None:
                invocations.append(invocation)
            elif len(actions) < MAX_REJECTIONS:
                # It alone is rejected: the other invocations of the message are as good as ever.
                detail = "an invocation without a method or arguments"
                actions.append(RejectMessage(Reason.BAD_MESSAGE, detail, idx, piece.raw or _as_text(piece.invocation)))
            else:
                spare += 1
        if spare:
            actions.append(RejectMessage(Reason.BAD_MESSAGE, "more such invocations", None, "", spare))
        self._invoked(invocations, actions)
        return actions

    def _refused(self, why: str) -> SsiError:
        """The error that the hub answers an invocation with; SwitchChannels is the only one that we make."""
        if speaks_of_quota(why):
            return QuotaExceeded("SwitchChannels", one_line(why))
        if speaks_of_token(why):
            return TokenRejected("SwitchChannels", one_line(why))
        return ChannelsRejected(self._channels, one_line(why))

    def _told(self, text: str) -> Action:
        """What to do when the hub calls Error, with a text that SSI does not document."""
        shown = one_line(text)
        if speaks_of_quota(text):
            return Reconnect(QuotaExceeded("the stream", shown))
        if speaks_of_token(text):
            return Reconnect(TokenRejected("the stream", shown))
        if "504" in text or "timeout" in text.lower():
            return Reconnect(SsiUnavailable("the stream", shown))
        return Warn(f"SSI's hub reports an error: {shown!r}")


def _arguments_in(text: str | bytes) -> list[str] | None:
    """The arguments of a message that brings Broadcasts and nothing else, as nearly all do; None for any other message."""
    try:
        message = orjson.loads(text)
        if len(message) != 2 or "C" not in message:
            return None
        arguments: list[str] = []
        for invocation in message["M"]:
            (argument,) = invocation["A"]
            if invocation["M"] != "Broadcast" or argument.__class__ is not str:
                return None
            arguments.append(argument)
    except _NOT_PLAIN:
        return None
    return arguments or None


def _invocation_in(value: Any) -> _Invocation | None:
    """The invocation that ``value`` is; None if it is none."""
    if not isinstance(value, dict):
        return None
    method, arguments = value.get("M"), value.get("A")
    if not isinstance(method, str) or not isinstance(arguments, list):
        return None
    return _Invocation(method.strip(), [_as_text(argument) for argument in arguments])


def _silence_ms(promised_s: Any) -> int:
    """How long the hub may be silent, in milliseconds, when it promises a sign of life every ``promised_s`` seconds.

    Whatever is no such number, or one that no hub means, is taken for no promise.
    """
    try:
        seconds = float(promised_s)
    except (TypeError, ValueError, OverflowError):
        return NO_KEEP_ALIVE_MS
    if not math.isfinite(seconds) or seconds <= 0:
        return NO_KEEP_ALIVE_MS
    return max(SHORTEST_SILENCE_MS, int(min(seconds * 1000, NO_KEEP_ALIVE_MS)))


def _has_message_keys(text: str | bytes) -> bool:
    """Whether a JSON object is a SignalR message. It is asked of those without invocations only, which are rare."""
    try:
        keys = msgspec.json.decode(text).keys()
    except _NOT_JSON:
        # What is skipped when a message is decoded is not looked at closely.
        return False
    return not keys or not _MESSAGE_KEYS.isdisjoint(keys)


def _as_text(argument: Any) -> str:
    return argument if isinstance(argument, str) else msgspec.json.encode(argument).decode()
