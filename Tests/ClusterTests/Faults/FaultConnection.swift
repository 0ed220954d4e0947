import Foundation
import NIOCore

/// A connection through the proxy: whoever opened it, the node that it leads to, and what flows both ways.
///
/// Used on the proxy's event loop only.
final class FaultConnection {
  let opened: any Channel
  private(set) var leading: (any Channel)?
  let there: FaultFlow
  private(set) var back: FaultFlow?
  /// The node whose side was left open when the other one was reset.
  private var silentSide: String?

  init(_ opened: any Channel, link: Link?, fault: LinkFault?) {
    self.opened = opened
    there = FaultFlow(link, from: opened, fault: fault)
  }

  /// The node is connected now.
  func lead(to channel: any Channel, fault: LinkFault?) {
    leading = channel
    let back = FaultFlow(there.link?.reversed, from: channel, fault: fault)
    self.back = back
    back.connect(to: opened)
    there.connect(to: channel)
  }

  /// Both directions of it.
  var flows: [FaultFlow] { [there] + (back.map { [$0] } ?? []) }

  var isOver: Bool { !opened.isActive && leading?.isActive != true }

  /// Whether bytes are missing within it, so that it must not go on.
  var isBroken: Bool { silentSide != nil || flows.contains { $0.hasLost } }

  func took(_ bytes: ByteBuffer, from channel: any Channel) {
    guard silentSide == nil else { return }
    if channel === opened { there.take(bytes) } else { back?.take(bytes) }
  }

  func ended(_ channel: any Channel) {
    guard silentSide == nil else { return }
    if channel === opened {
      there.end()
      if leading == nil { opened.close(promise: nil) }
    } else {
      back?.end()
    }
  }

  /// `channel` takes bytes again.
  func becameWritable(_ channel: any Channel) {
    if channel === opened { back?.pump() } else { there.pump() }
  }

  /// Resets both sides.
  func reset() {
    Self.reset(opened)
    if let leading { Self.reset(leading) }
  }

  /// Resets the side of the other node and leaves that of `node` open and silent.
  func leaveHalfOpen(for node: String) {
    guard let link = there.link, let leading else { return }
    silentSide = node
    Self.reset(node == link.from ? leading : opened)
  }

  private static func reset(_ channel: any Channel) {
    guard channel.isActive else { return }
    let now = linger(l_onoff: 1, l_linger: 0)
    (channel as? any SocketOptionProvider)?.setSoLinger(now).whenComplete { _ in channel.close(promise: nil) }
  }
}
