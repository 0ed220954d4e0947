import Testing

@testable import NeedletailCluster

@Suite("Logarithms in whole numbers") struct BinaryLogarithmTests {
  @Test("They are right to the last bits")
  func precise() {
    #expect(BinaryLogarithm.precise(0) == 0 && BinaryLogarithm.precise(1) == 0)
    #expect(BinaryLogarithm.precise(2) == 1 << 40 && BinaryLogarithm.precise(1 << 63) == 63 << 40)
    let unit = Double(1 << 40 as Int64)
    #expect(abs(Double(BinaryLogarithm.precise(3)) / unit - 1.584_962_500_721) < 1e-11)
    #expect(abs(Double(BinaryLogarithm.precise(1_000_000)) / unit - 19.931_568_569_324) < 1e-11)
    #expect(abs(Double(BinaryLogarithm.precise(.max)) / unit - 64) < 1e-11)
  }

  @Test("They never fall")
  func monotonous() {
    for value in 1..<5000 as Range<UInt64> {
      #expect(BinaryLogarithm.precise(value) < BinaryLogarithm.precise(value + 1))
    }
  }

  @Test("Rounded up")
  func ceilings() {
    let ceilings = [0, 1, 2, 3, 4, 7, 8, 1000].map(BinaryLogarithm.ceiling(ofOneMoreThan:))
    #expect(ceilings == [1, 1, 2, 2, 3, 3, 4, 10])
  }
}
