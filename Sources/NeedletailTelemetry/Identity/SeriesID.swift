/// The identity of a series on every node: the hash of its canonical label bytes, seeded by its tenant.
@usableFromInline package struct SeriesID: Hashable, Comparable, Sendable, CustomStringConvertible {
  @usableFromInline package let hash: Hash128

  @inlinable package init(_ hash: Hash128) { self.hash = hash }

  package init(_ labels: LabelSet, tenant: TenantID) {
    self = labels.withUnsafeBytes { SeriesID(Hash128.of($0, seed: tenant.hashSeed)) }
  }

  @inlinable package static func < (left: SeriesID, right: SeriesID) -> Bool { left.hash < right.hash }

  @usableFromInline package var description: String { hash.description }
}
