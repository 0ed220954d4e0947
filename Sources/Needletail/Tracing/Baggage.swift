import Tracing

extension Needletail {
  /// Pairs that travel with a request through all services (https://www.w3.org/TR/baggage/).
  ///
  /// ```swift
  /// var context = ServiceContext.current ?? .topLevel
  /// context.needletailBaggage["customer.tier"] = "gold"
  /// ```
  ///
  /// Baggage goes to every callee in the clear: put no secret in it. It holds at most 64 pairs and 8,192
  /// bytes of header; what goes beyond is not taken.
  public struct Baggage: Sendable, Equatable {
    private var pairs: [(name: String, value: String)] = []

    /// Nothing.
    public init() {}

    /// The number of pairs.
    public var count: Int { pairs.count }

    /// Whether there are none.
    public var isEmpty: Bool { pairs.isEmpty }

    /// The value of a name.
    ///
    /// A name must be an HTTP token; one that is not is not taken.
    public subscript(_ name: String) -> String? {
      get { pairs.first { $0.name == name }?.value }
      set {
        let index = pairs.firstIndex { $0.name == name }
        switch (index, newValue) {
        case (let index?, let value?): pairs[index].value = value
        case (let index?, nil): pairs.remove(at: index)
        case (nil, let value?):
          if pairs.count < Self.pairLimit, Self.isToken(name) { pairs.append((name, value)) }
        case (nil, nil): break
        }
      }
    }

    /// Whether two baggages hold the same pairs in the same order.
    public static func == (left: Baggage, right: Baggage) -> Bool {
      left.pairs.elementsEqual(right.pairs) { $0.name == $1.name && $0.value == $1.value }
    }

    /// The pairs of a `baggage` header.
    ///
    /// Members that are not pairs are skipped, properties left out.
    init(header: String) {
      guard header.utf8.count <= Self.byteLimit else { return }
      for member in header.split(separator: ",") {
        let pair = member.prefix { $0 != ";" }
        guard let equals = pair.firstIndex(of: "="),
          let value = PercentEncoding.decode(String(pair[pair.index(after: equals)...]).trimmingSpaces)
        else { continue }
        self[String(pair[..<equals]).trimmingSpaces] = value
      }
    }

    /// The `baggage` header.
    var header: String {
      var header = ""
      for pair in pairs {
        let member = (header.isEmpty ? "" : ",") + pair.name + "=" + PercentEncoding.encode(pair.value)
        if header.utf8.count + member.utf8.count <= Self.byteLimit { header += member }
      }
      return header
    }

    private static let pairLimit = 64
    private static let byteLimit = 8_192

    /// Whether a name is a token of RFC 9110, section 5.6.2.
    private static func isToken(_ name: String) -> Bool {
      !name.isEmpty
        && name.utf8.allSatisfy { byte in
          switch byte {
          case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
          default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
          }
        }
    }
  }

  enum BaggageKey: ServiceContextKey {
    typealias Value = Baggage
    static var nameOverride: String? { "needletail-baggage" }
  }
}

extension ServiceContext {
  /// The pairs that travel with this context.
  public var needletailBaggage: Needletail.Baggage {
    get { self[Needletail.BaggageKey.self] ?? Needletail.Baggage() }
    set { self[Needletail.BaggageKey.self] = newValue.isEmpty ? nil : newValue }
  }
}
