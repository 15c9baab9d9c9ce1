"""The ``stock-tracker`` command.

Each sub-command is a module of :mod:`stock_tracker.commands` whose name is in ``COMMANDS``. The module called ``word`` has either
a Typer ``app``, which is a group of commands (``stock-tracker word …``), or a function ``word``, which is one command. All of
them are imported even for ``--help``, so they import what takes long inside their functions.

Exit codes: 0 done, 1 it could not be done (one message on stderr, with what to do next), 2 the command line is wrong, 3 a service
halted: it would meet the same again, so whoever supervises it must not start it again before a person has acted.
"""

import errno
import os
import sys
import traceback
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from schemas.errors import HALTED, Halt
from stock_tracker import distribution, secret_files
from stock_tracker.errors import StockTrackerError

COMMANDS = (
    "up", "down", "status", "doctor", "watch", "verify", "kafka", "topics", "dlq", "ssi", "run", "alerts", "gateway", "archive",
    "explain", "recompute", "record", "replay", "fixture", "golden", "chaos", "bench",
)  # fmt: skip
"""The sub-commands, in the order in which ``--help`` lists them."""

DEBUG = "STOCK_TRACKER_DEBUG"
_ELSEWHERE = "Local state is in STOCK_TRACKER_HOME, downloads are in STOCK_TRACKER_CACHE: name folders that can be written"
_OF_THE_DISK = {
    errno.EROFS: f"{_ELSEWHERE}.",
    errno.ENOTDIR: f"There is a file where a folder should be. {_ELSEWHERE}.",
    errno.EACCES: f"{_ELSEWHERE}, or give this user the right to.",
    errno.EPERM: f"{_ELSEWHERE}, or give this user the right to.",
    errno.ENOSPC: f"Make room on that disk. {_ELSEWHERE}.",
    errno.EDQUOT: f"Make room on that disk. {_ELSEWHERE}.",
}
"""What to do about errors that say something of the machine and nothing of this code."""
DISTRIBUTION = "stock-tracker"


def build() -> typer.Typer:
    """Put the sub-commands together."""
    app = typer.Typer(
        name="stock-tracker",
        help="Vietnam's stock market data, exact and replayable: SSI → Kafka → Quix Streams → WebSocket and ClickHouse.",
        epilog="Example: stock-tracker kafka start",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(_options)
    for name in COMMANDS:
        module = import_module(f"stock_tracker.commands.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            command = getattr(module, name)
            app.command(name, epilog=getattr(module, "EPILOG", None))(command)
    return app


def _show_version(asked: bool) -> None:
    if asked:
        print(f"{DISTRIBUTION} {version(DISTRIBUTION)}")
        raise typer.Exit


def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error. Also: STOCK_TRACKER_DEBUG=1.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Show which release this is.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    if debug:
        # In the environment, so that it also holds in the processes that a command starts.
        os.environ[DEBUG] = "1"


def main() -> None:
    """Run the command line and exit."""
    try:
        distribution.check()
        secret_files.read(os.environ)
        build()()
    except Exception as error:
        if os.environ.get(DEBUG, "") not in ("", "0"):
            traceback.print_exc()
        else:
            print(report(error), file=sys.stderr)
        sys.exit(HALTED if isinstance(error, Halt) else 1)


def report(error: Exception) -> str:
    """Say what went wrong and what to do next, in plain text.

    Errors of the front door have their remedy apart; those of ``schemas`` and of the services say it in their own words; wrong
    settings are listed; of anything else only its type and words are known.
    """
    if isinstance(error, StockTrackerError):
        return f"Error: {error}\nWhat to do: {error.remedy}"
    if isinstance(error, ValidationError):
        return "Error: settings are wrong or missing\n" + "\n".join(f"    {line}" for line in _wrong_settings(error))
    if type(error).__module__.partition(".")[0] in distribution.PACKAGES:
        return f"Error: {error}"
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        where = f": {error.filename}" if error.filename else ""
        return f"Error: {error.strerror}{where}\nWhat to do: {_OF_THE_DISK[error.errno]}"
    return (
        f"Error: {type(error).__name__}: {error}\nWhat to do: That was not foreseen. Where it comes from: stock-tracker --debug …"
    )


def _wrong_settings(error: ValidationError) -> Iterator[str]:
    """A line for each wrong setting, which begins with the name that the setting has in the environment."""
    prefix = next((kind.model_config.get("env_prefix", "") for kind in _kinds(BaseSettings) if kind.__name__ == error.title), "")
    for wrong in error.errors(include_url=False, include_input=False):
        said = str(wrong["msg"]).removeprefix("Value error, ")
        field = str(wrong["loc"][0]) if wrong["loc"] else ""
        # A field that has another name in the environment is called by that name here already, in capitals.
        name = field if field.isupper() else f"{prefix}{field.upper()}"
        yield said if not field or said.startswith(name) else f"{name}: {said}"


def _kinds(kind: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for narrower in kind.__subclasses__():
        yield narrower
        yield from _kinds(narrower)
