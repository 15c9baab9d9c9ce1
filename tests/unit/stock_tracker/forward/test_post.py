"""Which alerts are forwarded, and what a receiver gets."""

import hashlib
import hmac
import json

import pytest

from stock_tracker.forward.core.post import AlertFilter, Form, Language, LeastSeverity, Letterhead, headers
from tests.builders import an_alert


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (AlertFilter(), True),
        (AlertFilter(kinds=frozenset({"price_limit"})), True),
        (AlertFilter(kinds=frozenset({"basis_flip"})), False),
        (AlertFilter(symbols=frozenset({"HPG", "VNM"})), True),
        (AlertFilter(symbols=frozenset({"HPG"})), False),
        (AlertFilter(severity=LeastSeverity.WARNING), True),
        (AlertFilter(severity=LeastSeverity.CRITICAL), False),
    ],
)
def test_an_alert_passes_when_it_is_all_that_is_asked_for(wanted: AlertFilter, passes: bool) -> None:
    assert wanted.passes(an_alert()) is passes


def test_the_sentence_is_in_the_language_that_was_chosen() -> None:
    alert = an_alert(message="VNM is at its ceiling.", message_vi="VNM tăng trần.")
    assert Letterhead(language=Language.VI).text(alert) == "[warning] VNM tăng trần."
    assert Letterhead(language=Language.BOTH).text(alert) == "[warning] VNM is at its ceiling.\nVNM tăng trần."
    # An alert of an earlier release has no Vietnamese.
    assert Letterhead(language=Language.VI).text(an_alert(message_vi="")) == "[warning] VNM is at its ceiling."


def test_each_receiver_gets_what_it_takes() -> None:
    alert = an_alert(message="<VNM> & co.")
    told = json.loads(Letterhead().body(alert))
    assert (told["alert_id"], told["data"], told["text"]) == ("alert-1", {"price": 64_200}, "[warning] <VNM> & co.")
    telegram = Letterhead(Form.TELEGRAM, chat="-1").body(alert)
    assert json.loads(telegram) == {"chat_id": "-1", "text": "[warning] <VNM> & co."}
    assert json.loads(Letterhead(Form.SLACK).body(alert)) == {"text": "[warning] &lt;VNM&gt; &amp; co."}


def test_a_post_is_signed_over_its_time_and_body() -> None:
    made = headers(an_alert(), b"{}", b"secret", 1_000)
    assert made["Idempotency-Key"] == "alert-1"
    expected = hmac.new(b"secret", b"1000.{}", hashlib.sha256).hexdigest()
    assert made["X-Stock-Tracker-Signature"] == f"sha256={expected}"
    assert "X-Stock-Tracker-Signature" not in headers(an_alert(), b"{}", b"", 1_000)
