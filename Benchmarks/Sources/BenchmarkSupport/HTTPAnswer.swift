/// What a server answered: the status, and the body with its chunks joined.
package struct HTTPAnswer: Sendable {
  package var status: Int
  package var bytes: [UInt8]

  package var text: String { String(decoding: bytes, as: UTF8.self) }
}
