"""Trading days. Data, not law: the exchanges change their published calendar, so a deployment may replace it by a file.

Source: the HOSE and HNX notices for 2025 and 2026 as reported by the press; 2027 is provisional, by law. A day that the
calendar calls closed is only a hint: nothing on a weekday is ever suppressed because of it.
"""

from datetime import UTC, date, datetime, timedelta, timezone

from schemas.units import TradingDay, UnixMs

ICT = timezone(timedelta(hours=7), "ICT")
"""Vietnam's time: UTC+7 all year, without a break since 1976."""

HOLIDAYS: frozenset[TradingDay] = frozenset(
    TradingDay(day)
    for day in (
        # 2025
        20250101, 20250127, 20250128, 20250129, 20250130, 20250131, 20250407, 20250430, 20250501, 20250502, 20250901, 20250902,
        # 2026; 24 November is a new public holiday whose closure the exchanges had not confirmed
        20260101, 20260102, 20260216, 20260217, 20260218, 20260219, 20260220, 20260427, 20260430, 20260501,
        20260831, 20260901, 20260902, 20261124,
        # 2027, provisional
        20270101, 20270204, 20270205, 20270208, 20270209, 20270210, 20270416, 20270430, 20270503, 20270901, 20270902, 20271124,
    )
)  # fmt: skip
"""Full-day closures that fall on weekdays. Make-up Saturdays are not trading days."""


def as_date(day: TradingDay) -> date:
    """``day`` as a date. Raises ValueError when it is none."""
    return date(day // 10_000, day // 100 % 100, day % 100)


def as_day(value: date) -> TradingDay:
    """A date as a trading day's number, whether or not the exchanges are open."""
    return TradingDay(value.year * 10_000 + value.month * 100 + value.day)


def is_trading_day(day: TradingDay, holidays: frozenset[TradingDay] = HOLIDAYS) -> bool:
    """Whether the exchanges open on ``day``."""
    return as_date(day).weekday() < 5 and day not in holidays


def last_trading_day(day: TradingDay, holidays: frozenset[TradingDay] = HOLIDAYS) -> TradingDay:
    """The last trading day up to ``day``, itself included."""
    current = as_date(day)
    while not is_trading_day(as_day(current), holidays):
        current -= timedelta(days=1)
    return as_day(current)


def previous_trading_day(day: TradingDay, holidays: frozenset[TradingDay] = HOLIDAYS) -> TradingDay:
    """The last trading day before ``day``."""
    return last_trading_day(as_day(as_date(day) - timedelta(days=1)), holidays)


def next_trading_day(day: TradingDay, holidays: frozenset[TradingDay] = HOLIDAYS) -> TradingDay:
    """The first trading day after ``day``."""
    current = as_date(day) + timedelta(days=1)
    while not is_trading_day(as_day(current), holidays):
        current += timedelta(days=1)
    return as_day(current)


def day_of(ts_ms: UnixMs) -> TradingDay:
    """The date in Vietnam at ``ts_ms``."""
    return as_day(datetime.fromtimestamp(ts_ms / 1000, ICT).date())


def at(day: TradingDay, hour: int, minute: int = 0, second: int = 0) -> UnixMs:
    """The instant of a wall-clock time in Vietnam on ``day``."""
    moment = datetime.combine(as_date(day), datetime.min.time(), ICT) + timedelta(hours=hour, minutes=minute, seconds=second)
    return UnixMs(int(moment.astimezone(UTC).timestamp() * 1000))
