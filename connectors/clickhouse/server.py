"""The embedded ClickHouse as a process: the engine on its path, and :mod:`connectors.clickhouse.front` before it.

``python -m connectors.clickhouse.server`` runs it with the settings of the environment.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from connectors.clickhouse import users
from connectors.clickhouse.core.access import Users
from connectors.clickhouse.core.errors import ArchiveError
from connectors.clickhouse.engine import Engine, PathLock
from connectors.clickhouse.front import Front
from connectors.clickhouse.settings import ServerSettings
from schemas.errors import PortTaken

log = logging.getLogger(__name__)

_WRITER_THREADS = 4
"""How many calls into the engine can run at a time beside the readers': the sink's, and those that only take a moment."""


async def run(settings: ServerSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``; then finish what is running, and close the engine.

    Raises:
        PathInUse: Another process has the archive's path.
        PortTaken: Another process listens on the port.
        UsersFileInvalid: The users file is not one.
    """
    settings.folder.mkdir(parents=True, exist_ok=True)
    with PathLock(settings.lock_file, settings.engine_path) as lock:
        known = users.load(settings.password_file, settings.users_file)
        engine = await asyncio.to_thread(
            Engine,
            settings.engine_path,
            settings.backups,
            settings.server_memory_bytes,
            threads=settings.readers + _WRITER_THREADS,
        )
        try:
            async with _listening(engine, known, settings) as address:
                lock.say(address)
                settings.address_file.write_text(address + "\n")
                log.info("ClickHouse %s of %s answers at %s", engine.version, settings.engine_path, address)
                await stop.wait()
                log.info("stopping")
        finally:
            settings.address_file.unlink(missing_ok=True)
            await asyncio.to_thread(engine.close)


@asynccontextmanager
async def _listening(engine: Engine, known: Users, settings: ServerSettings) -> AsyncIterator[str]:
    """Answer requests as long as the block runs; gives the URL where."""
    front = Front(engine, known, settings)
    runner = web.AppRunner(
        front.application(), access_log=None, handler_cancellation=True, shutdown_timeout=settings.stop_seconds
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
        except OSError as error:
            remedy = (
                "If a ClickHouse already runs there, use it; else choose another port with ARCHIVE_PORT "
                "(and name it in CLICKHOUSE_URL for whoever connects)"
            )
            raise PortTaken.of(error, settings.host, settings.port, remedy) from error
        host, port = runner.addresses[0][:2]
        front.listening(port)
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        await runner.cleanup()
        await front.close()


async def _main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(ServerSettings(), stop)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(_main())
    except (ArchiveError, PortTaken) as error:
        sys.exit(str(error))
