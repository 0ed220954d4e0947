"""Calls OTLP's Export methods with gRPC's own library, outside of any SDK, and prints what came of each call as one line."""

import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import json_format  # part of the exporter's own dependencies
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
NOW = time.time_ns() - 60_000_000_000


def logs(count, size, prefix):
    source = random.Random(size)
    records = [{"timeUnixNano": str(NOW + i), "body": {"stringValue": f"{prefix}{i} {source.randbytes(size // 2).hex()}"}}
               for i in range(count)]
    request = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    return json_format.ParseDict(request, logs_service_pb2.ExportLogsServiceRequest()).SerializeToString()


def call(channel, name, method, message, **options):
    try:
        answer = channel.unary_unary(method)(message, timeout=30, **options)
        print(name, "OK", len(answer))
    except grpc.RpcError as error:
        details = [key for key, _ in error.trailing_metadata() or () if key == "grpc-status-details-bin"]
        print(name, error.code().name, "details" if details else "-")


with grpc.insecure_channel(sys.argv[1]) as channel:
    call(channel, "empty", EXPORT, b"")
    call(channel, "small", EXPORT, logs(3, 10, "small"))
    call(channel, "large", EXPORT, logs(2_000, 4_000, "large"))
    call(channel, "gzip", EXPORT, logs(2_000, 4_000, "gzip"), compression=grpc.Compression.Gzip)
    call(channel, "deflate", EXPORT, logs(1, 1_000, "deflate"), compression=grpc.Compression.Deflate)
    call(channel, "garbage", EXPORT, b"\x0a\x7f\x01")
    call(channel, "unknown", "/no.such.Service/Method", b"")
    call(channel, "tenant", EXPORT, b"", metadata=[("x-scope-orgid", "a/b")])
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda i: channel.unary_unary(EXPORT)(logs(5, 100, f"parallel{i}-"), timeout=30), range(200)))
    print("parallel OK")
