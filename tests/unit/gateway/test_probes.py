"""What no honest client sends, probe by probe: each is answered as RFC 6455 has it, and costs the gateway next to nothing."""

import asyncio
import contextlib
import re
from collections.abc import Sequence

import pytest

from gateway import app as routes
from gateway import door, metrics
from gateway.core import doorkeeper
from schemas.stock_v1 import CloseCode
from tests.patience import PATIENCE_S, reached
from tests.unit.gateway.served import UPGRADE, Served, ended

TEXT, BINARY, CLOSE, PING = 0x1, 0x2, 0x8, 0x9
FIN, RSV1 = 0x80, 0x40
COMMAND = b'{"op":"ping"}'


def frame(payload: bytes, opcode: int = TEXT, flags: int = FIN, mask: bool = True) -> bytes:
    """A WebSocket frame of a client, masked with zeros."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2)
    if mask:
        length = bytes([length[0] | 0x80]) + length[1:] + bytes(4)
    return bytes([flags | opcode]) + length + payload


PROBES: dict[str, tuple[Sequence[bytes], int]] = {
    "a frame without a mask": ([frame(COMMAND, mask=False)], 1002),
    "a message that is too large": ([frame(b" " * 9_000)], 1009),
    "a header that claims 2^62 bytes": ([b"\x81\xff" + (1 << 62).to_bytes(8) + bytes(4)], 1009),
    "fragments without end": ([frame(b" " * 125, flags=0), *[frame(b" " * 125, opcode=0, flags=0)] * 80], 1009),
    "a reserved bit": ([frame(COMMAND, flags=FIN | RSV1)], 1002),
    "an opcode that does not exist": ([frame(COMMAND, opcode=3)], 1002),
    "a ping in fragments": ([frame(b"", opcode=PING, flags=0)], 1002),
    "a ping of 126 bytes": ([frame(b" " * 126, opcode=PING)], 1002),
    "a continuation of nothing": ([frame(COMMAND, opcode=0)], 1002),
    "a message within a message": ([frame(b" ", flags=0), frame(COMMAND)], 1002),
    "a close with a code that does not exist": ([frame((999).to_bytes(2), opcode=CLOSE)], 1002),
    "a close of one byte": ([frame(b"\x03", opcode=CLOSE)], 1002),
    "text that is no UTF-8": ([frame(b"\xff\xfe")], 1007),
    "a binary message": ([frame(COMMAND, opcode=BINARY)], 1003),
    "a flood of commands": ([frame(COMMAND)] * 40, CloseCode.RATE_ABUSE),
    "a flood of pings": ([frame(b"", opcode=PING)] * 5_000, CloseCode.RATE_ABUSE),
    "a flood of empty fragments": ([frame(b"", flags=0), *[frame(b"", opcode=0, flags=0)] * 5_000], CloseCode.RATE_ABUSE),
}


async def farewell(reader: asyncio.StreamReader) -> int:
    """The code of the close frame that ends what a gateway sends."""
    while True:
        first, length = await reader.readexactly(2)
        size = int.from_bytes(await reader.readexactly(2)) if length == 126 else length
        payload = await reader.readexactly(size)
        if first == FIN | CLOSE:
            return int.from_bytes(payload[:2])


def counted(code: int) -> float:
    """How many connections have ended with ``code``, or for what never reaches aiohttp."""
    told = {
        (counter, *sample.labels.values()): sample.value
        for counter in (metrics.CLOSED, metrics.REFUSED)
        for family in counter.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    refused = [(metrics.REFUSED, reason) for reason in ("not masked", "too many frames")]
    return sum(told.get(name, 0) for name in [(metrics.CLOSED, str(code)), *refused])


@pytest.mark.parametrize("probe", PROBES)
async def test_what_is_no_protocol_ends_the_connection_with_the_right_code(served: Served, probe: str) -> None:
    frames, code = PROBES[probe]
    before = counted(code)
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(UPGRADE)
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"".join(frames))
        assert await farewell(reader) == code
        writer.write(frame(code.to_bytes(2), opcode=CLOSE))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    await reached(lambda: counted(code) == before + 1, "a count of it")
    # Nobody else notices.
    assert (await (await served.connect()).send(op="ping"))["op"] == "ok"


async def test_a_client_that_answers_no_ping_is_dropped(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "PING_S", 0.1)
    async with asyncio.timeout(PATIENCE_S):
        assert await ended_after_upgrade(await served.plain(UPGRADE))


async def ended_after_upgrade(reader: asyncio.StreamReader) -> bool:
    await reader.readuntil(b"\r\n\r\n")
    with contextlib.suppress(ConnectionResetError):
        while await reader.read(1 << 16):
            pass
    return True


async def test_compression_is_not_taken_up_so_that_no_message_can_grow(served: Served) -> None:
    wire = await served.connect(compress=15)
    assert wire.socket.compress == 0


@pytest.mark.parametrize("half", ["GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ", "GET /v1/ws HT", "", "\x16\x03\x01"])
async def test_who_sends_half_a_request_or_none_gets_no_answer_and_no_place_for_long(
    served: Served, half: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = await served.plain(half.encode("latin-1"))
    monkeypatch.setattr(doorkeeper, "ASK_WITHIN_MS", -1)
    monkeypatch.setattr(door, "SWEEP_S", 0.0)
    sweeping = asyncio.create_task(served.door.sweep_forever())
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await ended(reader)
    finally:
        sweeping.cancel()
    await reached(lambda: len(served.keeper) == 0, "a free place")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Sec-WebSocket-Version": "9"}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
    ],
    ids=["a foreign page", "a page of no origin", "a foreign name", "another version", "no key"],
)
async def test_an_upgrade_that_must_not_be_is_none(served: Served, headers: dict[str, str], status: int) -> None:
    lines = dict(re.findall(r"([\w-]+): ([^\r]+)", UPGRADE.decode())) | headers
    request = "GET /v1/ws HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    async with asyncio.timeout(PATIENCE_S):
        reader = await served.plain(request.encode())
        assert int((await reader.readline()).split()[1]) == status


async def test_who_is_gone_before_its_upgrade_is_answered_leaves_no_line_in_the_log(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def hang_up(*_: object) -> bool:
        for connection in served.door.connections():
            connection.drop()
        return True

    monkeypatch.setattr(routes, "origin_allowed", hang_up)
    async with asyncio.timeout(PATIENCE_S):
        assert await ended(await served.plain(UPGRADE))
    await reached(lambda: len(served.keeper) == 0, "a free place")
    assert [record.getMessage() for record in caplog.records if record.levelname != "INFO"] == []
