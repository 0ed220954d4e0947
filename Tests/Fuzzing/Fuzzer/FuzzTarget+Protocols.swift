import NeedletailOTLP
import NeedletailTelemetry
import NeedletailWire

// What clients send.

extension FuzzTarget {
  static let protocols = [
    FuzzTarget(name: "remote-write") { data, count in
      if let decoded = try? RemoteWriteDecoder.decode(fuzzBytes(data, count), seriesDecoding()) { check(decoded) }
      return 0
    },
    FuzzTarget(name: "remote-read") { data, count in
      guard let request = try? RemoteReadRequest(fuzzBytes(data, count)) else { return 0 }
      precondition(request.queries.count <= RemoteReadRequest.queriesMax, "more than what was allowed")
      for query in request.queries {
        precondition(query.matchers.count <= RemoteReadRequest.matchersMax, "more than what was allowed")
      }
      return 0
    },
    FuzzTarget(name: "otlp-metrics") { data, count in
      if let decoded = try? OTLPMetricsDecoder.decode(fuzzBytes(data, count), seriesDecoding()) { check(decoded) }
      return 0
    },
    FuzzTarget(name: "otlp-logs") { data, count in
      _ = try? OTLPLogsDecoder.decode(fuzzBytes(data, count), eventDecoding())
      return 0
    },
    FuzzTarget(name: "otlp-spans") { data, count in
      _ = try? OTLPSpansDecoder.decode(fuzzBytes(data, count), eventDecoding())
      return 0
    },
    FuzzTarget(name: "otlp-json") { data, count in
      for signal in OTLPSignal.allCases {
        _ = try? OTLPJSONTranscoder.protobuf(fuzzBytes(data, count), signal: signal)
      }
      return 0
    },
    FuzzTarget(name: "decompression") { data, count in
      let limits = DecompressionLimits(outputMax: 1 << 20)
      for coding in ContentCoding.allCases {
        let bytes = try? Decompression.decompress(fuzzBytes(data, count), coding: coding, limits: limits)
        precondition((bytes?.count ?? 0) <= limits.outputMax, "more than what was allowed")
      }
      return 0
    },
  ]
}

private func seriesDecoding() -> SeriesDecoding {
  SeriesDecoding(tenant: .default, batchID: Hash128(high: 0, low: 1), resolver: SeriesResolver(countMax: 1024))
}

private func eventDecoding() -> EventDecoding {
  EventDecoding(tenant: .default, batchID: Hash128(high: 0, low: 1), now: 0)
}

/// Batches that a decoder made are whole.
private func check(_ decoded: DecodedSeries) {
  for batch in decoded.batches {
    let isWhole = batch.frame.bytes.withUnsafeBytes { bytes in
      (try? Frame(validating: bytes)).flatMap { try? SeriesBatch(validating: $0) } != nil
    }
    precondition(isWhole, "a decoder made a batch that is none")
  }
}
