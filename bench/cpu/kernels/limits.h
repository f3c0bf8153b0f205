// What the machine can do at most: multiply-adds a second by instruction, and bytes read a second. All threads of a
// pool.
#ifndef WARPLINE_BENCH_LIMITS_H
#define WARPLINE_BENCH_LIMITS_H

#include <cstdint>

#include "core/thread-pool.h"

namespace warpline::bench {

enum Instruction { kFmaFloat, kDotBrain, kDotBytes, kInstructions };

// Seconds. Once `count_own_time` was called, of this thread's own work: what a single thread measures is then hardly
// disturbed by other processes.
double now();
void count_own_time();

// Operations (two a multiply-add) a second of 512-bit vectors; 0 where the machine lacks the instruction.
double peak(ThreadPool& pool, Instruction instruction);

// Bytes a second of all threads reading `bytes` of `memory` once, each a part of its own.
double read_bandwidth(ThreadPool& pool, const void* memory, int64_t bytes);

}  // namespace warpline::bench
#endif
