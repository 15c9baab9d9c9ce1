"""Asks the archive what symbols traded on the days before one, in the steps of a volume profile."""

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.profiles import TradedInStep, mean_profiles
from schemas.calendar import at
from schemas.profiles import PROFILE_STEP_MS, DayProfiles, step_begins_ms
from schemas.units import TradingDay

DAYS = 20
"""Of how many trading days the mean is, at most."""


def profiles_for(archive: Client, day: TradingDay) -> DayProfiles:
    """What is usual on ``day``, from the last :data:`DAYS` days before it that the archive has."""
    begins_s = (step_begins_ms(day, 0) - at(day, 0)) // 1000
    before = [
        TradingDay(known)
        for (known,) in archive.query(
            "SELECT DISTINCT toYYYYMMDD(day) AS d FROM candles_1d WHERE toYYYYMMDD(day) < {day:UInt32}"
            " ORDER BY d DESC LIMIT {n:UInt8}",
            parameters={"day": day, "n": DAYS},
        ).result_rows
    ]
    rows = archive.query(
        "SELECT symbol, toYYYYMMDD(day), intDiv(toInt64(toUnixTimestamp(minute) - toUnixTimestamp(toStartOfDay(minute)))"
        " - {begins:Int64}, {step:Int64}), sum(volume) FROM candles_1m WHERE toYYYYMMDD(day) IN {days:Array(UInt32)}"
        " GROUP BY 1, 2, 3",
        parameters={"begins": begins_s, "step": PROFILE_STEP_MS // 1000, "days": before},
    ).result_rows
    return mean_profiles(day, before, (TradedInStep(*row) for row in rows))
