// From logits to tokens: see wl_sampling in commands.h; src/backend/reference/sample.ts is the definition.
//
// Bound by reading the row (200 KB for GPT-2) a few times from second-level cache: one pass for the largest, one for
// the weights, and partial selections that look only at blocks whose largest value is large enough. No sort but of what
// is reported. A row is one thread's, so that its sums have one order.
//
// What is not here: penalties, biases and lists of bans touch few tokens by rules that would have to be written twice; the
// host applies the reference's own code to a copy of such a row and has it drawn from by this kernel. A mask over the
// whole vocabulary is applied here: one pass that writes the row's copy, 200 KB for GPT-2.
#include "sample/draw.h"

#include "../core/operation.h"

namespace warpline::WL_LEVEL {
namespace {

class Row {
 public:
  Row(const float* logits, int64_t n, const wl_sampling& asked, const Work& work, wl_sampled& result)
      : x_(logits), n_(n), asked_(asked), work_(work), result_(result) {}

  void sample() {
    result_ = {-1, WL_SAMPLED, 0, __builtin_nanf(""), 0, 0};
    const int64_t best = scan(x_, n_, work_.maxima);
    if (best < 0) {
      result_.failure = WL_LOGITS_NOT_FINITE;
      return;
    }
    if (asked_.report || asked_.top > 0 || asked_.mode == WL_BEAM) normaliser_ = log_sum_exp(x_, n_, x_[best]);
    if (asked_.mode == WL_DRAW) draw_token(best);
    if (asked_.mode == WL_BEAM) choose_candidates();
    if (result_.failure) return;
    const int32_t reported = asked_.mode == WL_SCORE ? asked_.target : result_.token;
    if (asked_.report && reported >= 0) {
      result_.logprob = log_probability(x_[reported]);
      result_.rank = rank_of(x_, n_, reported);
    }
    result_.top = list_best(x_, work_.maxima, asked_.top, 0, asked_.ids, asked_.logprobs);
  }

 private:
  float log_probability(float logit) const { return static_cast<float>(static_cast<double>(logit) - normaliser_); }

  void draw_token(int64_t best) {
    const float* from = x_;
    const float* maxima = work_.maxima;
    if (asked_.processed || asked_.allowed) {
      from = asked_.processed ? asked_.processed : masked();
      maxima = work_.other_maxima;
      best = scan(from, n_, work_.other_maxima);
    }
    if (best < 0) {
      result_.failure = WL_NOTHING_ALLOWED;
    } else if (asked_.temperature == 0) {
      result_.token = static_cast<int32_t>(best);
    } else {
      result_.token = draw(from, n_, from[best], maxima, asked_, work_);
    }
  }

  // The row without the tokens that its mask leaves out.
  const float* masked() const {
    apply_mask(x_, n_, asked_.allowed, work_.masked);
    return work_.masked;
  }

  // Log-probabilities are compared as they are reported: rounding makes ties that the lowest id wins.
  void choose_candidates() {
    int32_t* ids = asked_.ids + asked_.top;
    const float* from = x_;
    const float* maxima = work_.maxima;
    if (asked_.allowed) {
      from = masked();
      maxima = work_.other_maxima;
      if (scan(from, n_, work_.other_maxima) < 0) {
        result_.failure = WL_NOTHING_ALLOWED;
        return;
      }
    }
    result_.candidates =
        list_best(from, maxima, asked_.candidates, normaliser_, ids, asked_.logprobs + asked_.top);
    if (!asked_.report) return;
    for (int32_t i = 0; i < result_.candidates; i++) {
      asked_.raw_logprobs[i] = log_probability(x_[ids[i]]);
      asked_.ranks[i] = rank_of(x_, n_, ids[i]);
    }
  }

  // The `wanted` tokens of largest f32(logit - shift), with their log-probabilities.
  int32_t list_best(const float* x, const float* maxima, int64_t wanted, double shift, int32_t* ids,
                    float* logprobs) const {
    if (wanted <= 0) return 0;
    Candidate* found = work_.candidates;
    float floor = floor_of_best(maxima, block_count(n_), wanted, work_.spare);
    const auto key = [shift](float value) { return static_cast<float>(static_cast<double>(value) - shift); };
    // Values a little below the floor may round to the same key.
    if (shift != 0) floor -= 1e-6f * (__builtin_fabsf(floor) + static_cast<float>(__builtin_fabs(shift)));
    const int64_t count = collect(x, n_, maxima, floor, found);
    for (int64_t i = 0; i < count; i++) found[i].value = key(found[i].value);
    sort(found, count);
    const int64_t taken = count < wanted ? count : wanted;
    for (int64_t i = 0; i < taken; i++) {
      ids[i] = found[i].id;
      logprobs[i] = log_probability(x_[found[i].id]);
    }
    return static_cast<int32_t>(taken);
  }

  const float* x_;
  const int64_t n_;
  const wl_sampling& asked_;
  const Work& work_;
  wl_sampled& result_;
  double normaliser_ = 0;
};

constexpr int64_t kLine = 16;  // floats

int64_t padded(int64_t floats) { return (floats + kLine - 1) / kLine * kLine; }

int64_t work_floats(int64_t n) { return 2 * padded(block_count(n)) + 3 * padded(n) + padded(2 * n); }

Work work_at(float* memory, int64_t n) {
  float* other = memory + padded(block_count(n));
  float* spare = other + padded(block_count(n));
  float* weights = spare + padded(n);
  float* masked = weights + padded(n);
  return {memory, other, spare, weights, masked, reinterpret_cast<Candidate*>(masked + padded(n))};
}

int32_t run(const wl_command& command, const Context& context) {
  const wl_sample& s = command.sample;
  float* memory = reinterpret_cast<float*>(context.scratch) + context.thread * work_floats(s.vocabulary);
  const Work work = work_at(memory, s.vocabulary);
  const Range rows = context.share(rows_of(command, *context.step));
  for (int64_t r = rows.first; r < rows.last; r++) {
    if (s.rows[r].mode == WL_SKIP) continue;
    Row(s.logits + r * s.vocabulary, s.vocabulary, s.rows[r], work, s.results[r]).sample();
  }
  return WL_OK;
}

size_t scratch(const wl_command& command, const wl_step&, int32_t threads) {
  return static_cast<size_t>(work_floats(command.sample.vocabulary) * threads) * sizeof(float);
}

}  // namespace

extern const Operation kSample;
const Operation kSample = {run, scratch};

}  // namespace warpline::WL_LEVEL
