"""What the gateway tells, as a table in a terminal, or line by line where there is none."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stock_tracker.client import MarketStream
from stock_tracker.client.core.told import DataAge, Disconnected, Happened, Missed, Rows

COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "px": ("symbol", "last", "change", "last_volume", "total_volume", "open", "high", "low", "average", "phase"),
    "index": ("symbol", "value", "change", "change_pct", "volume", "traded_value", "advances", "declines"),
    "breadth": ("symbol", "advances", "no_changes", "declines", "ceilings", "floors", "untraded"),
    "flow": ("key", "bought", "sold", "net_value", "room", "buy_speed_1m", "sell_speed_1m"),
    "basis": ("symbol", "alias", "price", "index_value", "basis", "basis_pct", "days_to_expiry"),
    "alert": ("ts_ms", "rule", "symbol", "severity", "message"),
    "candle": ("minute_ms", "symbol", "open", "high", "low", "close", "volume"),
    "status": ("feed", "state", "reason", "phase", "received", "dead_letters", "dropped"),
    "ref": ("symbol", "exchange", "name", "sector", "groups"),
}
"""Those of most use, by channel."""


class ShownRows:
    """The rows, as they are shown."""

    def __init__(self, channel: str, columns: Sequence[str] | None) -> None:
        self._channel = channel
        self._columns = tuple(columns or COLUMNS.get(channel, ()))
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._state = "connecting"

    def take(self, rows: Rows) -> None:
        """Take rows."""
        if rows.starts_anew:
            self._rows.clear()
        self._rows.update(rows.rows)

    def say(self, told: DataAge | Disconnected) -> None:
        """Take what is said of the rows' age."""
        if isinstance(told, Disconnected):
            self._state = f"disconnected ({told.reason}), trying again in {told.retry_ms / 1_000:.1f} s"
            return
        lag_ms = told.lag_ms.get(self._channel)
        age = "" if lag_ms is None else f", {max(0, lag_ms) / 1_000:.1f} s old"
        is_stale = self._channel in told.stale or bool(told.reason)
        self._state = f"{'STALE' if is_stale else 'live'}{age}{f': {told.reason}' if told.reason else ''}"

    def table(self) -> Table:
        """All of it."""
        # What comes from elsewhere is text, and never rich's markup.
        table = Table(title=Text(f"{self._channel}: {self._state}"))
        for name in self._columns:
            table.add_column(Text(name), justify="left" if name in ("symbol", "key", "message", "name", "reason") else "right")
        for key in sorted(self._rows):
            table.add_row(*(Text(text_of(self._rows[key].get(name))) for name in self._columns))
        return table

    def line(self, row: Mapping[str, Any]) -> str:
        """A row in a line of its own."""
        return "  ".join(f"{name}={text_of(row.get(name))}" for name in self._columns)


def text_of(value: object) -> str:
    """A value, for a person; without what could move a terminal's cursor."""
    if value is None:
        return "–"
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**12 else str(value)
    return "".join(character if character.isprintable() else "·" for character in text)


async def show(
    url: str,
    channel: str,
    symbols: Sequence[str],
    columns: Sequence[str] | None,
    *,
    throttle_ms: int | None,
    once: bool,
    token: Callable[[], Awaitable[str]] | None = None,
) -> None:
    """Show ``symbols`` of ``channel`` until interrupted, or, with ``once``, what is there.

    ``token`` gives a token for each connection; None for a gateway without accounts.

    Raises:
        StreamError: The gateway refuses that.
    """
    console = Console()
    board = ShownRows(channel, columns)
    async with MarketStream(url, token) as stream:
        await stream.subscribe(channel, *symbols, throttle_ms=throttle_ms)
        if console.is_terminal and not once and channel not in ("alert", "candle"):
            with Live(board.table(), console=console, auto_refresh=False) as live:
                async for told in stream:
                    if isinstance(told, Rows):
                        board.take(told)
                    elif isinstance(told, DataAge | Disconnected):
                        board.say(told)
                    live.update(board.table(), refresh=True)
            return
        async for told in stream:
            match told:
                case Rows():
                    for row in told.rows.values():
                        print(board.line(row), flush=True)
                case Happened():
                    print(board.line(told.event), flush=True)
                case Missed():
                    print(f"some of {told.channel} was missed: the archive has it", flush=True)
                case Disconnected():
                    print(f"disconnected: {told.reason}", flush=True)
            if once and stream.is_up_to_date:
                return
