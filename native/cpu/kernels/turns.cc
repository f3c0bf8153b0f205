// Cosines and sines of rotary embedding (Su et al. 2021) for the tokens of a step: see wl_turns in commands.h. Every
// layer reads them, so they are computed once a step, in double precision: positions reach far beyond where single
// precision could reduce an angle. Bound by the C library's sine and cosine, about 20 ns each.
#include "../core/operation.h"

namespace warpline::WL_LEVEL {
namespace {

// Dynamic NTK scaling (bloc97, 2023): beyond the length it was trained for, a model turns with a larger base.
double base_for(const wl_turns& p, int32_t length) {
  const double growth = p.factor * length / p.original - (p.factor - 1);
  return p.theta * __builtin_pow(growth, static_cast<double>(p.dim) / (p.dim - 2));
}

int32_t run(const wl_command& command, const Context& context) {
  const wl_turns& p = command.turns;
  const int32_t half = p.dim / 2;
  const Range tokens = context.share(rows_of(command, *context.step));
  for (int64_t t = tokens.first; t < tokens.last; t++) {
    const bool grown = p.lengths && p.lengths[t] > p.original;
    const double base = grown ? base_for(p, p.lengths[t]) : 0;
    float* out = p.out + t * p.dim;
    for (int32_t i = 0; i < half; i++) {
      const float frequency = grown ? static_cast<float>(__builtin_pow(base, -2.0 * i / p.dim)) : p.frequencies[i];
      // Checkpoints' own code rounds the angle to single precision, so it is part of the model.
      const double angle = static_cast<float>(p.positions[t]) * frequency;
      out[i] = static_cast<float>(__builtin_cos(angle) * p.scale);
      out[half + i] = static_cast<float>(__builtin_sin(angle) * p.scale);
    }
  }
  return WL_OK;
}

}  // namespace

extern const Operation kTurns;
const Operation kTurns = {run, nullptr};

}  // namespace warpline::WL_LEVEL
