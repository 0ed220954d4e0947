import NeedletailCluster
import Testing

@testable import NeedletailNode

@Suite("Slots that wait for the disk")
struct UnsyncedSlotsTests {
  @Test("a sync vouches for what was inserted before it began, and not for what came or came again meanwhile")
  func sync() {
    var slots = UnsyncedSlots()
    let nothing = slots.synced(upTo: slots.mark)
    #expect(!nothing)
    slots.insert(3)
    slots.insert(7)
    let began = slots.mark
    slots.insert(7)
    slots.insert(9)
    let (first, left) = (slots.synced(upTo: began), Array(slots.slots))
    #expect(first && left == [7, 9])
    let again = slots.synced(upTo: began)
    #expect(!again)
    let last = slots.synced(upTo: slots.mark)
    #expect(last && Array(slots.slots).isEmpty)
  }
}
