"""``stock.v1`` as JSON: reads what a client sends and makes what the gateway sends; nothing else does either (pure).

Most of what is sent is the same for many clients and made once for all of them. Only the number in front differs, which counts
the messages of a connection. So what is made here are *bodies*, messages that lack their opening ``{"n":…,``; :func:`numbered`
makes a message of one. ``schemas.stock_v1`` says what each of them means.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from pydantic import TypeAdapter, ValidationError

from gateway.core.channels import CHANNELS
from gateway.core.errors import Refused
from gateway.core.events import ToldEvent
from gateway.core.limits import ClientLimits
from gateway.core.status import MarketStatus
from schemas.stock_v1 import PROTOCOL, Command, ErrorCode
from schemas.topics import encode

PAGE_BYTES: Final = 64 * 1024
"""Messages with rows are cut so that none is longer."""
_LONGEST_ROW: Final = 4_096
"""Room that is left for one more row: a message is full when it has no more than that."""
_OPS = frozenset({"sub", "unsub", "ping", "auth", "replay", "stop"})
_commands: TypeAdapter[Command] = TypeAdapter(Command)
_columns = {name: encode(channel.columns) for name, channel in CHANNELS.items()}


# what a client sends


def fields_of(text: str | bytes) -> dict[str, Any]:
    """Read a client's message as far as it is an object.

    Raises:
        Refused: It is not.
    """
    try:
        fields = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(ErrorCode.BAD_MESSAGE, "not JSON: send one object a message") from None
    if not isinstance(fields, dict):
        raise Refused(ErrorCode.BAD_MESSAGE, "a command is a JSON object with an op")
    return fields


def id_of(fields: Mapping[str, Any]) -> int | None:
    """The number that the answer repeats; None when the client gave none, or something else."""
    command_id = fields.get("id")
    return command_id if type(command_id) is int else None


def command_of(fields: dict[str, Any]) -> Command:
    """Read a command.

    Raises:
        Refused: It is none, or a field is missing or of the wrong type.
    """
    op = fields.get("op")
    if not isinstance(op, str) or op not in _OPS:
        raise Refused(ErrorCode.UNKNOWN_OP, f"op is one of {', '.join(sorted(_OPS))}")
    try:
        return _commands.validate_python(fields)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in fault["loc"][1:])
        raise Refused(ErrorCode.BAD_MESSAGE, f"{field}: {fault['msg']}") from None


# what the gateway sends


def numbered(n: int, body: bytes) -> bytes:
    """The ``n``-th message of a connection."""
    return head(n) + body


def head(n: int) -> bytes:
    """What the ``n``-th message of a connection begins with, before its body."""
    return b'{"n":%d,' % n


def hello(limits: ClientLimits, stream: str, now_ms: int, *, has_accounts: bool) -> bytes:
    """The greeting; ``stream`` is empty until the topics have been looked at."""
    return _body(
        "hello",
        v=PROTOCOL,
        stream=stream,
        server_time=now_ms,
        auth="jwt" if has_accounts else "none",
        throttle={"default": limits.default_ms, "classes": limits.classes},
        limits={
            "message_bytes": limits.message_bytes,
            "symbols": limits.symbols,
            "commands_per_s": limits.commands_per_s,
            "burst": limits.burst,
        },
        channels=tuple(CHANNELS),
        heartbeat_ms=limits.heartbeat_ms,
    )


def ok(command_id: int | None, **more: Any) -> bytes:
    """A command was carried out; ``more`` is what its answer says beside that."""
    return _body("ok", id=command_id, **more)


def err(command_id: int | None, refused: Refused) -> bytes:
    """A command was refused."""
    return _body("err", id=command_id, code=refused.code, msg=refused.reason, retry_ms=refused.retry_ms)


def snap(channel: str, rows: Sequence[bytes], cursor: str, *, last: bool) -> bytes:
    """A page of a snapshot; the last one has the cursor."""
    end = b',"last":true,"cursor":%s}' % encode(cursor or None) if last else b',"last":false}'
    return b'"op":"snap","ch":"%s","cols":%s,"rows":[%s]%s' % (channel.encode(), _columns[channel], b",".join(rows), end)


class Deltas:
    """Makes messages of rows that changed: what such messages have in common is made once."""

    __slots__ = ("_end", "_head", "_next")

    def __init__(self, channel: str, cursor: str, now_ms: int, *, conflated: bool) -> None:
        """``cursor`` is where a client stands that has all of the rows; empty where there are no cursors."""
        tail = b'],"ts":%d,"con":%s' % (now_ms, b"true" if conflated else b"false")
        self._head = b'"op":"delta","ch":"%s","rows":[' % channel.encode()
        self._next = tail + b"}"
        self._end = tail + (b',"cursor":"%s"}' % cursor.encode() if cursor else b',"cursor":null}')

    def of(self, rows: Sequence[bytes]) -> list[bytes]:
        """``rows`` in as many messages as they need; the last one has the cursor. None for no rows."""
        if not rows:
            return []
        joined = b",".join(rows)
        if len(joined) < PAGE_BYTES - _LONGEST_ROW:
            return [b"".join((self._head, joined, self._end))]
        left = iter(rows)
        bodies = []
        page = take_page(left)
        while page:
            following = take_page(left)
            bodies.append(b"".join((self._head, b",".join(page), self._next if following else self._end)))
            page = following
        return bodies


def event(channel: str, event_: ToldEvent, cursor: str) -> bytes:
    """An event of a channel; ``cursor`` is where a client stands after it."""
    return b'"op":"event","ch":"%s","cursor":%s,"data":%s}' % (channel.encode(), encode(cursor), event_.data)


def heartbeat_head(
    now_ms: int,
    lag_ms: Mapping[str, int | None],
    skew_ms: Mapping[str, int],
    stale: Sequence[str],
    reason: str,
    clock: MarketStatus | None,
) -> bytes:
    """What a heartbeat says to every client: all but the cursors, which :func:`heartbeat` adds."""
    body = _body(
        "hb",
        ts=now_ms,
        lag_ms=lag_ms,
        skew_ms=skew_ms,
        stale=stale,
        reason=reason,
        phase=clock.phase if clock else None,
        day=clock.day if clock else None,
        market_ms=clock.market_ms if clock else None,
    )
    return body.removesuffix(b"}")


def heartbeat(head: bytes, cursors: Mapping[str, str]) -> bytes:
    """A client's heartbeat: ``cursors`` by channel."""
    return head + b',"cursor":%s}' % encode(cursors)


def goaway(retry_ms: int, reason: str) -> bytes:
    """The gateway closes soon."""
    return _body("goaway", retry_ms=retry_ms, reason=reason)


def close(code: int, reason: str) -> bytes:
    """The end of a connection that has no close codes of its own: server-sent events."""
    return _body("close", code=code, reason=reason)


def past_begins(channel: str) -> bytes:
    """A replay of rows begins: a snapshot of none, with their columns."""
    return b'"op":"snap","ch":"%s","cols":%s,"rows":[],"last":true,"cursor":null,"replay":true}' % (
        channel.encode(),
        _columns[channel],
    )


def past_rows(channel: str, rows: Sequence[bytes], now_ms: int) -> bytes:
    """Rows of a replay, in order; of one key there may be several."""
    end = b'],"ts":%d,"con":false,"cursor":null,"replay":true}' % now_ms
    return b'"op":"delta","ch":"%s","rows":[%s%s' % (channel.encode(), b",".join(rows), end)


def past_event(channel: str, data: bytes) -> bytes:
    """An event of a replay."""
    return b'"op":"event","ch":"%s","cursor":null,"data":%s,"replay":true}' % (channel.encode(), data)


def replayed(channel: str, why: str, msg: str) -> bytes:
    """A replay is over."""
    return _body("replayed", ch=channel, why=why, msg=msg)


def rest_snapshot(channel: str, rows: Iterable[bytes], cursor: str) -> bytes:
    """The whole of a channel, as ``/api/v1/snapshot/`` gives it: a message of its own, without a number."""
    return b'{"ch":%s,"cols":%s,"rows":[%s],"cursor":%s}' % (
        encode(channel),
        _columns[channel],
        b",".join(rows),
        encode(cursor or None),
    )


def take_page(rows: Iterator[bytes]) -> list[bytes]:
    """Take rows for one message off ``rows``, until another one might not fit; none are left when it is empty."""
    page = []
    size = 0
    for row in rows:
        page.append(row)
        size += len(row) + 1
        if size >= PAGE_BYTES - _LONGEST_ROW:
            break
    return page


def _body(op: str, **fields: Any) -> bytes:
    return encode({"op": op, **fields})[1:]
