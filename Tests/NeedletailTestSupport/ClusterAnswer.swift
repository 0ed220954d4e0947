/// What a node answers of its cluster: the node's tests check that it writes these texts, and those of the command line
/// that it reads them.
package enum ClusterAnswer {
  /// Five nodes, of which one is dead, one is new and one has left.
  package static let status =
    #"{"status":"success","data":{"cluster":"00c0ffee00c0ffee00c0ffee00c0ffee","node":"n1","epoch":7,"#
    + #""slots":1024,"replication":3,"writeQuorum":2,"readQuorum":2,"slotsWithoutReadQuorum":0,"#
    + #""slotsWithoutWriteQuorum":12,"nodes":["#
    + #"{"name":"n1","identity":"11","address":"127.0.0.1:17071","status":"alive","#
    + #""roles":["collector","storage","query"],"zone":"west","version":"0.1.0","weight":4,"slots":1024,"arriving":0,"#
    + #""leaving":256,"hints":0,"hintBytes":0,"unready":0,"#
    + #""descriptionsRefused":5,"exchanges":{"waiting":3,"finished":90,"failed":1,"different":2,"#
    + #""differentDescriptions":4,"differentRecent":6}},"#
    + #"{"name":"n2","identity":"22","address":"127.0.0.1:17081","status":"alive","#
    + #""roles":["collector","storage","query"],"zone":"east","version":"0.1.0","weight":4,"slots":1024,"arriving":0,"#
    + #""leaving":256,"hints":0,"hintBytes":0,"unready":12},"#
    + #"{"name":"n3","identity":"33","address":"127.0.0.1:17091","status":"dead","#
    + #""roles":["storage"],"version":"0.1.0","weight":4,"slots":1024,"arriving":0,"#
    + #""leaving":188,"hints":120,"hintBytes":3145728},"#
    + #"{"name":"n4","identity":"44","address":"[fd00::4]:17101","status":"alive","#
    + #""roles":["storage"],"zone":"east","version":"0.2.0","weight":2,"slots":0,"arriving":700,"#
    + #""leaving":0,"hints":0,"hintBytes":0,"unready":476},"#
    + #"{"name":"q1","identity":"55","address":"127.0.0.1:17111","status":"left","#
    + #""roles":["query"],"version":"0.1.0","weight":1,"slots":0,"arriving":0,"#
    + #""leaving":0,"hints":0,"hintBytes":0}],"#
    + #""change":{"what":"adding n4","slots":700,"filled":224}},"#
    + #""warnings":["n3 was not heard of for 2 m: its slots have one replica less"]}"#

  /// A node that belongs to no cluster yet.
  package static let unformed =
    #"{"status":"success","data":{"cluster":null,"node":"n1","epoch":0,"slots":0,"replication":3,"writeQuorum":2,"#
    + #""readQuorum":2,"slotsWithoutReadQuorum":0,"slotsWithoutWriteQuorum":0,"nodes":[]}}"#

  package static let ring =
    #"{"status":"success","data":{"slots":[{"replicas":["n1","n2"]},{"replicas":["n2","n1"]},"#
    + #"{"replicas":["n2","n3"],"next":["n2","n4"]},{"replicas":[]}]}}"#

  package static let plan =
    #"{"status":"success","data":{"epoch":8,"dryRun":true,"moves":[{"from":"n1","to":"n4","slots":256},"#
    + #"{"from":"n2","to":"n4","slots":1},{"from":null,"to":"n4","slots":10},{"from":"n3","to":null,"slots":4}],"#
    + #""compared":12},"#
    + #""warnings":["n3 is dead: what it holds alone is not moved"]}"#

  package static let repair = #"{"status":"success","data":{"exchanges":42}}"#
}
