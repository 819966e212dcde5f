// Every kernel, for the instruction set of the including file.
#include "vec.h"

#include "kernels.h"

#include "linear.h"
#include "dot.h"
#include "arrange.h"
#include "cache.h"
#include "attend.h"
#include "reduce.h"
#include "probe.h"

namespace troupe::TROUPE_ISA {

const Kernels kernels = {
    .name = TROUPE_NAME,
    .arrange = TROUPE_ISA::arrange,
    .linear = TROUPE_ISA::linear,
    .lookup = TROUPE_ISA::lookup,
    .rope_write = TROUPE_ISA::rope_write,
    .attend_scratch = TROUPE_ISA::attend_scratch,
    .attend_parts = TROUPE_ISA::attend_parts,
    .attend = TROUPE_ISA::attend,
    .merge_parts = TROUPE_ISA::merge_parts,
    .merge = TROUPE_ISA::merge,
    .reduce_scratch = TROUPE_ISA::reduce_scratch,
    .reduce_parts = TROUPE_ISA::reduce_parts,
    .reduce = TROUPE_ISA::reduce,
    .rank = TROUPE_ISA::rank,
    .probe_read = TROUPE_ISA::probe_read,
    .probe_dots = TROUPE_ISA::probe_dots,
};

} // namespace troupe::TROUPE_ISA
