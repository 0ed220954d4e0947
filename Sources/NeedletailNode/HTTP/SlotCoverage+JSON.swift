import NeedletailCluster

extension SlotCoverage {
  /// Adds the member `coverage` to the object that is written: what the header `Needletail-Coverage` tells, for who reads
  /// bodies only.
  ///
  /// `slots` are those that were asked, `whole` those of them on which as many replicas agreed as were asked for; `agreed`
  /// are the replicas that agreed, of the slot where they were the fewest. `start` and `end` are those of the hours that were
  /// read, in unix seconds; one that is open is left out.
  func append(to json: inout JSONWriter) {
    json.key("coverage")
    json.object { json in
      for (name, count) in [
        ("slots", asked.count), ("whole", whole), ("agreed", agreed), ("replicas", replicas),
      ] {
        json.key(name)
        json.integer(count)
      }
      json.key("partial")
      json.bool(isPartial)
      if let hour = firstHour {
        json.key("start")
        json.integer(hour * 3600)
      }
      if let hour = lastHour {
        json.key("end")
        json.integer((hour + 1) * 3600)
      }
    }
  }
}
