// What the C++ files of the shim share.
#ifndef TROUPE_MLX_GRAPH_H
#define TROUPE_MLX_GRAPH_H

#if !__has_include("mlx/version.h")
#error "MLX is not in .mlx: run `bash mlx/fetch.sh` in the checkout (make does it), or build with -tags nomlx"
#endif

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "mlx/array.h"
#include "mlx/utils.h"
#include "mlx/version.h"
#include "program.h"
#include "shim.h"

// The pinned version; fetch.sh and version.go have the same.
static_assert(MLX_VERSION_NUMERIC == 32004,
              "the MLX headers in .mlx are not those of MLX 0.32.4: run `bash mlx/fetch.sh`");

namespace troupe {

namespace mx = mlx::core;

// A cell has an address of its own, so that a slot can change its value while
// Go and other operations keep naming it.
struct Cell {
  std::optional<mx::array> value;
};

struct NullArray : std::exception {};

// The arguments of an operation. The accessors throw when one is missing, so a
// disagreement with the Go side is an error and not a crash.
struct Args {
  const uintptr_t* in;
  size_t n_in;
  const int64_t* ints;
  size_t n_ints;
  const double* floats;
  size_t n_floats;

  bool has(size_t i) const {
    return i < n_in && in[i] != 0;
  }
  const mx::array& array(size_t i) const {
    if (!has(i)) throw NullArray();
    auto& value = reinterpret_cast<const Cell*>(in[i])->value;
    if (!value) throw NullArray();
    return *value;
  }
  std::optional<mx::array> optional(size_t i) const {
    if (!has(i)) return std::nullopt;
    return array(i);
  }
  std::vector<mx::array> arrays(size_t from = 0) const {
    std::vector<mx::array> all;
    for (size_t i = from; i < n_in; i++) all.push_back(array(i));
    return all;
  }
  int integer(size_t i) const {
    if (i >= n_ints) throw std::invalid_argument("missing integer argument");
    return mx::safe_cast(ints[i]);
  }
  double number(size_t i) const {
    if (i >= n_floats) throw std::invalid_argument("missing number argument");
    return floats[i];
  }
  std::vector<int> integers(size_t from, size_t to) const {
    std::vector<int> all;
    for (size_t i = from; i < to; i++) all.push_back(integer(i));
    return all;
  }
  mx::Shape shape(size_t from, size_t to) const {
    auto all = integers(from, to);
    return mx::Shape(all.begin(), all.end());
  }
};

mx::Dtype dtype(int value);

// Builds an operation of op.h.
std::vector<mx::array> build(int op, const Args& args);

// Builds the primitive that runs a program; see program.h. The arrays must be evaluated. Each
// output is a float32 array of one axis.
std::vector<mx::array> build(std::shared_ptr<Machine> machine, Code code, std::vector<mx::array> arrays);

} // namespace troupe

#endif
