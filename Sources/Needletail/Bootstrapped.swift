import Synchronization

/// Whether this process has been bootstrapped: swift-log and its kin trap on a second time, and the SDK never does.
let isBootstrapped = Atomic<Bool>(false)
