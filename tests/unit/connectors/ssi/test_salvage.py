"""Hub messages that are broken, through the client that receives them."""

import json

import pytest

from connectors.ssi.core.errors import Reason
from connectors.ssi.core.hub_client import Action, HubClient, Publish, RejectMessage, Subscribed
from schemas.units import MonotonicMs

HUB = "FcMarketDataV2Hub"


def content(number: int) -> str:
    inner = json.dumps({"Symbol": f"S{number:02}", "Text": 'a "quoted" \\ one ]} [{', "More": [{"deep": [1]}]})
    return json.dumps({"DataType": "F", "Content": inner})


def invocation(argument: object) -> bytes:
    return json.dumps({"H": HUB, "M": "Broadcast", "A": [argument]}, separators=(",", ":")).encode()


def a_message(*invocations: bytes, tail: bytes = b"]}") -> bytes:
    return b'{"C":"d-0A1B2C3D-B,1","M":[' + b",".join(invocations) + tail


def received(message: str | bytes) -> tuple[list[str], list[RejectMessage]]:
    """The arguments that can be read, and what is rejected."""
    actions: list[Action] = HubClient("https://fc-datahub.ssi.com.vn/", "F:ALL").receive(message, MonotonicMs(0))
    assert all(isinstance(action, Publish | RejectMessage | Subscribed) for action in actions)
    published = [argument for action in actions if isinstance(action, Publish) for argument in action.arguments]
    return published, [action for action in actions if isinstance(action, RejectMessage)]


@pytest.mark.parametrize("bad", [b"\xff", b'"', b"\\x"])
def test_one_bad_byte_in_a_message_of_fifty_costs_one(bad: bytes) -> None:
    invocations = [invocation(content(number)) for number in range(50)]
    spoilt = invocations[20]
    middle = len(spoilt) // 2
    invocations[20] = spoilt[:middle] + bad + spoilt[middle:]
    published, rejected = received(a_message(*invocations))
    assert published == [content(number) for number in range(50) if number != 20]
    (reject,) = rejected
    assert (reject.reason, reject.idx, reject.count) == (Reason.BAD_MESSAGE, 20, 1)
    assert bytes(reject.payload if isinstance(reject.payload, bytes) else b"").startswith(b'{"H"')


@pytest.mark.parametrize("bad", [b"\xff", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" "])
def test_a_bad_byte_anywhere_in_an_invocation_never_costs_another(bad: bytes) -> None:
    before, spoilt, after = (invocation(content(number)) for number in range(3))
    for place in range(len(spoilt)):
        published, rejected = received(a_message(before, spoilt[:place] + bad + spoilt[place + 1 :], after))
        assert published[0] == content(0), place
        assert published[-1] == content(2), place
        assert len(published) + len(rejected) >= 3, place


def test_what_is_around_the_invocations_may_be_broken_too() -> None:
    invocations = [invocation(content(number)) for number in range(3)]
    whole = a_message(*invocations)
    wanted = [content(number) for number in range(3)]
    for broken in (
        whole.replace(b'"d-0A', b'"d-\xff', 1),
        a_message(*invocations, tail=b'],"G":"\xff"}'),
        a_message(*invocations, tail=b"]"),
        a_message(*invocations, tail=b""),
        whole.replace(b'"d-0A', b'"d-\xff', 1).decode(errors="surrogateescape"),
    ):
        assert received(broken)[0] == wanted, broken


def test_a_message_that_was_cut_gives_what_came_before_the_cut() -> None:
    invocations = [invocation(content(number)) for number in range(3)]
    whole = a_message(*invocations)
    published, (reject,) = received(whole[: whole.rindex(b"quoted")])
    assert published == [content(0), content(1)]
    assert reject.idx == 2


@pytest.mark.parametrize(
    "message",
    [b"", b"{", b"[]", b'"text"', b"5", b"\xff\xfe", b"{" * 5_000, b'{"M":"aaa"}', b'{"M":5}', b'{"M":{"A":[]}}', b'{"C":"d-'],
)
def test_what_has_no_invocation_is_one_dead_letter(message: bytes) -> None:
    published, (reject,) = received(message)
    assert published == []
    assert (reject.reason, reject.idx, reject.payload) == (Reason.BAD_MESSAGE, None, message)


def test_a_megabyte_of_nonsense_is_not_a_million_dead_letters() -> None:
    megabyte = 1_000_000
    assert len(received(b'{"M":"' + b"a" * megabyte + b'"}')[1]) == 1
    for nonsense in (b'{"M":[' + b"1," * (megabyte // 2) + b"1]}", b'{"M":[' + b'{"A":[]},' * 20_000 + b"\xff]}"):
        published, rejected = received(nonsense)
        assert published == []
        assert len(rejected) <= 1_001
    (reject,) = received(a_message(b'{"M":"Broadcast","A":"' + b"a" * megabyte + b'"}'))[1]
    assert reject.reason is Reason.BAD_MESSAGE


def test_a_broadcast_without_an_argument_is_counted() -> None:
    published, (reject,) = received(a_message(invocation(content(0)), b'{"H":"x","M":"Broadcast","A":[]}'))
    assert published == [content(0)]
    assert (reject.reason, reject.idx) == (Reason.BAD_MESSAGE, 1)


def test_every_part_that_is_not_told_one_by_one_is_counted() -> None:
    parts = 5_000
    _, rejected = received(a_message(invocation(content(0)), *[b"1"] * parts))
    assert sum(reject.count for reject in rejected) == parts
