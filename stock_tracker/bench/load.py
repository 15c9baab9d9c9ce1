"""What ``stock-tracker bench load`` does: a stack, a feed, many clients in processes of their own, and what must hold then."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from stock_tracker.bench.clients import ClientsProcess, ClientsReport, Orders
from stock_tracker.bench.core.ages import Ages, MarketLog, ages_of_client, quantile
from stock_tracker.bench.core.paced_day import FeedRate
from stock_tracker.bench.core.verdict import (
    AGE_MS,
    MOST_ERRORS,
    REST_P95_MS,
    RETURN_P95_MS,
    SETTLED_AGE_MS,
    SETTLED_S,
    Promise,
)
from stock_tracker.bench.kafka_log import KafkaLog
from stock_tracker.bench.loaded import EDGE_S, RATE, now_us
from stock_tracker.bench.stacks import measured_stack
from stock_tracker.bench.usage import ProcessUsage

Scenario = Literal["market-stream", "foreign-flow", "burst", "reconnect-storm"]
SCENARIOS: Final = ("market-stream", "foreign-flow", "burst", "reconnect-storm")
QUIET: Final = 150.0
"""Records a second of an ordinary minute: the mean of a real day."""
BURST: Final = 3_000.0
BEFORE_S: Final = 10.0
"""How long the market goes on quietly before a burst, or at all before anything is judged."""
AFTER_S: Final = 15.0
KEEPERS: Final = 5
"""Clients whose ages are looked at."""
CLIENTS_A_PROCESS: Final = 250
THROTTLE_MS: Final = 500
LIMITS: Final = {"GATEWAY_MAX_CONNECTIONS": "100000"}
"""How the gateway is set: whether it bears so many is what is asked."""
FIRST_S: Final = 2.0
"""The market's beginning, before clients come."""
Tell = Callable[[str], None]


@dataclass
class LoadReport:
    """What came of it."""

    scenario: Scenario
    clients: ClientsReport
    promises: list[Promise] = field(default_factory=list)
    ages: list[str] = field(default_factory=list)
    """What was seen of ages, a line each."""
    cores: dict[str, float] = field(default_factory=dict)
    """CPU seconds a second, by process."""
    ticks: float = 0.0
    """Matches and quotes a second while it was judged."""

    @property
    def is_borne(self) -> bool:
        """Whether every promise was kept."""
        return all(promise.is_kept for promise in self.promises)


@dataclass(frozen=True)
class _Play:
    """What happens when, from the moment at which the market goes on."""

    paced: tuple[FeedRate, ...]
    doing: Literal["stream", "storm", "rest"]
    channel: str
    bursts: tuple[tuple[float, float], ...] = ()
    """From when to when, in seconds."""

    @property
    def seconds(self) -> float:
        """How long all of it takes."""
        return sum(stretch.seconds for stretch in self.paced)


def play_of(scenario: Scenario, seconds: float) -> _Play:
    """What a scenario is, for ``seconds`` of load."""
    if scenario == "burst":
        # As at the open and at the close.
        one = (FeedRate(BEFORE_S, QUIET), FeedRate(seconds, BURST), FeedRate(AFTER_S, QUIET))
        length = BEFORE_S + seconds + AFTER_S
        spans = tuple((begin + BEFORE_S, begin + BEFORE_S + seconds) for begin in (0.0, length))
        return _Play((*one, *one), "stream", "px", spans)
    paced = (FeedRate(BEFORE_S + seconds, RATE),)
    if scenario == "foreign-flow":
        return _Play(paced, "rest", "flow")
    return _Play(paced, "storm" if scenario == "reconnect-storm" else "stream", "px")


async def load(home: Path, tell: Tell, scenario: Scenario, clients: int, seconds: float) -> LoadReport:
    """Put a stack under a load.

    Args:
        home: A folder for its data.
        tell: Takes a line for each thing that a person should know.
        scenario: Which.
        clients: How many there are.
        seconds: For how long; of a burst, how long each of its two is.

    Raises:
        StockTrackerError: The stack did not come up, or a process of it died.
    """
    play = play_of(scenario, seconds)
    # The market stands while clients come. What passes before that, the start of a stack too, is more of the first stretch.
    paced = (FeedRate(play.paced[0].seconds + 10, play.paced[0].rate), *play.paced[1:])
    tell(f"{scenario}: starting a stack")
    async with measured_stack(home, tell, paced=paced, settings=LIMITS) as stack, AsyncExitStack() as ending:
        await stack.simulator.hold()
        kafka, prefix = stack.up.stack.kafka, stack.up.stack.prefix
        log = await asyncio.to_thread(KafkaLog, kafka, prefix)
        ending.push_async_callback(asyncio.to_thread, log.stop)
        await stack.simulator.resume()
        await asyncio.sleep(FIRST_S)
        await stack.simulator.hold()
        tell(f"{scenario}: {clients} clients come")
        processes = [_process(play, stack.gateway, count, place == 0) for place, count in enumerate(_shared_out(clients))]
        if play.doing != "stream":
            # Somebody has to see how old the data is meanwhile.
            watchers = Orders(stack.gateway, "stream", KEEPERS, throttle_ms=THROTTLE_MS, keep=KEEPERS)
            processes.append(ClientsProcess(watchers))
        for process in processes:
            ending.push_async_callback(asyncio.to_thread, process.stop)
        await asyncio.gather(*(asyncio.to_thread(process.wait) for process in processes))
        clock = await stack.simulator.clock()
        first_ends_s = paced[0].seconds - (clock.market_ms - clock.start_ms) / 1_000
        tell(f"{scenario}: {clients} clients are there; {play.seconds:.0f} s of load")
        before = await asyncio.to_thread(stack.usage)
        await stack.simulator.resume()
        began_us = now_us()
        await asyncio.sleep(first_ends_s + play.seconds - play.paced[0].seconds)
        ended_us, after = now_us(), await asyncio.to_thread(stack.usage)
        await asyncio.sleep(EDGE_S)
        report = ClientsReport()
        for process in processes:
            report.add(await asyncio.to_thread(process.end))
        market = await asyncio.to_thread(log.end)
        stack.check()
    shift_us = round((first_ends_s - play.paced[0].seconds) * 1e6)
    bursts = [(began_us + shift_us + round(begin * 1e6), began_us + shift_us + round(end * 1e6)) for begin, end in play.bursts]
    return _judged(scenario, report, market, began_us, ended_us, bursts, before, after)


def _process(play: _Play, host: str, count: int, keeps: bool) -> ClientsProcess:
    keep = KEEPERS if keeps and play.doing == "stream" else 0
    return ClientsProcess(Orders(host, play.doing, count, play.channel, THROTTLE_MS, keep))


def _shared_out(clients: int) -> list[int]:
    processes = -(-clients // CLIENTS_A_PROCESS)
    return [clients // processes + (place < clients % processes) for place in range(processes)]


def _judged(
    scenario: Scenario,
    clients: ClientsReport,
    market: MarketLog,
    began_us: int,
    ended_us: int,
    bursts: list[tuple[int, int]],
    before: dict[str, ProcessUsage],
    after: dict[str, ProcessUsage],
) -> LoadReport:
    told = LoadReport(scenario, clients)
    seconds = (ended_us - began_us) / 1e6
    until_us = ended_us - round(EDGE_S * 1e6)
    told.cores = {name: (usage.cpu_s - before[name].cpu_s) / seconds for name, usage in after.items() if name in before}
    ticks = sum(began_us <= tick.recv_us < ended_us for one in market.ticks.values() for tick in one)
    told.ticks = ticks / seconds
    errors = clients.errors.total() / max(clients.attempts, 1) * 100
    told.promises += [
        Promise("errors", errors, MOST_ERRORS * 100, "%"),
        Promise("holes in the numbers of messages", clients.holes, 0, "messages"),
    ]
    seen = [ages_of_client(market, one, began_us, until_us) for one in clients.deliveries]
    told.promises.append(Promise("ticks that were never seen", sum(one.missing for one in seen), 0, "ticks"))
    _judge_ages(told, seen, bursts)
    if clients.rest_ms:
        told.promises.append(Promise("REST, p95", quantile(sorted(clients.rest_ms), 0.95), REST_P95_MS, "ms"))
    if scenario == "foreign-flow" and not clients.rest_ms:
        told.promises.append(Promise("answers of REST that are missing", 1, 0, "of all"))
    if scenario == "reconnect-storm":
        told.promises += [
            Promise("returns whose cursor was not taken", clients.unrecovered, 0, "returns"),
            Promise("a return with its snapshot, p95", quantile(sorted(clients.return_ms), 0.95), RETURN_P95_MS, "ms"),
            Promise("storms that did not happen", 0 if clients.returns else 1, 0, "of one"),
        ]
    return told


def _judge_ages(told: LoadReport, seen: list[Ages], bursts: list[tuple[int, int]]) -> None:
    every = sorted(age.age_us / 1_000 for one in seen for age in one.seen)
    if not every:
        told.promises.append(Promise("ticks that were seen by nobody", 1, 0, "of all"))
        return
    told.promises.append(Promise("age of what a client sees, at most", every[-1], AGE_MS, "ms"))
    told.ages.append(_line("all", every))
    for number, (begin_us, end_us) in enumerate(bursts, 1):
        settled_us = end_us + round(SETTLED_S * 1e6)
        # Up to the next burst.
        next_us = min((begin for begin, _ in bursts if begin > end_us), default=settled_us + round(AFTER_S * 1e6))
        during = sorted(age.age_us / 1_000 for one in seen for age in one.seen if begin_us <= age.recv_us < end_us)
        after = sorted(age.age_us / 1_000 for one in seen for age in one.seen if settled_us <= age.recv_us < next_us)
        for word, ages in ((f"burst {number}", during), (f"{SETTLED_S:g} s after burst {number}", after)):
            if ages:
                told.ages.append(_line(word, ages))
        worst = after[-1] if after else float(AGE_MS)
        told.promises.append(Promise(f"age from {SETTLED_S:g} s after burst {number} on, at most", worst, SETTLED_AGE_MS, "ms"))


def _line(word: str, ages: list[float]) -> str:
    parts = ", ".join(f"p{round(part * 100)} {quantile(ages, part):,.0f}" for part in (0.5, 0.99))
    return f"age of ticks, {word}: {parts}, most {ages[-1]:,.0f} ms ({len(ages):,} seen)"
