import NeedletailBlocks

/// A list that an engine answered, and what could not be read for it.
package struct EventListing<Element: Sendable>: Sendable {
  package var elements: [Element]
  /// Empty where the list is complete; no more than a few are kept.
  package var damages: [BlockError]
}
