import NIOCore

/// What flows one way over one connection through the proxy: held up, lost or slowed down as the fault of its link says.
///
/// Used on the proxy's event loop only.
final class FaultFlow {
  /// With so much waiting the sender is not read from any more, like one that meets a full window.
  private static let waitingBytesMax = 1 << 20

  private struct Piece {
    /// Nil: the sender has closed.
    var bytes: ByteBuffer?
    var due: NIODeadline
  }

  /// Nil where it is not known who opened the connection: nothing is wrong with that one's link.
  let link: Link?
  private let source: any Channel
  private var target: (any Channel)?
  private var fault: LinkFault?
  private var waiting = CircularBuffer<Piece>()
  private var waitingBytes = 0
  private var wakeUp: Scheduled<Void>?
  /// When the next piece may go where a pace is kept.
  private var paceDue = NIODeadline.uptimeNanoseconds(0)
  /// Whether something was swallowed: no later byte may follow.
  private(set) var hasLost = false
  private(set) var passedBytes = 0
  private(set) var lostBytes = 0

  init(_ link: Link?, from source: any Channel, fault: LinkFault?) {
    (self.link, self.source, self.fault) = (link, source, fault)
  }

  /// Where it leads, once that is connected.
  func connect(to channel: any Channel) {
    target = channel
    pump()
  }

  func change(_ fault: LinkFault?) {
    self.fault = fault
    pump()
  }

  func take(_ bytes: ByteBuffer) {
    if fault == .swallowed {
      hasLost = true
      lostBytes += bytes.readableBytes
      return
    }
    waitingBytes += bytes.readableBytes
    append(bytes)
  }

  /// The sender has closed.
  func end() {
    if fault == .swallowed {
      hasLost = true
    } else {
      append(nil)
    }
  }

  private func append(_ bytes: ByteBuffer?) {
    var due = NIODeadline.now()
    if case .delayed(let milliseconds) = fault { due = due + .milliseconds(milliseconds) }
    if let last = waiting.last { due = max(due, last.due) }
    waiting.append(Piece(bytes: bytes, due: due))
    pump()
    setReading(waitingBytes < Self.waitingBytesMax)
  }

  /// Sends what may go now; called whenever that may have changed.
  func pump() {
    wakeUp?.cancel()
    wakeUp = nil
    guard let target, fault?.isSilent != true else { return }
    while !waiting.isEmpty, target.isWritable {
      let now = NIODeadline.now()
      let due = max(waiting[waiting.startIndex].due, paceDue)
      guard due <= now else {
        wake(at: due)
        break
      }
      guard let bytes = waiting[waiting.startIndex].bytes else {
        waiting.removeFirst()
        target.flush()
        target.close(promise: nil)
        return
      }
      send(bytes, to: target, now)
    }
    target.flush()
    setReading(waitingBytes < Self.waitingBytesMax)
  }

  /// Sends the first piece, or as much of it as the pace allows at once.
  private func send(_ bytes: ByteBuffer, to target: any Channel, _ now: NIODeadline) {
    var rest = bytes
    var count = bytes.readableBytes
    if case .slow(let bytesPerSecond) = fault {
      count = min(count, max(1, bytesPerSecond / 20))
      paceDue = now + .nanoseconds(Int64(count) * 1_000_000_000 / Int64(max(1, bytesPerSecond)))
    }
    let piece = rest.readSlice(length: count)
    waitingBytes -= count
    passedBytes += count
    if rest.readableBytes == 0 {
      waiting.removeFirst()
    } else {
      waiting[waiting.startIndex].bytes = rest
    }
    // Last: where the other side is gone, it may end this flow, and take all that waits.
    if let piece { target.write(piece, promise: nil) }
  }

  private func setReading(_ isReading: Bool) {
    guard source.isActive else { return }
    try? source.syncOptions?.setOption(.autoRead, value: isReading)
  }

  private func wake(at due: NIODeadline) {
    wakeUp = source.eventLoop.assumeIsolated().scheduleTask(deadline: due) { [weak self] in self?.pump() }
  }
}
