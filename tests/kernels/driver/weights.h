// Random weights of linear layers, packed and in double.
#ifndef TROUPE_TESTS_WEIGHTS_H
#define TROUPE_TESTS_WEIGHTS_H

#include "check.h"

namespace check {

struct Layer {
  Weight weight;          // data is that of packed
  Buffer<uint8_t> packed;
  std::vector<double> dense;      // [n][k]
  std::vector<double> magnitude;  // of its parts, before they cancel out
};

Layer random_layer(Random& random, int n, int k);

// A number of inputs that some form of weight can have.
int random_inputs(Random& random);

} // namespace check

#endif
