"""What tests and benchmarks are fed: records, events and frames, with the values of a quiet market where a test says nothing."""

from typing import Any, TypeVar, cast

import msgspec

from schemas.message import Message

M = TypeVar("M", bound=Message)


def changed(message: M, **changes: Any) -> M:
    """A copy of a twin with some of its fields changed. To a type checker twins are models, to msgspec they are Structs."""
    return cast(M, msgspec.structs.replace(cast(msgspec.Struct, message), **changes))
