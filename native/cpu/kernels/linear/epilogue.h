// From the sums of a panel to the output: scale of the channel, bias, scale, soft cap, activation, gate, multiply,
// residual, as commands.h orders them. Vectors of columns; the last ones are masked, not computed differently.
#ifndef WARPLINE_EPILOGUE_H
#define WARPLINE_EPILOGUE_H

#include "../../commands.h"
#include "panel.h"

namespace warpline::WL_LEVEL {

// The sums of one panel (of two, where gated) for consecutive rows.
struct Sums {
  const float* gate_or_only;   // [rows][kColumns]
  const float* up;             // null where not gated
  const float* channel_scale;  // [kColumns], null where there is none
  const float* up_channel_scale;
  int64_t column;  // of `out`, the panel's first
  int64_t first_row;
  int64_t rows;
};

// By activation.
using Epilogue = void (*)(const wl_linear& linear, const Sums& sums);
extern const Epilogue kEpilogues[WL_ACTIVATIONS];

}  // namespace warpline::WL_LEVEL
#endif
