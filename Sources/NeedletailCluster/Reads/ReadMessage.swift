/// What the reader and a replica say to each other about one read.
package enum ReadMessage: Equatable, Sendable {
  /// What is asked of a node.
  package struct Request: Equatable, Sendable {
    /// Chosen by the reader; with the ask's number it tells what an answer belongs to.
    package var read: UInt64
    package var ask: QuorumRead.Ask
    /// The layout by which the reader chose whom to ask; only a node that knows the same one answers.
    package var epoch: UInt64
    /// Who reads: of it the node learns the layout, where it knows an older one.
    package var reader: NodeID
    package var windows: ClosedRange<Int64>
    /// How many ns the node has left to answer.
    package var timeLeft: UInt64
    /// What to select and how to reduce it: the query's own bytes.
    package var selection: [UInt8]

    /// The node of the ask is the one that is sent to; it is not in the bytes.
    package init(
      read: UInt64, ask: QuorumRead.Ask, epoch: UInt64, reader: NodeID, windows: ClosedRange<Int64>, timeLeft: UInt64,
      selection: [UInt8]
    ) {
      self.read = read
      self.ask = ask
      self.epoch = epoch
      self.reader = reader
      self.windows = windows
      self.timeLeft = timeLeft
      self.selection = selection
    }
  }

  /// What a node answers.
  package struct Response: Equatable, Sendable {
    package var read: UInt64
    package var ask: Int
    /// The layout that the node knew when it began to answer.
    package var epoch: UInt64
    package var answer: QuorumRead.Answer
    /// The data: the reductions and the series that `answer` says are there, in bytes of the query's own.
    package var data: [UInt8]

    package init(read: UInt64, ask: Int, epoch: UInt64, answer: QuorumRead.Answer, data: [UInt8]) {
      self.read = read
      self.ask = ask
      self.epoch = epoch
      self.answer = answer
      self.data = data
    }
  }

  case request(Request)
  case response(Response)
  /// The node cannot answer, and says why, and which layout it knows.
  case failure(read: UInt64, ask: Int, epoch: UInt64, reason: String)
}
