import NeedletailTelemetry

extension RepairMessage {
  /// The answer to this question.
  func reply(_ reply: Reply, _ source: some RepairSource) -> RepairMessage {
    // What expired here is left out: the other one must not bring it back.
    let first = min(max(windows.lowerBound, source.firstWindow), windows.upperBound)
    return RepairMessage(
      exchange: exchange, number: number, slot: slot, epoch: source.epoch(of: slot),
      windows: first...windows.upperBound, identity: source.identity,
      body: .reply(reply, isReady: source.isReady(slot, windows)))
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
      guard let tree = source.tree(of: message.slot) else {
        unheard += 1
        return []
      }
      guard message.epoch <= source.epoch(of: message.slot) else {
        return [.behind(node, slot: message.slot, epoch: message.epoch)]
      }
      return answer(question, message, tree, to: node, source)
    }
  }

  private mutating func answer(
    _ question: RepairMessage.Question, _ message: RepairMessage, _ tree: MerkleTree, to node: NodeID,
    _ source: some RepairSource
  ) -> [Action] {
    let windows = message.windows
    switch question {
    case .compare(let digest):
      let isSame = tree.digest(windows) == digest
      let reply = isSame ? .same : nodes(tree, beneath: nil, message, source)
      return [.send(node, message.reply(reply, source))]
    case .expand(let at):
      if at.level > 0 { return [.send(node, message.reply(nodes(tree, beneath: at, message, source), source))] }
      let isKept = windows.contains(at.index) && at.index >= source.firstWindow
      let buckets = isKept ? tree.buckets(of: at.index) : []
      let children = buckets.map { RepairMessage.Child(index: Int64($0.bucket), digest: $0.digest) }
      return [.send(node, message.reply(.buckets(children), source))]
    case .list(let window, let bucket):
      return serve(message, node) { .listSeries($0, slot: message.slot, window: window, bucket: bucket) }
    case .pull(let window, let series):
      return serve(message, node) { .readSeries($0, slot: message.slot, window: window, series: series) }
    case .push(let payload):
      return serve(message, node) { .store($0, slot: message.slot, payload: payload) }
    }
  }

  private func nodes(
    _ tree: MerkleTree, beneath node: TreeNode?, _ message: RepairMessage, _ source: some RepairSource
  ) -> RepairMessage.Reply {
    let first = min(max(message.windows.lowerBound, source.firstWindow), message.windows.upperBound)
    let level = tree.children(of: node, within: first...message.windows.upperBound)
    return .nodes(level: level.level, level.digests.map { RepairMessage.Child(index: $0.index, digest: $0.digest) })
  }

  private mutating func serve(_ message: RepairMessage, _ node: NodeID, _ action: (Ticket) -> Action) -> [Action] {
    guard servedCount < settings.servedMax else {
      unheard += 1
      return []
    }
    servedCount += 1
    let ticket = makeNumber()
    errands[ticket] = .served(message, to: node)
    return [action(ticket)]
  }
}
