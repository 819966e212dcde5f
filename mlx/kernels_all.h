// Every kernel, for the instruction set of the including file.
#include "vec.h"

#include "kernels.h"

#include "dot.h"
#include "linear.h"
#include "arrange.h"

namespace troupe::TROUPE_ISA {

const Kernels kernels = {
    .name = TROUPE_NAME,
    .arrange = TROUPE_ISA::arrange,
    .linear = TROUPE_ISA::linear,
    .lookup = TROUPE_ISA::lookup,
};

} // namespace troupe::TROUPE_ISA
