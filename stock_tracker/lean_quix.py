"""Imports Quix Streams without clients that it imports and nobody here uses, which are half of what it takes to import it.

They are the schema registry's client, an HTTP client and a validator of JSON schemas, and they bring OAuth and cryptography. A
killed pipeline is back sooner without them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final, NoReturn

LEFT_OUT: Final = (
    "confluent_kafka.schema_registry",
    "confluent_kafka.schema_registry.json_schema",
    "httpx",
    "jsonschema",
)
"""The modules that Quix imports for serializers with a schema, and for lookups in Quix's own configuration service."""


@contextmanager
def without_unused_clients() -> Iterator[None]:
    """Let what is imported in this block find empty modules in place of :data:`LEFT_OUT`; after it the real ones can be imported.

    A module that has been imported already stays what it is.
    """
    empty = [name for name in LEFT_OUT if name not in sys.modules]
    for name in empty:
        module = ModuleType(name)
        module.__path__ = []
        module.__getattr__ = _placeholder  # type: ignore[method-assign]
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in empty:
            del sys.modules[name]


def _placeholder(name: str) -> type:
    """A class in place of one that was left out; it says so when it is used."""
    if name.startswith("__"):
        raise AttributeError(name)

    def refuse(self: object, *arguments: object, **named: object) -> NoReturn:
        raise TypeError(f"{name} was left out when Quix Streams was imported: stock_tracker/lean_quix.py says what else is")

    return type(name, (), {"__init__": refuse})
