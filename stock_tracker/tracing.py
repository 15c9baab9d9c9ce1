"""Spans for OpenTelemetry, for those who ask for them: ``pip install stock-tracker[otel]`` and ``STOCK_TRACKER_TRACE_RATIO``.

Where they go is said in variables of OpenTelemetry (``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_EXPORTER_OTLP_HEADERS``, …). They are
sent by a thread of its own; a collector that is away costs spans and nothing else.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from schemas.errors import WrongSetting
from stock_tracker.errors import TracingUnavailable

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

RATIO: Final = "STOCK_TRACKER_TRACE_RATIO"


@contextmanager
def tracing(environ: Mapping[str, str], service: str) -> "Iterator[OtelTracer | None]":
    """What takes the spans of a service; None, and nothing is imported, where nobody asked for them. The end exports what waits.

    Args:
        environ: Settings.
        service: What a span is said to be of: ``connector``, ``pipelines``, …

    Raises:
        WrongSetting: The ratio is no number from 0 to 1.
        TracingUnavailable: OpenTelemetry is not installed.
    """
    ratio = _ratio(environ)
    if not ratio:
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        tracer = OtelTracer(OTLPSpanExporter(), service, ratio)
    except ImportError as error:
        raise TracingUnavailable(str(error)) from error
    try:
        yield tracer
    finally:
        tracer.close()


class OtelTracer:
    """Takes spans that are over, for an exporter of OpenTelemetry's."""

    def __init__(self, exporter: "SpanExporter", service: str, ratio: float, chance: Callable[[], float] = random.random) -> None:
        """Begin to export.

        Args:
            exporter: Where spans go, in batches.
            service: What they are said to be of.
            ratio: The part of the frames that is traced, up to 1.
            chance: Gives a number in [0, 1).
        """
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = TracerProvider(resource=Resource.create({"service.name": f"stock-tracker.{service}"}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("stock-tracker")
        self._propagator = TraceContextTextMapPropagator()
        self._ratio = ratio
        self._chance = chance

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns()

    def samples(self) -> bool:
        """Whether a trace is to begin now."""
        return self._chance() < self._ratio

    def span(self, name: str, parent: str | None, begins_ns: int, ends_ns: int, **said: str | int) -> str:
        """Tell of something that is over; the header for what comes of it."""
        from opentelemetry.trace import set_span_in_context

        context = None if parent is None else self._propagator.extract({"traceparent": parent})
        span = self._tracer.start_span(name, context, start_time=begins_ns, attributes=said)
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(span))
        span.end(ends_ns)
        return carrier["traceparent"]

    def close(self) -> None:
        """Export what waits."""
        self._provider.shutdown()


def _ratio(environ: Mapping[str, str]) -> float:
    text = environ.get(RATIO, "")
    try:
        ratio = float(text or "0")
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise WrongSetting(RATIO, text, "a number from 0, for no traces, to 1, for a trace of each frame")
    return ratio
