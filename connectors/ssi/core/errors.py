"""Errors of the SSI connector, each with what to do about it.

SsiError
├── SsiUnavailable: SSI, or the network on the way to it, is down: tried again with growing pauses
│   ├── TokenRejected: the token ran out: a new one is fetched before the next attempt
│   ├── QuotaExceeded: SSI asks for fewer calls: tried again after a long pause
│   └── ConnectionClosed: the hub closed the connection, or it broke
├── WindowRefused: SSI does not take a range of dates
├── PageSizeRefused: SSI does not take a size of a page: a smaller one is asked for
├── TooManyRows: a day has more rows than SSI's pages hold
├── UnknownSymbols: history is wanted of symbols that SSI does not list
├── HistoryInterrupted: SSI did not give a part of its history, however often it was asked
├── StandingBy: the hub serves one connection a key, and another feed has it
├── PlannedReconnect: the connection is made anew before the market opens, as every day
├── ReferenceIncomplete: a list of what is listed is empty or too short: asked again with growing pauses
├── BadCredentials: SSI knows no such consumer id and secret
├── NewKeyRefused: it does not know that of the files now; the one before is still good
├── ChannelsRejected: SSI refused the subscription
├── InsecureUrl: credentials would travel in clear
├── InvalidRecord: a Broadcast argument that is no record; it goes to the dead-letter topic and the rest goes on
├── SideTopicsInUse: the topics that records should be decoded into anew are there already
├── ClockSetBack: market time stands still, because this machine's clock was set back
└── ClockUnavailable: the market clock's URL does not answer

Kafka's errors are those of :mod:`schemas.errors`: KafkaUnavailable and TopicsMissing.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why something could not be used: the ``reason`` of a dead letter and a label of a metric, so a small closed set."""

    BAD_MESSAGE = "bad_message"
    """Not a SignalR message, or an invocation in one that is none."""
    UNKNOWN_METHOD = "unknown_method"
    """The hub called something other than Broadcast or Error."""
    BAD_JSON = "bad_json"
    """Not JSON, at one of the levels that should be."""
    NO_CONTENT = "no_content"
    """A Broadcast argument without DataType or Content."""
    UNKNOWN_TYPE = "unknown_type"
    """A DataType that this connector does not know."""
    BAD_FIELD = "bad_field"
    """A field that must be there is missing or has an impossible value."""
    BAD_SYMBOL = "bad_symbol"
    """No symbol where there should be one."""
    UNKNOWN_SYMBOL = "unknown_symbol"
    """A symbol of which nothing tells whether it is quoted in dong or in points."""
    BAD_TIME = "bad_time"
    """A date or a time that is none."""
    UNKNOWN_EXCHANGE = "unknown_exchange"
    """An exchange that this connector does not know."""
    FUTURE_DAY = "future_day"
    """Dated later than the market clock's date."""
    TOO_MANY = "too_many"
    """More of one hub message than get a dead letter each; the letter says how many."""


class SsiError(Exception):
    """Base of the errors of this package."""


class SsiUnavailable(SsiError):
    """SSI, or the network on the way to it, is down: try again after a pause."""

    def __init__(self, what: str, why: str, retry_after_s: float | None = None) -> None:
        super().__init__(what, why)
        self.what = what
        """Which call failed: ``negotiate``, ``the stream``, ``Securities``, …."""
        self.why = why
        self.retry_after_s = retry_after_s
        """The pause that SSI asked for, in seconds, where it did."""

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; trying again. If it stays so, check SSI_API_URL, SSI_STREAM_URL and the network"


class TokenRejected(SsiUnavailable):
    """SSI no longer accepts the token: fetch a new one before the next attempt."""

    def __str__(self) -> str:
        return f"{self.what}: SSI rejected the token ({self.why}); fetching a new one"


class QuotaExceeded(SsiUnavailable):
    """SSI asks for fewer calls: pause for minutes."""

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; pausing. Do not run other clients with the same SSI key"


class ConnectionClosed(SsiUnavailable):
    """The hub closed the connection, or it broke on the way."""


class WindowRefused(SsiError):
    """SSI does not take the dates ``window`` of ``operation``."""

    def __init__(self, operation: str, window: str, why: str) -> None:
        super().__init__(operation, window, why)
        self.operation = operation
        self.window = window
        self.why = why

    def __str__(self) -> str:
        return (
            f"SSI refuses {self.operation} of {self.window}: {self.why}. Name days with --from and --to that are over there; "
            "if they are, its limits have changed: report it"
        )


class PageSizeRefused(SsiError):
    """SSI does not take the size of a page that was asked for; 1,000 it takes."""

    def __init__(self, operation: str, why: str) -> None:
        super().__init__(operation, why)
        self.operation = operation
        self.why = why

    def __str__(self) -> str:
        return f"SSI refuses the size of a page of {self.operation}: {self.why}. Its limits have changed: report it"


class TooManyRows(SsiError):
    """A single day of ``subject`` has ``rows`` rows, more than the ``most`` that SSI's pages hold."""

    def __init__(self, operation: str, subject: str, day: int, rows: int, most: int) -> None:
        super().__init__(operation, subject, day, rows, most)
        self.operation = operation
        self.subject = subject
        self.day = day
        self.rows = rows
        self.most = most

    def __str__(self) -> str:
        return (
            f"{self.operation} of {self.subject} on {self.day} has {self.rows:,} rows, and SSI gives {self.most:,} at most: "
            "name symbols with --symbols, a part of the market at a time"
        )


class UnknownSymbols(SsiError):
    """SSI lists none of ``symbols``."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        super().__init__(symbols)
        self.symbols = symbols

    def __str__(self) -> str:
        return (
            f"SSI does not list {', '.join(self.symbols)}: check --symbols. What is no longer listed comes with its market, "
            "without --symbols"
        )


class HistoryInterrupted(SsiError):
    """SSI did not give ``part`` of its history in ``tries`` attempts."""

    def __init__(self, part: str, tries: int, why: str) -> None:
        super().__init__(part, tries, why)
        self.part = part
        self.tries = tries
        self.why = why

    def __str__(self) -> str:
        return (
            f"SSI did not give {self.part} in {self.tries} attempts: {self.why}. What came before is stored: run the "
            "same command again, and it goes on from here"
        )


class StandingBy(SsiError):
    """The hub closes this feed's connection whenever another client of the same key connects, so this one waits."""

    def __init__(self, feed: str) -> None:
        super().__init__(feed)
        self.feed = feed

    def __str__(self) -> str:
        return (
            f"standing by: SSI closed the connection of feed {self.feed} again and again, so it seems to serve one connection a "
            f"key. It connects again when the other feed is gone. Give it a key of its own (SSI_CONSUMER_ID, SSI_CONSUMER_SECRET)"
        )


class PlannedReconnect(SsiError):
    """The daily time to connect anew has come; nothing is wrong."""

    def __str__(self) -> str:
        return "connecting anew, as every day before the market opens (SSI_RECONNECT_AT)"


class ReferenceIncomplete(SsiError):
    """SSI gave lists that cannot be all: ask again after a pause."""


class BadCredentials(SsiError):
    """SSI refused the consumer id and secret; trying again would not help."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return (
            f"SSI refused the credentials: {self.why}. Check SSI_CONSUMER_ID and SSI_CONSUMER_SECRET (or "
            "SSI_CONSUMER_SECRET_FILE), the key's expiry and its list of allowed addresses on iBoard"
        )


class NewKeyRefused(SsiError):
    """SSI refuses the key that the files have now, while the token of the one before is still good."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return (
            f"SSI refuses the new key: {self.why}. The connector goes on with the token of the key before until it expires: "
            "see to the files of SSI_CONSUMER_ID_FILE and SSI_CONSUMER_SECRET_FILE, and to the key's list of addresses on iBoard"
        )


class ChannelsRejected(SsiError):
    """SSI refused the subscription to ``channels``."""

    def __init__(self, channels: str, why: str) -> None:
        super().__init__(channels, why)
        self.channels = channels
        self.why = why

    def __str__(self) -> str:
        return f"SSI refused the channels {self.channels!r}: {self.why}. Check SSI_CHANNELS (e.g. X-TRADE:ALL,R:ALL)"


class InsecureUrl(SsiError):
    """A URL without TLS: the credentials would travel in clear. Use https."""

    def __init__(self, name: str, host: str) -> None:
        super().__init__(name, host)
        self.name = name
        self.host = host

    def __str__(self) -> str:
        return (
            f"{self.name} names {self.host} without TLS, so the SSI secret and token would travel in clear: "
            "use https://. Plain http:// is for this machine only (127.0.0.1, ::1, localhost)"
        )


class InvalidRecord(SsiError):
    """A Broadcast argument that is no record: put it on the dead-letter topic and go on."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        """What is wrong, for a person. Of what was received it quotes a few characters at most."""
        self.data_type: str | None = None
        """The DataType of the argument, where it has one that this connector knows."""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class SideTopicsInUse(SsiError):
    """The topic ``name``, which records should be decoded into anew, is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"there is a topic {self.name} already: name others with --into, or delete it"


class ClockSetBack(SsiError):
    """This machine's clock was set back; market time never goes back, so it stands still until the clock has caught up."""

    def __init__(self, behind_s: float) -> None:
        super().__init__(behind_s)
        self.behind_s = behind_s

    def __str__(self) -> str:
        return (
            f"this machine's clock was set back, so market time stands still for another {self.behind_s:.0f} s. "
            "Let a time service (NTP) keep the clock"
        )


class ClockUnavailable(SsiError):
    """The market clock's URL does not answer as it should."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(url, why)
        self.url = url
        self.why = why

    def __str__(self) -> str:
        return (
            f"the market clock at {self.url} does not answer: {self.why}. Start the simulator, or set SSI_CLOCK to wall or feed"
        )
