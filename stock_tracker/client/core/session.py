"""The client's side of ``stock.v1`` (pure): what it wants, where it stands, and what it says when it comes back.

The caller owns the socket and the clock. It sends every text that a method gives, hands every text of the gateway to
:meth:`StreamSession.receive`, and closes when that raises :class:`StreamBroken`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from stock_tracker.client.core.told import DataAge, Happened, Missed, Rows, Told

BACKOFF_MS: Final = 500
BACKOFF_MAX_MS: Final = 30_000
MISSED_HEARTBEATS: Final = 2.5
"""A connection is dead when nothing came for so many times the gateway's heartbeat."""
TERMINAL: Final = range(4_500, 5_000)
"""Close codes after which it is no use to come back."""
EVENTS: Final = frozenset({"alert", "candle"})
_AGAIN: Final = frozenset({1429, 1503})
"""Errors after which the same command may succeed: too many commands, or the gateway has not read Kafka yet."""
_BAD_CURSOR: Final = 1104


class StreamError(Exception):
    """Base of the errors of the client; the text says what to do next."""


class StreamBroken(StreamError):
    """The connection is of no use any more: close it, and come back."""


class CommandRefused(StreamError):
    """The gateway does not do what it was asked, and would not later either."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the gateway refuses ({code}): {reason}; docs/gateway.md says what each code asks for")
        self.code = code


class StreamEnded(StreamError):
    """The gateway has sent this client away for good."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the gateway closed the connection for good ({code}: {reason}): docs/gateway.md says why it does")
        self.code = code


@dataclass(slots=True)
class Wanted:
    """What is wanted of a channel, on every connection."""

    symbols: dict[str, None] = field(default_factory=dict)
    throttle_ms: int | None = None
    cursor: str | None = None
    """Where the client stands; None where it has to ask for everything."""
    cursor_of: frozenset[str] = frozenset()
    """The symbols that were wanted when the cursor came: it speaks for these and no others."""
    columns: list[str] = field(default_factory=list)
    unanswered: int = 0
    pages_due: bool = False
    starts_anew: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether all that was asked for has come: before that a cursor would also speak for what has not."""
        return not self.unanswered and not self.pages_due


class StreamSession:
    """A client over all of its connections. Times are milliseconds of a clock that only goes forward."""

    def __init__(self) -> None:
        self._wanted: dict[str, Wanted] = {}
        self._attempts = 0
        self.token: str | None = None
        """By which to name itself on the next connection; None where there are no accounts."""
        self._begin(0)

    def _begin(self, now_ms: int) -> None:
        self._n = 0
        self._is_live = False
        self._heard_ms = now_ms
        self._heartbeat_ms = 5_000
        self._goaway_ms: int | None = None
        self._commands: dict[int, tuple[str, bool, dict[str, Any]]] = {}
        self._last_id = 0
        self._later: list[tuple[int, str, dict[str, Any]]] = []
        for wanted in self._wanted.values():
            wanted.unanswered, wanted.pages_due = 0, False

    @property
    def is_whole(self) -> bool:
        """Whether all that was asked for on this connection has come."""
        return self._is_live and all(wanted.is_whole for wanted in self._wanted.values())

    # what is wanted

    def subscribe(self, channel: str, symbols: Iterable[str], throttle_ms: int | None = None) -> list[str]:
        """Want ``symbols`` of ``channel`` from now on; what to send."""
        wanted = self._wanted.setdefault(channel, Wanted())
        words = list(symbols)
        wanted.symbols.update(dict.fromkeys(words))
        wanted.throttle_ms = throttle_ms
        return [self._sub(channel, words)] if self._is_live else []

    def unsubscribe(self, channel: str, symbols: Iterable[str]) -> list[str]:
        """Want ``symbols`` of ``channel``, words that were subscribed, no more; what to send."""
        words = list(symbols)
        wanted = self._wanted.get(channel)
        if wanted is None:
            return []
        for word in words:
            wanted.symbols.pop(word, None)
        if not wanted.symbols:
            del self._wanted[channel]
        return [self._command("unsub", channel, sym=words)] if self._is_live else []

    # connections

    def opened(self, now_ms: int) -> None:
        """A connection is open; the gateway speaks first."""
        self._begin(now_ms)

    def receive(self, text: str | bytes, now_ms: int) -> tuple[list[Told], list[str]]:
        """Take what the gateway says; what that tells, and what to send.

        Raises:
            StreamBroken: A message is missing, or it is no message.
            CommandRefused: A command will not be carried out.
        """
        try:
            message = json.loads(text)
            n, op = message["n"], message["op"]
        except (ValueError, TypeError, KeyError) as error:
            raise StreamBroken("the gateway sent something that is no message of stock.v1") from error
        if n != self._n + 1:
            raise StreamBroken(f"message {n} came after {self._n}")
        self._n, self._heard_ms = n, now_ms
        take = getattr(self, f"_take_{op}", None)
        # A message that only later versions know is passed over.
        return ([], []) if take is None else take(message, now_ms)

    def tick(self, now_ms: int) -> list[str]:
        """Time has passed; what to send.

        Raises:
            StreamBroken: Nothing has come for too long.
        """
        if now_ms - self._heard_ms > self._heartbeat_ms * MISSED_HEARTBEATS:
            raise StreamBroken("the gateway says nothing any more")
        due = [(channel, fields) for at_ms, channel, fields in self._later if at_ms <= now_ms]
        self._later = [later for later in self._later if later[0] > now_ms]
        return [self._again(channel, fields) for channel, fields in due if channel in self._wanted]

    def closed(self, code: int | None, reason: str, chance: float) -> int:
        """The connection is gone; in how many milliseconds to come back.

        Args:
            code: Of the close frame; None where there was none.
            reason: Its text.
            chance: From 0 to 1, drawn anew: clients that lost the same gateway must not come back all at once.

        Raises:
            StreamEnded: It is no use to come back.
        """
        self._is_live = False
        if code in TERMINAL:
            raise StreamEnded(int(code or 0), reason)
        ceiling_ms = min(BACKOFF_MAX_MS, BACKOFF_MS * 2**self._attempts)
        self._attempts = min(self._attempts + 1, 10)
        return self._goaway_ms if self._goaway_ms is not None else int(chance * ceiling_ms)

    # messages out

    def _command(self, op: str, channel: str, **fields: Any) -> str:
        self._last_id += 1
        self._commands[self._last_id] = (channel, op == "sub", fields)
        return json.dumps({"op": op, "id": self._last_id, "ch": channel, **fields})

    def _sub(self, channel: str, words: Iterable[str], cursor: str | None = None) -> str:
        wanted = self._wanted[channel]
        fields: dict[str, Any] = {"sym": list(words)}
        if wanted.throttle_ms is not None:
            fields["throttle_ms"] = wanted.throttle_ms
        if cursor is not None:
            fields["cursor"] = cursor
        return self._again(channel, fields)

    def _again(self, channel: str, fields: dict[str, Any]) -> str:
        self._wanted[channel].unanswered += 1
        return self._command("sub", channel, **fields)

    # messages in

    def _take_hello(self, message: Mapping[str, Any], _now_ms: int) -> tuple[list[Told], list[str]]:
        self._is_live = True
        self._heartbeat_ms = message["heartbeat_ms"]
        # Commands are carried out in order: it is not necessary to wait for the answer.
        subs = [] if self.token is None else [json.dumps({"op": "auth", "token": self.token})]
        for channel, wanted in self._wanted.items():
            # A connection that was lost while it brought what had been missed has not made the cursor worse.
            if not wanted.symbols.keys() <= wanted.cursor_of:
                wanted.cursor = None
            subs.append(self._sub(channel, wanted.symbols, wanted.cursor))
        return [], subs

    def _take_ok(self, message: Mapping[str, Any], _now_ms: int) -> tuple[list[Told], list[str]]:
        channel, is_sub, fields = self._commands.pop(message["id"], ("", False, {}))
        wanted = self._wanted.get(channel)
        self._attempts = 0
        if not is_sub or wanted is None:
            return [], []
        wanted.unanswered -= 1
        wanted.pages_due = True
        if message["recovered"] is False and len(fields["sym"]) == len(wanted.symbols):
            # All that is wanted was asked for, and comes anew. Of events, some may be gone.
            wanted.cursor = None
            wanted.starts_anew = channel not in EVENTS
            if channel in EVENTS and "cursor" in fields:
                return [Missed(channel)], []
        return [], []

    def _take_err(self, message: Mapping[str, Any], now_ms: int) -> tuple[list[Told], list[str]]:
        channel, is_sub, fields = self._commands.pop(message["id"], ("", False, {})) if message["id"] else ("", False, {})
        wanted = self._wanted.get(channel)
        if is_sub and wanted is not None:
            wanted.unanswered -= 1
            if message["code"] in _AGAIN:
                self._later.append((now_ms + (message["retry_ms"] or 1_000), channel, fields))
                return [], []
            if message["code"] == _BAD_CURSOR and wanted.cursor is not None:
                wanted.cursor = None
                return [], [self._again(channel, {name: value for name, value in fields.items() if name != "cursor"})]
        if message["code"] in _AGAIN:
            return [], []
        raise CommandRefused(message["code"], message["msg"])

    def _take_snap(self, message: Mapping[str, Any], _now_ms: int) -> tuple[list[Told], list[str]]:
        channel, wanted = message["ch"], self._wanted.get(message["ch"])
        if wanted is None:
            return [], []
        wanted.columns = message["cols"]
        if message["last"]:
            wanted.pages_due = False
            self._reach(channel, message["cursor"])
        if channel in EVENTS:
            return [Happened(channel, event, is_past=True) for event in self._named(wanted, message["rows"])], []
        starts_anew, wanted.starts_anew = wanted.starts_anew, False
        return [Rows(channel, self._by_key(wanted, message["rows"]), is_snapshot=True, starts_anew=starts_anew)], []

    def _take_delta(self, message: Mapping[str, Any], _now_ms: int) -> tuple[list[Told], list[str]]:
        wanted = self._wanted.get(message["ch"])
        if wanted is None:
            return [], []
        self._reach(message["ch"], message.get("cursor"))
        rows = self._by_key(wanted, message["rows"])
        return [Rows(message["ch"], rows, is_snapshot=False, were_skipped=message["con"])], []

    def _take_event(self, message: Mapping[str, Any], _now_ms: int) -> tuple[list[Told], list[str]]:
        self._reach(message["ch"], message["cursor"])
        return [Happened(message["ch"], message["data"], is_past=False)], []

    def _take_hb(self, message: Mapping[str, Any], _now_ms: int) -> tuple[list[Told], list[str]]:
        for channel, cursor in message["cursor"].items():
            self._reach(channel, cursor)
        return [DataAge(message["lag_ms"], tuple(message["stale"]), message["reason"], message["phase"])], []

    def _take_goaway(self, message: Mapping[str, Any], _now_ms: int) -> tuple[list[Told], list[str]]:
        self._goaway_ms = message["retry_ms"]
        return [], []

    def _reach(self, channel: str, cursor: str | None) -> None:
        wanted = self._wanted.get(channel)
        if cursor and wanted is not None and wanted.is_whole:
            wanted.cursor, wanted.cursor_of = cursor, frozenset(wanted.symbols)

    @staticmethod
    def _named(wanted: Wanted, rows: Iterable[list[Any]]) -> Iterator[dict[str, Any]]:
        return (dict(zip(wanted.columns, row, strict=True)) for row in rows)

    def _by_key(self, wanted: Wanted, rows: Iterable[list[Any]]) -> dict[str, dict[str, Any]]:
        return {row[wanted.columns[0]]: row for row in self._named(wanted, rows)}
