"""Whatever a client sends: it is answered, and nothing else happens. ``PROVE=1`` sends a hundred thousand messages."""

import json
import random
import string
from typing import Any

from gateway.core.limits import ClientLimits
from gateway.core.subscriber import Subscriber
from schemas.stock_v1 import ErrorCode
from tests.proof import usually
from tests.unit.gateway.conftest import Viewer

MESSAGES = usually(4_000, proving=100_000)
OPS: list[object] = ["sub", "unsub", "ping", "auth", "replay", "stop", "", None, 7, [], {}]
CHANNELS = ["px", "index", "flow", "alert", "candle", "status", "ref", "news", "", None, 1, "px\0"]
GOOD_WORDS = ["VNM", "HPG", "@VN30", "@HOSE", "*", "#market", "ZZZ"]
WORDS = [*GOOD_WORDS, "@", "", " ", "vnm", "V" * 5_000, None, 3, ["VNM"], {"a": 1}, "\ud800"]
CURSORS = [
    "0123abcd.0:1", "0123abcd.", "ffffffff.0:1", "0123abcd.0:" + "9" * 24, "0123abcd.999999:1", "x", "", None, 5, "0123abcd.0:-1",
]  # fmt: skip
NINE_MS = 1_795_140_000_000
THROTTLES = [None, 0, 100, 500, 7, -1, 10**30, 1.5, "100", True]


def a_command(draw: random.Random) -> Any:
    """Something like a command: a good one, or one of which any part may be missing, or something else."""
    if draw.random() < 0.3:
        words = draw.choices(GOOD_WORDS, k=draw.randrange(1, 3))
        if draw.random() < 0.1:
            return {"op": "stop"}
        if draw.random() < 0.1:
            return {"op": "replay", "ch": draw.choice(["alert", "index", "px"]), "sym": words, "from": NINE_MS, "to": NINE_MS + 1}
        return {"op": draw.choice(["sub", "unsub"]), "ch": draw.choice(["px", "flow", "alert", "status"]), "sym": words}
    whole = {
        "op": draw.choice(OPS),
        "id": draw.choice([1, None, "1", -5, 10**40, 1.5, [1]]),
        "ch": draw.choice(CHANNELS),
        "sym": draw.choice([draw.choices(WORDS, k=draw.randrange(6)), draw.choice(WORDS), None, {}]),
        "cursor": draw.choice(CURSORS),
        "throttle_ms": draw.choice(THROTTLES),
        "token": draw.choice(["secret", None, 1]),
        "from": draw.choice([1, NINE_MS, None, -1, 1.5]),
        "to": draw.choice([NINE_MS + 1, 2, 10**30, "x"]),
        "speed": draw.choice([1, 0, -1, 1e300, None]),
        "<script>": 1,
    }
    return {name: value for name, value in whole.items() if draw.random() < 0.7}


def a_text(draw: random.Random) -> str | bytes:
    """A message: a command, one that was cut or changed, nonsense, or a tower of brackets."""
    text = json.dumps(a_command(draw))
    match draw.randrange(10):
        case 0:
            return text[: draw.randrange(len(text) + 1)]
        case 1:
            place = draw.randrange(len(text))
            return text[:place] + draw.choice(string.printable) + text[place + 1 :]
        case 2:
            return draw.choice(["[", '{"op":', "0", "\0"]) * draw.randrange(3_000)
        case 3:
            return bytes(draw.randrange(256) for _ in range(draw.randrange(60)))
        case 4:
            return draw.choice(["NaN", "Infinity", "-0", "1e999", '"\\ud800"', "null", "[]", '{"op":"sub","op":"ping"}'])
        case _:
            return text


def test_no_message_does_more_than_be_answered(board: Any, events: Any, put: Any, alerts: Any) -> None:
    for number, symbol in enumerate(("VNM", "HPG", "SSI")):
        put(symbol, value=number)
    for alert in alerts(1, 2, offset=0):
        events["alert"].add(alert)
    draw = random.Random(20261120)
    subscriber, view, now_ms = Subscriber(board, events, ClientLimits(), 0), Viewer(), 0
    codes = set()
    for _ in range(MESSAGES):
        now_ms += 1_000
        subscriber.receive(a_text(draw), now_ms)
        if subscriber.replay is not None and not subscriber.plays:
            subscriber.begin_replay()
        assert subscriber.close is None
        answers = 0
        while subscriber.waiting:
            for message in map(view.take, subscriber.drain(now_ms)):
                answers += message["op"] in ("ok", "err")
                codes.add(message.get("code"))
        assert answers == 1
        assert set(subscriber.subscriptions) <= {"px", "index", "flow", "alert", "candle", "status", "ref"}
    # It did come to every kind of refusal.
    never = {ErrorCode.TOO_MANY_SYMBOLS, ErrorCode.RATE, ErrorCode.NOT_READY, ErrorCode.AUTH_NEEDED, ErrorCode.NOT_ALLOWED}
    never |= {ErrorCode.TOO_MANY_REPLAYS, ErrorCode.ARCHIVE_AWAY}
    assert codes >= set(ErrorCode) - never
