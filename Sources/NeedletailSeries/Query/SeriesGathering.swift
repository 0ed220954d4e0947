import NeedletailTelemetry

/// The series that a query found in its sources, each once and in `SeriesOrder`, with where it was found.
///
/// 8 bytes for every place and 8 for every series: neither labels nor identities are kept, since the sources have them.
struct SeriesGathering: Sendable {
  /// A place where a series has data: a source of the query, and the series' number there.
  struct Place: Sendable {
    var source: UInt32
    var number: UInt32
  }

  /// The places of all series, one series behind the other.
  private(set) var places: [Place] = []
  private var ends: [Int] = []

  /// How many series there are.
  var count: Int { ends.count }

  /// The indices of a series' places.
  func range(of entry: Int) -> Range<Int> { (entry == 0 ? 0 : ends[entry - 1])..<ends[entry] }

  /// The first place of a series.
  func first(of entry: Int) -> Place { places[entry == 0 ? 0 : ends[entry - 1]] }

  /// Takes the series of the only source.
  init(source: Int, _ numbers: [UInt32]) {
    places = numbers.map { Place(source: UInt32(truncatingIfNeeded: source), number: $0) }
    ends = Array(1..<(numbers.count + 1))
  }

  init() {}

  /// Notes a series with all its places.
  fileprivate mutating func add(_ streams: [Int], _ all: [SourceStream]) {
    for stream in streams { places.append(all[stream].place) }
    ends.append(places.count)
  }
}

/// The series of one source, in order, as an input of the gathering.
private struct SourceStream {
  let source: Int
  let numbers: [UInt32]
  var position = 0
  var id: SeriesID?
  /// The current series' labels, where they were needed.
  var labels: [UInt8]?

  var place: SeriesGathering.Place {
    SeriesGathering.Place(source: UInt32(truncatingIfNeeded: source), number: numbers[position])
  }
}

/// Joins the series of several sources.
///
/// Most are in most sources, one after the other in the same order: then identities are compared and nothing else.
struct SeriesGatherer {
  private var streams: [SourceStream] = []
  private var readers: SourceReaders
  private(set) var damages: [SeriesDamage] = []

  init(_ readers: SourceReaders) { self.readers = readers }

  /// Adds a source's series, in `SeriesOrder`.
  mutating func add(source: Int, _ numbers: [UInt32]) {
    if !numbers.isEmpty { streams.append(SourceStream(source: source, numbers: numbers)) }
  }

  /// All series; throws `.tooManySeries` or `.cancelled`.
  mutating func gather(limit: Int) throws(SeriesQueryError) -> SeriesGathering {
    if streams.count == 1 {
      guard streams[0].numbers.count <= limit else { throw .tooManySeries(limit: limit) }
      return SeriesGathering(source: streams[0].source, streams[0].numbers)
    }
    var gathering = SeriesGathering()
    for stream in streams.indices.reversed() { load(stream) }
    var members: [Int] = []
    while !streams.isEmpty {
      if gathering.count & 1023 == 0, Task.isCancelled { throw .cancelled }
      guard gathering.count < limit else { throw .tooManySeries(limit: limit) }
      guard findMembers(&members) else { continue }
      gathering.add(members, streams)
      // From behind, because a source that has ended is removed.
      for stream in members.reversed() {
        streams[stream].position += 1
        load(stream)
      }
    }
    return gathering
  }

  /// Reads the current series' identity; takes the stream out where there is none, or none that can be read.
  private mutating func load(_ stream: Int) {
    guard streams[stream].position < streams[stream].numbers.count else {
      streams.remove(at: stream)
      return
    }
    streams[stream].labels = nil
    do throws(SeriesDamage) {
      streams[stream].id = try readers.id(streams[stream].place)
    } catch {
      damages.append(error)
      streams.remove(at: stream)
    }
  }

  /// Finds the streams whose current series is the earliest of all; false where one had to be taken out instead.
  private mutating func findMembers(_ members: inout [Int]) -> Bool {
    members.removeAll(keepingCapacity: true)
    members.append(0)
    for stream in 1..<max(1, streams.count) {
      if streams[stream].id == streams[members[0]].id {
        members.append(stream)
        continue
      }
      for other in [stream, members[0]] where streams[other].labels == nil {
        do throws(SeriesDamage) {
          streams[other].labels = try readers.labels(streams[other].place)
        } catch {
          damages.append(error)
          streams.remove(at: other)
          return false
        }
      }
      if precedes(stream, members[0]) {
        members.removeAll(keepingCapacity: true)
        members.append(stream)
      }
    }
    return true
  }

  private func precedes(_ left: Int, _ right: Int) -> Bool {
    guard let one = streams[left].labels, let other = streams[right].labels else { return false }
    return one.withUnsafeBytes { one in other.withUnsafeBytes { SeriesOrder.precedes(one, $0) } }
  }
}
