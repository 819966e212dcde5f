// The choice of an instruction set, for machines other than this one.

#include "check.h"

namespace check {

void choice() {
  auto chosen = [](const char* name, bool avx512, bool avx2) { return std::string(choose(name, avx512, avx2).name); };
  for (const char* any : {"", "auto"}) {
#if defined(__x86_64__)
    expect(chosen(any, true, true) == "avx512", "the best of all");
    expect(chosen(any, false, true) == "avx2", "the best without avx512");
#endif
    expect(chosen(any, false, false) == "portable", "the best of a bare machine");
  }
  expect(chosen("portable", true, true) == "portable", "portable by name");
  fails<std::invalid_argument>([] { choose("avx512", false, true); }, "this machine lacks the instruction set avx512; it has avx2");
  fails<std::invalid_argument>([] { choose("avx512", false, false); }, "this machine lacks the instruction set avx512");
  fails<std::invalid_argument>([] { choose("avx2", false, false); }, "this machine lacks the instruction set avx2");
  fails<std::invalid_argument>([] { choose("sse", true, true); }, "unknown instruction set sse: there are avx512, avx2 and portable");
}

} // namespace check
