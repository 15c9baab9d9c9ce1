"""What a whole stack does under a steady load: how old a tick is when a client sees it, and how late event loops are.

The same ticks go to clients of Kafka itself, and to clients of the gateway with different throttles, one set after the other on
one stack; everything else stays as it is.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from time import time_ns
from typing import Final, NamedTuple

from stock_tracker.bench.clients import ClientsProcess, Orders
from stock_tracker.bench.core.ages import Ages, MarketLog, ages, ages_of_client, quantile
from stock_tracker.bench.core.paced_day import FeedRate
from stock_tracker.bench.core.results import BenchFigure, Measured
from stock_tracker.bench.kafka_log import KafkaClients, KafkaLog
from stock_tracker.bench.machine import Stopwatch, loop_us
from stock_tracker.bench.probe import LagSample, read_lags
from stock_tracker.bench.stacks import measured_stack
from stock_tracker.bench.usage import ProcessUsage
from stock_tracker.errors import NotMeasured

RATE: Final = 1_250.0
"""Records a second: four in five are matches and quotes of stocks, which makes 1,000 ticks."""
CLIENTS: Final = 10
THROTTLES: Final = (0, 100, 500)
SECONDS: Final = 12.0
"""How long each set of clients is served."""
WARM_S: Final = 10.0
EDGE_S: Final = 2.0
"""Of each stretch so much is left out at its end: what was received then may be seen when its clients are gone already."""
KAFKA: Final = "kafka"


class _Phase(NamedTuple):
    name: str
    since_us: int
    until_us: int
    ages: list[Ages]


class Loaded(NamedTuple):
    """Both sections of one run."""

    end_to_end: Measured
    asyncio: Measured


async def measure(home: Path, tell: Callable[[str], None], seconds: float = SECONDS) -> Loaded:
    """Run a stack at :data:`RATE`, and look.

    Args:
        home: A folder for its data.
        tell: Takes a line for each thing that a person should know.
        seconds: How long each set of clients is served.
    """
    watch = Stopwatch()
    loops = [loop_us()]
    lags = home / "lags"
    lags.mkdir()
    # Some seconds more for each set of clients, which has to come first.
    paced = [FeedRate(WARM_S + (len(THROTTLES) + 1) * (seconds + 10), RATE)]
    tell(f"end to end: starting a stack that is fed {RATE:,.0f} records a second")
    async with measured_stack(home / "stack", tell, paced=paced, lags=lags) as stack:
        await stack.simulator.hold()
        idle_us = now_us()
        await asyncio.sleep(3)
        busy_us = now_us()
        kafka, prefix = stack.up.stack.kafka, stack.up.stack.prefix
        log = await asyncio.to_thread(KafkaLog, kafka, prefix)
        async with AsyncExitStack() as ending:
            ending.push_async_callback(asyncio.to_thread, log.stop)
            await stack.simulator.resume()
            await asyncio.sleep(WARM_S)
            before = await asyncio.to_thread(stack.usage)
            begun_us = now_us()
            sets: list[tuple[str, int, int, object]] = []
            for throttle_ms in THROTTLES:
                tell(f"end to end: {CLIENTS} clients, throttle {throttle_ms} ms")
                clients = ClientsProcess(Orders(stack.gateway, "stream", CLIENTS, throttle_ms=throttle_ms, keep=CLIENTS))
                ending.push_async_callback(asyncio.to_thread, clients.stop)
                await asyncio.to_thread(clients.wait)
                since_us = now_us()
                await asyncio.sleep(seconds)
                until_us = now_us() - round(EDGE_S * 1e6)
                report = await asyncio.to_thread(clients.end)
                if report.holes or report.errors:
                    raise NotMeasured(f"clients lost messages ({report.holes}) or met errors: {dict(report.errors)}")
                sets.append((f"throttle_{throttle_ms}", since_us, until_us, report.deliveries))
            after = await asyncio.to_thread(stack.usage)
            done_us = now_us()
            tell(f"end to end: {CLIENTS} clients of Kafka itself")
            readers = await asyncio.to_thread(KafkaClients, kafka, prefix, CLIENTS)
            ending.push_async_callback(asyncio.to_thread, readers.stop)
            since_us = now_us()
            await asyncio.sleep(seconds)
            until_us = now_us() - round(EDGE_S * 1e6)
            sets.append((KAFKA, since_us, until_us, await asyncio.to_thread(readers.end)))
            market = await asyncio.to_thread(log.end)
        stack.check()
        loops.append(loop_us())
        samples = {name: read_lags(lags / f"{name}.lags") for name in ("gateway", "connector")}
    phases = [_phase(market, name, since, until, seen) for name, since, until, seen in sets]
    ticks = _ticks_a_second(market, begun_us, done_us)
    load = (
        f"A whole stack on {RATE:,.0f} records a second of 1,900 symbols ({ticks:,.0f} of them matches and quotes of stocks), "
        f"and {CLIENTS} clients of the whole board, {seconds:.0f} s for each throttle."
    )
    taken = watch.taken()
    return Loaded(
        Measured(
            taken=taken, load=load, figures=_of_phases(phases, ticks) | _of_usage(before, after, market, begun_us, done_us, loops)
        ),
        Measured(
            taken=taken,
            load=f"{load} Each loop is looked at every 10 ms.",
            figures=_of_lags(samples, idle_us, busy_us, begun_us, done_us),
        ),
    )


def now_us() -> int:
    """Microseconds since 1970."""
    return time_ns() // 1_000


def _phase(log: MarketLog, name: str, since_us: int, until_us: int, seen: object) -> _Phase:
    if name == KAFKA:
        assert isinstance(seen, list)  # noqa: S101 - what the readers gave
        return _Phase(name, since_us, until_us, [ages(log, one, since_us, until_us) for one in seen])
    assert isinstance(seen, list)  # noqa: S101 - what the clients gave
    return _Phase(name, since_us, until_us, [ages_of_client(log, one, since_us, until_us) for one in seen])


def _of_phases(phases: Sequence[_Phase], ticks: float) -> dict[str, BenchFigure]:
    figures = {"ticks_a_second": BenchFigure(unit="a second", values=[round(ticks, 1)], better="neither")}
    halves: dict[str, list[float]] = {}
    for phase in phases:
        missing = sum(one.missing for one in phase.ages)
        if missing:
            raise NotMeasured(f"{phase.name}: {missing} ticks were never seen")
        if not all(one.seen for one in phase.ages):
            raise NotMeasured(f"{phase.name}: a client saw nothing")
        millis = sorted(value for one in phase.ages for value in one.millis())
        halves[phase.name] = [round(quantile(one.millis(), 0.5), 2) for one in phase.ages]
        figures[f"{phase.name}_p50"] = BenchFigure(unit="ms", values=[round(quantile(millis, 0.5), 2)])
        figures[f"{phase.name}_p99"] = BenchFigure(unit="ms", values=[round(quantile(millis, 0.99), 2)])
        figures[f"{phase.name}_max"] = BenchFigure(unit="ms", values=[round(millis[-1], 2)])
        figures[f"{phase.name}_seen"] = BenchFigure(unit="ticks", values=[len(millis)], better="neither")
    direct = quantile(sorted(halves[KAFKA]), 0.5)
    unthrottled = quantile(sorted(halves["throttle_0"]), 0.5)
    figures["gateway_beside_kafka_p50"] = BenchFigure(unit="× Kafka itself", values=[round(unthrottled / direct, 3)])
    return figures


def _of_usage(
    before: dict[str, ProcessUsage],
    after: dict[str, ProcessUsage],
    log: MarketLog,
    begun_us: int,
    done_us: int,
    loops: list[float],
) -> dict[str, BenchFigure]:
    ticks = _ticks_between(log, begun_us, done_us)
    loop = [min(loops)]
    return {
        f"cpu_{name}": BenchFigure(
            unit="µs a tick", values=[round((usage.cpu_s - before[name].cpu_s) / ticks * 1e6, 1)], loops=loop, scales="time"
        )
        for name, usage in after.items()
        if name in before
    }


def _ticks_between(log: MarketLog, since_us: int, until_us: int) -> int:
    return sum(since_us <= tick.recv_us < until_us for ticks in log.ticks.values() for tick in ticks)


def _ticks_a_second(log: MarketLog, since_us: int, until_us: int) -> float:
    return _ticks_between(log, since_us, until_us) / (until_us - since_us) * 1e6


def _of_lags(
    samples: dict[str, list[LagSample]], idle_us: int, busy_us: int, begun_us: int, done_us: int
) -> dict[str, BenchFigure]:
    figures = {}
    for name, taken in samples.items():
        for word, since, until in (("idle", idle_us, busy_us), ("loaded", begun_us, done_us)):
            millis = sorted(sample.lag_us / 1_000 for sample in taken if since <= sample.at_us < until)
            if not millis:
                raise NotMeasured(f"the loop of the {name} was never looked at")
            for quantity, part in (("p50", 0.5), ("p99", 0.99)):
                figures[f"{name}_{word}_{quantity}"] = BenchFigure(unit="ms", values=[round(quantile(millis, part), 3)])
    return figures
