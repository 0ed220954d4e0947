import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("What a member says of its replicas") struct MemberReportTests {
  private var report: MemberReport {
    var report = MemberReport(epoch: 300, unready: [1, 700])
    report.uncompared = [2]
    (report.waiting, report.finished, report.failed, report.different, report.asked) = (1, 2, 3, 4, 5)
    (report.differentTimeless, report.differentRecent, report.descriptionsRefused) = (6, 7, 800)
    return report
  }

  @Test("It comes back from its bytes, and no part or more of them is taken")
  func roundTrip() throws {
    let bytes = report.encoded
    #expect(try MemberReport(decoding: bytes) == report)
    for count in bytes.indices {
      #expect(throws: MalformedBytes.self) { try MemberReport(decoding: Array(bytes[..<count])) }
    }
    #expect(throws: MalformedBytes.self) { try MemberReport(decoding: bytes + [0]) }
  }

  @Test("A program of before is understood, which told less")
  func old() throws {
    // The last three numbers are of one, one and two bytes.
    let bytes = [2] + report.encoded.dropFirst().dropLast(4)
    var wanted = report
    (wanted.differentTimeless, wanted.differentRecent, wanted.descriptionsRefused) = (0, 0, 0)
    #expect(try MemberReport(decoding: bytes) == wanted)
    #expect(throws: MalformedBytes.self) { try MemberReport(decoding: [1] + bytes.dropFirst()) }
  }
}
