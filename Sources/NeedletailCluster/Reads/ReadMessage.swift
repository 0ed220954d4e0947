/// What the reader and a replica say to each other about one read.
package enum ReadMessage: Equatable, Sendable {
  /// What is asked of a node.
  package struct Request: Equatable, Sendable {
    /// Chosen by the reader; with the ask's number it tells what an answer belongs to.
    package var read: UInt64
    package var ask: QuorumRead.Ask
    package var windows: ClosedRange<Int64>
    /// How many ns the node has left to answer.
    package var timeLeft: UInt64
    /// What to select and how to reduce it: the query's own bytes.
    package var selection: [UInt8]

    /// The node of the ask is the one that is sent to; it is not in the bytes.
    package init(
      read: UInt64, ask: QuorumRead.Ask, windows: ClosedRange<Int64>, timeLeft: UInt64, selection: [UInt8]
    ) {
      self.read = read
      self.ask = ask
      self.windows = windows
      self.timeLeft = timeLeft
      self.selection = selection
    }
  }

  /// What a node answers.
  package struct Response: Equatable, Sendable {
    package var read: UInt64
    package var ask: Int
    package var answer: QuorumRead.Answer
    /// The data: the reductions and the series that `answer` says are there, in bytes of the query's own.
    package var data: [UInt8]

    package init(read: UInt64, ask: Int, answer: QuorumRead.Answer, data: [UInt8]) {
      self.read = read
      self.ask = ask
      self.answer = answer
      self.data = data
    }
  }

  case request(Request)
  case response(Response)
  /// The node cannot answer, and says why.
  case failure(read: UInt64, ask: Int, reason: String)
}
