"""Which alerts are forwarded, and what is posted of one (pure)."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from schemas.structs import AlertEvent

_SEVERITIES = ("info", "warning", "critical")


class Form(StrEnum):
    """Who is to understand the body."""

    JSON = "json"
    """All fields of the alert, and ``text``."""
    TELEGRAM = "telegram"
    """What a bot's ``sendMessage`` takes."""
    SLACK = "slack"
    """What an incoming webhook takes; Mattermost and others take the same."""


class Language(StrEnum):
    """Of the sentence."""

    EN = "en"
    VI = "vi"
    BOTH = "both"


class LeastSeverity(StrEnum):
    """Of an alert."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True)
class AlertFilter:
    """Which alerts are forwarded; what is empty lets all pass."""

    kinds: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()
    severity: LeastSeverity = LeastSeverity.INFO
    """The least."""

    def passes(self, alert: AlertEvent) -> bool:
        """Whether ``alert`` is one of them."""
        return (
            (not self.kinds or alert.kind in self.kinds)
            and (not self.symbols or alert.symbol in self.symbols)
            and _SEVERITIES.index(alert.severity) >= _SEVERITIES.index(self.severity)
        )


@dataclass(frozen=True)
class Letterhead:
    """How a body is written."""

    form: Form = Form.JSON
    language: Language = Language.EN
    chat: str = ""
    """Telegram's id of the chat."""

    def body(self, alert: AlertEvent) -> bytes:
        """What is posted of ``alert``."""
        text = self.text(alert)
        made: dict[str, Any]
        match self.form:
            case Form.TELEGRAM:
                # Without a parse mode: nothing in a sentence is taken for markup.
                made = {"chat_id": self.chat, "text": text}
            case Form.SLACK:
                # The three characters that Slack wants escaped.
                made = {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
            case Form.JSON:
                made = {**msgspec.to_builtins(alert), "text": text}
        return json.dumps(made, ensure_ascii=False).encode()

    def text(self, alert: AlertEvent) -> str:
        """The sentence for a person; in English where an alert has none in Vietnamese."""
        vietnamese = alert.message_vi or alert.message
        said = {Language.EN: alert.message, Language.VI: vietnamese, Language.BOTH: f"{alert.message}\n{vietnamese}"}
        return f"[{alert.severity}] {said[self.language]}"


def headers(alert: AlertEvent, body: bytes, secret: bytes, now_s: int) -> dict[str, str]:
    """The headers of a post.

    Args:
        alert: It is the same however often it is posted, and so is its key: a receiver that keeps keys takes it once.
        body: What is posted.
        secret: Shared with the receiver; empty for no signature.
        now_s: Seconds since 1970; signed too, so that a receiver can refuse an old post that somebody repeats.
    """
    made = {"Content-Type": "application/json", "Idempotency-Key": alert.alert_id}
    if secret:
        signed = hmac.new(secret, f"{now_s}.".encode() + body, hashlib.sha256).hexdigest()
        made |= {"X-Stock-Tracker-Timestamp": str(now_s), "X-Stock-Tracker-Signature": f"sha256={signed}"}
    return made
