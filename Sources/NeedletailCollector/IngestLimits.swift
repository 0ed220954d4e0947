import NeedletailWire

/// What a receiver takes at most.
package struct IngestLimits: Sendable {
  /// Bytes of a body as it was sent, by protocol.
  package var remoteWriteBodyMax = 32 << 20
  package var otlpBodyMax = 64 << 20
  package var remoteWriteDecompression = DecompressionLimits.remoteWrite
  package var otlpDecompression = DecompressionLimits.otlp
  package var series = SeriesLimits()
  package var events = EventLimits()
  /// Bytes of bodies, as sent and decompressed, that are worked on at one time.
  package var bytesInFlightMax = 256 << 20
  /// Series whose senders report changes and whose totals are kept.
  package var deltaSeriesMax = 1 << 20
  /// Bytes, as encoded, of the totals that the changes of one request may come to.
  ///
  /// Each change, some 20 bytes on the wire, becomes the whole total of its series, of up to 5 KiB.
  package var deltaBytesMax = 64 << 20
  /// Seconds after which a sender that was turned away may come again.
  package var retryAfterSeconds = 1

  package init() {}
}
