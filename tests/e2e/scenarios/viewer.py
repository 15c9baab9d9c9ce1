"""A client of the gateway that looks at one trading day."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from schemas.units import TradingDay
from tests.wire_client import Wire


class Viewer(Wire):
    """A client over a real socket that is shown what happens on ``day``; what it was shown of days before does not count."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, day: TradingDay) -> None:
        super().__init__(socket)
        self.day = day

    def row(self, channel: str, key: str) -> dict[str, Any] | None:
        """The latest row of the day; None when there is none."""
        row = self.shown.get(channel, {}).get(key)
        return row if row is not None and row["day"] == self.day else None

    async def sees(self, channel: str, key: str, **expected: Any) -> dict[str, Any]:
        """Read on until the row of the day says what is expected; that row."""

        def shows() -> bool:
            row = self.row(channel, key)
            return row is not None and all(row[name] == value for name, value in expected.items())

        try:
            await self.until(shows)
        except TimeoutError:
            pytest.fail(f"{key} on {channel} never showed {expected}; last {self.row(channel, key)}")
        row = self.row(channel, key)
        assert row is not None
        return row

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """The alerts of the day so far, in order."""
        found: list[dict[str, Any]] = []
        for message in self.messages:
            if message["op"] == "event" and message["ch"] == "alert":
                found.append(message["data"])
            elif message["op"] == "snap" and message["ch"] == "alert":
                found += [dict(zip(message["cols"], row, strict=True)) for row in message["rows"]]
        return [alert for alert in found if alert["day"] == self.day]

    async def sees_alerts(self, symbol: str, kind: str, *directions: str) -> list[dict[str, Any]]:
        """Read on until a symbol has as many alerts of a kind today as are expected, which have to be these; the alerts."""

        def told() -> list[dict[str, Any]]:
            return [alert for alert in self.alerts if (alert["symbol"], alert["kind"]) == (symbol, kind)]

        await self.until(lambda: len(told()) >= len(directions))
        assert [alert["direction"] for alert in told()] == list(directions)
        return told()


Watch = Callable[..., Awaitable[Viewer]]
"""Connects a viewer that is told every change on the channels that are named."""
