// What comes before a linear layer: norm or gate, and the arrangement of the rows
// for its kernels. Included by the file of each instruction set, after vec.h.

namespace troupe::TROUPE_ISA {

// 1 / root mean square of a row.
inline float inverse_rms(const float* x, int k, float eps) {
  V squares = zero();
  for (int i = 0; i < k; i += LANES) {
    V v = load_n(x + i, k - i);
    squares = fma(v, v, squares);
  }
  return 1 / std::sqrt(sum(squares) / float(k) + eps);
}

inline void norm(const float* x, const float* weight, float eps, float* dst, int k, int row0, int row1) {
  for (int row = row0; row < row1; row++) {
    const float* from = x + size_t(row) * k;
    float* to = dst + size_t(row) * k;
    V r = set1(inverse_rms(from, k, eps));
    for (int i = 0; i < k; i += LANES) {
      V v = mul(load_n(from + i, k - i), r);
      if (weight) v = mul(v, load_n(weight + i, k - i));
      store_n(to + i, v, k - i);
    }
  }
}

inline V silu(V x) { return div(x, add(set1(1), exp(sub(zero(), x)))); }

// x * sigmoid(2u), which is x/2 * (1 + tanh(u)).
inline V gelu_tanh(V x) {
  V u = mul(mul(x, set1(0.7978845608f)), fma(mul(x, x), set1(0.044715f), set1(1)));
  return div(x, add(set1(1), exp(mul(u, set1(-2)))));
}

// The values of a row that the linear layer sees, sixteen at a time.
struct Row {
  const Arrange& a;
  const float* x;
  V scale; // Normed

  Row(const Arrange& a, int row)
      : a(a), x(a.x + size_t(row) * a.out.k * (a.source == Source::Gated ? 2 : 1)),
        scale(a.source == Source::Normed ? set1(inverse_rms(x, a.out.k, a.eps)) : zero()) {}

  V at(int i, int n) const {
    V v = load_n(x + i, n);
    switch (a.source) {
      case Source::Plain: return v;
      case Source::Normed:
        v = mul(v, scale);
        return a.weight ? mul(v, load_n(a.weight + i, n)) : v;
      case Source::Gated: {
        V u = load_n(x + a.out.k + i, n);
        return mul(a.gate == Gate::SiLU ? silu(v) : gelu_tanh(v), u);
      }
    }
    return v;
  }
};

// Quantises the n values of a chunk of a row to 8 bits. Values that are too small for that to be done in numbers are 0. One
// that is not a number makes the scale one that is not, so that it is not lost.
inline void quantise(const Row& source, int from, int n, const Input& in, int tile, int lane, int width) {
  constexpr float LEAST = 1e-30f;
  static_assert(CHUNK / QUANT <= LANES);
  V x[CHUNK / LANES], bad = zero();
  float largest[LANES] = {}, part[LANES], inverse[LANES];
  for (int i = 0; i < n / QUANT; i++) {
    const V a = x[2 * i] = source.at(from + i * QUANT, LANES), b = x[2 * i + 1] = source.at(from + i * QUANT + LANES, LANES);
    bad = fma(a, zero(), fma(b, zero(), bad));
    largest[i] = most(max(abs(a), abs(b)));
  }
  const float top = most(load(largest)), lost = sum(bad); // 0, or not a number
  const bool some = lost == 0 && top > LEAST;
  in.scales[size_t(tile) * chunks_of(in.k) + from / CHUNK * width + lane] = (some ? top / (127.0f * MOST_PART) : 0) + lost;
  for (int i = 0; i < CHUNK / LANES && !some; i++) x[i] = zero();
  // A part's number is rounded up, so that none of its integers is larger than 127.
  const V parts = min(max(round(fma(load(largest), set1(some ? MOST_PART / top : 0), set1(0.5f))), set1(1)), set1(MOST_PART));
  store(part, parts), store(inverse, div(set1(some ? 127.0f * MOST_PART / top : 0), parts));

  const size_t first = size_t(tile) * in.k + size_t(from) * width;
  int8_t* to = in.q + first + lane * 4;
  for (int i = 0; i < n / QUANT; i++) {
    const V a = round(mul(x[2 * i], set1(inverse[i]))), b = round(mul(x[2 * i + 1], set1(inverse[i])));
    int8_t q[QUANT];
    store_i8(q, to_int(a)), store_i8(q + LANES, to_int(b));
    for (int j = 0; j < QUANT; j += 4) std::memcpy(to + size_t(i * QUANT + j) * width, q + j, 4);
    const size_t at = first / QUANT + size_t(i) * width + lane;
    in.parts[at] = part[i], in.pairs[at] = int32_t(part[i]) * 0x10001;
    in.sums[0][at] = part[i] * sum(add(a, b));
  }
}

// Adds up the sums of groups two by two.
inline void add_sums(const Input& in, int tile, int lane, int width) {
  for (int level = 1; level < 3; level++) {
    const int group = QUANT << level;
    if (in.k % group != 0) return;
    const float* from = in.sums[level - 1] + size_t(tile) * (in.k / group * 2) + lane;
    float* to = in.sums[level] + size_t(tile) * (in.k / group) + lane;
    for (int g = 0; g < in.k / group; g++) to[g * width] = from[2 * g * width] + from[(2 * g + 1) * width];
  }
}

void arrange(const Arrange& a, int row0, int row1) {
  const Input& in = a.out;
  for (int row = row0; row < row1; row++) {
    const int tile = row / TILE * TILE, lane = row % TILE, width = lanes_of(in.rows - tile);
    const Row source(a, row);
    if (in.x) {
      float* to = in.x + size_t(tile) * in.k + lane;
      for (int i = 0; i < in.k; i += LANES) {
        const int n = in.k - i < LANES ? in.k - i : LANES;
        float v[LANES];
        store(v, source.at(i, n));
        for (int j = 0; j < n; j++) to[size_t(i + j) * width] = v[j];
      }
    }
    if (in.q) {
      for (int i = 0; i < in.k; i += CHUNK) quantise(source, i, in.k - i < CHUNK ? in.k - i : CHUNK, in, tile, lane, width);
      add_sums(in, tile, lane, width);
    }
  }
}

} // namespace troupe::TROUPE_ISA
