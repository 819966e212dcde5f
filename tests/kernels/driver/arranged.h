// Rows that were arranged for linear layers, and what they stand for.
#ifndef TROUPE_TESTS_ARRANGED_H
#define TROUPE_TESTS_ARRANGED_H

#include "check.h"

namespace check {

class Arranged {
 public:
  Arranged(int rows, int k, bool plain, bool quantised)
      : x_(plain ? size_t(all_lanes(rows)) * k : 0), q_(quantised ? size_t(all_lanes(rows)) * k : 0),
        parts_(q_.size() / QUANT), pairs_(parts_.size()), scales_(quantised ? size_t(all_lanes(rows)) * chunks_of(k) : 0),
        sums_{Buffer<float>(parts_.size()), Buffer<float>(parts_.size() / 2), Buffer<float>(parts_.size() / 4)},
        in_{rows, k, plain ? x_.data() : nullptr, quantised ? q_.data() : nullptr, parts_.data(), pairs_.data(), scales_.data(),
            {sums_[0].data(), sums_[1].data(), sums_[2].data()}} {}

  const Input& input() const { return in_; }

  double plain(int row, int i) const { return x_[first(row) * in_.k + size_t(i) * width(row) + row % TILE]; }
  double part(int row, int i) const { return parts_[at(row, i, QUANT)]; }
  int32_t pair(int row, int i) const { return pairs_[at(row, i, QUANT)]; }
  double scale(int row, int i) const { return scales_[first(row) * chunks_of(in_.k) + i / CHUNK * width(row) + row % TILE]; }
  double sum(int row, int i, int level) const { return sums_[level][at(row, i, QUANT << level)]; }
  int code(int row, int i) const { return q_[first(row) * in_.k + size_t(i / 4 * 4) * width(row) + row % TILE * 4 + i % 4]; }
  double quantised(int row, int i) const { return scale(row, i) * part(row, i) * code(row, i); }

 private:
  size_t first(int row) const { return size_t(row / TILE * TILE); }
  size_t width(int row) const { return size_t(lanes_of(in_.rows - int(first(row)))); }
  size_t at(int row, int i, int group) const { return first(row) * (in_.k / group) + i / group * width(row) + row % TILE; }

  Buffer<float> x_;
  Buffer<int8_t> q_;
  Buffer<float> parts_;
  Buffer<int32_t> pairs_;
  Buffer<float> scales_, sums_[3];
  Input in_;
};

} // namespace check

#endif
