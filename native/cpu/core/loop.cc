// Work items claimed by their owners from the front and by others from the back. A thread's part of a loop is one
// 64-bit word, so that a claim is one compare-and-swap: the loop's number, the first item left and the one past the
// last left. Whoever comes first to a part sets it up: what it holds follows from the loop alone. Loops are counted
// from 1 in each run, and a part that is at a later loop already has nothing left of this one.
#include "operation.h"
#include "thread-pool.h"

namespace warpline {
namespace {

// Items are counted from the part's own first, so that 22 bits go far.
constexpr int kBits = 22;
constexpr uint64_t kMask = (uint64_t{1} << kBits) - 1;

uint64_t part(uint32_t loop, uint64_t front, uint64_t back) {
  return uint64_t{loop} << (2 * kBits) | front << kBits | back;
}

Range share_of(int32_t thread, int32_t threads, int64_t items) {
  return {items * thread / threads, items * (thread + 1) / threads};
}

}  // namespace

Loop::Loop(const Context& context, int64_t items)
    : context_(context), items_(items), loop_(++*context.loops), victim_(context.thread) {}

bool Loop::claim(int32_t thread, bool from_back) {
  std::atomic<uint64_t>& slot = context_.pool->part(thread);
  const Range range = share_of(thread, context_.threads, items_);
  uint64_t seen = slot.load(std::memory_order_relaxed);
  for (;;) {
    const uint64_t at = seen >> (2 * kBits);
    if (at > loop_) return false;
    const bool fresh = at < loop_;
    const uint64_t front = fresh ? 0 : seen >> kBits & kMask;
    const uint64_t back = fresh ? static_cast<uint64_t>(range.last - range.first) : seen & kMask;
    if (front == back) return false;
    const uint64_t left = from_back ? part(loop_, front, back - 1) : part(loop_, front + 1, back);
    if (!slot.compare_exchange_weak(seen, left, std::memory_order_relaxed)) continue;
    item_ = range.first + static_cast<int64_t>(from_back ? back - 1 : front);
    return true;
  }
}

bool Loop::next() {
  if (victim_ == context_.thread && claim(victim_, false)) return true;
  do {
    if (victim_ != context_.thread && claim(victim_, true)) return true;
    victim_ = (victim_ + 1) % context_.threads;
  } while (victim_ != context_.thread);
  return false;
}

}  // namespace warpline
