"""What ``up`` shows on stderr: a line for each event, and the figures.

On a terminal the figures change in place, each second. Elsewhere they are a line every ten seconds.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stock_tracker.stack.figures import Gauge, StackFigures

if TYPE_CHECKING:
    from stock_tracker.stack.up import Up

REFRESH_S = 1.0
PLAIN_EVERY_S = 10.0


class _Stderr(Console):
    """A console that goes silent when its reader goes away. Rich would end the process; the stack must be stopped first."""

    def __init__(self) -> None:
        super().__init__(stderr=True)

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Display:
    """Shows what a stack does, as long as the block runs."""

    def __init__(self) -> None:
        self._console = _Stderr()
        self._live = Live(console=self._console, auto_refresh=False, transient=True) if self._console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, line: str) -> None:
        """Show a line for good, above the figures."""
        self._console.print(Text(line), soft_wrap=True)

    @asynccontextmanager
    async def watching(self, up: "Up") -> AsyncIterator[None]:
        """Show the figures of ``up`` as long as the block runs."""
        task = asyncio.create_task(self._watch(up))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self, up: "Up") -> None:
        gauge = Gauge(up)
        try:
            while True:
                figures = await gauge.read()
                if self._live is None:
                    self.tell(_line(figures))
                    await asyncio.sleep(PLAIN_EVERY_S)
                else:
                    self._live.update(_table(figures, up), refresh=True)
                    await asyncio.sleep(REFRESH_S)
        finally:
            await gauge.close()


def _line(figures: StackFigures) -> str:
    return " · ".join(f"{name} {value}" for name, value in _values(figures))


def _values(figures: StackFigures) -> list[tuple[str, str]]:
    return [
        ("market", figures.market_time or "–"),
        ("records/s", f"{figures.records_per_s:,.0f}"),
        ("lag", "–" if figures.lag is None else f"{figures.lag:,}"),
        ("rows", "–" if figures.rows is None else f"{figures.rows:,}"),
        ("messages/s", f"{figures.messages_per_s:,.1f}"),
    ]


def _table(figures: StackFigures, up: "Up") -> Table:
    table = Table.grid(padding=(0, 2))
    values = _values(figures)
    table.add_row(*(Text(name, style="dim") for name, _ in values))
    table.add_row(*(Text(value, style="bold") for _, value in values))
    processes = Text("  ").join(
        Text(life.part.name, style="green" if life.pid else "bold red")
        + Text(f" ×{life.crashes}" if life.crashes else "")
        + Text(" halted" if life.halted else "", style="bold red")
        for life in up.supervisor.lives
    )
    whole = Table.grid()
    whole.add_row(table)
    whole.add_row(processes)
    return whole
