// What the processor and the operating system offer.
#ifndef WARPLINE_CPU_FEATURES_H
#define WARPLINE_CPU_FEATURES_H

namespace warpline {

// 1 where this machine can execute the level's instructions; says nothing of what the build holds.
bool machine_runs(int level);

}  // namespace warpline
#endif
