//go:build cgo && !nomlx

// Runs the calls of a program, one after the other. It knows nothing of MLX.

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "program.h"

namespace troupe {

namespace {

// The calls; Go's program.go has the same list.
enum Call : int64_t { LOOKUP, ARRANGE, LINEAR, ROPE_WRITE, ATTEND, TAKE, REDUCE };

// Reads words one after the other.
struct Reader {
  const int64_t* at;
  const int64_t* end;

  bool done() const { return at == end; }
  int64_t word() {
    if (at == end) throw std::logic_error("program: ends within a call");
    return *at++;
  }
  int integer() { return int(word()); }
  float number() {
    int64_t bits = word();
    double d;
    std::memcpy(&d, &bits, sizeof d);
    return float(d);
  }
};

constexpr size_t LINE = 64;

size_t rounded(size_t bytes) { return (bytes + LINE - 1) / LINE * LINE; }

// Runner executes a program. Its pointers are into the machine's memory, the
// outputs and the arrays.
class Runner {
 public:
  Runner(Machine& m, const Code& code, const std::vector<void*>& arrays, const std::vector<float*>& outputs)
      : m_(m), k_(m.kernels), code_(code), arrays_(arrays), outputs_(outputs) {}

  void run() {
    Reader r{code_.words.data(), code_.words.data() + code_.words.size()};
    declare(r);
    while (!r.done()) {
      switch (r.word()) {
        case LOOKUP: lookup(r); break;
        case ARRANGE: arrange(r); break;
        case LINEAR: linear(r); break;
        case ROPE_WRITE: rope_write(r); break;
        case ATTEND: attend(r); break;
        case TAKE: take(r); break;
        case REDUCE: reduce(r); break;
        default: throw std::logic_error("program: unknown call");
      }
    }
  }

 private:
  // Lays out registers and inputs in the machine's memory.
  void declare(Reader& r) {
    size_t need = 0;
    std::vector<size_t> at;
    const int registers = r.integer();
    for (int i = 0; i < registers; i++) {
      at.push_back(need);
      size_t n = size_t(r.word());
      if (i >= int(outputs_.size())) need += rounded(n * sizeof(float));
    }
    struct Parts { Input in; size_t x, q, parts, pairs, scales, sums[3]; };
    std::vector<Parts> parts(size_t(r.integer()));
    for (auto& p : parts) {
      p.in.rows = r.integer(), p.in.k = r.integer();
      const bool plain = r.word() != 0, quantised = r.word() != 0;
      const size_t n = size_t(all_lanes(p.in.rows)) * p.in.k;
      p.x = p.q = p.parts = p.pairs = p.scales = p.sums[0] = p.sums[1] = p.sums[2] = SIZE_MAX;
      if (plain) p.x = need, need += rounded(n * sizeof(float));
      if (quantised) {
        const size_t part = rounded(n / QUANT * sizeof(float));
        p.q = need, need += rounded(n);
        p.parts = need, need += part;
        p.pairs = need, need += part;
        p.scales = need, need += rounded(size_t(all_lanes(p.in.rows)) * chunks_of(p.in.k) * sizeof(float));
        for (size_t& sum : p.sums) sum = need, need += part;
      }
    }
    reserve(need);
    for (int i = 0; i < registers; i++) {
      registers_.push_back(i < int(outputs_.size()) ? outputs_[i] : place<float>(at[i]));
    }
    for (auto& p : parts) {
      p.in.x = place<float>(p.x), p.in.q = place<int8_t>(p.q);
      p.in.parts = place<float>(p.parts), p.in.pairs = place<int32_t>(p.pairs), p.in.scales = place<float>(p.scales);
      for (int i = 0; i < 3; i++) p.in.sums[i] = place<float>(p.sums[i]);
      inputs_.push_back(p.in);
    }
    weights_.resize(size_t(r.integer()));
    for (auto& w : weights_) {
      w.data = array<uint8_t>(r.integer());
      w.form = Form(r.integer()), w.scale = Scale(r.integer());
      w.n = r.integer(), w.k = r.integer(), w.group = r.integer();
    }
  }

  // Makes sure of so many bytes, without what was in them.
  void reserve(size_t need) {
    if (m_.size >= need) return;
    m_.size = 0;
    m_.memory.reset();
    try {
      m_.memory.reset(new char[need + LINE]);
    } catch (const std::bad_alloc&) {
      throw std::runtime_error("out of memory: a step needs " + std::to_string(need) + " bytes for its intermediate results");
    }
    m_.size = need;
  }

  template <typename T>
  T* place(size_t offset) const {
    if (offset == SIZE_MAX) return nullptr;
    auto base = rounded(reinterpret_cast<uintptr_t>(m_.memory.get()));
    return reinterpret_cast<T*>(base + offset);
  }

  template <typename T>
  T* array(int i) const {
    return i < 0 ? nullptr : static_cast<T*>(arrays_.at(size_t(i)));
  }
  float* reg(Reader& r) const { return registers_.at(size_t(r.word())); }
  const int32_t* ints(Reader& r) const { return code_.ints.data() + r.word(); }
  const float* floats(Reader& r) const {
    int64_t at = r.word();
    return at < 0 ? nullptr : code_.floats.data() + at;
  }

  // Runs f(first, last) over rows: few at a time, and by itself where sharing would cost
  // more than it saves. work is that of a row, in elements.
  template <typename F>
  void rows(int n, size_t work, F&& f) {
    constexpr size_t SMALL = 1 << 13;
    if (size_t(n) * work <= SMALL) {
      if (n > 0) f(0, n);
      return;
    }
    m_.pool.run((n + TILE - 1) / TILE, [&](int i) { f(i * TILE, std::min(n, (i + 1) * TILE)); });
  }

  void lookup(Reader& r) {
    float* dst = reg(r);
    const Weight& w = weights_.at(size_t(r.word()));
    const int32_t* tokens = ints(r);
    rows(r.integer(), size_t(w.k) * 4, [&](int a, int b) { k_.lookup(w, tokens, dst, a, b); });
  }

  void arrange(Reader& r) {
    Arrange a;
    a.out = inputs_.at(size_t(r.word()));
    a.source = Source(r.integer());
    a.gate = Gate(r.integer());
    a.x = reg(r);
    a.weight = array<float>(r.integer());
    a.eps = r.number();
    rows(a.out.rows, a.out.k, [&](int first, int last) { k_.arrange(a, first, last); });
  }

  // The panels of several layers with the same rows, shared out together.
  void linear(Reader& r) {
    std::vector<Linear>& parts = linears_;
    parts.resize(size_t(r.integer()));
    int panels = 0, total = 0, n_rows = 0, k = 1;
    for (auto& l : parts) {
      l.w = weights_.at(size_t(r.word()));
      l.bias = array<float>(r.integer());
      l.in = &inputs_.at(size_t(r.word()));
      float* dst = reg(r);
      l.dst = dst + r.word();
      l.stride = r.integer();
      l.add = r.word() != 0;
      total += (l.w.n + PANEL - 1) / PANEL;
      n_rows = l.in->rows, k = std::max(k, l.w.k);
    }
    // A piece is a few panels by as many rows as stay in a cache near the core.
    const int chunk = std::max(1, std::min(64, total / (m_.pool.threads() * 8)));
    const int block = std::clamp((256 << 10) / k / TILE * TILE, 4 * TILE, 16 * TILE);
    const int blocks = (n_rows + block - 1) / block;
    pieces_.clear();
    for (auto& l : parts) {
      panels = (l.w.n + PANEL - 1) / PANEL;
      for (int p = 0; p < panels; p += chunk) pieces_.push_back({&l, p, std::min(panels, p + chunk)});
    }
    const int n = int(pieces_.size());
    m_.pool.run(n * blocks, [&](int i) {
      const Piece& p = pieces_[size_t(i % n)];
      const int row = i / n * block;
      k_.linear(*p.layer, p.first, p.last, row, std::min(n_rows, row + block));
    });
  }

  Cache cache(Reader& r) {
    Cache c;
    c.keys = array<uint8_t>(r.integer()), c.values = array<uint8_t>(r.integer());
    c.bits = r.integer(), c.kv_heads = r.integer(), c.head_dim = r.integer(), c.block_tokens = r.integer();
    return c;
  }

  void rope_write(Reader& r) {
    RopeWrite a;
    a.rows = r.integer(), a.heads = r.integer();
    a.qkv = reg(r), a.q = reg(r);
    a.q_norm = array<float>(r.integer()), a.k_norm = array<float>(r.integer());
    a.eps = r.number();
    a.cos = floats(r), a.sin = floats(r);
    a.partner = ints(r), a.block = ints(r), a.slot = ints(r);
    a.cache = cache(r);
    rows(a.rows, size_t(a.heads + 2 * a.cache.kv_heads) * a.cache.head_dim,
         [&](int first, int last) { k_.rope_write(a, first, last); });
  }

  void attend(Reader& r) {
    Attend a;
    a.spans = r.integer();
    a.span = reinterpret_cast<const Span*>(ints(r));
    a.tables = ints(r);
    a.heads = r.integer();
    a.scale = r.number();
    a.window = r.integer();
    a.softcap = r.number();
    a.sinks = array<float>(r.integer());
    a.q = reg(r), a.out = reg(r);
    a.cache = cache(r);
    scratch_.resize(std::max(scratch_.size(), k_.attend_scratch(a)));
    m_.pool.run(k_.attend_parts(a, scratch_.data()), [&](int i) { k_.attend(a, scratch_.data(), i); });
    m_.pool.run(k_.merge_parts(a), [&](int i) { k_.merge(a, scratch_.data(), i); });
  }

  void take(Reader& r) {
    float* dst = reg(r);
    const float* src = reg(r);
    const int32_t* which = ints(r);
    const int n = r.integer(), width = r.integer();
    for (int i = 0; i < n; i++) {
      std::memcpy(dst + size_t(i) * width, src + size_t(which[i]) * width, size_t(width) * sizeof(float));
    }
  }

  void reduce(Reader& r) {
    Reduce a;
    a.rows = r.integer(), a.vocab = r.integer();
    a.logits = reg(r);
    a.wants = ints(r);
    a.k = r.integer();
    a.values = reg(r);
    a.ids = reinterpret_cast<int32_t*>(reg(r));
    a.logsumexp = reg(r);
    scratch_.resize(std::max(scratch_.size(), k_.reduce_scratch(a)));
    m_.pool.run(k_.reduce_parts(a), [&](int i) { k_.reduce(a, scratch_.data(), i); });
    m_.pool.run(a.rows, [&](int i) { k_.rank(a, scratch_.data(), i); });
  }

  struct Piece {
    const Linear* layer;
    int first, last;
  };

  Machine& m_;
  const Kernels& k_;
  const Code& code_;
  const std::vector<void*>& arrays_;
  const std::vector<float*>& outputs_;
  std::vector<float*> registers_;
  std::vector<Input> inputs_;
  std::vector<Weight> weights_;
  std::vector<Linear> linears_;
  std::vector<Piece> pieces_;
  std::vector<float> scratch_;
};

} // namespace

void execute(Machine& machine, const Code& code, const std::vector<void*>& arrays, const std::vector<float*>& outputs) {
  Runner(machine, code, arrays, outputs).run();
}

} // namespace troupe
