"""What the gateway offers, for machines (pure): AsyncAPI 3 of ``stock.v1``, OpenAPI 3.1 of REST. ``make api`` writes docs/api."""

from typing import Any, Final

from pydantic import TypeAdapter

from gateway.core.channels import CHANNELS
from gateway.core.history import LIMIT, MOST, NEWEST, QUESTIONS, ArchiveQuestion
from gateway.core.limits import ClientLimits
from gateway.core.sse import THROTTLE
from schemas.stock_v1 import PROTOCOL, CloseCode, Command, ServerMessage

_REF: Final = "#/components/schemas/{model}"
_DAY: Final = {"type": "integer", "examples": [20261120], "description": "A trading day, as 20261120"}
_SYMBOL: Final = {"type": "string", "pattern": "^[A-Z0-9]{1,12}$", "examples": ["VNM"]}
_TABLE: Final = {
    "type": "object",
    "required": ["cols", "rows"],
    "properties": {
        "ch": {"type": "string", "enum": list(CHANNELS)},
        "cols": {"type": "array", "items": {"type": "string"}, "description": "What each row has, in this order"},
        "rows": {"type": "array", "items": {"type": "array"}},
        "cursor": {"type": ["string", "null"]},
        "next": {"type": ["string", "null"], "description": "Of an answer from the archive: `after` of the next page"},
    },
}
_UNREAD: Final = "Kafka has not been read yet"
_PROBLEM: Final = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_WORDS: Final = {"type": "string", "examples": ["VNM,@VN30", "*"], "description": "Symbols and groups, or `*`"}
_EVENTS: Final = {
    "type": "string",
    "description": "Each event's `data` is a message of the gateway as asyncapi.json has it; its `id` has all channels' cursors. "
    "What passes by itself, no place (4013) or Kafka not read yet (1503), is a message too, and `retry` says when to come back.",
}
_ABOUT: Final = {
    "type": "object",
    "required": ["release", "protocol"],
    "properties": {"release": {"type": "string"}, "protocol": {"type": "string", "const": PROTOCOL}},
}


def asyncapi(version: str) -> dict[str, Any]:
    """``stock.v1`` as AsyncAPI 3; ``version`` is the release's."""
    definitions: dict[str, Any] = {}
    names: dict[str, list[str]] = {}
    for way, kind in (("send", Command), ("receive", ServerMessage)):
        schema = TypeAdapter[Any](kind).json_schema(ref_template=_REF, mode="validation")
        definitions |= schema.pop("$defs")
        names[way] = [choice["$ref"].rsplit("/", 1)[1] for choice in schema["oneOf"]]
    messages = {name: {"$ref": f"#/components/messages/{name}"} for way in names.values() for name in way}

    def of(way: str) -> list[dict[str, str]]:
        return [{"$ref": f"#/channels/stream/messages/{name}"} for name in names[way]]

    closes = "\n".join(f"- {code.value}: {code.name.lower().replace('_', ' ')}" for code in CloseCode)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"stock-tracker gateway, {PROTOCOL}",
            "version": version,
            "description": f"JSON text over a WebSocket; docs/gateway.md is the protocol by example. Close codes:\n{closes}",
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:8080", "protocol": "ws"}},
        "channels": {
            "stream": {
                "address": "/v1/ws",
                "messages": messages,
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            "command": {"action": "receive", "channel": {"$ref": "#/channels/stream"}, "messages": of("send")},
            "tell": {"action": "send", "channel": {"$ref": "#/channels/stream"}, "messages": of("receive")},
        },
        "components": {
            "messages": {name: {"name": name, "payload": {"$ref": _REF.format(model=name)}} for name in messages},
            "schemas": definitions,
        },
    }


def openapi(version: str) -> dict[str, Any]:
    """REST as OpenAPI 3.1; ``version`` is the release's."""
    snapshot = _get(
        "The rows of a channel now",
        [
            _in("path", "channel", {"type": "string", "enum": list(CHANNELS)}),
            _in("query", "sym", {"type": "string", "default": "*", "examples": ["VNM,@VN30"]}),
            _in("header", "If-None-Match", {"type": "string", "description": "An `ETag`, which is the cursor"}),
        ],
        {
            "304": "Nothing has changed",
            "404": "No such channel, or symbols that nobody knows",
            "503": _UNREAD,
        },
    )
    symbols = _get("Names, exchanges, groups and sectors of the symbols", [], {"503": _UNREAD})
    listening = _get(
        "stock.v1 as server-sent events, for who only listens",
        [
            *(_in("query", name, _WORDS) for name in CHANNELS),
            _in(
                "query", THROTTLE, {"type": "integer", "enum": list(ClientLimits().classes), "default": ClientLimits().default_ms}
            ),
            _in(
                "header",
                "Last-Event-ID",
                {"type": "string", "description": "The id of the last event: only what came since is sent"},
            ),
        ],
        {
            "400": "A parameter cannot be used, or names no channel",
            "401": "The gateway has accounts, and this is no valid token",
            "403": "The token is not good for a channel, or the page's origin is not listed",
            "404": "Symbols that nobody knows",
        },
    )
    listening["responses"]["200"]["content"] = {"text/event-stream": {"schema": _EVENTS}}
    about = _get("Which release answers, and which protocol it speaks", [], {}, "About")
    past = {
        f"/api/v1/{name}{'/{symbol}' if asked.has_symbol else ''}": {"get": _past(asked)} for name, asked in QUESTIONS.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "stock-tracker gateway, REST", "version": version, "description": "docs/gateway.md says more."},
        "servers": [{"url": "http://127.0.0.1:8080"}],
        "paths": {
            "/api/v1/snapshot/{channel}": {"get": snapshot},
            "/api/v1/symbols": {"get": symbols},
            "/api/v1/about": {"get": about},
            "/v1/stream": {"get": listening},
            **past,
        },
        "components": {"schemas": {"Table": _TABLE, "Problem": _PROBLEM, "About": _ABOUT}},
    }


def _past(question: ArchiveQuestion) -> dict[str, Any]:
    days = (
        [_in("query", name, _DAY) for name in ("from", "to")] if question.is_daily else [_in("query", "day", _DAY, required=True)]
    )
    parameters = [
        *([_in("path", "symbol", _SYMBOL)] if question.has_symbol else []),
        *days,
        *(_in("query", name, {"type": "string"}) for name in question.filters),
        _in("query", "order", {"type": "string", "enum": [NEWEST], "description": "The last ones first"}),
        _in("query", "limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT}),
        _in("query", "after", {"type": "string", "description": "`next` of the page before"}),
    ]
    errors = {
        "400": "A parameter cannot be used",
        "429": "So many questions of this address are not answered yet",
        "503": "The archive does not answer; what is live goes on",
    }
    return _get(question.does.capitalize(), parameters, errors)


def _in(place: str, name: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required or place == "path", "schema": schema}


def _get(does: str, parameters: list[dict[str, Any]], others: dict[str, str], answer: str = "Table") -> dict[str, Any]:
    def content(model: str) -> dict[str, Any]:
        return {"application/json": {"schema": {"$ref": _REF.format(model=model)}}}

    responses: dict[str, Any] = {"200": {"description": does, "content": content(answer)}}
    for status, meaning in others.items():
        responses[status] = (
            {"description": meaning} if status == "304" else {"description": meaning, "content": content("Problem")}
        )
    return {"summary": does, "parameters": parameters, "responses": responses}
