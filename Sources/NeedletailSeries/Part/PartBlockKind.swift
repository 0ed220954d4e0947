/// The files of a series part (docs/formats/series-part.md).
enum PartFileName {
  static let samples = "samples"
  static let histograms = "histograms"
  static let exemplars = "exemplars"
  static let times = "times"
  static let summaries = "summaries"
  static let index = "index"
  static let content = "content"
}

/// What the blocks of a series part hold.
enum PartBlockKind {
  static let samples: UInt8 = 1
  static let histograms: UInt8 = 2
  static let exemplars: UInt8 = 3
  static let dictionary: UInt8 = 4
  static let postings: UInt8 = 5
  static let series: UInt8 = 6
  static let labels: UInt8 = 7
  static let slots: UInt8 = 8
  static let content: UInt8 = 9
  static let times: UInt8 = 10
  static let names: UInt8 = 11
  static let summaries: UInt8 = 12
  static let digests: UInt8 = 13

  /// What people call them.
  static let titles: [(kind: UInt8, title: String)] = [
    (samples, "values"), (histograms, "histograms"), (exemplars, "exemplars"), (dictionary, "dictionary"),
    (postings, "postings"), (series, "series"), (labels, "labels"), (slots, "slots"), (times, "times"),
    (names, "names"), (summaries, "summaries"), (digests, "digests"),
  ]

  /// The file that blocks of a kind lie in.
  static func fileName(_ kind: UInt8) -> String {
    switch kind {
    case samples: PartFileName.samples
    case histograms: PartFileName.histograms
    case exemplars: PartFileName.exemplars
    case times: PartFileName.times
    case summaries: PartFileName.summaries
    default: PartFileName.index
    }
  }
}
