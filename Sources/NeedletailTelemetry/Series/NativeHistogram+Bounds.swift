#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension NativeHistogram {
  /// The bounds of the positive bucket of an index.
  package func bounds(ofBucket index: Int32) -> (lower: Double, upper: Double) {
    if usesCustomBuckets {
      let position = Int(index)
      let lower = position > 0 && position <= customBounds.count ? customBounds[position - 1] : -.infinity
      let upper = position >= 0 && position < customBounds.count ? customBounds[position] : .infinity
      return (lower, upper)
    }
    return (Self.bound(index &- 1, schema: schema), Self.bound(index, schema: schema))
  }

  private static func bound(_ index: Int32, schema: Int8) -> Double {
    if schema <= 0 {
      let exponent = Int(index) << Int(-schema)
      return exponent > 1023 ? .greatestFiniteMagnitude : scalbn(1, Int32(clamping: exponent))
    }
    let shift = Int32(schema)
    let fraction = index & ((1 << shift) - 1)
    let exponent = index >> shift
    if exponent > 1023 { return .greatestFiniteMagnitude }
    return scalbn(exp2(Double(fraction) / Double(Int32(1) << shift)), exponent)
  }
}
