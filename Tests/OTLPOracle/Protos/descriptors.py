"""Writes the OTLP descriptors of the Python package opentelemetry-proto as a FileDescriptorSet, and prints the files' names."""
import importlib
import sys

from google.protobuf import descriptor_pb2

MODULES = [
    "common.v1.common", "resource.v1.resource", "trace.v1.trace", "metrics.v1.metrics", "logs.v1.logs",
    "collector.trace.v1.trace_service", "collector.metrics.v1.metrics_service", "collector.logs.v1.logs_service",
]

sys.path.insert(0, sys.argv[1])
files = descriptor_pb2.FileDescriptorSet()
for module in MODULES:
    loaded = importlib.import_module(f"opentelemetry.proto.{module}_pb2")
    loaded.DESCRIPTOR.CopyToProto(files.file.add())
with open(sys.argv[2], "wb") as output:
    output.write(files.SerializeToString())
print(" ".join(file.name for file in files.file))
