// What the machine can do at most, by measurement. All threads of a pool at once.
#ifndef WARPLINE_CPU_LIMITS_H
#define WARPLINE_CPU_LIMITS_H

#include <cstddef>
#include <cstdint>

#include "thread-pool.h"

namespace warpline {

// Seconds since some moment.
using Clock = double (*)();
double wall_clock();

// Operations (two a multiply-add) a second of the instruction that products of this wl_storage use at the level in use.
double peak(ThreadPool& pool, int32_t storage, Clock clock = wall_clock);

// Bytes a second of all threads reading `bytes` of `memory` once, each a part of its own.
double read_bandwidth(ThreadPool& pool, const void* memory, size_t bytes, Clock clock = wall_clock);

}  // namespace warpline
#endif
