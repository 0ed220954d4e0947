import CAllocator

/// Memory that was freed and is not the system's yet.
package enum FreeMemory {
  /// Gives the system what the C library's allocator keeps of freed memory, as far as whole pages are free.
  ///
  /// What large work left behind, such as sorting a million series, it keeps for as long as something small lies behind
  /// it. Other threads' allocations wait for some of the time that this takes.
  package static func giveBack() { callocator_give_back() }
}
