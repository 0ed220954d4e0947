/// What several sources have of each slot within one window: heads in memory, parts on disk.
///
/// The sum over several sources is the digest of them together as long as none of them can hold what another does: as
/// long as their times within the slot and window are apart. Where they are not, and where a source tells nothing, the
/// rows themselves have to be read.
package struct SlotShares {
  private struct Share {
    var source: Int
    /// Between which times.
    var times: ClosedRange<Int64>
    /// What the source tells; nil where it has to be read.
    var told: RangeDigest?
  }

  /// What is certain, and what is to be read.
  package struct Result {
    /// By slot: without what is to be read.
    package var told: [RangeDigest]
    /// For each source the slots that have to be read of it, and between which times. Nothing else of it is to be read: what
    /// came meanwhile may stand elsewhere already.
    package var unread: [[UInt16: ClosedRange<Int64>]]

    package var isWhole: Bool { unread.allSatisfy(\.isEmpty) }
  }

  private var shares: [UInt16: [Share]] = [:]

  package init() {}

  /// Adds what a source has of a slot between two times, and what it tells of that; nothing where it cannot.
  ///
  /// Sources come one after the other, each with its number. What one adds of a slot more than once has to be read.
  package mutating func add(_ slot: UInt16, source: Int, _ times: ClosedRange<Int64>, told: RangeDigest?) {
    var own = shares.removeValue(forKey: slot) ?? []
    if let last = own.last, last.source == source {
      let all = min(last.times.lowerBound, times.lowerBound)...max(last.times.upperBound, times.upperBound)
      own[own.count - 1] = Share(source: source, times: all, told: nil)
    } else {
      own.append(Share(source: source, times: times, told: told))
    }
    shares[slot] = own
  }

  package func result(slotCount: Int, sourceCount: Int) -> Result {
    var result = Result(
      told: [RangeDigest](repeating: RangeDigest(), count: slotCount),
      unread: [[UInt16: ClosedRange<Int64>]](repeating: [:], count: sourceCount))
    for (slot, shares) in shares where Int(slot) < slotCount {
      for group in Self.groups(shares) {
        if group.count == 1, let told = group[0].told {
          result.told[Int(slot)].add(told)
        } else {
          for share in group { result.unread[share.source][slot] = share.times }
        }
      }
    }
    return result
  }

  /// The shares as groups that are apart in time from each other.
  private static func groups(_ shares: [Share]) -> [[Share]] {
    if shares.count == 1 { return [shares] }
    var groups: [[Share]] = []
    var end = Int64.min
    for share in shares.sorted(by: { ($0.times.lowerBound, $0.source) < ($1.times.lowerBound, $1.source) }) {
      if !groups.isEmpty, share.times.lowerBound <= end {
        groups[groups.count - 1].append(share)
      } else {
        groups.append([share])
      }
      end = max(end, share.times.upperBound)
    }
    return groups
  }
}
