// A chunk of a packed panel as f32 [k][kColumns], for levels that have no dot product for its storage. Decoded once for
// all rows into first-level cache: what each weight is here, and the order it is summed in, depend on nothing else.
#ifndef WARPLINE_EXPAND_H
#define WARPLINE_EXPAND_H

#include "panel.h"

namespace warpline::WL_LEVEL {

// INT8's channel scale is left out: it comes at the end.
// `inputs` inputs from `first`, a multiple of the group or step, of a panel. Writes whole steps.
using Expand = void (*)(const uint8_t* panel, int64_t first, int64_t inputs, float* out);

void expand_bf16(const uint8_t* panel, int64_t first, int64_t inputs, float* out);
void expand_f16(const uint8_t* panel, int64_t first, int64_t inputs, float* out);
void expand_int8(const uint8_t* panel, int64_t first, int64_t inputs, float* out);
void expand_int8_g32(const uint8_t* panel, int64_t first, int64_t inputs, float* out);
void expand_int4_g32(const uint8_t* panel, int64_t first, int64_t inputs, float* out);
void expand_int4_g128(const uint8_t* panel, int64_t first, int64_t inputs, float* out);

constexpr Expand kExpandCodes[] = {expand_int8, expand_int8_g32, expand_int4_g32, expand_int4_g128};

}  // namespace warpline::WL_LEVEL
#endif
