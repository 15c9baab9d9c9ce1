"""Clients of the gateway that put it under load and check what they get: many in a process of their own.

Every client looks at the number of each message, so that a hole or a repeat is found, and at every refusal. A few of them keep
what they got, and when: that is what ages are made of.
"""

import asyncio
import contextlib
import random
import resource
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final, Literal, NamedTuple

import aiohttp
import msgspec

from schemas.stock_v1 import PROTOCOL
from stock_tracker.bench.core.ages import RowsSeen
from stock_tracker.errors import NotMeasured

Doing = Literal["stream", "storm", "rest"]
OPEN_S: Final = 60.0
"""How long all may take until they have their first snapshot."""
STORM_EVERY_S: Final = 10.0
"""How often a client of the storm drops its connection without a word."""
REST_EVERY_S: Final = 2.0
MESSAGE_BYTES: Final = 1 << 20
"""The longest message that is taken; the gateway's are of 64 KiB at most."""
_CONNECT_AT_ONCE: Final = 50


class _Head(msgspec.Struct):
    n: int
    op: str
    ch: str | None = None
    rows: list[msgspec.Raw] = []
    cursor: Any = None
    last: bool = False
    code: int = 0
    msg: str = ""
    recovered: bool | None = None


_head: Final = msgspec.json.Decoder(_Head)


class Orders(NamedTuple):
    """What the clients of a process do."""

    host: str
    """The gateway's, with its port."""
    doing: Doing
    clients: int
    channel: str = "px"
    throttle_ms: int = 500
    keep: int = 0
    """How many of them keep what they got."""
    storm_every_s: float = STORM_EVERY_S


@dataclass
class ClientsReport:
    """What clients have met."""

    messages: int = 0
    rows: int = 0
    holes: int = 0
    """Messages whose number was not the next one: lost or repeated."""
    errors: Counter[str] = field(default_factory=Counter)
    """What was refused or broke, by what it was."""
    returns: int = 0
    """Connections after the first."""
    unrecovered: int = 0
    """Returns whose cursor was not taken."""
    return_ms: list[float] = field(default_factory=list)
    """From a new connection to the end of its snapshot."""
    rest_ms: list[float] = field(default_factory=list)
    """Answers of REST."""
    deliveries: list[list[RowsSeen]] = field(default_factory=list)
    """Of each client that keeps them."""
    cpu_s: float = 0.0

    @property
    def attempts(self) -> int:
        """What could have failed: messages and answers."""
        return self.messages + len(self.rest_ms) + self.errors.total()

    def add(self, other: "ClientsReport") -> None:
        """Take in what others have met."""
        self.messages += other.messages
        self.rows += other.rows
        self.holes += other.holes
        self.errors += other.errors
        self.returns += other.returns
        self.unrecovered += other.unrecovered
        self.return_ms += other.return_ms
        self.rest_ms += other.rest_ms
        self.deliveries += other.deliveries
        self.cpu_s += other.cpu_s


class ClientsProcess:
    """A process of clients: ready when all have what there is, and going until it is ended."""

    def __init__(self, orders: Orders) -> None:
        context = get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_run, args=(orders, there), daemon=True)
        self._process.start()

    def wait(self) -> None:
        """Wait until all of them are there."""
        said = self._pipe.recv()
        if said is not None:
            raise NotMeasured(f"the clients did not come up: {said}")

    def rows(self) -> int:
        """How many rows they have got so far."""
        self._pipe.send("rows")
        return int(self._pipe.recv())

    def end(self) -> ClientsReport:
        """End them; what they have met."""
        self._pipe.send("end")
        report: ClientsReport = self._pipe.recv()
        self._process.join()
        return report

    def stop(self) -> None:
        """End it without asking; does nothing where it has ended."""
        self._process.terminate()
        self._process.join()


def _run(orders: Orders, pipe: Connection) -> None:
    asyncio.run(_serve(orders, pipe))


async def _serve(orders: Orders, pipe: Connection) -> None:
    report = ClientsReport()
    over = asyncio.Event()
    there = asyncio.Semaphore(0)
    gate = asyncio.Semaphore(_CONNECT_AT_ONCE)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        tasks = [
            asyncio.create_task(_Client(orders, number, http, report, over, there, gate).run())
            for number in range(orders.clients)
        ]
        arrived = asyncio.create_task(_all_there(there, orders.clients))
        await asyncio.wait({arrived, *tasks}, timeout=OPEN_S, return_when=asyncio.FIRST_COMPLETED)
        if not arrived.done():
            for task in (arrived, *tasks):
                task.cancel()
            said = [str(ended) for ended in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(ended, Exception)]
            why = said[0] if said else f"not all had their snapshot within {OPEN_S:.0f} s"
            pipe.send(f"{why} {dict(report.errors) or ''}")
            return
        pipe.send(None)
        while await asyncio.to_thread(pipe.recv) == "rows":
            pipe.send(report.rows)
        over.set()
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                report.errors[f"{type(ended).__name__}: {ended}"] += 1
    used = resource.getrusage(resource.RUSAGE_SELF)
    report.cpu_s = used.ru_utime + used.ru_stime
    pipe.send(report)


async def _all_there(there: asyncio.Semaphore, clients: int) -> None:
    for _ in range(clients):
        await there.acquire()


class _Refused(Exception):
    """The gateway does not do what a client is there for."""


class _Client:
    """One of them."""

    def __init__(
        self,
        orders: Orders,
        number: int,
        http: aiohttp.ClientSession,
        report: ClientsReport,
        over: asyncio.Event,
        there: asyncio.Semaphore,
        gate: asyncio.Semaphore,
    ) -> None:
        self._orders = orders
        self._http = http
        self._report = report
        self._over = over
        self._there: asyncio.Semaphore | None = there
        self._gate = gate
        self._draw = random.Random(number)
        self._cursor: str | None = None
        self._kept: list[RowsSeen] | None = None
        self._pages: list[tuple[int, list[str]]] = []
        """When messages came that have no cursor yet, and whose rows they have: that of the last page is that of all."""
        if number < orders.keep:
            self._kept = []
            report.deliveries.append(self._kept)

    async def run(self) -> None:
        """Go on until cancelled."""
        if self._orders.doing == "rest":
            await self._ask_again_and_again()
        is_back = False
        while not self._over.is_set():
            try:
                await self._connection(is_back=is_back)
            except (aiohttp.ClientError, OSError) as error:
                self._report.errors[type(error).__name__] += 1
                await asyncio.sleep(self._draw.random())
            is_back = True
            self._report.returns += 1

    async def _connection(self, *, is_back: bool) -> None:
        orders, report = self._orders, self._report
        self._pages.clear()
        async with self._gate:
            began = time.monotonic()
            socket = await self._http.ws_connect(
                f"ws://{orders.host}/v1/ws", protocols=(PROTOCOL,), max_msg_size=MESSAGE_BYTES, compress=0
            )
        sub = {"op": "sub", "id": 1, "ch": orders.channel, "sym": ["*"], "throttle_ms": orders.throttle_ms}
        if self._cursor is not None:
            sub["cursor"] = self._cursor
        ends = began + orders.storm_every_s * (0.5 + self._draw.random()) if orders.doing == "storm" else None
        try:
            await socket.send_str(msgspec.json.encode(sub).decode())
            number = 0
            is_whole = False
            while ends is None or not is_whole or time.monotonic() < ends:
                message = await self._receive(socket, ends if is_whole else None)
                if message is None:
                    break
                seen_us = time.time_ns() // 1_000
                head = _head.decode(message)
                number += 1
                report.messages += 1
                if head.n != number:
                    report.holes += 1
                    number = head.n
                if head.op == "err" and self._there is not None:
                    raise _Refused(f"the gateway refused: {head.msg}")
                if head.op == "err":
                    report.errors[f"refused: {head.msg}"] += 1
                elif head.op == "ok" and is_back and head.recovered is False and "cursor" in sub:
                    report.unrecovered += 1
                elif head.op in ("snap", "delta"):
                    self._take(head, seen_us)
                    if head.op == "snap" and head.last and not is_whole:
                        is_whole = True
                        report.return_ms.append((time.monotonic() - began) * 1_000)
                        self._say_there()
        finally:
            if orders.doing == "storm" and not self._over.is_set():
                # As a network that fails: no close frame.
                with contextlib.suppress(Exception):
                    _abort(socket)
            with contextlib.suppress(Exception):
                await socket.close()

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse, until: float | None) -> str | None:
        """The next text; None when it is time to go. A connection that the other side ends is an error."""
        timeout = None if until is None else max(until - time.monotonic(), 0.001)
        try:
            message = await socket.receive(timeout=timeout)
        except TimeoutError:
            return None
        if message.type is aiohttp.WSMsgType.TEXT:
            return str(message.data)
        if not self._over.is_set():
            self._report.errors[f"the gateway ended a connection: {socket.close_code}"] += 1
            await asyncio.sleep(self._draw.random())
        return None

    def _take(self, head: _Head, seen_us: int) -> None:
        self._report.rows += len(head.rows)
        if self._kept is not None:
            self._pages.append((seen_us, [_key(row) for row in head.rows]))
        if isinstance(head.cursor, str):
            self._cursor = head.cursor
            if self._kept is not None:
                offsets = offsets_of(head.cursor)
                self._kept += [RowsSeen(at_us, offsets, symbols) for at_us, symbols in self._pages]
                self._pages.clear()

    def _say_there(self) -> None:
        if self._there is not None:
            self._there.release()
            self._there = None

    async def _ask_again_and_again(self) -> None:
        url = f"http://{self._orders.host}/api/v1/snapshot/{self._orders.channel}"
        while not self._over.is_set():
            began = time.monotonic()
            try:
                async with self._http.get(url) as answer:
                    body = await answer.read()
                    if answer.status != 200:
                        self._report.errors[f"REST answered {answer.status}"] += 1
                    elif not msgspec.json.decode(body)["rows"]:
                        self._report.errors["REST answered without rows"] += 1
                    else:
                        self._report.rest_ms.append((time.monotonic() - began) * 1_000)
                        self._say_there()
            except (aiohttp.ClientError, OSError) as error:
                self._report.errors[type(error).__name__] += 1
            await asyncio.sleep(max(REST_EVERY_S * (0.5 + self._draw.random()) - (time.monotonic() - began), 0))


def _abort(socket: aiohttp.ClientWebSocketResponse) -> None:
    connection = socket._response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


def _key(row: msgspec.Raw) -> str:
    """The first column of a row: its key, a string."""
    text = bytes(row)
    return text[2 : text.index(b'"', 2)].decode()


def offsets_of(cursor: str) -> dict[int, int]:
    """Where the partitions of the first topic of a channel are in a cursor. To clients it is opaque; this one measures."""
    _, _, pairs = cursor.partition(".")
    return {int(slot): int(offset) for slot, _, offset in (pair.partition(":") for pair in pairs.split(",") if pair)}
