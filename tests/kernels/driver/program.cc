// Whole programs: a small decoder, by one thread and by several.

#include "blocks.h"
#include "weights.h"

namespace check {

namespace {

// The calls, as mlx/program.go numbers them.
enum : int64_t { LOOKUP, ARRANGE, LINEAR, ROPE_WRITE, ATTEND, TAKE, REDUCE };

int64_t word(double d) {
  int64_t bits;
  std::memcpy(&bits, &d, sizeof d);
  return bits;
}

// A decoder of one layer. Weights come first among the arrays, then the cache.
class Decoder {
 public:
  Decoder(Random& random, int rows)
      : rows_(rows), blocks_((rows + TOKENS - 1) / TOKENS, random.pick({16, 8, 4}), KV, DIM, TOKENS), wants_(random.in(1, 5)) {
    const bool integers = random.one_in(2);
    for (auto [n, k] : {std::pair{VOCAB, WIDTH}, {(HEADS + 2 * KV) * DIM, WIDTH}, {WIDTH, HEADS * DIM}, {MLP, WIDTH}, {MLP, WIDTH}, {WIDTH, MLP}}) {
      layers_.push_back(random_layer(random, n, k));
      arrays_.push_back(layers_.back().packed.data());
    }
    arrays_.push_back(const_cast<uint8_t*>(blocks_.keys().data())), arrays_.push_back(const_cast<uint8_t*>(blocks_.values().data()));
    declare(integers);
    record(random);
  }

  // The outputs of a run, which begins with the same cache each time.
  std::vector<Buffer<float>> run(Machine& machine) {
    std::vector<Buffer<float>> out;
    std::vector<float*> to;
    for (int64_t n : code_.outputs) out.emplace_back(size_t(n)), to.push_back(out.back().data());
    execute(machine, code_, arrays_, to);
    return out;
  }

  Code code() const { return code_; }
  const std::vector<void*>& arrays() const { return arrays_; }
  int rows() const { return rows_; }

 private:
  static constexpr int WIDTH = 128, HEADS = 4, KV = 2, DIM = 32, MLP = 160, VOCAB = 300, TOKENS = 16, MOST = 8;
  enum { VALUES, IDS, SUMS, LOGITS, X, QKV, Q, OUT, GATED, LAST }; // registers; the first four are outputs
  enum { NORMED, ATTENDED, NORMED_AGAIN, ACTIVE, HEAD };           // inputs

  void say(std::initializer_list<int64_t> words) { code_.words.insert(code_.words.end(), words); }

  void declare(bool integers) {
    const int64_t n = rows_;
    code_.outputs = {wants_ * MOST, wants_ * MOST, wants_, wants_ * VOCAB};
    say({10});
    for (int64_t size : code_.outputs) say({size});
    say({n * WIDTH, n * (HEADS + 2 * KV) * DIM, n * HEADS * DIM, n * HEADS * DIM, n * 2 * MLP, wants_ * WIDTH});
    say({5});
    for (auto [rows, k] : {std::pair{n, WIDTH}, {n, HEADS * DIM}, {n, WIDTH}, {n, MLP}, {int64_t(wants_), WIDTH}}) {
      say({rows, k, 1, integers});
    }
    say({int64_t(layers_.size())});
    for (size_t i = 0; i < layers_.size(); i++) {
      const Weight& w = layers_[i].weight;
      say({int64_t(i), int64_t(w.form), int64_t(w.scale), w.n, w.k, w.group});
    }
  }

  int64_t ints(const std::vector<int32_t>& v) {
    code_.ints.insert(code_.ints.end(), v.begin(), v.end());
    return int64_t(code_.ints.size() - v.size());
  }

  void norm(int64_t to, int64_t from) { say({ARRANGE, to, int64_t(Source::Normed), 0, from, -1, word(1e-5)}); }

  void record(Random& random) {
    std::vector<int32_t> tokens, partner, block, slot, table, last, wants;
    std::vector<float> turns;
    for (int i = 0; i < rows_; i++) tokens.push_back(random.in(0, VOCAB - 1)), block.push_back(i / TOKENS), slot.push_back(i % TOKENS);
    for (int i = 0; i < DIM; i++) partner.push_back(i ^ 1);
    for (int i = 0; i < (rows_ + TOKENS - 1) / TOKENS; i++) table.push_back(i);
    for (int i = 0; i < wants_; i++) last.push_back(random.in(0, rows_ - 1)), wants.push_back(random.in(0, MOST));
    for (int i = 0; i < rows_ * DIM; i++) turns.push_back(random.normal());
    code_.floats = turns;
    const int64_t cache = int64_t(layers_.size());

    say({LOOKUP, X, 0, ints(tokens), rows_});
    norm(NORMED, X);
    say({LINEAR, 1, 1, -1, NORMED, QKV, 0, (HEADS + 2 * KV) * DIM, 0});
    say({ROPE_WRITE, rows_, HEADS, QKV, Q, -1, -1, word(1e-5), 0, 0, ints(partner), ints(block), ints(slot)});
    say({cache, cache + 1, blocks_.cache().bits, KV, DIM, TOKENS});
    say({ATTEND, 1, ints({0, rows_, 0, 0}), ints(table), HEADS, word(1 / std::sqrt(double(DIM))), 0, word(0), -1, Q, OUT});
    say({cache, cache + 1, blocks_.cache().bits, KV, DIM, TOKENS});
    say({ARRANGE, ATTENDED, int64_t(Source::Plain), 0, OUT, -1, word(0)});
    say({LINEAR, 1, 2, -1, ATTENDED, X, 0, WIDTH, 1});
    norm(NORMED_AGAIN, X);
    say({LINEAR, 2, 3, -1, NORMED_AGAIN, GATED, 0, 2 * MLP, 0, 4, -1, NORMED_AGAIN, GATED, MLP, 2 * MLP, 0});
    say({ARRANGE, ACTIVE, int64_t(Source::Gated), int64_t(Gate::SiLU), GATED, -1, word(0)});
    say({LINEAR, 1, 5, -1, ACTIVE, X, 0, WIDTH, 1});
    say({TAKE, LAST, X, ints(last), wants_, WIDTH});
    norm(HEAD, LAST);
    say({LINEAR, 1, 0, -1, HEAD, LOGITS, 0, VOCAB, 0});
    say({REDUCE, wants_, VOCAB, LOGITS, ints(wants), MOST, VALUES, IDS, SUMS});
  }

  int rows_;
  Blocks blocks_;
  int wants_;
  std::vector<Layer> layers_;
  std::vector<void*> arrays_;
  Code code_;
};

} // namespace

void program(Case c) {
  Decoder decoder(c.random, c.random.one_in(3) ? 1 : c.random.in(2, 90));
  const auto many = decoder.run(c.machine);
  Machine single(1, c.k.name);
  const auto one = decoder.run(single);
  for (size_t i = 0; i < many.size(); i++) same(many[i], one[i], "output");
  for (size_t i = 0; i < many[2].size(); i++) expect(std::isfinite(many[2][i]), "a sum that is not finite");

  // Programs that fail leave the machine as it was.
  auto runs = [&](Code code) {
    std::vector<Buffer<float>> out;
    std::vector<float*> to;
    for (int64_t n : code.outputs) out.emplace_back(size_t(n)), to.push_back(out.back().data());
    execute(c.machine, code, decoder.arrays(), to);
  };
  Code code = decoder.code();
  code.words.push_back(99);
  fails<std::logic_error>([&] { runs(code); }, "unknown call");
  code.words.back() = TAKE;
  fails<std::logic_error>([&] { runs(code); }, "ends within a call");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // they end the process instead
  code.words[5] = int64_t(1) << 58;
  fails<std::runtime_error>([&] { runs(code); }, "out of memory: a step needs");
#endif
  const auto again = decoder.run(c.machine);
  for (size_t i = 0; i < many.size(); i++) same(many[i], again[i], "output after failures");
}

} // namespace check
