//go:build cgo && !nomlx

// Programs as primitives of MLX.

#include "program.h"

#include <chrono>
#include <stdexcept>

#include "graph.h"
#include "mlx/allocator.h"
#include "mlx/backend/cpu/encoder.h"
#include "mlx/primitives.h"
#include "mlx/stream.h"

namespace troupe {

namespace {

class Program : public mx::Primitive {
 public:
  Program(mx::Stream s, std::shared_ptr<Machine> m, Code code)
      : mx::Primitive(s), machine_(std::move(m)), code_(std::make_shared<const Code>(std::move(code))) {}

  void eval_cpu(const std::vector<mx::array>& in, std::vector<mx::array>& out) override {
    std::vector<void*> arrays;
    for (auto& a : in) {
      if (!a.flags().row_contiguous) throw std::invalid_argument("program: an array is not row-contiguous");
      arrays.push_back(const_cast<char*>(a.data<char>()));
    }
    std::vector<float*> outputs;
    for (auto& a : out) {
      a.set_data(mx::allocator::malloc(a.nbytes()));
      outputs.push_back(a.data<float>());
    }
    // The primitive may be gone when the task runs; the arrays are kept.
    mx::cpu::get_command_encoder(stream()).dispatch(
        [machine = machine_, code = code_, arrays = std::move(arrays), outputs = std::move(outputs)] {
          const auto began = std::chrono::steady_clock::now();
          execute(*machine, *code, arrays, outputs);
          machine->busy += std::chrono::nanoseconds(std::chrono::steady_clock::now() - began).count();
        });
  }

  void eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) override {
    throw std::runtime_error("program: runs on the CPU only");
  }

  const char* name() const override { return "Program"; }

 private:
  std::shared_ptr<Machine> machine_;
  std::shared_ptr<const Code> code_;
};

} // namespace

std::vector<mx::array> build(std::shared_ptr<Machine> machine, Code code, std::vector<mx::array> arrays) {
  std::vector<mx::Shape> shapes;
  std::vector<mx::Dtype> types;
  for (int64_t n : code.outputs) {
    shapes.push_back(mx::Shape{mx::safe_cast(n)});
    types.push_back(mx::float32);
  }
  auto stream = mx::default_stream(mx::Device::cpu);
  return mx::array::make_arrays(std::move(shapes), types, std::make_shared<Program>(stream, std::move(machine), std::move(code)), arrays);
}

} // namespace troupe
