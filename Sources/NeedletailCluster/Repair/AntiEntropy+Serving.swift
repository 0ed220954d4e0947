import NeedletailTelemetry

extension RepairMessage {
  /// The answer to this question; `wasReady` is whether the replica was ready before it began to read what it tells.
  ///
  /// One that became ready while it read may have read before it had everything.
  func reply(_ reply: Reply, wasReady: Bool, _ source: some RepairSource) -> RepairMessage {
    // What expired here is left out: the other one must not bring it back.
    let first = min(max(windows.lowerBound, source.firstWindow), windows.upperBound)
    return RepairMessage(
      exchange: exchange, number: number, slot: slot, epoch: source.epoch(of: slot),
      windows: first...windows.upperBound, identity: source.identity,
      body: .reply(reply, isReady: wasReady && source.isReady(slot, windows)))
  }
}

extension RepairMessage {
  /// Whether it is a question for rows, or brings some.
  var movesRows: Bool {
    switch body {
    case .question(.pull), .question(.push): true
    default: false
    }
  }

  /// The answer to this question about all windows or about a node high up, from what there is.
  func answer(from tree: SlotTree) -> Reply {
    var asked: TreeNode?
    switch body {
    case .question(.compare(let digest)) where tree.root == digest: return .same
    case .question(.expand(let node)): asked = node
    default: break
    }
    let level = tree.children(of: asked, within: windows)
    return .nodes(level: level.level, level.nodes)
  }
}

extension AntiEntropy {
  /// A message came from a node.
  package mutating func received(
    _ message: RepairMessage, from node: NodeID, now: UInt64, _ source: some RepairSource
  ) -> [Action] {
    switch message.body {
    case .reply(let reply, let isReady):
      return heard(message, reply, isReady: isReady, from: node, now, source)
    case .question(let question):
      guard source.holds(message.slot) else {
        unheard += 1
        return []
      }
      guard message.epoch <= source.epoch(of: message.slot) else {
        return [.behind(node, slot: message.slot, epoch: message.epoch)]
      }
      return answer(question, message, to: node, source)
    }
  }

  private mutating func answer(
    _ question: RepairMessage.Question, _ message: RepairMessage, to node: NodeID, _ source: some RepairSource
  ) -> [Action] {
    let slot = message.slot
    let first = min(max(message.windows.lowerBound, source.firstWindow), message.windows.upperBound)
    let windows = first...message.windows.upperBound
    switch question {
    case .compare:
      return serve(message, node, source) { .summarize($0, slot: slot, windows: windows) }
    case .expand(let at) where at.level > SlotTree.level:
      return serve(message, node, source) { .summarize($0, slot: slot, windows: windows) }
    case .expand(let at):
      return serve(message, node, source) { .expand($0, slot: slot, node: at, windows: windows) }
    case .list(let window, let bucket):
      return serve(message, node, source) { .listSeries($0, slot: slot, window: window, bucket: bucket) }
    case .pull(let window, let bucket, let request):
      return serve(message, node, source) { .readSeries($0, slot: slot, window: window, bucket: bucket, request) }
    case .push(let payload):
      return serve(message, node, source) { .store($0, slot: slot, payload: payload) }
    }
  }

  private mutating func serve(
    _ message: RepairMessage, _ node: NodeID, _ source: some RepairSource, _ action: (Ticket) -> Action
  ) -> [Action] {
    let isFull =
      message.movesRows ? servedCount >= settings.servedMax : servedDigestsCount >= settings.servedDigestsMax
    guard !isFull else {
      unheard += 1
      return []
    }
    if message.movesRows { servedCount += 1 } else { servedDigestsCount += 1 }
    let ticket = makeNumber()
    errands[ticket] = .served(message, to: node, wasReady: source.isReady(message.slot, message.windows))
    return [action(ticket)]
  }
}
