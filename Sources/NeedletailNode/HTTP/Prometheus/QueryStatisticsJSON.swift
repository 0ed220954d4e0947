import NeedletailQueryEngine

/// What a query took, as Prometheus tells it, and beside it what only this server can tell.
struct QueryStatisticsJSON: Sendable {
  let statistics: QueryStatistics
  /// The first step and the distance of steps, in ms.
  let start: Int64
  let interval: Int64
  /// How long it waited for its turn, and how long that took and all that came after it.
  let queueNanoseconds: Int64
  let totalNanoseconds: Int64

  func write(to json: inout JSONWriter) {
    json.object { json in
      json.key("timings")
      json.object { timings(to: &$0) }
      json.key("samples")
      json.object { samples(to: &$0) }
      json.key("needletail")
      json.object { work(to: &$0) }
    }
  }

  private static func seconds(_ key: String, _ nanoseconds: Int64, to json: inout JSONWriter) {
    json.key(key)
    json.number(Double(max(0, nanoseconds)) / 1e9)
  }

  private static func member(_ key: String, _ number: Int, to json: inout JSONWriter) {
    json.key(key)
    json.integer(number)
  }

  private func timings(to json: inout JSONWriter) {
    let evaluation = statistics.evaluationNanoseconds
    Self.seconds("evalTotalTime", evaluation, to: &json)
    Self.seconds("resultSortTime", statistics.answerNanoseconds, to: &json)
    Self.seconds("queryPreparationTime", statistics.findingNanoseconds, to: &json)
    Self.seconds(
      "innerEvalTime", evaluation - statistics.findingNanoseconds - statistics.answerNanoseconds, to: &json)
    Self.seconds("execQueueTime", queueNanoseconds, to: &json)
    Self.seconds("execTotalTime", totalNanoseconds, to: &json)
  }

  private func samples(to json: inout JSONWriter) {
    if !statistics.queryableSamplesOfSteps.isEmpty {
      json.key("totalQueryableSamplesPerStep")
      json.array { json in
        for (step, count) in statistics.queryableSamplesOfSteps.enumerated() {
          json.array { json in
            json.seconds(fromMilliseconds: start &+ Int64(step) &* interval)
            json.integer(count)
          }
        }
      }
    }
    Self.member("totalQueryableSamples", statistics.queryableSamples, to: &json)
    Self.member("samplesRead", statistics.samplesRead, to: &json)
    Self.member("peakSamples", statistics.peakSamples, to: &json)
  }

  /// Times of finding and reading are summed over the tasks that did, so that they may be more than it took on the wall.
  private func work(to json: inout JSONWriter) {
    let work = statistics.work
    Self.member("rowsRead", statistics.samplesRead, to: &json)
    Self.member("seriesRead", statistics.seriesRead, to: &json)
    Self.member("stepsFromCache", statistics.stepsKept, to: &json)
    Self.member("partsRead", work.partsTouched, to: &json)
    Self.member("partsSkipped", work.partsSkipped, to: &json)
    Self.member("blocksRead", work.blocksRead, to: &json)
    Self.member("blocksSkipped", work.blocksSkipped, to: &json)
    let evaluation =
      statistics.evaluationNanoseconds - statistics.findingNanoseconds - statistics.readingNanoseconds
      - statistics.answerNanoseconds
    json.key("seconds")
    json.object { json in
      Self.seconds("queue", queueNanoseconds, to: &json)
      Self.seconds("find", statistics.findingNanoseconds, to: &json)
      Self.seconds("read", statistics.readingNanoseconds, to: &json)
      Self.seconds("evaluate", evaluation, to: &json)
      Self.seconds("answer", statistics.answerNanoseconds, to: &json)
      Self.seconds("total", totalNanoseconds, to: &json)
    }
  }
}
