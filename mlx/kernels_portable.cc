//go:build cgo && !nomlx

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define TROUPE_ISA portable
#define TROUPE_NAME "portable"

#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif

#include "kernels_all.h"
