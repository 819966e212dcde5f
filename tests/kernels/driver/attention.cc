// Attention, and what it reads from: norm, rope and the writing of the cache.

#include "blocks.h"

namespace check {

static int random_head(Random& random, int bits) {
  return random.one_in(2) ? random.pick({16, 32, 64, 80, 96, 128, 256}) : random.in(1, 40) * (bits == 4 ? 2 : 1);
}

// A head after norm and rope, in double.
static std::vector<double> turned(const RopeWrite& w, int row, const float* x, const float* norm) {
  const int dim = w.cache.head_dim;
  std::vector<double> v(x, x + dim), out;
  double squares = 0;
  for (double f : v) squares += f * f;
  for (int i = 0; i < dim && norm; i++) v[size_t(i)] *= norm[i] / std::sqrt(squares / dim + w.eps);
  if (!w.cos) return v;
  const float *cos = w.cos + size_t(row) * dim, *sin = w.sin + size_t(row) * dim;
  for (int i = 0; i < dim; i++) out.push_back(v[size_t(i)] * cos[i] + v[size_t(w.partner[i])] * sin[i]);
  return out;
}

void rope_write(Case c) {
  Random& random = c.random;
  const int bits = random.pick({16, 8, 4}), dim = random_head(random, bits), kv_heads = random.in(1, 4);
  const int block_tokens = random.pick({1, 5, 16, 32, 40}), blocks = random.in(1, 4), shared = random.in(1, 4);
  const int rows = random.in(1, blocks * block_tokens);
  Blocks to(blocks, bits, kv_heads, dim, block_tokens);

  std::vector<int> places(size_t(blocks) * block_tokens); // of the rows, all different
  for (size_t i = 0; i < places.size(); i++) places[i] = int(i);
  random.shuffle(places);
  Buffer<int32_t> block(rows), slot(rows), partner(dim);
  for (int i = 0; i < rows; i++) block[i] = places[i] / block_tokens, slot[i] = places[i] % block_tokens;
  for (int i = 0; i < dim; i++) partner[i] = dim % 2 ? i : (i + dim / 2) % dim;

  RopeWrite w{};
  w.rows = rows, w.heads = kv_heads * shared, w.eps = 1e-6f, w.cache = to.cache();
  const auto qkv = normals(random, size_t(rows) * (w.heads + 2 * kv_heads) * dim, 3);
  const auto q_norm = normals(random, dim), k_norm = normals(random, dim);
  const auto cos = normals(random, size_t(rows) * dim), sin = normals(random, size_t(rows) * dim);
  const bool norms = random.one_in(2), rope = !random.one_in(4);
  w.qkv = qkv.data(), w.block = block.data(), w.slot = slot.data(), w.partner = partner.data();
  w.q_norm = norms ? q_norm.data() : nullptr, w.k_norm = norms ? k_norm.data() : nullptr;
  w.cos = rope ? cos.data() : nullptr, w.sin = rope ? sin.data() : nullptr;
  Buffer<float> q(size_t(rows) * w.heads * dim);
  w.q = q.data();
  c.pieces(rows, 1, [&](int first, int last) { c.k.rope_write(w, first, last); });

  for (int row = 0; row < rows; row++) {
    const float* x = w.qkv + size_t(row) * (w.heads + 2 * kv_heads) * dim;
    for (int h = 0; h < w.heads; h++) {
      const auto want = turned(w, row, x + h * dim, w.q_norm);
      for (int i = 0; i < dim; i++) near(q[(size_t(row) * w.heads + h) * dim + i], want[size_t(i)], 1e-4, "query", i);
    }
    for (int h = 0; h < kv_heads; h++) {
      const Blocks::Place at{block[row], h, slot[row]};
      const auto key = turned(w, row, x + (w.heads + h) * dim, w.k_norm);
      const float* value = x + (w.heads + kv_heads + h) * dim;
      for (int i = 0; i < dim; i++) { // half a step, and what rounding the scale and the bias adds
        const double k = bits == 16 ? std::abs(key[size_t(i)]) / 2048 : to.key_scale(at, i) * 0.501;
        const double v = bits == 16 ? std::abs(double(value[i])) / 2048 : to.value_scale(at, i) * 0.501;
        near(to.key(at, i), key[size_t(i)], k + (bits == 16 ? 1e-4 : 0.03), "key", i);
        near(to.value(at, i), value[i], v + (bits == 16 ? 1e-6 : 0.03), "value", i);
      }
    }
  }
}

// One agent's context: its blocks, in no order.
struct Context {
  int start, length;
  std::vector<int32_t> table;
};

// What a query is to get, in double.
static std::vector<double> attention(const Attend& a, Blocks& blocks, const Context& of, int row, int position, int head) {
  const int dim = a.cache.head_dim, kv_head = head / (a.heads / a.cache.kv_heads);
  const int from = a.window > 0 ? std::max(0, position - a.window + 1) : 0;
  const float* q = a.q + (size_t(row) * a.heads + head) * dim;
  auto place = [&](int p) { return Blocks::Place{of.table[size_t(p / a.cache.block_tokens)], kv_head, p % a.cache.block_tokens}; };
  std::vector<double> scores;
  double top = a.sinks ? double(a.sinks[head]) : -INFINITY;
  for (int p = from; p <= position; p++) {
    double s = 0;
    for (int i = 0; i < dim; i++) s += double(q[i]) * blocks.key(place(p), i);
    s *= a.scale;
    if (a.softcap > 0) s = a.softcap * std::tanh(s / a.softcap);
    scores.push_back(s), top = std::max(top, s);
  }
  double total = a.sinks ? std::exp(a.sinks[head] - top) : 0;
  std::vector<double> out(size_t(dim), 0.0);
  for (int p = from; p <= position; p++) {
    const double weight = std::exp(scores[size_t(p - from)] - top);
    total += weight;
    for (int i = 0; i < dim; i++) out[size_t(i)] += weight * blocks.value(place(p), i);
  }
  for (double& o : out) o /= total;
  return out;
}

static void run(Case c, const Attend& a) {
  Buffer<float> scratch(c.k.attend_scratch(a));
  c.machine.pool.run(c.k.attend_parts(a, scratch.data()), [&](int i) { c.k.attend(a, scratch.data(), i); });
  c.machine.pool.run(c.k.merge_parts(a), [&](int i) { c.k.merge(a, scratch.data(), i); });
}

void attend(Case c) {
  Random& random = c.random;
  const int bits = random.pick({16, 8, 4}), dim = random_head(random, bits);
  const int kv_heads = random.in(1, 3), shared = random.pick({1, 2, 3, 4, 7, 8}), block_tokens = random.pick({1, 6, 16, 32, 48});
  Attend a{};
  a.spans = random.in(1, 4), a.heads = kv_heads * shared, a.scale = 1 / std::sqrt(float(dim));
  a.window = random.one_in(2) ? 0 : random.pick({1, 5, 33, 256, 300});
  a.softcap = random.pick({0.0f, 0.0f, 2.0f, 30.0f});

  // Contexts; a long one now and then, so that partitions are shared out.
  std::vector<Context> contexts;
  std::vector<int32_t> ids;
  int rows = 0;
  for (int i = 0; i < a.spans; i++) {
    const int length = random.one_in(2) ? 1 : random.in(2, 24), start = random.one_in(4) ? random.in(200, 1100) : random.in(0, 60);
    contexts.push_back({start, length, {}});
    for (int n = 0; n < start + length; n += block_tokens) ids.push_back(int32_t(ids.size()));
    rows += length;
  }
  random.shuffle(ids);
  Blocks blocks(int(ids.size()), bits, kv_heads, dim, block_tokens);
  a.cache = blocks.cache();
  std::vector<int32_t> tables;
  std::vector<Span> spans, single; // the same queries, and each by itself
  int row = 0;
  for (Context& context : contexts) {
    const int32_t at = int32_t(tables.size());
    const int seen = a.window > 0 ? std::max(0, context.start - a.window + 1) : 0;
    for (int n = 0; n < context.start + context.length; n += block_tokens) {
      context.table.push_back(ids.back()), ids.pop_back();
      const bool gone = n + block_tokens <= seen; // nobody may ask where such a block is
      tables.push_back(gone ? INT32_MIN / 2 : context.table.back());
    }
    for (int p = seen; p < context.start + context.length; p++)
      for (int h = 0; h < kv_heads; h++) blocks.fill({context.table[size_t(p / block_tokens)], h, p % block_tokens}, random);
    spans.push_back({row, context.length, context.start, at});
    for (int i = 0; i < context.length; i++) single.push_back({row + i, 1, context.start + i, at});
    row += context.length;
  }
  const auto span = copy(spans), alone = copy(single);
  const auto table = copy(tables);
  const auto q = normals(random, size_t(rows) * a.heads * dim, 2), sinks = normals(random, size_t(a.heads), 2);
  Buffer<float> out(q.size()), out_alone(q.size());
  a.tables = table.data(), a.q = q.data(), a.sinks = random.one_in(2) ? sinks.data() : nullptr;

  a.span = span.data(), a.out = out.data();
  run(c, a);
  Attend b = a;
  b.spans = rows, b.span = alone.data(), b.out = out_alone.data();
  run(c, b);
  same(out, out_alone, "output");

  for (size_t s = 0; s < contexts.size(); s++) {
    for (int i = 0; i < contexts[s].length; i++) {
      const int at = spans[s].first + i;
      for (int h = 0; h < a.heads; h++) {
        const auto want = attention(a, blocks, contexts[s], at, contexts[s].start + i, h);
        for (int j = 0; j < dim; j++) near(out[(size_t(at) * a.heads + h) * dim + j], want[size_t(j)], 1e-4, "output", j);
      }
    }
  }
}

} // namespace check
