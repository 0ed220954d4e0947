// libFuzzer's entry for programs that have a main of their own (compiler-rt, lib/fuzzer/FuzzerInterface.h).
#ifndef NEEDLETAIL_FUZZ_DRIVER_H
#define NEEDLETAIL_FUZZ_DRIVER_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

#endif
