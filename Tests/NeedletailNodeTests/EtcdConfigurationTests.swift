import NeedletailTestSupport
import Testing

@testable import NeedletailNode

@Suite("Configuration of etcd")
struct EtcdConfigurationTests {
  private static let member = ["node": "n1", "peer-listen": "127.0.0.1:7071"]

  private func problems(_ flags: [String: String]) -> [String] {
    do throws(ConfigurationError) {
      _ = try ServerConfiguration.load(flags: Self.member.merging(flags) { $1 }, environment: [:], file: nil)
      return []
    } catch {
      return error.problems
    }
  }

  @Test("every setting of etcd is read, and printed as it can be read again")
  func values() throws {
    let flags = [
      "etcd": "https://e1.example, https://[fd00::1]:12379/,https://e1.example:2379", "etcd-prefix": "/a/b/",
      "etcd-ca": "ca.pem", "etcd-certificate": "c.pem", "etcd-key": "k.pem", "etcd-user": "root",
      "etcd-password-file": "p",
    ]
    let configuration = try ServerConfiguration.load(
      flags: Self.member.merging(flags) { $1 }, environment: [:], file: nil)
    let etcd = configuration.etcd
    #expect(etcd.endpoints.map(\.description) == ["https://e1.example:2379", "https://[fd00::1]:12379"])
    #expect(etcd.prefix == "/a/b/" && etcd.authorities == "ca.pem" && etcd.certificate == "c.pem")
    #expect(etcd.key == "k.pem" && etcd.user == "root" && etcd.passwordFile == "p")
    #expect(configuration.rendered().contains("etcd: \"https://e1.example:2379,https://[fd00::1]:12379\""))
    let none = try ServerConfiguration.load(flags: Self.member, environment: [:], file: nil).etcd
    #expect(none.endpoints.isEmpty && none.prefix == "/needletail/" && none.user == nil)
    let plain = try ServerConfiguration.load(
      flags: Self.member, environment: ["NEEDLETAIL_ETCD": "http://10.0.0.1"], file: nil)
    #expect(plain.etcd.endpoints.map(\.description) == ["http://10.0.0.1:2379"])
  }

  @Test("a bad value tells what to write")
  func badValues() {
    let url = "write http://HOST:PORT or https://HOST:PORT"
    let cases: [(setting: String, value: String, advice: String)] = [
      ("etcd", "10.0.0.1:2379", url), ("etcd", "ftp://e:1", url), ("etcd", "http://", url), ("etcd", "http://e:0", url),
      ("etcd", "http://e:99999", url), ("etcd", "http://e:1/v3", url), ("etcd", "http://a:1,,http://b:2", url),
      ("etcd", "http://0.0.0.0:2379", url),
      ("etcd", "http://u:p@e:1", "the password into etcd-password-file"),
      ("etcd", (1...17).map { "http://a:\($0)" }.joined(separator: ","), "write 16 URLs at most"),
      ("etcd-prefix", "needletail/", "begins and ends with /"),
      ("etcd-prefix", "/needletail", "begins and ends with /"),
      ("etcd-prefix", "/", "begins and ends with /"), ("etcd-prefix", "/a b/", "begins and ends with /"),
      ("etcd-user", "a b", "without spaces"),
    ]
    for (setting, value, advice) in cases {
      let found = problems(["etcd": "http://e:1"].merging([setting: value]) { $1 })
      #expect(found.contains { $0.hasPrefix("\(setting) = ") && $0.contains(advice) }, "\(setting)=\(value): \(found)")
    }
  }

  @Test("what does not fit together is refused")
  func contradictions() {
    let cases: [(flags: [String: String], problem: String)] = [
      (["etcd-prefix": "/x/"], "etcd-prefix is set (--set etcd-prefix) but etcd is not"),
      (
        ["etcd": "https://e:1", "etcd-certificate": "c"],
        "etcd-certificate is set (--set etcd-certificate) but etcd-key is not"
      ),
      (["etcd": "https://e:1", "etcd-password-file": "p"], "but etcd-user is not; they go together"),
      (["etcd": "http://e:1", "etcd-ca": "c"], "but http://e:1 speaks no TLS"),
      (["etcd": "http://e:1", "etcd-user": "u", "etcd-password-file": "p"], "would be sent the password in clear"),
    ]
    for (flags, problem) in cases {
      let found = problems(flags)
      #expect(found.count == 1 && found[0].contains(problem), "\(flags): \(found)")
    }
    #expect(problems(["etcd": "http://127.0.0.1:1", "etcd-user": "u", "etcd-password-file": "p"]).isEmpty)
    #expect(problems(["etcd": "http://e:1", "etcd-user": "u", "etcd-password-file": "p", "insecure": "true"]).isEmpty)
    let stray = problems(["node": "", "etcd": "http://e:1"])
    #expect(stray.count == 1 && stray[0].contains("give --node NAME, or leave etcd out"), "\(stray)")
  }
}
