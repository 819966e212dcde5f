// Rows that were arranged for linear layers, and what they stand for.
#ifndef TROUPE_TESTS_ARRANGED_H
#define TROUPE_TESTS_ARRANGED_H

#include "check.h"

namespace check {

class Arranged {
 public:
  Arranged(int rows, int k, bool plain, bool quantised)
      : x_(plain ? size_t(all_lanes(rows)) * k : 0), q_(quantised ? size_t(all_lanes(rows)) * k : 0),
        scales_(q_.size() / QUANT), sums_(q_.size() / QUANT),
        in_{rows, k, plain ? x_.data() : nullptr, quantised ? q_.data() : nullptr, scales_.data(), sums_.data()} {}

  const Input& input() const { return in_; }

  double plain(int row, int i) const { return x_[first(row) * in_.k + size_t(i) * width(row) + row % TILE]; }
  double scale(int row, int i) const { return scales_[group(row, i)]; }
  double sum(int row, int i) const { return sums_[group(row, i)]; }
  int code(int row, int i) const { return q_[first(row) * in_.k + size_t(i / 4 * 4) * width(row) + row % TILE * 4 + i % 4]; }
  double quantised(int row, int i) const { return scale(row, i) * code(row, i); }

 private:
  size_t first(int row) const { return size_t(row / TILE * TILE); }
  size_t width(int row) const { return size_t(lanes_of(in_.rows - int(first(row)))); }
  size_t group(int row, int i) const { return first(row) * (in_.k / QUANT) + i / QUANT * width(row) + row % TILE; }

  Buffer<float> x_;
  Buffer<int8_t> q_;
  Buffer<float> scales_, sums_;
  Input in_;
};

} // namespace check

#endif
