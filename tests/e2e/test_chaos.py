"""A simulated morning that ends by itself, on a Kafka that others use too, while processes are killed."""

import random

import pytest

from schemas.calendar import at, day_of
from schemas.units import UnixMs
from tests.e2e.running_up import KILLABLE, RunningUp, StartUp
from tests.patience import reached
from tests.proof import usually

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]

SPEED = 240
MINUTE_MS = 60_000
KILLS = usually(1, proving=20)
_chance = random.Random(7)
OTHERS = [_chance.sample(KILLABLE, usually(0, proving=2)) for _ in range(KILLS)]
"""Who dies with the connector, each time."""


async def strike(up: RunningUp, at_ms: int, *parts: str) -> None:
    """Kill the connector and others on a market that moves; when something has happened, let it stand until all are back.

    It moves by no more than two minutes, however long that takes: else the day may be over before the last of many kills.
    """
    await up.play_to(at_ms)
    async with up.simulator() as simulator:
        connections = len((await simulator.status()).connections)
        await simulator.resume(UnixMs(at_ms + MINUTE_MS))
        struck = {part: await up.strike(part) for part in ("connector", *parts)}
        await up.play_to(at_ms + 2 * MINUTE_MS)

        async def is_back() -> bool:
            assert up.lives()
            found = (await simulator.status()).connections
            return len(found) > connections and found[-1].subscribed_ms is not None

        await reached(is_back, "the connector's return")
        for part, pid in struck.items():
            await up.come_back(part, pid)
        await simulator.resume()


async def test_killing_the_connector_loses_only_what_no_connection_carried_and_counts_it(start_up: StartUp, kafka: str) -> None:
    # From 08:55 to 09:25, or as long as the kills take: the opening auction and the first stories are in it.
    seconds = (24 + 6 * KILLS) * 60 // SPEED
    up = start_up("--seed", "7", "--speed", f"{SPEED}", "--for", f"{seconds}", "--json", KAFKA_BOOTSTRAP=kafka)
    first_ms = at(day_of(await up.market_ms()), 9, 16)
    for number in range(KILLS):
        await strike(up, first_ms + number * 6 * MINUTE_MS, *OTHERS[number])
    outcome = await up.outcome()
    result = outcome.result
    assert outcome.code == 0, (result["differences"], outcome.said)
    assert outcome.said.count("was killed by SIGKILL") == KILLS + sum(map(len, OTHERS))
    assert result["reconciled"] is True
    assert result["tape"]["withheld"] > 0
    assert result["missed_volume"] > 0
    assert 0 < result["tape"]["booked"] <= result["archive_rows"]["trades"] - result["tape"]["gaps"]
    assert result["gateway_messages"] > 0
