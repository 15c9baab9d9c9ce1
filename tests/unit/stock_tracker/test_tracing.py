"""Spans for OpenTelemetry: chosen by chance, tied together by a header, and none at all unless asked for."""

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from connectors.clickhouse.traced_messages import TracedMessages
from schemas.errors import WrongSetting
from schemas.position import Partition
from schemas.tracing import parent_in
from stock_tracker.tracing import OtelTracer, tracing


def test_spans_of_several_services_are_one_trace() -> None:
    exporters = InMemorySpanExporter(), InMemorySpanExporter()
    connector, pipelines = OtelTracer(exporters[0], "connector", 1.0), OtelTracer(exporters[1], "pipelines", 1.0)
    header = connector.span("receive", None, 1_000, 3_000, topic="ssi.ticks", records=50)
    assert parent_in([("traceparent", header)]) == header
    pipelines.span("fold prices", header, 4_000, 5_000, offset=7)
    connector.close()
    pipelines.close()
    ((receive,), (fold,)) = (exporter.get_finished_spans() for exporter in exporters)
    assert (receive.name, fold.name) == ("receive", "fold prices")
    assert receive.context is not None
    assert fold.context is not None
    assert fold.parent is not None
    assert (fold.context.trace_id, fold.parent.span_id) == (receive.context.trace_id, receive.context.span_id)
    assert (receive.start_time, receive.end_time) == (1_000, 3_000)
    assert dict(receive.attributes or {}) == {"topic": "ssi.ticks", "records": 50}
    assert (receive.resource.attributes["service.name"], fold.resource.attributes["service.name"]) == (
        "stock-tracker.connector",
        "stock-tracker.pipelines",
    )


def test_a_part_of_the_frames_is_traced() -> None:
    chances = iter([0.0, 0.009, 0.01, 0.5])
    tracer = OtelTracer(InMemorySpanExporter(), "connector", 0.01, lambda: next(chances))
    assert [tracer.samples() for _ in range(4)] == [True, True, False, False]
    tracer.close()


def test_what_the_sink_has_stored_is_told_and_what_waits_is_not() -> None:
    exporter = InMemorySpanExporter()
    tracer = OtelTracer(exporter, "sink", 1.0)
    parent = tracer.span("receive", None, 0, 1)
    traced, place = TracedMessages(tracer), Partition("market.trades", 1)
    for offset, headers in ((3, [("traceparent", parent)]), (4, None), (5, [("traceparent", parent)])):
        traced.read(place, offset, 1, headers)
    traced.stored(place, 5)
    traced.stored(place, 5)
    tracer.close()
    stored = [span for span in exporter.get_finished_spans() if span.name == "store"]
    assert [dict(span.attributes or {}) for span in stored] == [{"topic": "market.trades", "partition": 1, "offset": 3}]


@pytest.mark.parametrize("ratio", ["-1", "2", "often"])
def test_a_ratio_that_is_none_is_said(ratio: str) -> None:
    with pytest.raises(WrongSetting, match="STOCK_TRACKER_TRACE_RATIO"), tracing({"STOCK_TRACKER_TRACE_RATIO": ratio}, "sink"):
        pass


def test_unasked_for_nothing_is_imported() -> None:
    program = (
        "import sys; from stock_tracker.tracing import tracing\n"
        "with tracing({}, 'sink') as tracer: assert tracer is None\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
