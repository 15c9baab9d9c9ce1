"""The base of every message, and the fast twins of the hot ones.

Pydantic models are the contract: they carry the documentation, validate strictly and make the JSON Schemas. Decoding one
costs microseconds, so hot paths use *twins*: msgspec Structs derived from the same fields, never written by hand. A twin
checks types, not ranges; ``tests/contract`` holds the two to the same JSON.
"""

from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1
"""Major version of every message. It grows when a reader of the old one could misread the new one."""

M = TypeVar("M", bound=BaseModel)


class Message(BaseModel):
    """A value on a topic: immutable; fields of later versions are ignored on read."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True)


class Versioned(Message):
    """A message that stands alone on its topic and so carries the version itself."""

    schema_: int = Field(default=SCHEMA_VERSION, alias="schema")
    """:data:`SCHEMA_VERSION` of the writer; ``schema`` on the wire."""


_twins: dict[type[BaseModel], type[Any]] = {}


def twin(model: type[M]) -> type[M]:
    """The msgspec Struct with the fields of ``model``: same names, order, JSON and keyword arguments, ~4× faster.

    It is typed as the model itself, because it has the same attributes; it has none of its methods. A ``kind`` that can
    only be one word becomes the Struct's tag, so that a union decodes by it.
    """
    if model not in _twins:
        tag: str | None = None
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        rename: dict[str, str] = {}
        for name, field in model.model_fields.items():
            words = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
            if name == "kind" and len(words) == 1:
                tag = words[0]
                continue
            if field.alias:
                rename[name] = field.alias
            annotation = _twinned(field.annotation)
            if field.is_required():
                fields.append((name, annotation))
            else:
                fields.append((name, annotation, field.default))
        _twins[model] = msgspec.defstruct(
            model.__name__,
            fields,
            tag_field="kind" if tag else None,
            tag=tag,
            rename=rename or None,
            frozen=True,
            kw_only=True,
            gc=False,
            module=model.__module__,
        )
    return _twins[model]


def _twinned(annotation: Any) -> Any:
    """``annotation`` with every model in it replaced by its twin."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return twin(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _twinned(arguments[0])
    if origin in (Union, UnionType):
        return Union[tuple(_twinned(a) for a in arguments)]  # noqa: UP007 - built at run time
    if origin in (list, tuple, dict):
        return origin[tuple(_twinned(a) for a in arguments)]
    return annotation
