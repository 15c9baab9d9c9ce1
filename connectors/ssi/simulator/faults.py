"""The faults of a day: strikes them when their time comes, and when they are asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from aiohttp import WSCloseCode

from connectors.ssi.simulator.core.errors import UnreadableSchedule
from connectors.ssi.simulator.core.fault_log import FaultLog
from connectors.ssi.simulator.core.faults import (
    CloseSocket,
    ConnectionFault,
    Drop,
    Entry,
    ExpireTokens,
    Fault,
    HubError,
    Malformed,
    OddMessage,
    RequestFault,
    Revoke,
    Schedule,
    Shutdown,
    Silence,
    Slow,
    Strike,
)
from connectors.ssi.simulator.core.gates import Gates
from connectors.ssi.simulator.core.logbook import FaultEntry, FaultOpened
from connectors.ssi.simulator.core.record_faults import RecordFaults
from connectors.ssi.simulator.hub_socket import HubSocket
from schemas.units import Symbol, TradingDay, UnixMs

SETS = ("calm", "rough", "hostile")
"""The schedules that come with the simulator, by their names."""


def read_schedule(source: str | None) -> Schedule:
    """The schedule that ``source`` names: one of :data:`SETS`, or a file; without one, nothing goes wrong.

    Raises:
        UnreadableSchedule: It is neither, or the file holds no schedule.
    """
    if source is None:
        return Schedule(seed=1, entries=())
    path = Path(__file__).parent / "fault_sets" / f"{source}.toml" if source in SETS else Path(source)
    try:
        return Schedule.parse(path.read_text(encoding="utf-8"), str(source))
    except (OSError, UnicodeDecodeError) as error:
        known = f"it is none of {', '.join(SETS)}, and no file that can be read ({error})"
        raise UnreadableSchedule(source, known) from None


class Faults:
    """What goes wrong on a day: its schedule, the faults that are asked for, and the books of both."""

    def __init__(
        self,
        day: TradingDay,
        symbols: Sequence[Symbol],
        schedule: Schedule,
        sockets: Callable[[], Sequence[HubSocket]],
        expire_tokens: Callable[[], None],
        revoke: Callable[[str], Sequence[HubSocket]],
    ) -> None:
        """Nothing strikes before :meth:`strike`.

        Args:
            day: The trading day.
            symbols: Those of the day, in the order of their numbers.
            schedule: Says what strikes when.
            sockets: Gives the connections that are open.
            expire_tokens: Makes all access tokens issued so far invalid.
            revoke: Takes a key no more; gives the connections that are open with it.
        """
        self._sockets = sockets
        self._expire_tokens = expire_tokens
        self._revoke = revoke
        self.log = FaultLog(symbols)
        chance, seed = schedule.by_chance(), schedule.seed
        self.gates = Gates(chance, seed, day, Random, self.log)
        self.on_records = RecordFaults(symbols, chance, seed, day, Random, self.log)
        self._strikes: list[Strike] = schedule.strikes(day, Random)
        self._next = 0

    @property
    def next_ms(self) -> UnixMs | None:
        """The market time at which the next fault strikes; None when there is no further one."""
        return self._strikes[self._next].ms if self._next < len(self._strikes) else None

    def restore(self, entries: Sequence[FaultEntry], now_ms: UnixMs) -> None:
        """Go on with the books of an earlier run at market time ``now_ms``. What should have struck since struck nobody."""
        self.log.restore(entries)
        self._next = sum(isinstance(entry, FaultOpened) and entry.entry > 0 for entry in entries)
        while (ms := self.next_ms) is not None and ms <= now_ms:
            missed, self._next = self._strikes[self._next], self._next + 1
            self.log.open(missed.entry.fault, missed.entry, missed.ms)

    def strike(self) -> None:
        """Strike the next fault of the schedule."""
        strike, self._next = self._strikes[self._next], self._next + 1
        self.do(strike.entry.fault, strike.ms, strike.entry)

    def do(self, fault: Fault, now_ms: UnixMs, entry: Entry | None = None) -> int:
        """Strike ``fault``; return how many connections it struck. ``entry`` is where it stands in the schedule, if it does."""
        number = self.log.open(fault, entry, now_ms)
        if isinstance(fault, ConnectionFault):
            return self._strike_connections(fault, number)
        if isinstance(fault, RequestFault):
            self.gates.arm(fault, number)
        else:
            self.on_records.arm(fault, number)
        return 0

    def _strike_connections(self, fault: ConnectionFault, number: int) -> int:
        if isinstance(fault, ExpireTokens):
            self._expire_tokens()
            return 0
        struck = list(self._revoke(fault.consumer_id) if isinstance(fault, Revoke) else self._sockets())
        for socket in struck:
            self.log.strike_connection(number, socket.connection.number)
            _strike(fault, socket, number)
        return len(struck)


def _strike(fault: ConnectionFault, socket: HubSocket, number: int) -> None:
    match fault:
        case Drop():
            socket.drop()
        case Revoke():
            socket.part("server_closed", WSCloseCode.POLICY_VIOLATION, "")
        case CloseSocket(code=code, reason=reason):
            socket.part("server_closed", code, reason)
        case Shutdown():
            socket.shut_down()
        case Silence(seconds=seconds):
            socket.silence(seconds, number)
        case Slow(seconds=seconds):
            socket.slow(seconds)
        case Malformed():
            socket.garble()
        case OddMessage(text=text):
            socket.say(text)
        case HubError(text=text):
            socket.call_error(text)
