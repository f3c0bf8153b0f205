#include "plan.h"

namespace warpline::WL_LEVEL {
namespace {

constexpr int64_t kLine = 64;
// More rows than this would push a span's sums out of the second-level cache.
constexpr int64_t kMostSpanRows = 512;
// So many items a thread keep the wait for the last one short...
constexpr int64_t kItemsPerThread = 4;
// ... and so many rows an item keep its tiles full.
constexpr int64_t kLeastSpanRows = 2 * 14;
// Converting so many inputs again on every thread is cheaper than meeting once.
constexpr int64_t kAloneInputs = 4096;

int64_t whole_lines(int64_t bytes) { return divide_up(bytes, kLine) * kLine; }

}  // namespace

bool valid(const wl_linear& linear) {
  const wl_matrix& w = linear.weight;
  return w.storage >= 0 && w.storage < WL_STORAGES && w.outputs > 0 && w.inputs > 0 && linear.activation >= 0 &&
         linear.activation < WL_ACTIVATIONS && (!w.gated || w.outputs % 2 == 0);
}

Plan plan_of(const wl_linear& linear, int64_t rows, int32_t threads) {
  const wl_matrix& weight = linear.weight;
  const Format& format = kFormats[weight.storage];
  Plan plan{};
  plan.operand = {kTilings[weight.storage].operand, format.group ? format.group : 128, format.offset, weight.inputs,
                  rows};
  plan.alone = threads == 1 || rows * weight.inputs <= kAloneInputs;
  plan.parts = weight.gated ? 2 : 1;
  plan.panels = panel_count(weight) / plan.parts;
  plan.spans = divide_up(rows, kMostSpanRows);
  while (plan.items() < kItemsPerThread * threads && rows >= kLeastSpanRows * (plan.spans + 1)) plan.spans++;
  plan.sums_bytes = divide_up(rows, plan.spans) * kColumns * 4;
  plan.operand_bytes = whole_lines(plan.operand.bytes());
  const int64_t expanded_bytes = kChunk * kColumns * 4;
  plan.thread_bytes = plan.parts * plan.sums_bytes + expanded_bytes + (plan.alone ? plan.operand_bytes : 0);
  return plan;
}

}  // namespace warpline::WL_LEVEL
