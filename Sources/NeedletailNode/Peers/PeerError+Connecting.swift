import NIOCore
import NIOPosix

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension PeerError {
  /// Why a connection could not be made, in words: the library tells all that it tried, each with its address.
  static func text(ofConnecting error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
      if let last = error.connectionErrors.last { return text(ofConnecting: last.error) }
      return "no host of the name \(error.host) is known"
    case let error as IOError:
      switch error.errnoCode {
      case ECONNREFUSED: return "connection refused"
      case ECONNRESET: return "connection reset"
      case EHOSTUNREACH, ENETUNREACH: return "there is no way to it"
      case ETIMEDOUT: return "no connection in time"
      default: return "\(error)"
      }
    case ChannelError.connectTimeout: return "no connection in time"
    default: return "\(error)"
    }
  }
}
