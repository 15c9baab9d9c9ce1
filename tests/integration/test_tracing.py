"""A frame with a trace, from the connector's publisher through a pipeline to the gateway, on a real Kafka."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from connectors.ssi.core.frames import Cut
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.publisher import Publisher
from gateway.service import run as run_gateway
from gateway.settings import GatewaySettings
from pipelines.application import make_application
from pipelines.catalogue import named
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.position import Partition
from schemas.shards import shard_keys, shard_of
from schemas.topics import MARKET_TRADES, SSI_TICKS, STATE_PRICES
from schemas.tracing import parent_in
from stock_tracker.recordings.record import read_messages
from stock_tracker.stack.drain import Backlog, ConsumerGroup
from stock_tracker.tracing import OtelTracer
from tests.builders import a_frame, a_tick, a_trade
from tests.patience import reached, until

pytestmark = pytest.mark.kafka

PRICES = named("prices")
SHARD = shard_of("VNM", 3)


async def publish(publisher: Publisher, outbox: Outbox, total: int, seq: int) -> None:
    await publisher.shards()
    frame = a_frame(a_tick(), a_trade(total=total), seq=seq)
    outbox.put(Cut(Partition(SSI_TICKS.name, SHARD), shard_keys(3)[SHARD], frame))

    def is_delivered() -> bool:
        publisher.pump()
        return publisher.is_idle

    await reached(is_delivered, "the delivery")
    await publisher.close(1)


def fold(settings: PipelineSettings, tracer: OtelTracer | None) -> None:
    application = make_application(PRICES, PRICES.make_folds(Parameters(settings)), settings, tracer)
    prefix = settings.topic_prefix
    group = ConsumerGroup(f"{prefix}{PRICES.group}", tuple(source.named(prefix) for source in PRICES.sources))
    with ThreadPoolExecutor() as pool, closing(Backlog(settings.kafka)) as backlog:
        running = pool.submit(application.run)
        try:
            until(lambda: running.done() or not backlog.has_unread(group), "all to be folded")
        finally:
            while not running.done():
                # An application forgets a stop that came before its loop began.
                application.stop()
                time.sleep(0.05)
        running.result()


async def test_the_spans_of_a_frame_are_one_trace_and_untraced_messages_have_no_headers(
    kafka: str, topics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"bootstrap.servers": kafka}
    settings = PipelineSettings(kafka=config, topic_prefix=topics, home=tmp_path)
    outbox = Outbox(1_000, 1_000_000)
    await publish(Publisher(config, topics, outbox, 1_000), outbox, 100, 0)
    await asyncio.to_thread(fold, settings, None)
    _, untraced = read_messages(config, topics, [SSI_TICKS, MARKET_TRADES, STATE_PRICES], lambda line: None)
    assert {message.topic for message in untraced} == {SSI_TICKS.name, MARKET_TRADES.name, STATE_PRICES.name}
    assert all(message.headers == () for message in untraced)

    # OpenTelemetry's own setting: how long a span waits for others before it is exported, in milliseconds.
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    exporter = InMemorySpanExporter()
    tracer = OtelTracer(exporter, "test", 1.0)
    await publish(Publisher(config, topics, outbox, 1_000, tracer), outbox, 200, 1)
    await asyncio.to_thread(fold, settings, tracer)
    _, messages = read_messages(config, topics, [SSI_TICKS, MARKET_TRADES, STATE_PRICES], lambda line: None)
    traced = {message.topic for message in messages if parent_in(message.headers)}
    assert traced == {SSI_TICKS.name, MARKET_TRADES.name, STATE_PRICES.name}

    stop = asyncio.Event()
    gateway = GatewaySettings(kafka=config, topic_prefix=topics, port=0)
    serving = asyncio.create_task(run_gateway(gateway, stop, tracer=tracer))

    def is_told() -> bool:
        if serving.done():
            serving.result()
        return any(span.name == "gateway state" for span in exporter.get_finished_spans())

    await reached(is_told, "the gateway's span")
    stop.set()
    await serving
    tracer.close()
    spans = exporter.get_finished_spans()
    assert {span.name for span in spans} == {"receive", "publish", "fold prices", "gateway state"}
    assert len({span.context.trace_id for span in spans if span.context is not None}) == 1
