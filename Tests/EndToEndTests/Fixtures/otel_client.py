"""Sends one of each signal with the OpenTelemetry SDK: python3 otel_client.py http|grpc ENDPOINT, prints the trace id."""

import logging
import sys

from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

protocol, endpoint = sys.argv[1], sys.argv[2]
if protocol == "http":
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporters = (
        OTLPSpanExporter(endpoint=endpoint + "/v1/traces"),
        OTLPMetricExporter(endpoint=endpoint + "/v1/metrics"),
        OTLPLogExporter(endpoint=endpoint + "/v1/logs"),
    )
else:
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    exporters = (
        OTLPSpanExporter(endpoint=endpoint, insecure=True),
        OTLPMetricExporter(endpoint=endpoint, insecure=True),
        OTLPLogExporter(endpoint=endpoint, insecure=True),
    )

service = "python-" + protocol
resource = Resource.create({"service.name": service, "service.instance.id": "one"})

tracers = TracerProvider(resource=resource)
tracers.add_span_processor(BatchSpanProcessor(exporters[0]))
meters = MeterProvider(
    resource=resource,
    metric_readers=[PeriodicExportingMetricReader(exporters[1])],
    views=[View(instrument_name="payload.size", aggregation=ExponentialBucketHistogramAggregation())],
)
loggers = LoggerProvider(resource=resource)
loggers.add_log_record_processor(BatchLogRecordProcessor(exporters[2]))
set_logger_provider(loggers)
logger = logging.getLogger("shop")
logger.setLevel(logging.DEBUG)
logger.addHandler(LoggingHandler(logger_provider=loggers))

meter = meters.get_meter("shop", "1.0")
meter.create_counter("orders", unit="{order}").add(7, {"kind": "book"})
meter.create_up_down_counter("queue.depth").add(-3)
latency = meter.create_histogram("request.duration", unit="s")
for value in (0.004, 0.02, 0.3, 2.0):
    latency.record(value, {"route": "/buy"})
sizes = meter.create_histogram("payload.size", unit="By")
for value in (1, 2, 3, 100, 1000):
    sizes.record(value)

tracer = tracers.get_tracer("shop", "1.0")
with tracer.start_as_current_span("checkout", attributes={"cart.items": 3, "vip": True, "total": 12.5}) as root:
    with tracer.start_as_current_span("pay") as child:
        child.add_event("retry", {"attempt": 2})
        child.set_status(Status(StatusCode.ERROR, "card declined"))
        logger.error("payment failed: card declined", extra={"card": "visa"})
    print(format(root.get_span_context().trace_id, "032x"))

assert tracers.force_flush() and meters.force_flush() and loggers.force_flush()
tracers.shutdown()
meters.shutdown()
loggers.shutdown()
