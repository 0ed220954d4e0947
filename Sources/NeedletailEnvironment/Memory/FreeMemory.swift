import CAllocator

/// Memory that was freed and is not the system's yet.
package enum FreeMemory {
  /// Gives the system what the C library's allocator keeps of freed memory, as far as whole pages are free.
  ///
  /// What large work left behind, such as sorting a million series, it keeps for as long as something small lies behind
  /// it. Other threads' allocations wait for some of the time that this takes.
  package static func giveBack() { callocator_give_back() }

  /// Memory of at least so many bytes is the system's again as soon as it is freed.
  private static let mappedMin: Int32 = 4 << 20
  /// What each of the allocator's arenas may keep at its end.
  private static let keptMax: Int32 = 4 << 20

  /// Bounds what the C library's allocator keeps, for the whole process.
  ///
  /// Left alone it goes by what was freed so far: at first by so little that what a query takes and frees for every
  /// chunk is taken from the system each time, a page fault for each 4 KiB, and after one large query by 64 MiB an arena.
  package static func bound() { callocator_bound(mappedMin, keptMax) }
}
