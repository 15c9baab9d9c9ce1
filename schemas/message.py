"""The base of every message, and the fast twins of the hot ones.

Pydantic models are the contract: they carry the documentation, validate strictly and make the JSON Schemas. Decoding one
costs microseconds, so hot paths use *twins*: msgspec Structs derived from the same fields, never written by hand. A twin
checks types, not ranges; ``tests/contract`` holds the two to the same JSON.
"""

from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, ConfigDict, Field

M = TypeVar("M", bound=BaseModel)


class Message(BaseModel):
    """A value on a topic: immutable; fields of later versions are ignored on read."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True)


def version(number: int) -> Any:
    """The field ``schema_`` of a model whose messages have this version; ``schema`` on the wire."""
    return Field(default=number, alias="schema")


class Versioned(Message):
    """A message that stands alone on its topic and so carries the version of its layout.

    A field that is added with a default keeps the version. Any other change raises it: the model then says
    ``schema_: int = version(2)``, and :mod:`schemas.upgrades` says how to read version 1. ``docs/growing.md`` has the whole rule.
    """

    schema_: int = version(1)
    """The layout that the writer used."""


def version_of(message: type[Any]) -> int:
    """The version that this release writes ``message`` in, a :class:`Versioned` or the twin of one."""
    model = next((model for model, made in _twins.items() if made is message), message)
    number: int = model.model_fields["schema_"].default
    return number


_twins: dict[type[BaseModel], type[Any]] = {}


def twin(model: type[M]) -> type[M]:
    """The msgspec Struct with the fields of ``model``: same names, order, JSON and keyword arguments, ~4× faster.

    It is typed as the model itself, because it has the same attributes; it has none of its methods. A ``kind`` that can
    only be one word becomes the Struct's tag, so that a union decodes by it. Where no required field comes after one with a
    default it also takes its fields by position, which is five times as fast: for the few places that make millions.
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
            kw_only=not _required_first(fields),
            gc=False,
            module=model.__module__,
        )
    return _twins[model]


def _required_first(fields: list[tuple[str, Any] | tuple[str, Any, Any]]) -> bool:
    """Whether all fields with a default are at the end."""
    required = [len(field) == 2 for field in fields]
    return required == sorted(required, reverse=True)


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
