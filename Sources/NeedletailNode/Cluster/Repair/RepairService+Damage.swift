import NeedletailTelemetry

extension RepairService {
  /// Looks whether something stored cannot be read, and sees to it that others bring it.
  func lookForDamage() async {
    guard !isLooking, layout != nil else { return }
    isLooking = true
    defer { isLooking = false }
    let contents = contents
    let found = reported + ((try? await executor.run { contents.damages() }) ?? [])
    let fresh = found.filter { !knownDamages.contains($0) }
    knownDamages = found
    if !fresh.isEmpty { await take(fresh) }
    await passOver()
    await leaveOut()
  }

  /// A scrub found that something stored is not what was written.
  func report(_ damage: RepairDamage) async {
    if !reported.contains(damage) { reported.append(damage) }
    await lookForDamage()
  }

  private func lack(_ damages: [RepairDamage]) {
    for damage in damages.map(\.damage) {
      for slot in damage.slots ?? Array(held) where held.contains(slot) {
        perform(readiness.damaged(slot, damage.windows))
      }
    }
  }

  private func take(_ fresh: [RepairDamage]) async {
    owe()
    for found in fresh {
      let damage = found.damage
      logger.error(
        "something stored cannot be read; other replicas are asked for it", metadata: ["reason": "\(damage.reason)"])
    }
    lack(fresh)
    toLeaveOut += fresh
    counters.count { $0.damages += fresh.count }
    await written()
    guard isDirty else { return }
    // It could not be noted: all of it again, at the next look.
    knownDamages = []
    toLeaveOut.removeAll { fresh.contains($0) }
  }

  /// Whether a damaged part of the slot is still there: with it goes what of it can still be read, and what was compared
  /// before had that.
  func isToLeaveOut(_ slot: UInt16) -> Bool {
    toLeaveOut.contains { $0.damage.slots?.contains(slot) ?? true }
  }

  /// What cannot even be opened is out of the way at once, also where the part stays: nothing of it can be told, and the
  /// other hours of the slots can be compared.
  private func passOver() async {
    guard !toLeaveOut.isEmpty else { return }
    let (contents, damages) = (contents, toLeaveOut)
    let passed = (try? await executor.run { contents.passOver(damages) }) ?? []
    guard !passed.isEmpty else { return }
    passedOver += passed
    goOn(without: passed)
  }

  /// What is damaged goes out of the way, so that the rest of its windows can be compared; where nobody else has any
  /// of it, it stays.
  private func leaveOut() async {
    guard let layout, layout.assignment.replicaCount > 1 else { return }
    let (contents, open, closed) = (contents, toLeaveOut, passedOver)
    guard !open.isEmpty || !closed.isEmpty else { return }
    do {
      try await executor.run { try contents.leaveOut(open + closed) }
      passedOver.removeAll { closed.contains($0) }
      if !open.isEmpty { goOn(without: open) }
    } catch {
      logger.error("what is damaged cannot be left out yet", metadata: ["reason": "\(error)"])
    }
  }

  /// These are in the way no more.
  private func goOn(without damages: [RepairDamage]) {
    toLeaveOut.removeAll { damages.contains($0) }
    // What began before does not count.
    lack(damages)
    urgeFills()
    kick()
  }
}
