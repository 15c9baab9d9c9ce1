"""What can still be read of a hub message that is no JSON: each invocation by itself. Pure.

One bad byte spoils one invocation and not the others of its message. The names of SignalR's members are single capital letters.
Inside an argument every quotation mark has a backslash ahead of it, so a brace and such a name with bare quotation marks begin
an object of SignalR's own: the message, or an invocation in it.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

_NOT_JSON: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
_START: Final = re.compile(rb'\{\s*"[A-Z]"\s*:')
_END: Final = re.compile(rb"\]\s*\}")
"""The end of an invocation, whose last member is the list of its arguments in everything that SSI was seen to send."""
_TRIES: Final = 8
"""How many ends of an invocation are tried. In a whole one there is one, or two where its arguments are objects."""
_BETWEEN: Final = b" \t\r\n,]}"
"""What may stand between invocations and after the last one."""


class Piece(NamedTuple):
    """A part of a broken message."""

    invocation: dict[str, Any] | None
    """An invocation; None if it cannot be read."""
    raw: bytes


def invocations_in(text: str | bytes) -> Iterator[Piece]:
    """The invocations of a message that cannot be read as a whole, and what lies between them unread, in order.

    The head of the message, ahead of its first invocation, is not among them: it says nothing about the market.
    """
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    starts = [match.start() for match in _START.finditer(data)]
    for number, start in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else len(data)
        raw = data[start:end].rstrip(_BETWEEN)
        if number == 0 and _is_head(raw):
            continue
        yield from _read(data[start:end])
    if not starts:
        yield Piece(None, data)


def _is_head(raw: bytes) -> bool:
    return raw.endswith(b"[") and b'"M"' in raw


def _read(piece: bytes) -> Iterator[Piece]:
    for tried, match in enumerate(_END.finditer(piece)):
        if tried == _TRIES:
            break
        try:
            value = msgspec.json.decode(piece[: match.end()])
        except _NOT_JSON:
            continue
        if isinstance(value, dict):
            yield Piece(value, piece[: match.end()])
            if (rest := piece[match.end() :]).strip(_BETWEEN) and not _is_tail(rest):
                yield Piece(None, rest)
            return
    yield Piece(None, piece)


def _is_tail(rest: bytes) -> bool:
    """Whether ``rest`` is what follows the list of invocations: members of the message itself, such as its groups token."""
    try:
        msgspec.json.decode(b'{"M":[' + rest.lstrip())
    except _NOT_JSON:
        return False
    return True
