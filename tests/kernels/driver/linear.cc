// Linear layers, the rows before them, and embeddings.

#include "arranged.h"
#include "weights.h"

namespace check {

// x in double, as arrange makes it of the case's rows.
static double source(const troupe::Arrange& a, int row, int i) {
  const float* x = a.x + size_t(row) * a.out.k * (a.source == Source::Gated ? 2 : 1);
  switch (a.source) {
    case Source::Plain: return x[i];
    case Source::Normed: {
      double squares = 0;
      for (int j = 0; j < a.out.k; j++) squares += double(x[j]) * x[j];
      return x[i] / std::sqrt(squares / a.out.k + a.eps) * (a.weight ? a.weight[i] : 1);
    }
    case Source::Gated: {
      const double g = x[i], u = std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g);
      return x[a.out.k + i] * (a.gate == Gate::SiLU ? g / (1 + std::exp(-g)) : g / 2 * (1 + std::tanh(u)));
    }
  }
  return NAN;
}

void arrange(Case c) {
  Random& random = c.random;
  const int rows = random.in(1, 40), k = random_inputs(random);
  const bool quantised = k % QUANT == 0 && !random.one_in(3);
  Arranged to(rows, k, !quantised || random.one_in(2), quantised);
  troupe::Arrange a{};
  a.out = to.input(), a.eps = 1e-5f;
  a.source = random.pick({Source::Plain, Source::Normed, Source::Gated});
  a.gate = random.pick({Gate::SiLU, Gate::GeluTanh});
  auto x = normals(random, size_t(rows) * k * (a.source == Source::Gated ? 2 : 1), random.pick({1e-3f, 1.0f, 8.0f}));
  const auto weight = normals(random, size_t(k));
  a.x = x.data(), a.weight = random.one_in(3) ? nullptr : weight.data();
  const int odd = random.in(0, rows - 1), place = random.in(0, k - 1); // one row is not like the others
  const float strange = random.pick({0.0f, 1e-42f, 1e30f, NAN, INFINITY, -INFINITY});
  const bool strangely = a.source == Source::Plain && random.one_in(2);
  if (strangely) {
    std::fill(x.data() + odd * k, x.data() + (odd + 1) * k, std::abs(strange) <= 1e-30f ? strange : 1.0f);
    x[size_t(odd) * k + place] = strange;
  }
  c.pieces(rows, 1, [&](int first, int last) { c.k.arrange(a, first, last); });

  for (int row = 0; row < rows; row++) {
    std::vector<double> want;
    for (int i = 0; i < k; i++) want.push_back(source(a, row, i));
    for (int i = 0; i < k && a.out.x; i++) near(to.plain(row, i), want[i], 1e-5 * std::abs(want[i]) + 1e-6, "input", i);
    for (int first = 0; first < k && quantised; first += CHUNK) {
      const int end = std::min(k, first + CHUNK);
      double most = 0, bad = 0;
      for (int i = first; i < end; i++) most = std::max(most, std::abs(want[i])), bad += want[i] * 0;
      const double scale = to.scale(row, first);
      if (std::isnan(bad)) {
        expect(std::isnan(scale), "what is not a number must not become one");
        continue;
      }
      near(scale, most / 127 / MOST_PART, 1e-6 * scale + 1e-30, "scale", first);
      for (int g = first; g < end; g += QUANT) {
        double largest = 0;
        for (int i = g; i < g + QUANT; i++) largest = std::max(largest, std::abs(want[i]));
        const double part = to.part(row, g);
        expect(part >= 1 && part <= MOST_PART && part == std::floor(part), "a part's number");
        expect(to.pair(row, g) == int(part) * 65536 + int(part), "the same as a pair");
        for (int i = g; i < g + QUANT; i++) near(to.quantised(row, i), want[i], (largest / 127 + scale) * 0.501 + 1e-6, "integer", i);
      }
    }
    for (int level = 0; level < 3 && quantised; level++) {
      const int group = QUANT << level;
      for (int g = 0; g < k && k % group == 0; g += group) {
        double sum = 0, magnitude = 0;
        for (int i = g; i < g + group; i++) {
          const double x = to.part(row, i) * to.code(row, i);
          sum += x, magnitude += std::abs(x);
        }
        near(to.sum(row, g, level), sum, 1e-6 * magnitude, "sum", g);
      }
    }
  }
}

// A linear layer, of rows that were arranged, against the same in double.
void linear(Case c) {
  Random& random = c.random;
  const int n = random.in(1, 100), k = random_inputs(random), rows = random.one_in(4) ? 1 : random.one_in(10) ? random.in(120, 140) : random.in(1, 45);
  const Layer layer = random_layer(random, n, k);
  const bool integers = layer.weight.group != 0 && random.one_in(2);
  Arranged in(rows, k, !integers, integers);
  const auto x = normals(random, size_t(rows) * k);
  troupe::Arrange a{};
  a.out = in.input(), a.x = x.data();
  c.k.arrange(a, 0, rows);

  const int stride = n + random.in(0, 20), offset = random.in(0, stride - n);
  const auto bias = normals(random, size_t(n));
  Linear l{layer.weight, &in.input(), random.one_in(2) ? bias.data() : nullptr, nullptr, stride, random.one_in(2)};
  auto before = normals(random, size_t(rows) * stride);
  auto run = [&](Buffer<float>& dst) {
    std::copy(before.data(), before.data() + before.size(), dst.data());
    l.dst = dst.data() + offset;
    const int panels = (n + PANEL - 1) / PANEL;
    c.pieces(rows, TILE, [&](int row0, int row1) {
      for (int p = 0; p < panels;) { // another cut for each of the rows' pieces
        const int end = std::min(panels, p + 1 + (row0 / TILE + p) % 6);
        c.k.linear(l, p, end, row0, row1);
        p = end;
      }
    });
  };
  Buffer<float> dst(before.size()), again(before.size());
  run(dst), run(again);
  same(dst, again, "output");

  for (int row = 0; row < rows; row++) {
    for (int i = 0; i < stride; i++) {
      const size_t at = size_t(row) * stride + i;
      const int out = i - offset;
      if (out < 0 || out >= n) {
        expect(dst[at] == before[at], "written beside the outputs");
        continue;
      }
      double want = (l.bias ? bias[out] : 0) + (l.add ? before[at] : 0), magnitude = std::abs(want);
      for (int j = 0; j < k; j++) {
        const double v = integers ? in.quantised(row, j) : in.plain(row, j);
        want += v * layer.dense[size_t(out) * k + j], magnitude += std::abs(v) * layer.magnitude[size_t(out) * k + j];
      }
      near(dst[at], want, 2e-6 * magnitude, "output", at);
    }
  }
}

void lookup(Case c) {
  Random& random = c.random;
  const int n = random.in(1, 100), k = random_inputs(random), rows = random.in(1, 30);
  const Layer layer = random_layer(random, n, k);
  Buffer<int32_t> tokens(rows);
  for (int i = 0; i < rows; i++) tokens[i] = random.in(0, n - 1);
  Buffer<float> dst(size_t(rows) * k);
  c.pieces(rows, 1, [&](int first, int last) { c.k.lookup(layer.weight, tokens.data(), dst.data(), first, last); });
  for (int row = 0; row < rows; row++) {
    for (int i = 0; i < k; i++) {
      const size_t from = size_t(tokens[row]) * k + i;
      near(dst[size_t(row) * k + i], layer.dense[from], 1e-6 * layer.magnitude[from], "input", i);
    }
  }
}

} // namespace check
