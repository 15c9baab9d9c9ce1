"""What can go wrong, and when: the kinds of faults, and schedules of them. Pure: time and chance are arguments.

There are three families. A *connection fault* strikes every open connection at a moment of the market. A *request fault* spoils
the next requests of a step of the protocol, whenever they come. A *record fault* does something to single records on their way to
a client; the same records for every client.

A schedule is TOML::

    seed = 1

    [[fault]]
    fault = "drop"
    at = ["09:20", "13:05:30"]

    [[fault]]
    fault = "repeat"
    probability = 0.001
    from = "09:00"
    until = "14:45"

The same schedule and seed strike at the same moments of the market, and the same records, whatever the speed.
"""

import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from connectors.ssi.simulator.core.errors import UnknownFault, UnreadableSchedule
from schemas.calendar import at as instant
from schemas.units import TradingDay, UnixMs

if TYPE_CHECKING:
    from random import Random

SeededRandom = Callable[[str], "Random"]
"""Makes a source of random numbers from a text, the same from the same text: ``random.Random``."""

Step = Literal["token", "rest", "negotiate", "connect", "init", "start", "subscribe"]
"""A step of the protocol that a client waits for: AccessToken, any other REST call, negotiate, the upgrade to a WebSocket, the
first message on it, start, the answer to SwitchChannels."""
QUOTA_HUB: Final = "Connection has been blocked, quota 60 exceeded by 1"
"""What SSI says of a quota on the stream, where x and y are numbers."""
DAY_BEGINS, DAY_ENDS = "08:00", "15:45"
"""Between these market times a fault with a probability strikes, if it does not say otherwise."""

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]


class _Kind(msgspec.Struct, frozen=True, kw_only=True, tag_field="fault", forbid_unknown_fields=True):
    """Base of all kinds: how they stand in a schedule and in a request to ``/sim/faults``."""


# -- connection faults


class Drop(_Kind, frozen=True, kw_only=True, tag="drop"):
    """Send what is queued, then reset the socket, without a WebSocket close frame."""


class CloseSocket(_Kind, frozen=True, kw_only=True, tag="close"):
    """Send what is queued, then close the WebSocket as a server does."""

    code: Annotated[int, msgspec.Meta(ge=1000, le=4999)] = 1001
    reason: Annotated[str, msgspec.Meta(max_length=100)] = ""


class Shutdown(_Kind, frozen=True, kw_only=True, tag="shutdown"):
    """Send what is queued, then say that the server is about to go (``T:1``); close the connections five seconds later."""


class Silence(_Kind, frozen=True, kw_only=True, tag="silence"):
    """Send nothing and hear nothing, not even keep-alives, as if the network in between had gone. The socket stays open."""

    seconds: Seconds | None = None
    """For how long, in seconds of wall time; until the client gives up where this is not given."""


class Slow(_Kind, frozen=True, kw_only=True, tag="slow"):
    """Hold back what is to be sent, keep-alives apart; then send all of it at once."""

    seconds: Seconds
    """For how long, in seconds of wall time."""


class Malformed(_Kind, frozen=True, kw_only=True, tag="malformed"):
    """Send a hub message that ends in the middle, and a record of an unknown DataType."""


class OddMessage(_Kind, frozen=True, kw_only=True, tag="odd_message"):
    """Send a text that is JSON and no SignalR message."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)] = '{"type":6}'


class HubError(_Kind, frozen=True, kw_only=True, tag="hub_error"):
    """Have the hub call the client's method Error."""

    text: Annotated[str, msgspec.Meta(max_length=1000)] = QUOTA_HUB


class ExpireTokens(_Kind, frozen=True, kw_only=True, tag="expire_tokens"):
    """Let every access token issued so far be expired. Open connections stay open."""


class Revoke(_Kind, frozen=True, kw_only=True, tag="revoke"):
    """Take a key no more, as when its owner deletes it on iBoard: its tokens are no longer valid, its connections are closed."""

    consumer_id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    """One of those that the simulator takes (``SIM_CONSUMER_ID``)."""


ConnectionFault = Drop | CloseSocket | Shutdown | Silence | Slow | Malformed | OddMessage | HubError | ExpireTokens | Revoke


# -- request faults


class Refuse(_Kind, frozen=True, kw_only=True, tag="refuse"):
    """Answer a step with another HTTP status, another body, or both."""

    step: Literal["token", "rest", "negotiate", "connect", "start"]
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 200
    body: Annotated[str, msgspec.Meta(max_length=10_000)] = ""
    retry_after: Annotated[int, msgspec.Meta(ge=0, le=86_400)] | None = None
    """Seconds in a ``Retry-After`` header, where there is to be one."""
    count: Count = 1
    """How many requests it spoils."""


class Unanswered(_Kind, frozen=True, kw_only=True, tag="unanswered"):
    """Never answer a step; the client's connection stays open until it gives up."""

    step: Step
    count: Count = 1


class OddReply(_Kind, frozen=True, kw_only=True, tag="reply"):
    """Answer SwitchChannels otherwise than with the bare identifier, as SignalR's servers may."""

    error: str | None = None
    """Refuse the subscription with this text (``E``)."""
    trace: str | None = None
    """A stack trace beside it (``T``)."""
    state: dict[str, Any] | None = None
    """The state of the hub's caller (``S``), which SignalR sends with any reply."""
    count: Count = 1


RequestFault = Refuse | Unanswered | OddReply


# -- record faults


class _RecordKind(_Kind, frozen=True, kw_only=True):
    """Base of the record faults: which records they may strike."""

    channels: tuple[str, ...] = ()
    """Of these channels only; of any where this is empty."""
    symbols: tuple[str, ...] = ()
    """Of these symbols only; of any where this is empty."""
    count: Count = 1
    """How many records it strikes, where it has a time and no probability: the first that fit."""


class Repeat(_RecordKind, frozen=True, kw_only=True, tag="repeat"):
    """Send a record more than once."""

    times: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    """How often it is repeated."""


class Late(_RecordKind, frozen=True, kw_only=True, tag="late"):
    """Send a record later than those after it."""

    seconds: Seconds
    """How much later, in seconds of market time."""


class Withhold(_RecordKind, frozen=True, kw_only=True, tag="withhold"):
    """Never send a record."""


class Garble(_RecordKind, frozen=True, kw_only=True, tag="garble"):
    """Make a record one that nobody can decode."""

    how: Literal["cut", "type", "symbol", "time", "content"] = "cut"
    """``cut``: its content ends in the middle. ``type``: its DataType does not exist. ``symbol``, ``time``: these are
    none. ``content``: it has no content."""


class BadByte(_RecordKind, frozen=True, kw_only=True, tag="bad_byte"):
    """Put a byte that is no UTF-8 into a record; the hub message around it has further records."""


class ForeignBack(_RecordKind, frozen=True, kw_only=True, tag="foreign_back"):
    """Let one foreign record say less than the one before: its counters are a third lower. The next is right again."""


class ForeignRestart(_RecordKind, frozen=True, kw_only=True, tag="foreign_restart"):
    """Let the foreign counters of a symbol begin again at 0 with a record, and stay so much lower for the rest of the day."""


class StaleSnapshot(_RecordKind, frozen=True, kw_only=True, tag="stale_snapshot"):
    """Answer a subscription with an older record than the last, for some symbols. It needs a probability."""


RecordFault = Repeat | Late | Withhold | Garble | BadByte | ForeignBack | ForeignRestart | StaleSnapshot

Fault = ConnectionFault | RequestFault | RecordFault

_fault: Final = msgspec.json.Decoder(Fault)


def read_fault(body: bytes) -> Fault:
    """Read a request to ``/sim/faults``: a fault that strikes at once.

    Raises:
        UnknownFault: It names no fault, gives it settings that it does not have, or is one that needs a probability.

    """
    try:
        fault: Fault = _fault.decode(body)
    except msgspec.MsgspecError as error:
        raise UnknownFault(str(error)) from error
    if isinstance(fault, StaleSnapshot):
        raise UnknownFault("stale_snapshot needs a probability, and so a schedule")
    return fault


def name_of(fault: Fault) -> str:
    """What a fault is called in schedules and in the truth."""
    return str(fault.__struct_config__.tag)


# -- schedules


@dataclass(frozen=True)
class Entry:
    """A fault of a schedule, and when it strikes: at certain moments, or by chance within a span."""

    number: int
    """Its place in the schedule, from 1."""
    fault: Fault
    at: tuple[int, ...]
    """Market times, in seconds since midnight; empty where it strikes by chance."""
    probability: float
    """Of a record fault for each record, of a request fault for each request, of a connection fault for each market minute."""
    since: int
    """From when on it may strike by chance, in seconds since midnight."""
    until: int
    """Until when, in seconds since midnight."""

    def spans(self, ms: int, day: TradingDay) -> bool:
        """Whether it may strike by chance at market time ``ms``."""
        return self.since * 1000 <= ms - instant(day, 0) < self.until * 1000


@dataclass(frozen=True)
class Schedule:
    """Faults of a day."""

    seed: int
    entries: tuple[Entry, ...]

    @classmethod
    def parse(cls, text: str, source: str) -> "Schedule":
        """Read a schedule.

        Args:
            text: TOML, as the head of this module describes it.
            source: What it is of, for the text of an error.

        Raises:
            UnreadableSchedule: It is none; the error names the entry.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UnreadableSchedule(source, str(error)) from None
        unknown = set(document) - {"seed", "fault"}
        if unknown:
            raise UnreadableSchedule(source, f"{', '.join(sorted(unknown))}: a schedule has seed and [[fault]] only")
        seed, listed = document.get("seed", 1), document.get("fault", [])
        if not isinstance(seed, int) or not isinstance(listed, list):
            raise UnreadableSchedule(source, "seed is a whole number, and each fault stands under a [[fault]] of its own")
        return cls(seed, tuple(_entry(number, entry, source) for number, entry in enumerate(listed, 1)))

    def strikes(self, day: TradingDay, seeded: SeededRandom) -> list["Strike"]:
        """When the connection faults, and whatever else has a time, strike on ``day``: in their order."""
        found = [strike for entry in self.entries for strike in _strikes(entry, self.seed, day, seeded)]
        return sorted(found, key=lambda strike: (strike.ms, strike.entry.number))

    def by_chance(self) -> list[Entry]:
        """The request and record faults that strike by chance."""
        return [entry for entry in self.entries if not entry.at and not isinstance(entry.fault, ConnectionFault)]


@dataclass(frozen=True)
class Strike:
    """One moment at which a fault strikes."""

    ms: UnixMs
    """Market time."""
    entry: Entry


def struck_places(entry: Entry, seed: int, seeded: SeededRandom) -> Iterator[int]:
    """The places in the day's list of records that a record fault strikes by chance, ascending, without end.

    Chance is drawn from one struck place to the next, so that most records cost nothing.
    """
    rng, place = seeded(f"{seed} {entry.number} records"), -1
    if entry.probability >= 1:
        while True:
            yield (place := place + 1)
    while True:
        place += 1 + int(math.log(1.0 - rng.random()) / math.log(1.0 - entry.probability))
        yield place


_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")


def _seconds(clock: Any) -> int | None:
    """``HH:MM`` or ``HH:MM:SS`` as seconds since midnight; None where it is neither."""
    found = _CLOCK.fullmatch(clock) if isinstance(clock, str) else None
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3] or 0) if found else None


def _entry(number: int, entry: Any, source: str) -> Entry:
    where = f"fault {number}"
    if not isinstance(entry, Mapping):
        raise UnreadableSchedule(source, f"{where} is no table")
    rest = {name: value for name, value in entry.items() if name not in ("at", "probability", "from", "until")}
    where += f" ({rest['fault']})" if isinstance(rest.get("fault"), str) else ""
    try:
        fault = msgspec.convert(rest, Fault)
    except msgspec.ValidationError as error:
        raise UnreadableSchedule(source, f"{where}: {error}") from None
    said = entry.get("at", [])
    times = [_clock(clock, where, source) for clock in (said if isinstance(said, list) else [said])]
    since, until = (_clock(entry.get(*ends), where, source) for ends in (("from", DAY_BEGINS), ("until", DAY_ENDS)))
    probability = entry.get("probability")
    if (probability is None) == (not times):
        raise UnreadableSchedule(source, f"{where} has to have either at or a probability")
    if probability is None:
        if "from" in entry or "until" in entry:
            raise UnreadableSchedule(source, f"{where}: from and until go with a probability, and it has at")
        if isinstance(fault, StaleSnapshot):
            raise UnreadableSchedule(source, f"{where} needs a probability: it strikes whenever a client subscribes")
    elif not isinstance(probability, int | float) or isinstance(probability, bool) or not 0 < probability <= 1:
        raise UnreadableSchedule(source, f"{where}: a probability is above 0 and at most 1")
    elif since >= until:
        raise UnreadableSchedule(source, f"{where} would end before it begins: until is not after from")
    return Entry(number, fault, tuple(times), float(probability or 0.0), since, until)


def _clock(clock: Any, where: str, source: str) -> int:
    seconds = _seconds(clock)
    if seconds is None:
        raise UnreadableSchedule(source, f"{where}: {clock!r} is no market time; write it as HH:MM or HH:MM:SS, in quotes")
    return seconds


def _strikes(entry: Entry, seed: int, day: TradingDay, seeded: SeededRandom) -> Sequence[Strike]:
    midnight = instant(day, 0)
    if entry.at:
        return [Strike(UnixMs(midnight + clock * 1000), entry) for clock in entry.at]
    if not isinstance(entry.fault, ConnectionFault):
        return []
    rng = seeded(f"{seed} {entry.number} minutes")
    minutes = range(entry.since, entry.until, 60)
    chosen = [minute + rng.randrange(60) for minute in minutes if rng.random() < entry.probability]
    return [Strike(UnixMs(midnight + clock * 1000), entry) for clock in chosen if clock < entry.until]
