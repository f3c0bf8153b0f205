// Mixture of experts (Shazeer et al. 2017; Jiang et al. 2024): see wl_moe in commands.h.
//
// Bound by reading the chosen experts' weights once a step. The rows of each expert are gathered side by side, so that
// an expert is one product of the linear kernel over all of its tokens, and scattered back by token: a token's experts
// are added in ascending order, so that its sum does not depend on who else chose them.
#include "linear/linear.h"
#include "vectors.h"

#include "../simd/math.h"

namespace warpline::WL_LEVEL {
namespace {

// An expert's part in a token's output; `row` is where its input and output stand among the gathered rows.
struct Share {
  int32_t expert;
  int32_t row;
  float weight;
};

// Scratch memory of a step; that of the products follows.
struct Layout {
  const wl_moe& p;
  int64_t tokens;

  int64_t picks() const { return tokens * p.top_k; }
  int64_t hidden() const { return p.router.inputs; }
  int64_t inner() const { return p.down.inputs; }

  static size_t lines(int64_t words) { return (static_cast<size_t>(words) * 4 + 63) / 64 * 64; }
  size_t shares_at() const { return lines(tokens * p.experts); }
  size_t starts_at() const { return shares_at() + lines(picks() * 3); }
  size_t picked_at() const { return starts_at() + lines(2 * (p.experts + 1)); }
  size_t raised_at() const { return picked_at() + lines(picks() * hidden()); }
  size_t bytes() const { return raised_at() + lines(picks() * inner()); }
};

wl_linear plain(const wl_matrix& weight, const float* x, const float* bias, float* out) {
  wl_linear linear = {};
  linear.weight = weight;
  linear.x = x;
  linear.bias = bias;
  linear.out = out;
  linear.x_stride = weight.inputs;
  linear.out_stride = weight.gated ? weight.outputs / 2 : weight.outputs;
  linear.scale = 1;
  linear.activation = WL_IDENTITY;
  return linear;
}

wl_matrix expert_of(const wl_matrix& first, int64_t bytes, int64_t expert) {
  wl_matrix matrix = first;
  matrix.data = static_cast<const uint8_t*>(first.data) + expert * bytes;
  return matrix;
}

void soften(float* scores, int64_t n) {
  float largest = scores[0];
  for (int64_t i = 1; i < n; i++) largest = scores[i] > largest ? scores[i] : largest;
  double total = 0;
  for (int64_t i = 0; i < n; i++) {
    scores[i] = exp(splat(scores[i] - largest))[0];
    total += static_cast<double>(scores[i]);
  }
  for (int64_t i = 0; i < n; i++) scores[i] = static_cast<float>(static_cast<double>(scores[i]) / total);
}

bool is_chosen(const Share* shares, int32_t count, int32_t expert) {
  for (int32_t i = 0; i < count; i++) {
    if (shares[i].expert == expert) return true;
  }
  return false;
}

// The top_k largest of a token's probabilities, of equal ones the first, by ascending expert.
void choose(const wl_moe& p, const float* probabilities, Share* shares) {
  double total = 0;
  for (int32_t k = 0; k < p.top_k; k++) {
    int32_t best = -1;
    for (int32_t e = 0; e < p.experts; e++) {
      if (!is_chosen(shares, k, e) && (best < 0 || probabilities[e] > probabilities[best])) best = e;
    }
    int32_t place = k;
    for (; place > 0 && shares[place - 1].expert > best; place--) shares[place] = shares[place - 1];
    shares[place] = {best, 0, probabilities[best]};
    total += static_cast<double>(probabilities[best]);
  }
  if (!p.renormalise) return;
  for (int32_t k = 0; k < p.top_k; k++) {
    shares[k].weight = static_cast<float>(static_cast<double>(shares[k].weight) / total);
  }
}

// Where each expert's rows begin, and each share's row: tokens ascend within an expert.
void place(const wl_moe& p, int64_t picks, Share* shares, int32_t* starts, int32_t* next) {
  memset(starts, 0, static_cast<size_t>(p.experts + 1) * sizeof(int32_t));
  for (int64_t i = 0; i < picks; i++) starts[shares[i].expert + 1]++;
  for (int32_t e = 0; e < p.experts; e++) starts[e + 1] += starts[e];
  memcpy(next, starts, static_cast<size_t>(p.experts) * sizeof(int32_t));
  for (int64_t i = 0; i < picks; i++) shares[i].row = next[shares[i].expert]++;
}

int32_t run(const wl_command& command, const Context& context) {
  const wl_moe& p = command.moe;
  const int64_t tokens = rows_of(command, *context.step);
  if (tokens == 0) return WL_OK;
  const Layout layout = {p, tokens};
  Context products = context;
  products.scratch += layout.bytes();
  const int64_t hidden = layout.hidden(), inner = layout.inner(), top_k = p.top_k;
  float* scores = reinterpret_cast<float*>(context.scratch);
  Share* shares = reinterpret_cast<Share*>(context.scratch + layout.shares_at());
  int32_t* starts = reinterpret_cast<int32_t*>(context.scratch + layout.starts_at());
  float* picked = reinterpret_cast<float*>(context.scratch + layout.picked_at());
  float* raised = reinterpret_cast<float*>(context.scratch + layout.raised_at());

  if (const int32_t error = product(plain(p.router, p.x, nullptr, scores), tokens, products)) return error;
  context.barrier();
  const Range own = context.share(tokens);
  for (int64_t t = own.first; t < own.last; t++) {
    soften(scores + t * p.experts, p.experts);
    choose(p, scores + t * p.experts, shares + t * top_k);
  }
  context.barrier();
  if (context.thread == 0) place(p, layout.picks(), shares, starts, starts + p.experts + 1);
  context.barrier();
  for (int64_t i = own.first * top_k; i < own.last * top_k; i++) {
    memcpy(picked + shares[i].row * hidden, p.x + i / top_k * hidden, static_cast<size_t>(hidden) * sizeof(float));
  }
  for (int32_t e = 0; e < p.experts; e++) {
    const int64_t first = starts[e], rows = starts[e + 1] - first;
    if (rows == 0) continue;
    context.barrier();
    wl_linear up = plain(expert_of(p.up, p.up_bytes, e), picked + first * hidden,
                         p.up_bias ? p.up_bias + int64_t{e} * p.up.outputs : nullptr, raised + first * inner);
    up.activation = p.activation;
    if (const int32_t error = product(up, rows, products)) return error;
  }
  for (int32_t e = 0; e < p.experts; e++) {
    const int64_t first = starts[e], rows = starts[e + 1] - first;
    if (rows == 0) continue;
    context.barrier();
    const wl_linear down = plain(expert_of(p.down, p.down_bytes, e), raised + first * inner,
                                 p.down_bias ? p.down_bias + e * hidden : nullptr, picked + first * hidden);
    if (const int32_t error = product(down, rows, products)) return error;
  }
  context.barrier();
  for (int64_t t = own.first; t < own.last; t++) {
    float* out = p.out + t * hidden;
    memset(out, 0, static_cast<size_t>(hidden) * sizeof(float));
    for (int64_t k = 0; k < top_k; k++) {
      const Share& share = shares[t * top_k + k];
      const float* row = picked + share.row * hidden;
      each_vector(hidden, [&](int64_t i, auto lanes) {
        store(out + i, fma(splat(share.weight), load(row + i, lanes), load(out + i, lanes)), lanes);
      });
    }
  }
  return WL_OK;
}

// Any number of a step's tokens may choose an expert, and a product of fewer rows may need more memory than one of
// many.
size_t scratch(const wl_command& command, const wl_step& step, int32_t threads) {
  const wl_moe& p = command.moe;
  const int64_t tokens = rows_of(command, step);
  size_t most = 0;
  const wl_matrix weights[] = {p.router, p.up, p.down};
  for (const wl_matrix& weight : weights) {
    const wl_linear linear = plain(weight, nullptr, nullptr, nullptr);
    for (int64_t rows = 1; rows <= tokens; rows++) {
      const size_t bytes = product_scratch(linear, rows, threads);
      if (bytes > most) most = bytes;
    }
  }
  return Layout{p, tokens}.bytes() + most;
}

}  // namespace

extern const Operation kMoe;
const Operation kMoe = {run, scratch};

}  // namespace warpline::WL_LEVEL
