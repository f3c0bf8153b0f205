#include "epilogue.h"

#include "../activation.h"

namespace warpline::WL_LEVEL {
namespace {

// What happens to the sums of one vector of columns before the activation.
struct Column {
  vf channel_scale;
  vf bias;

  WL_INLINE_MEMBER vf apply(const wl_linear& linear, vf sum) const {
    vf t = fma(sum, channel_scale, bias) * splat(linear.scale);
    if (linear.soft_cap > 0) t = splat(linear.soft_cap) * tanh(t / splat(linear.soft_cap));
    return t;
  }
};

WL_INLINE Column column_of(const float* channel_scale, const float* bias, int64_t count) {
  return {channel_scale ? load(channel_scale) : splat(1), bias ? load_first(bias, count) : splat(0)};
}

template <int A>
void finish(const wl_linear& linear, const Sums& sums) {
  const int64_t width = linear.weight.gated ? linear.weight.outputs / 2 : linear.weight.outputs;
  for (int v = 0; v < kColumns; v += kWidth) {
    const int64_t column = sums.column + v;
    const int64_t count = width - column < kWidth ? width - column : kWidth;
    if (count <= 0) return;
    const float* bias = linear.bias ? linear.bias + column : nullptr;
    const Column first = column_of(sums.channel_scale ? sums.channel_scale + v : nullptr, bias, count);
    const Column second = column_of(sums.up_channel_scale ? sums.up_channel_scale + v : nullptr,
                                    sums.up && bias ? bias + width : nullptr, count);
    for (int64_t r = 0; r < sums.rows; r++) {
      const int64_t row = sums.first_row + r;
      vf y = activate<A>(first.apply(linear, load(sums.gate_or_only + r * kColumns + v)));
      if (sums.up) y = y * second.apply(linear, load(sums.up + r * kColumns + v));
      if (linear.multiply) y = y * load_first(linear.multiply + row * linear.multiply_stride + column, count);
      if (linear.residual) y = y + load_first(linear.residual + row * linear.residual_stride + column, count);
      store_first(linear.out + row * linear.out_stride + column, y, count);
    }
  }
}

}  // namespace

const Epilogue kEpilogues[WL_ACTIVATIONS] = {
    finish<WL_IDENTITY>,  finish<WL_RELU>,       finish<WL_RELU2>, finish<WL_GELU>,
    finish<WL_GELU_TANH>, finish<WL_GELU_QUICK>, finish<WL_SILU>,  finish<WL_TANH>,
};

}  // namespace warpline::WL_LEVEL
