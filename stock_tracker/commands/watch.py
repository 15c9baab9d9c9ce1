"""``stock-tracker watch``: what the gateway shows, in the terminal."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.deployment import GATEWAY_PORT

EPILOG = "Example: stock-tracker watch px VNM HPG @VN30"


def watch(
    channel: Annotated[str, typer.Argument(help="px, index, breadth, flow, basis, alert, candle, status or ref.")] = "px",
    symbols: Annotated[
        list[str] | None, typer.Argument(help="Symbols and groups (@VN30); everything without.", show_default=False)
    ] = None,
    url: Annotated[
        str, typer.Option(help="Where the gateway's WebSocket is.", envvar="GATEWAY_URL")
    ] = f"ws://127.0.0.1:{GATEWAY_PORT}/v1/ws",
    columns: Annotated[
        str | None, typer.Option(help="Columns to show, comma separated; those of most use by default.", show_default=False)
    ] = None,
    throttle_ms: Annotated[int | None, typer.Option(help="How often rows come at most: 0, 100, 250, 500 or 1000.")] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with a token, for a gateway that has accounts; read for each connection, so that a newer one counts.",
            envvar="GATEWAY_TOKEN_FILE",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print what is there now, and end.")] = False,
) -> None:
    """Show the rows of a channel as they change: a table in a terminal, a line for each row elsewhere. Ctrl-C ends it."""
    import asyncio
    import contextlib

    from stock_tracker.client.display import show

    async def read_token() -> str:
        assert token_file is not None  # noqa: S101 - it is given only then
        return (await asyncio.to_thread(token_file.read_text)).strip()

    token = None if token_file is None else read_token
    chosen = None if columns is None else [name.strip() for name in columns.split(",") if name.strip()]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(show(url, channel, symbols or ["*"], chosen, throttle_ms=throttle_ms, once=once, token=token))
