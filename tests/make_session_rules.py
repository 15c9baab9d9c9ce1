"""Write infra/prometheus/rules/session.yml: when the market trades, for alert rules. ``make session-rules`` runs it."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Final

from schemas.calendar import HOLIDAYS
from schemas.session import SCHEDULE
from schemas.units import Exchange, SessionPhase

RULES: Final = Path(__file__).parents[1] / "infra" / "prometheus" / "rules" / "session.yml"
_TRADING: Final = (SessionPhase.ATO, SessionPhase.CONTINUOUS, SessionPhase.ATC)
_HEAD: Final = """\
# When the market trades, by Prometheus's own clock: no process has to live for it. Made by `make session-rules` from
# schemas/calendar.py and schemas/session.py; a test compares. Closures of your own (SSI_CALENDAR_FILE) belong into
# stock_tracker:holiday here too.
"""


def rules(holidays: Iterable[int] = HOLIDAYS) -> str:
    """What the file should say."""
    closed = " or ".join(f"stock_tracker:market_day == {day}" for day in sorted(holidays))
    times = " or ".join(
        f"(stock_tracker:market_minute >= {begin} and stock_tracker:market_minute < {end})" for begin, end in _stretches()
    )
    recorded = {
        # Vietnam is seven hours ahead of UTC, all year.
        "stock_tracker:market_day": "year(vector(time() + 25200)) * 10000 + month(vector(time() + 25200)) * 100"
        " + day_of_month(vector(time() + 25200))",
        "stock_tracker:market_minute": "hour(vector(time() + 25200)) * 60 + minute(vector(time() + 25200))",
        "stock_tracker:holiday": f"vector(1) and on() ({closed})",
        # There while HOSE trades, auctions included, and not there at any other time.
        "stock_tracker:trading": f"vector(1) and on() ({times}) and on() (day_of_week(vector(time() + 25200)) > 0"
        " and day_of_week(vector(time() + 25200)) < 6) unless on() stock_tracker:holiday",
    }
    lines = [_HEAD + "groups:", "  - name: stock-tracker session", "    interval: 15s", "    rules:"]
    for name, expression in recorded.items():
        lines += [f"      - record: {name}", f"        expr: {expression}"]
    return "\n".join(lines) + "\n"


def _stretches() -> list[tuple[int, int]]:
    """From which minute of the day to which HOSE trades."""
    found: list[tuple[int, int]] = []
    phases = SCHEDULE[Exchange.HOSE]
    for ((hour, minute), phase), ((next_hour, next_minute), _) in pairwise(phases):
        begin, end = hour * 60 + minute, next_hour * 60 + next_minute
        if phase not in _TRADING:
            continue
        if found and found[-1][1] == begin:
            begin = found.pop()[0]
        found.append((begin, end))
    return found


if __name__ == "__main__":
    RULES.write_text(rules())
