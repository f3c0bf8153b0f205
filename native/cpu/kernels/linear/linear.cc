// Linear: y = x W^T with its epilogue, for any number of rows and any storage.
//
// Bound by reading W once for few rows, by the multipliers for many. One walk serves both: for each panel of W, chunk
// by chunk of its inputs, all rows pass by while the chunk is in the first-level cache, a tile of registers at a time;
// the sums stay in the second-level cache between chunks. Few rows are a single tile: then the panel is streamed once,
// front to back. x is converted first, by all threads. Every output is one chain of additions over ascending inputs,
// whatever the rows, spans and threads.
//
// Reached on two Zen 5 cores with AVX-512 (bench/cpu/kernels, the shapes of GPT-2 124M and of a 1.1B Llama), of the peak
// of each one's instruction, measured beside it, at 128 and 512 rows: F32 83-92 %, BF16 82-92 %, INT8 73-82 %, INT4 in
// groups of 128 73-84 %, INT8 and INT4 in groups of 32 56-67 %. Of the measured read bandwidth: 90-98 % with 1 row,
// 82-95 % with 8, but INT4 73-91 %, where it does half to two thirds of the peak's arithmetic.
#include "linear.h"

#include "epilogue.h"
#include "plan.h"

namespace warpline::WL_LEVEL {
namespace {

// How far a lone tile reads ahead: some 200 ns at the speed of memory.
constexpr int kStreamAhead = 8192;

class Worker {
 public:
  // `mine` is this thread's scratch memory.
  Worker(const wl_linear& linear, const Plan& plan, void* x, uint8_t* mine)
      : linear_(linear),
        plan_(plan),
        operand_(plan.operand),
        format_(kFormats[linear.weight.storage]),
        tiling_(kTilings[linear.weight.storage]),
        chunks_(operand_.chunks()),
        chunk_inputs_(int64_t{kChunk} * inputs_per_word(operand_.kind)),
        chunk_bytes_(step_offset(format_, chunk_inputs_) - step_offset(format_, 0)),
        panel_bytes_(panel_bytes(format_, linear.weight.inputs)),
        x_(x),
        sums_(reinterpret_cast<float*>(mine)),
        expanded_(mine + plan.parts * plan.sums_bytes) {}

  void run(int64_t item) {
    const int64_t panel = item / plan_.spans;
    first_row_ = plan_.span_start(item - panel * plan_.spans);
    rows_ = plan_.span_start(item - panel * plan_.spans + 1) - first_row_;
    column_ = panel * kColumns;
    panels_ = static_cast<const uint8_t*>(linear_.weight.data) + panel * plan_.parts * panel_bytes_;
    alone_ = rows_ <= tiling_.alone_rows;
    tiles_ = alone_ ? 1 : divide_up(rows_, tiling_.shared_rows);
    expands_ = !alone_ && tiling_.expand;
    for (int64_t part = 0; part < plan_.parts; part++) {
      memset(sums_of(part, 0), 0, static_cast<size_t>(rows_) * kColumns * 4);
      for (int64_t chunk = 0; chunk < chunks_; chunk++) add_chunk(part, chunk);
    }
  }

 private:
  float* sums_of(int64_t part, int64_t row) const { return sums_ + part * plan_.sums_bytes / 4 + row * kColumns; }
  const uint8_t* panel_of(int64_t part) const { return panels_ + part * panel_bytes_; }

  void add_chunk(int64_t part, int64_t chunk) {
    const int64_t first = chunk * chunk_inputs_;
    const int64_t inputs = operand_.inputs - first < chunk_inputs_ ? operand_.inputs - first : chunk_inputs_;
    const uint8_t* packed = panel_of(part) + kColumns * format_.panel_scale + chunk * chunk_bytes_;
    if (expands_) tiling_.expand(panel_of(part), first, inputs, reinterpret_cast<float*>(expanded_));
    const uint8_t* weights = expands_ ? expanded_ : packed;
    const bool last_chunk = chunk + 1 == chunks_;
    const bool last = last_chunk && part + 1 == plan_.parts;
    const uint8_t* next = last_chunk ? panel_of(part + 1) : packed + chunk_bytes_;
    const int stride = static_cast<int>(divide_up(chunk_bytes_ * format_.inputs_per_step, tiles_ * inputs));
    const Tile* by_rows = alone_ ? tiling_.alone : tiling_.shared;
    for (int64_t t = 0; t < tiles_; t++) {
      const int64_t row = rows_ * t / tiles_;
      const int count = static_cast<int>(rows_ * (t + 1) / tiles_ - row);
      const uint32_t* words = operand_.segment(x_, chunk, first_row_ + row);
      const uint8_t* next_words = reinterpret_cast<const uint8_t*>(words + count * segment_words(operand_.kind));
      const Ahead ahead = alone_ ? Ahead{packed + kStreamAhead, nullptr, 2 * 64}
                                 : Ahead{next + chunk_bytes_ * t / tiles_, next_words, stride};
      if (last) expect_output(row, count);
      by_rows[count - 1](words, weights, inputs, ahead, sums_of(part, row));
      if (last) finish(row, count);
    }
  }

  // Fetches the lines that a tile's outputs will be written to while it computes.
  void expect_output(int64_t row, int count) const {
    for (int r = 0; r < count; r++) {
      const float* out = linear_.out + (first_row_ + row + r) * linear_.out_stride + column_;
      __builtin_prefetch(out, 1);
      __builtin_prefetch(out + kColumns - 1, 1);
    }
  }

  void finish(int64_t row, int count) const {
    const bool gated = plan_.parts == 2;
    kEpilogues[linear_.activation](linear_, {sums_of(0, row), gated ? sums_of(1, row) : nullptr, channel_scale(0),
                                             gated ? channel_scale(1) : nullptr, column_, first_row_ + row, count});
  }

  // The scale of a whole channel is left to the end.
  const float* channel_scale(int64_t part) const {
    return format_.panel_scale ? reinterpret_cast<const float*>(panel_of(part)) : nullptr;
  }

  const wl_linear& linear_;
  const Plan& plan_;
  const Operand& operand_;
  const Format& format_;
  const Tiling& tiling_;
  const int64_t chunks_;
  const int64_t chunk_inputs_;
  const int64_t chunk_bytes_;  // of a panel
  const int64_t panel_bytes_;
  void* const x_;
  float* const sums_;
  uint8_t* const expanded_;
  // Of the item at work.
  int64_t first_row_ = 0, rows_ = 0, column_ = 0;
  const uint8_t* panels_ = nullptr;
  bool alone_ = false, expands_ = false;
  int64_t tiles_ = 0;
};

// Begins reading what this thread will multiply first, while x is converted and the threads meet.
void expect_weights(const wl_linear& linear, const Plan& plan, const Context& context) {
  const int64_t bytes = plan.parts * panel_bytes(kFormats[linear.weight.storage], linear.weight.inputs);
  const uint8_t* first =
      static_cast<const uint8_t*>(linear.weight.data) + context.share(plan.items()).first / plan.spans * bytes;
  for (int64_t i = 0; i < kStreamAhead && i < bytes; i += 64) __builtin_prefetch(first + i, 0, 3);
}

int32_t run(const wl_command& command, const Context& context) {
  return product(command.linear, rows_of(command, *context.step), context);
}

size_t scratch(const wl_command& command, const wl_step& step, int32_t threads) {
  return product_scratch(command.linear, rows_of(command, step), threads);
}

}  // namespace

size_t product_scratch(const wl_linear& linear, int64_t rows, int32_t threads) {
  if (rows == 0 || !valid(linear)) return 0;
  return static_cast<size_t>(plan_of(linear, rows, threads).scratch_bytes(threads));
}

int32_t product(const wl_linear& linear, int64_t rows, const Context& context) {
  if (!valid(linear)) return WL_BAD_COMMAND;
  if (rows == 0) return WL_OK;
  const Plan plan = plan_of(linear, rows, context.threads);
  uint8_t* mine = context.scratch + plan.thread_bytes * context.thread;
  uint8_t* x = plan.alone ? mine + plan.thread_bytes - plan.operand_bytes
                          : context.scratch + plan.thread_bytes * context.threads;
  expect_weights(linear, plan, context);
  const Range converted = plan.alone ? Range{0, rows} : context.share(rows);
  convert_rows(plan.operand, linear.x, linear.x_stride, converted.first, converted.last, x);
  if (!plan.alone) context.barrier();

  Worker worker(linear, plan, x, mine);
  for (Loop loop(context, plan.items()); loop.next();) worker.run(loop.item());
  return WL_OK;
}

extern const Operation kLinear;
const Operation kLinear = {run, scratch};

}  // namespace warpline::WL_LEVEL
