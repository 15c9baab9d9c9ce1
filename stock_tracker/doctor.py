"""Whether this machine and what it is to talk to are fit: what each check found and, where something is wrong, what to do."""

import asyncio
import os
import platform
import resource
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import confluent_kafka

from schemas import deployment
from schemas.errors import KafkaUnavailable
from stock_tracker.errors import StockTrackerError
from stock_tracker.home import Home, cache
from stock_tracker.kafka import PORT, PORT_NAME, java, metadata, topics
from stock_tracker.kafka.connection import kafka_config
from stock_tracker.kafka.recipe import Recipe
from stock_tracker.ports import holder, is_free

_MIB = 2**20
SCARCE_BYTES = 500 * _MIB
LITTLE_BYTES = 5_000 * _MIB
"""A live day of 1,900 symbols takes about this much, Kafka's seven days a multiple of it."""
FEW_DESCRIPTORS = 1_024
SKEW_S = 2.0
"""The clock of an HTTP answer has whole seconds, and is some way away."""
_PATIENCE = aiohttp.ClientTimeout(total=8.0)
_SSI = {"SSI_API_URL": "https://fc-data.ssi.com.vn/", "SSI_STREAM_URL": "https://fc-datahub.ssi.com.vn/"}


class CheckState(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; nothing is wrong yet."""
    BAD = "bad"


@dataclass(frozen=True)
class CheckFinding:
    """What a check found."""

    check: str
    state: CheckState
    said: str
    remedy: str = ""
    """What to do; empty where all is well."""


async def examine(environ: Mapping[str, str]) -> list[CheckFinding]:
    """Make all checks; those that ask somebody ask at the same time."""
    here: list[Callable[[Mapping[str, str]], CheckFinding]] = [_versions, _home, _disk, _descriptors, _java]
    found = [check(environ) for check in here]
    found += _ports(environ)
    asked: list[Awaitable[list[CheckFinding]]] = [asyncio.to_thread(_kafka, environ), _archive(environ)]
    asked += [_ssi(name, environ.get(name) or usual) for name, usual in _SSI.items()]
    for findings in await asyncio.gather(*asked):
        found += findings
    found.append(_credentials(environ))
    return found


def _versions(_: Mapping[str, str]) -> CheckFinding:
    python = platform.python_version()
    names = ("stock-tracker", "quixstreams", "confluent-kafka", "chdb", "clickhouse-connect")
    said = (
        f"Python {python}, {', '.join(f'{name} {version(name)}' for name in names)}, librdkafka {confluent_kafka.libversion()[0]}"
    )
    return CheckFinding("versions", CheckState.OK, said)


def _home(environ: Mapping[str, str]) -> CheckFinding:
    root = Home.of(environ).root
    folder = _existing(root)
    # What asks the system alone would say yes for root on a read-only disk.
    probe = folder / f".stock-tracker-{os.getpid()}"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return CheckFinding(
            "home", CheckState.BAD, f"{root} cannot be written: {error.strerror}", "Name another folder: STOCK_TRACKER_HOME=…"
        )
    return CheckFinding("home", CheckState.OK, str(root))


def _disk(environ: Mapping[str, str]) -> CheckFinding:
    free = shutil.disk_usage(_existing(Home.of(environ).root)).free
    said = f"{free / _MIB:,.0f} MiB are free where the home is"
    remedy = "Make room, or name a folder on another disk: STOCK_TRACKER_HOME=…"
    if free < SCARCE_BYTES:
        return CheckFinding("disk", CheckState.BAD, said, remedy)
    return CheckFinding(
        "disk", CheckState.OK if free >= LITTLE_BYTES else CheckState.NOTE, said, "" if free >= LITTLE_BYTES else remedy
    )


def _descriptors(_: Mapping[str, str]) -> CheckFinding:
    most, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = f"{most:,} files may be open in a process"
    if most < FEW_DESCRIPTORS:
        return CheckFinding("descriptors", CheckState.BAD, said, "ulimit -n 4096; a gateway needs one for each client")
    return CheckFinding("descriptors", CheckState.OK, said)


def _java(environ: Mapping[str, str]) -> CheckFinding:
    if environ.get("KAFKA_BOOTSTRAP"):
        return CheckFinding("java", CheckState.OK, "not needed: KAFKA_BOOTSTRAP names a Kafka")
    try:
        found = java.find(Recipe.of_repository(), cache(environ), environ, lambda _: None)
    except StockTrackerError as error:
        return CheckFinding("java", CheckState.BAD, str(error).splitlines()[0], error.remedy)
    return CheckFinding("java", CheckState.OK, str(found))


def _ports(environ: Mapping[str, str]) -> list[CheckFinding]:
    wanted = {
        PORT_NAME: (PORT, not environ.get("KAFKA_BOOTSTRAP")),
        "ARCHIVE_PORT": (8123, not environ.get("CLICKHOUSE_URL")),
        "SIM_PORT": (deployment.SIMULATOR_PORT, True),
        "GATEWAY_PORT": (deployment.GATEWAY_PORT, True),
    }
    found = []
    for name, (usual, is_needed) in wanted.items():
        said = environ.get(name) or str(usual)
        if not said.isdigit():
            found.append(CheckFinding("ports", CheckState.BAD, f"{name} is {said!r}", f"A port from 1 to 65535: {name}={usual}"))
        elif is_needed and not is_free(int(said)):
            remedy = f"Nothing, if that is ours (stock-tracker status). Else stop it, or choose another: {name}=…"
            found.append(
                CheckFinding(
                    "ports", CheckState.NOTE, f"{said} ({name}) is taken by {holder(int(said)) or 'another process'}", remedy
                )
            )
    return found or [CheckFinding("ports", CheckState.OK, "those that are needed are free")]


def _kafka(environ: Mapping[str, str]) -> list[CheckFinding]:
    kafka, prefix = kafka_config(environ), deployment.topic_prefix(environ)
    where = kafka["bootstrap.servers"]
    try:
        cluster = metadata.ask(kafka, timeout_s=5.0)
        if len(cluster.brokers) < 3:
            said = f"{where} answers: {len(cluster.brokers)} broker(s), so one copy of everything"
            found = [
                CheckFinding(
                    "kafka", CheckState.NOTE, said, "Good for one machine; where power may fail use three, docs/README.md"
                )
            ]
        else:
            found = [CheckFinding("kafka", CheckState.OK, f"{where} answers: {len(cluster.brokers)} brokers")]
        config = metadata.broker_config(kafka, min(cluster.brokers))
        allowed = int(config.get("transaction.max.timeout.ms", "900000"))
        if allowed < 10_000:
            said = f"transactions may last {allowed} ms, and ours need 10000"
            found.append(CheckFinding("kafka features", CheckState.BAD, said, "Raise transaction.max.timeout.ms of the brokers"))
        else:
            found.append(CheckFinding("kafka features", CheckState.OK, f"transactions may last {allowed} ms"))
        absent = topics.missing(kafka, prefix)
        if absent:
            found.append(
                CheckFinding(
                    "topics", CheckState.NOTE, f"{len(absent)} are missing, {absent[0]} first", "stock-tracker topics apply"
                )
            )
        else:
            found.append(CheckFinding("topics", CheckState.OK, "all are there"))
    except KafkaUnavailable as error:
        # Where nothing is deployed yet that is no fault: `up` starts a broker of its own.
        state = CheckState.BAD if environ.get("KAFKA_BOOTSTRAP") else CheckState.NOTE
        return [
            CheckFinding(
                "kafka", state, f"no broker answers at {where}: {error.reason}", "stock-tracker kafka start, or KAFKA_BOOTSTRAP=…"
            )
        ]
    return found


async def _archive(environ: Mapping[str, str]) -> list[CheckFinding]:
    url = environ.get("CLICKHOUSE_URL") or deployment.CLICKHOUSE_URL
    host = urlsplit(url).netloc.rpartition("@")[2]
    try:
        began = time.time()
        async with aiohttp.ClientSession(timeout=_PATIENCE) as session, session.get(f"{url.rstrip('/')}/ping") as answer:
            if answer.status != 200:
                return [
                    CheckFinding(
                        "archive", CheckState.BAD, f"{host} answers HTTP {answer.status}", "See its log; CLICKHOUSE_URL names it"
                    )
                ]
            return [
                CheckFinding("archive", CheckState.OK, f"{host} answers"),
                *_skew(f"{host}", answer.headers.get("Date"), began),
            ]
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        state = CheckState.BAD if environ.get("CLICKHOUSE_URL") else CheckState.NOTE
        said = f"nothing answers at {host}: {type(error).__name__}"
        return [CheckFinding("archive", state, said, "stock-tracker archive serve, or CLICKHOUSE_URL=…")]


async def _ssi(name: str, url: str) -> list[CheckFinding]:
    host = urlsplit(url).hostname or url
    try:
        began = time.time()
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE, trust_env=True) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            return [CheckFinding("ssi", CheckState.OK, f"{host} answers"), *_skew(host, answer.headers.get("Date"), began)]
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        said = f"{host} cannot be reached ({type(error).__name__})"
        remedy = f"Only for live data: check the network, and HTTPS_PROXY; {name} names another address"
        return [CheckFinding("ssi", CheckState.NOTE, said, remedy)]


def _skew(host: str, date: str | None, asked_s: float) -> list[CheckFinding]:
    """How far this machine's clock is from that of an HTTP server, which tells whole seconds."""
    if date is None:
        return []
    try:
        told_s = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return []
    ahead_s = asked_s - told_s
    # Between the question and the answer, and within its second, the server's clock is right.
    if -SKEW_S <= ahead_s <= 1 + SKEW_S:
        return [CheckFinding("clock", CheckState.OK, f"agrees with {host}")]
    said = f"this machine's clock is {abs(ahead_s):,.0f} s {'ahead of' if ahead_s > 0 else 'behind'} {host}"
    return [CheckFinding("clock", CheckState.BAD, said, "Set it by NTP: timedatectl set-ntp true. Tokens and ages depend on it")]


def _credentials(environ: Mapping[str, str]) -> CheckFinding:
    has_id = environ.get("SSI_CONSUMER_ID") or environ.get("SSI_CONSUMER_ID_FILE")
    file = environ.get("SSI_CONSUMER_SECRET_FILE")
    if file and not os.access(file, os.R_OK):
        return CheckFinding(
            "credentials", CheckState.BAD, f"SSI_CONSUMER_SECRET_FILE cannot be read: {file}", "Give it to this user: chmod 600"
        )
    if file and Path(file).stat().st_mode & 0o077:
        return CheckFinding("credentials", CheckState.NOTE, f"others may read {file}", f"chmod 600 {file}")
    if not has_id or not (file or environ.get("SSI_CONSUMER_SECRET")):
        return CheckFinding(
            "credentials", CheckState.NOTE, "SSI's are not set", "Only for live data: docs/ssi.md says where keys are made"
        )
    return CheckFinding("credentials", CheckState.OK, "SSI's are set")


def _existing(path: Path) -> Path:
    """``path``, or the nearest folder above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
