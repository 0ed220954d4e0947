#include <sanitizer/tsan_interface.h>
