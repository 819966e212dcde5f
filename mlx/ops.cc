//go:build cgo && !nomlx

// The operations of op.h on MLX. The order of arguments is that of the Go
// methods that make the calls.

#include "graph.h"

#include <cmath>

#include "allocate.h"
#include "mlx/fast.h"
#include "mlx/ops.h"
#include "op.h"

namespace troupe {

mx::Dtype dtype(int value) {
  using Val = mx::Dtype::Val;
  static_assert(int(Val::bool_) == 0 && int(Val::uint8) == 1 &&
                int(Val::uint32) == 3 && int(Val::int32) == 7 &&
                int(Val::float16) == 9 && int(Val::float32) == 10 &&
                int(Val::bfloat16) == 12, "dtype.go has other values");
  switch (Val(value)) {
    case Val::bool_: return mx::bool_;
    case Val::uint8: return mx::uint8;
    case Val::uint16: return mx::uint16;
    case Val::uint32: return mx::uint32;
    case Val::uint64: return mx::uint64;
    case Val::int8: return mx::int8;
    case Val::int16: return mx::int16;
    case Val::int32: return mx::int32;
    case Val::int64: return mx::int64;
    case Val::float16: return mx::float16;
    case Val::float32: return mx::float32;
    case Val::bfloat16: return mx::bfloat16;
    default: throw std::invalid_argument("unknown element type " + std::to_string(value));
  }
}

static mx::array full(const Args& a) {
  auto type = dtype(a.integer(0));
  auto shape = a.shape(1, a.n_ints);
  auto made = mx::full(shape, mx::array(a.number(0), type), type);
  check_memory(made.nbytes());
  return made;
}

static mx::array gelu_tanh(const mx::array& x) {
  auto c = [&](double v) { return mx::array(v, x.dtype()); };
  auto cubic = mx::multiply(mx::multiply(x, x), mx::multiply(x, c(0.044715)));
  auto inner = mx::multiply(mx::add(x, cubic), c(std::sqrt(2 / M_PI)));
  return mx::multiply(mx::multiply(x, c(0.5)), mx::add(mx::tanh(inner), c(1)));
}

static mx::array rope(const Args& a) {
  auto freqs = a.optional(2);
  std::optional<float> base;
  if (!freqs) base = float(a.number(0));
  return mx::fast::rope(a.array(0), a.integer(0), a.integer(1) != 0, base,
                        float(a.number(1)), a.array(1), freqs);
}

static mx::array attention(const Args& a) {
  auto mask = a.optional(3);
  bool causal = a.integer(0) != 0;
  if (causal && mask) throw std::invalid_argument("attention: causal excludes a mask");
  return mx::fast::scaled_dot_product_attention(
      a.array(0), a.array(1), a.array(2), float(a.number(0)),
      causal ? "causal" : mask ? "array" : "", mask, a.optional(4));
}

std::vector<mx::array> build(int op, const Args& a) {
  auto axes = [&] { return a.integers(0, a.n_ints); };
  auto keep = [&] { return a.integer(1) != 0; };
  switch (op) {
    case MLX_OP_negative: return {mx::negative(a.array(0))};
    case MLX_OP_sigmoid: return {mx::sigmoid(a.array(0))};
    case MLX_OP_silu: return {mx::multiply(a.array(0), mx::sigmoid(a.array(0)))};
    case MLX_OP_gelu_tanh: return {gelu_tanh(a.array(0))};
    case MLX_OP_tanh: return {mx::tanh(a.array(0))};
    case MLX_OP_exp: return {mx::exp(a.array(0))};
    case MLX_OP_log: return {mx::log(a.array(0))};
    case MLX_OP_erf: return {mx::erf(a.array(0))};
    case MLX_OP_square: return {mx::square(a.array(0))};
    case MLX_OP_sqrt: return {mx::sqrt(a.array(0))};
    case MLX_OP_rsqrt: return {mx::rsqrt(a.array(0))};
    case MLX_OP_sin: return {mx::sin(a.array(0))};
    case MLX_OP_cos: return {mx::cos(a.array(0))};
    case MLX_OP_contiguous: return {mx::contiguous(a.array(0))};

    case MLX_OP_add: return {mx::add(a.array(0), a.array(1))};
    case MLX_OP_subtract: return {mx::subtract(a.array(0), a.array(1))};
    case MLX_OP_multiply: return {mx::multiply(a.array(0), a.array(1))};
    case MLX_OP_divide: return {mx::divide(a.array(0), a.array(1))};
    case MLX_OP_maximum: return {mx::maximum(a.array(0), a.array(1))};
    case MLX_OP_minimum: return {mx::minimum(a.array(0), a.array(1))};
    case MLX_OP_matmul: return {mx::matmul(a.array(0), a.array(1))};
    case MLX_OP_equal: return {mx::equal(a.array(0), a.array(1))};
    case MLX_OP_less: return {mx::less(a.array(0), a.array(1))};
    case MLX_OP_less_equal: return {mx::less_equal(a.array(0), a.array(1))};
    case MLX_OP_greater: return {mx::greater(a.array(0), a.array(1))};
    case MLX_OP_greater_equal: return {mx::greater_equal(a.array(0), a.array(1))};
    case MLX_OP_logical_and: return {mx::logical_and(a.array(0), a.array(1))};
    case MLX_OP_logical_or: return {mx::logical_or(a.array(0), a.array(1))};

    case MLX_OP_add_scalar:
      return {mx::add(a.array(0), mx::array(a.number(0), a.array(0).dtype()))};
    case MLX_OP_multiply_scalar:
      return {mx::multiply(a.array(0), mx::array(a.number(0), a.array(0).dtype()))};
    case MLX_OP_where: return {mx::where(a.array(0), a.array(1), a.array(2))};
    case MLX_OP_clip: {
      auto type = a.array(0).dtype();
      return {mx::clip(a.array(0), mx::array(a.number(0), type), mx::array(a.number(1), type))};
    }
    case MLX_OP_astype: return {mx::astype(a.array(0), dtype(a.integer(0)))};

    case MLX_OP_reshape: return {mx::reshape(a.array(0), a.shape(0, a.n_ints))};
    case MLX_OP_transpose:
      if (a.n_ints == 0) return {mx::transpose(a.array(0))};
      return {mx::transpose(a.array(0), axes())};
    case MLX_OP_slice: {
      size_t n = a.array(0).ndim();
      if (a.n_ints != 2 * n) throw std::invalid_argument("slice: start and stop need one entry per axis");
      return {mx::slice(a.array(0), a.shape(0, n), a.shape(n, 2 * n))};
    }
    case MLX_OP_expand_dims: return {mx::expand_dims(a.array(0), axes())};
    case MLX_OP_squeeze: return {mx::squeeze(a.array(0), axes())};
    case MLX_OP_broadcast_to: return {mx::broadcast_to(a.array(0), a.shape(0, a.n_ints))};
    case MLX_OP_concatenate: return {mx::concatenate(a.arrays(), a.integer(0))};
    case MLX_OP_stack: return {mx::stack(a.arrays(), a.integer(0))};
    case MLX_OP_split: return mx::split(a.array(0), a.integer(0), a.integer(1));
    case MLX_OP_take: return {mx::take(a.array(0), a.array(1), a.integer(0))};
    case MLX_OP_take_along_axis:
      return {mx::take_along_axis(a.array(0), a.array(1), a.integer(0))};

    case MLX_OP_sum: return {mx::sum(a.array(0), a.integer(0), keep())};
    case MLX_OP_mean: return {mx::mean(a.array(0), a.integer(0), keep())};
    case MLX_OP_max: return {mx::max(a.array(0), a.integer(0), keep())};
    case MLX_OP_min: return {mx::min(a.array(0), a.integer(0), keep())};
    case MLX_OP_argmax: return {mx::argmax(a.array(0), a.integer(0), keep())};
    case MLX_OP_logsumexp: return {mx::logsumexp(a.array(0), a.integer(0), keep())};
    case MLX_OP_softmax: return {mx::softmax(a.array(0), a.integer(0), /*precise=*/true)};
    case MLX_OP_cumsum: return {mx::cumsum(a.array(0), a.integer(0))};
    case MLX_OP_sort: return {mx::sort(a.array(0), a.integer(0))};
    case MLX_OP_argsort: return {mx::argsort(a.array(0), a.integer(0))};
    case MLX_OP_argpartition:
      return {mx::argpartition(a.array(0), a.integer(0), a.integer(1))};

    case MLX_OP_full: return {full(a)};
    case MLX_OP_arange:
      return {mx::arange(a.integer(0), a.integer(1), 1, dtype(a.integer(2)))};

    case MLX_OP_addmm: return {mx::addmm(a.array(0), a.array(1), a.array(2))};
    case MLX_OP_quantize: return mx::quantize(a.array(0), a.integer(0), a.integer(1));
    case MLX_OP_quantized_matmul:
      return {mx::quantized_matmul(a.array(0), a.array(1), a.array(2), a.array(3),
                                   a.integer(0) != 0, a.integer(1), a.integer(2))};
    case MLX_OP_dequantize:
      return {mx::dequantize(a.array(0), a.array(1), a.array(2), a.integer(0), a.integer(1))};
    case MLX_OP_rms_norm:
      return {mx::fast::rms_norm(a.array(0), a.optional(1), float(a.number(0)))};
    case MLX_OP_layer_norm:
      return {mx::fast::layer_norm(a.array(0), a.optional(1), a.optional(2), float(a.number(0)))};
    case MLX_OP_rope: return {rope(a)};
    case MLX_OP_attention: return {attention(a)};

    case MLX_OP_scatter:
      return {mx::scatter(a.array(0), a.arrays(2), a.array(1), axes())};
    case MLX_OP_slice_update: {
      size_t n = a.array(0).ndim();
      if (a.n_ints != 2 * n) throw std::invalid_argument("slice update: start and stop need one entry per axis");
      return {mx::slice_update(a.array(0), a.array(1), a.shape(0, n), a.shape(n, 2 * n))};
    }
    case MLX_OP_put_along_axis:
      return {mx::put_along_axis(a.array(0), a.array(1), a.array(2), a.integer(0))};
    case MLX_OP_assign: return {a.array(a.n_in - 1)};
  }
  throw std::invalid_argument("unknown operation " + std::to_string(op));
}

} // namespace troupe

extern "C" const char* mlx_op_name(int32_t op) {
  static const char* const names[] = {
#define X(name) #name,
      MLX_OPS(X)
#undef X
  };
  return op >= 0 && op < MLX_OP_count ? names[op] : nullptr;
}
