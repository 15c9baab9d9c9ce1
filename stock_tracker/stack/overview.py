"""Looks at a running stack for ``stock-tracker status``: asks each process, the gateway and Kafka."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from schemas import deployment
from schemas.errors import KafkaUnavailable
from stock_tracker.errors import NotRunning
from stock_tracker.kafka.broker import Broker
from stock_tracker.stack import runfile
from stock_tracker.stack.core.condition import DayCondition, FeedCondition, PartCondition, StackCondition
from stock_tracker.stack.core.day_figures import day_of, feeds_of, rows_of
from stock_tracker.stack.readiness import why_not_ready
from stock_tracker.stack.shutdown import homes
from stock_tracker.stack.standings import Standing, Standings

_READY_PATHS = {"archive": "/ping", "simulator": "/sim/status"}
_WITHOUT_METRICS = ("simulator",)
_ANSWER = aiohttp.ClientTimeout(total=5.0)


async def look(environ: Mapping[str, str]) -> list[StackCondition]:
    """Look at every stack that runs in the home that ``environ`` names.

    Raises:
        NotRunning: None runs.
    """
    known = [running for home in homes(environ) if (running := runfile.read(home.runfile))]
    found = [running for running in known if running.alive]
    if not found:
        left = [pid for running in known for part in running.parts.values() if (pid := part["pid"]) and runfile.is_ours(pid)]
        raise NotRunning(homes(environ)[0].root, len(left))
    async with aiohttp.ClientSession(timeout=_ANSWER) as session:
        return [await _look(session, running, {**environ, **running.environment}) for running in found]


async def _look(session: aiohttp.ClientSession, running: runfile.RunningStack, environ: Mapping[str, str]) -> StackCondition:
    parts, standings, day, feeds = await asyncio.gather(
        _parts(session, running), asyncio.to_thread(_standings, environ), _day(session, running), _feeds(session, running)
    )
    standing, dead_letters, silent = standings
    told = [_with_standing(part, standing.get(part.name)) for part in parts]
    if (broker := Broker.of({**environ, "STOCK_TRACKER_HOME": running.home}).running()) is not None:
        told.insert(0, _part("kafka", broker.pid, silent, None, 0))
    return StackCondition(
        home=running.home,
        simulated=running.simulated,
        pid=running.pid,
        urls=running.urls,
        ready=all(part.ready for part in told),
        parts=told,
        feeds=feeds,
        day=day,
        dead_letters=dead_letters,
    )


def _standings(environ: Mapping[str, str]) -> tuple[dict[str, Standing], int | None, str]:
    """Where the parts stand, how many dead letters there are today, and why neither is known where Kafka does not answer."""
    standings = Standings(deployment.kafka_config(environ), deployment.topic_prefix(environ))
    try:
        return standings.read(), standings.dead_letters(), ""
    except KafkaUnavailable as error:
        return {}, None, str(error)
    finally:
        standings.close()


async def _parts(session: aiohttp.ClientSession, running: runfile.RunningStack) -> list[PartCondition]:
    async def part(name: str, said: Mapping[str, int | None]) -> PartCondition:
        url = f"http://127.0.0.1:{said['port'] or 0}"
        reason = await why_not_ready(session, f"{url}{_READY_PATHS.get(name, '/readyz')}")
        if name in running.halted:
            reason = f"halted: {running.halted[name]}"
        elif said["pid"] is None:
            reason = reason or "not running"
        metrics = None if name in _WITHOUT_METRICS else f"{url}/metrics"
        condition = _part(name, said["pid"], reason, metrics, said.get("restarts") or 0)
        match name:
            case "connector":
                waiting = await _metric(session, metrics, "stock_tracker_ssi_waiting_records")
                return condition.model_copy(update={"lag_messages": None if waiting is None else int(waiting)})
            case "gateway":
                age_s = await _metric(session, metrics, "stock_tracker_gateway_data_age_seconds")
                return condition.model_copy(update={"age_seconds": age_s})
        return condition

    return list(await asyncio.gather(*(part(name, said) for name, said in running.parts.items())))


def _part(name: str, pid: int | None, reason: str, metrics: str | None, restarts: int) -> PartCondition:
    return PartCondition(
        name=name,
        pid=pid,
        ready=not reason,
        reason=reason,
        metrics=metrics,
        restarts=restarts,
        memory_bytes=_memory(pid),
        lag_messages=None,
        lag_seconds=None,
        age_seconds=None,
    )


def _with_standing(part: PartCondition, standing: Standing | None) -> PartCondition:
    return part if standing is None else part.model_copy(update=standing._asdict())


def _memory(pid: int | None) -> int | None:
    """The resident memory of a process, in bytes; None where there is none, or the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


async def _metric(session: aiohttp.ClientSession, url: str | None, name: str) -> float | None:
    """The greatest value of a metric; None where the process does not answer, or has no number to tell."""
    text = await _text(session, url or "")
    families = text_string_to_metric_families(text) if text else ()
    values = [sample.value for family in families for sample in family.samples if sample.name == name]
    greatest = max(values, default=float("nan"))
    # Of a shard that has told nothing the metric is NaN, which is unequal to itself.
    return greatest if all(value == value for value in [*values, greatest]) else None


async def _day(session: aiohttp.ClientSession, running: runfile.RunningStack) -> DayCondition | None:
    prices, flow = await asyncio.gather(_snapshot(session, running, "px"), _snapshot(session, running, "flow"))
    return None if prices is None or flow is None else day_of(prices, flow)


async def _feeds(session: aiohttp.ClientSession, running: runfile.RunningStack) -> list[FeedCondition]:
    return feeds_of(await _snapshot(session, running, "status") or [])


async def _snapshot(session: aiohttp.ClientSession, running: runfile.RunningStack, channel: str) -> list[dict[str, Any]] | None:
    """The rows that the gateway shows of a channel; None when it does not answer."""
    port = running.parts.get("gateway", {}).get("port") or 0
    try:
        async with session.get(f"http://127.0.0.1:{port}/api/v1/snapshot/{channel}") as answer:
            return rows_of(await answer.json()) if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None


async def _text(session: aiohttp.ClientSession, url: str) -> str | None:
    try:
        async with session.get(url) as answer:
            return await answer.text() if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
