import HTTPTypes
import HummingbirdCore

/// A request that is refused before it reaches a resource, or that a resource refuses as a whole.
struct RequestFailure: Error, Sendable {
  var status: HTTPResponse.Status
  var message: String
  var headers: HTTPFields = [:]

  init(_ status: HTTPResponse.Status, _ message: String, headers: HTTPFields = [:]) {
    self.status = status
    self.message = message
    self.headers = headers
  }
}

extension Response {
  /// A response of one piece.
  init(_ status: HTTPResponse.Status, _ contentType: String, _ bytes: [UInt8], headers: HTTPFields = [:]) {
    var headers = headers
    headers[.contentType] = contentType
    self.init(status: status, headers: headers, body: ResponseBody(bytes))
  }

  /// A response in plain text.
  init(_ status: HTTPResponse.Status, text: String, headers: HTTPFields = [:]) {
    self.init(status, "text/plain; charset=utf-8", Array(text.utf8), headers: headers)
  }

  /// A response in JSON.
  init(_ status: HTTPResponse.Status = .ok, json: JSONWriter) {
    self.init(status, "application/json", json.bytes)
  }
}
