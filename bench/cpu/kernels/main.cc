// Matrix products beside what the machine can do: node tools/build-cpu.mjs --bench, then
//   native/cpu/build/<platform>-<arch>/kernel-bench [threads] [storage] [rows]
// Every product is measured between two measurements of its limits, several times over; a line gives the medians of the
// times and of the ratios, and the best time beside the best of the limits, for machines that others use too. Weights
// are as many copies as do not fit any cache, read in turn, as a model's layers are.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "abi.h"
#include "commands.h"
#include "limits.h"

namespace warpline::bench {
namespace {

constexpr int kRounds = 7;
constexpr size_t kWeightBytes = size_t{160} << 20;

struct Shape {
  int32_t outputs, inputs;
};
// GPT-2 124M's layer and head, and a Llama 1.1B's feed-forward layer.
const Shape kShapes[] = {{768, 768}, {2304, 768}, {3072, 768}, {768, 3072}, {50257, 768}, {2048, 5632}};
const int32_t kRows[] = {1, 4, 8, 16, 32, 128, 512};
const char* const kNames[WL_STORAGES] = {"f32", "bf16", "f16", "int8", "int8-g32", "int4-g32", "int4-g128"};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// The instruction that bounds a storage's products at the level in use.
Instruction instruction_of(int32_t storage) {
  if (storage >= WL_INT8) return kDotBytes;
  return storage == WL_BF16 && wl_level() == WL_AVX512BF16 ? kDotBrain : kFmaFloat;
}

class Product {
 public:
  Product(int32_t storage, Shape shape, int32_t rows) : shape_(shape), rows_(rows) {
    wl_matrix matrix{nullptr, shape.outputs, shape.inputs, storage, 0};
    bytes_ = wl_packed_bytes(&matrix);
    stride_ = (bytes_ + 63) / 64 * 64;
    copies_ = static_cast<int>(std::max<size_t>(1, kWeightBytes / stride_));
    memory_ = static_cast<char*>(wl_allocate(stride_ * copies_));
    x_bytes_ = sizeof(float) * static_cast<size_t>(rows) * shape.inputs;
    out_bytes_ = sizeof(float) * static_cast<size_t>(rows) * shape.outputs;
    x_ = static_cast<float*>(wl_allocate(x_bytes_));
    out_ = static_cast<float*>(wl_allocate(out_bytes_));
    for (size_t i = 0; i < x_bytes_ / sizeof(float); i++) x_[i] = static_cast<float>(i % 97) / 50 - 1;
    std::vector<float> weights(static_cast<size_t>(shape.inputs) * 64);
    for (size_t i = 0; i < weights.size(); i++) weights[i] = static_cast<float>(i % 89) / 400 - 0.1f;
    matrix.data = memory_;
    for (int32_t row = 0; row < shape.outputs; row += 64) {
      const wl_rows rows{weights.data(), shape.inputs, 1, WL_ROWS_F32, 0};
      wl_pack(nullptr, &matrix, row, std::min(64, shape.outputs - row), &rows);
    }
    for (int copy = 1; copy < copies_; copy++) std::memcpy(memory_ + copy * stride_, memory_, bytes_);
    for (int copy = 0; copy < copies_; copy++) commands_.push_back(command(matrix, copy));
  }
  ~Product() {
    wl_free(memory_, stride_ * copies_);
    wl_free(x_, x_bytes_);
    wl_free(out_, out_bytes_);
  }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;

  // Seconds of one product, averaged over all copies in turn or at least some milliseconds of them.
  double time(wl_pool* pool) {
    wl_step step{};
    step.size[WL_TOKENS] = rows_;
    const double operations = 2.0 * rows_ * shape_.outputs * shape_.inputs;
    const int wanted = static_cast<int>(std::max(1.0, std::min<double>(copies_, 8e9 / operations)));
    if (next_ + wanted > copies_) next_ = 0;
    const double started = now();
    wl_run(pool, commands_.data() + next_, wanted, &step, nullptr, nullptr);
    next_ += wanted;
    return (now() - started) / wanted;
  }
  // Seconds of one command without rows.
  double time_of_none(wl_pool* pool) {
    const wl_step step{};
    const int count = std::min(copies_, 1000);
    const double started = now();
    wl_run(pool, commands_.data(), count, &step, nullptr, nullptr);
    return (now() - started) / count;
  }
  const char* memory() const { return memory_; }
  size_t total() const { return stride_ * copies_; }
  size_t bytes() const { return bytes_; }

 private:
  wl_command command(wl_matrix matrix, int copy) {
    wl_command c{};
    c.opcode = WL_OP_LINEAR;
    c.rows = WL_TOKENS;
    matrix.data = memory_ + copy * stride_;
    c.linear.weight = matrix;
    c.linear.x = x_;
    c.linear.x_stride = shape_.inputs;
    c.linear.out = out_;
    c.linear.out_stride = shape_.outputs;
    c.linear.scale = 1;
    return c;
  }

  Shape shape_;
  int32_t rows_;
  size_t bytes_, stride_;
  int copies_, next_ = 0;
  char* memory_;
  size_t x_bytes_, out_bytes_;
  float *x_, *out_;
  std::vector<wl_command> commands_;
};

void measure(ThreadPool& pool, int32_t storage, Shape shape, int32_t rows) {
  Product product(storage, shape, rows);
  wl_pool* handle = reinterpret_cast<wl_pool*>(&pool);
  product.time(handle);
  std::vector<double> times, arithmetic, bandwidth;
  double best_peak = 0, best_read = 0;
  for (int round = 0; round < kRounds; round++) {
    const double peak_before = peak(pool, instruction_of(storage));
    const double read_before = read_bandwidth(pool, product.memory(), product.total());
    const double seconds = product.time(handle);
    const double read_after = read_bandwidth(pool, product.memory(), product.total());
    const double peak_after = peak(pool, instruction_of(storage));
    const double operations = 2.0 * rows * shape.outputs * shape.inputs;
    times.push_back(seconds);
    best_peak = std::max({best_peak, peak_before, peak_after});
    best_read = std::max({best_read, read_before, read_after});
    arithmetic.push_back(operations / seconds / std::max(peak_before, peak_after));
    bandwidth.push_back(static_cast<double>(product.bytes()) / seconds / ((read_before + read_after) / 2));
  }
  const double operations = 2.0 * rows * shape.outputs * shape.inputs;
  const double bytes = static_cast<double>(product.bytes());
  const double best = *std::min_element(times.begin(), times.end());
  std::printf(
      "%-9s %4d x %5d x %4d %10.1f us %8.1f GFLOP/s: %5.1f %% of peak (best %5.1f) %6.1f GB/s: %5.1f %% of bandwidth "
      "(best %5.1f)\n",
      kNames[storage], rows, shape.outputs, shape.inputs, best * 1e6, 1e-9 * operations / best,
      100 * median(arithmetic), 100 * operations / best / best_peak, 1e-9 * bytes / best, 100 * median(bandwidth),
      100 * bytes / best / best_read);
  std::fflush(stdout);
}

// Seconds that a command costs beside its work: those of no rows only meet. The best of many runs, since a run counts
// where nobody else took a core.
double meeting(wl_pool* pool) {
  Product product(WL_F32, {32, 32}, 1);
  double best = 1;
  for (int round = 0; round < 200; round++) best = std::min(best, product.time_of_none(pool));
  return best;
}

}  // namespace
}  // namespace warpline::bench

int main(int count, char** arguments) {
  using namespace warpline;
  using namespace warpline::bench;
  if (count > 1 && std::atoi(arguments[1]) == 1) count_own_time();
  const auto pool = ThreadPool::create(count > 1 ? std::atoi(arguments[1]) : 0);
  const char* only = count > 2 ? arguments[2] : "";
  const int only_rows = count > 3 ? std::atoi(arguments[3]) : 0;
  std::printf("%s, %d threads; f32 %.0f, bf16 %.0f, int8 %.0f GFLOP/s\n", wl_level_name(wl_level()), pool->threads(),
              peak(*pool, kFmaFloat) * 1e-9, peak(*pool, kDotBrain) * 1e-9, peak(*pool, kDotBytes) * 1e-9);
  std::printf("a command without work: %.0f ns\n", meeting(reinterpret_cast<wl_pool*>(pool.get())) * 1e9);
  for (int32_t storage = 0; storage < WL_STORAGES; storage++) {
    if (*only && std::strcmp(only, kNames[storage]) != 0) continue;
    for (const int32_t rows : kRows) {
      if (only_rows && rows != only_rows) continue;
      for (const Shape& shape : kShapes) {
        if (shape.outputs == 50257 && rows > 8) continue;
        measure(*pool, storage, shape, rows);
      }
    }
  }
}
