// The operations that mlx_apply knows, in the order of the Go constants in
// op.go; TestOpTables compares the two lists name by name.
#ifndef TROUPE_MLX_OP_H
#define TROUPE_MLX_OP_H

#define MLX_OPS(X)                                                             \
  X(negative) X(sigmoid) X(silu) X(gelu_tanh) X(tanh) X(exp) X(log) X(erf)     \
  X(square) X(sqrt) X(rsqrt) X(sin) X(cos) X(contiguous)                       \
  X(add) X(subtract) X(multiply) X(divide) X(maximum) X(minimum) X(matmul)     \
  X(equal) X(less) X(less_equal) X(greater) X(greater_equal)                   \
  X(logical_and) X(logical_or)                                                 \
  X(add_scalar) X(multiply_scalar) X(where) X(clip) X(astype)                  \
  X(reshape) X(transpose) X(slice) X(expand_dims) X(squeeze) X(broadcast_to)   \
  X(concatenate) X(stack) X(split) X(take) X(take_along_axis)                  \
  X(sum) X(mean) X(max) X(min) X(argmax) X(logsumexp) X(softmax) X(cumsum)     \
  X(sort) X(argsort) X(argpartition)                                           \
  X(full) X(arange)                                                            \
  X(addmm) X(quantize) X(quantized_matmul) X(dequantize)                       \
  X(rms_norm) X(layer_norm) X(rope) X(attention)                               \
  X(scatter) X(slice_update) X(put_along_axis) X(assign)

enum mlx_op {
#define X(name) MLX_OP_##name,
  MLX_OPS(X)
#undef X
  MLX_OP_count
};

#endif
