/// What a node answers of the books of its cluster: the node's tests check that it writes this text, and those of the command
/// line that it reads it.
package enum LedgerAnswer {
  /// Two members, of which one has seen some trouble, and one that tells nothing.
  package static let cluster =
    #"{"status":"success","data":{"members":["#
    + #"{"node":"n1","timeMilliseconds":1700000000000,"startedMilliseconds":1699999000000,"#
    + #""accounts":[{"tenant":"default","signal":"metrics","#
    + #""requests":{"received":12,"bytes":3456,"acknowledged":8,"underWay":1,"balance":0,"#
    + #""failed":{"rate_limited":2,"too_slow":1}},"#
    + #""items":{"received":1000,"acknowledged":900,"underWay":10,"balance":0,"#
    + #""refused":{"out_of_retention":30},"failed":{"rate_limited":60},"leftOut":{"missing_name":1}}},"#
    + #"{"tenant":null,"signal":"logs","#
    + #""requests":{"received":1,"bytes":10,"acknowledged":1,"underWay":0,"balance":0,"failed":{}},"#
    + #""items":{"received":5,"acknowledged":4,"underWay":0,"balance":1,"refused":{},"failed":{},"leftOut":{}}}],"#
    + #""copies":[{"tenant":"default","signal":"metrics","wanted":2700,"stored":2500,"hinted":150,"missed":50,"#
    + #""removed":0,"failed":0,"underWay":0,"balance":0}],"#
    + #""hints":[{"node":"n3","waiting":7,"waitingBytes":2048,"left":1,"stored":9,"delivered":1,"failures":4,"#
    + #""givenUp":{"too_old":2}}],"#
    + #""facts":{"certificate_expires_seconds":1700500000,"disk_free_bytes":100000000,"log_files_given_up":1,"#
    + #""quarantine_entries":2,"stored_bytes":5000000000},"remarks":[],"#
    + #""clockOffsetMilliseconds":0,"roundTripMilliseconds":0},"#
    + #"{"node":"n2","timeMilliseconds":1700000005000,"startedMilliseconds":1699999000000,"accounts":[],"copies":[],"#
    + #""hints":[],"facts":{"disk_free_bytes":90000000000,"losses":1,"stored_bytes":1000},"#
    + #""remarks":["records 5 to 9 of the log"],"clockOffsetMilliseconds":5000,"roundTripMilliseconds":4}],"#
    + #""silent":[{"node":"n3","reason":"cannot be reached: connection refused"}]}}"#

  /// A node that belongs to no cluster, and to which nothing happened.
  package static let healthy =
    #"{"status":"success","data":{"members":["#
    + #"{"node":"","timeMilliseconds":1700000000000,"startedMilliseconds":1699999000000,"accounts":[],"copies":[],"#
    + #""hints":[],"facts":{"disk_free_bytes":90000000000,"quarantine_entries":0,"stored_bytes":1000},"#
    + #""remarks":[],"clockOffsetMilliseconds":0,"roundTripMilliseconds":0}],"silent":[]}}"#
}
