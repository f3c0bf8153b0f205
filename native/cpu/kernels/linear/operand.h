// x as the tiles read it: 32-bit words, each with the inputs that one step of a panel multiplies.
//
//   kFloats  1 f32                        F32 and whatever is computed in f32
//   kBrains  2 bf16, rounded to nearest   BF16 where there is a dot-product instruction for it
//   kCodes   4 int8                       INT8 and INT4 likewise
//
// Layout: [chunk][row][words of the chunk, padding]. A chunk is kChunk words, so that a chunk of a panel stays in the
// first-level cache while all rows pass by it. The padding makes a segment an odd number of cache lines, so that equal
// words of neighbouring rows fall in different sets, and the stride a constant, so that one register addresses all rows
// of a tile.
//
// Codes: x is quantised by row and group of inputs (32 or 128: that of the weights, 128 for one scale a channel), the
// largest magnitude becoming 127. A segment's tail holds each group's scale (f32) and what its integer sums start from
// (i32): -offset * sum of codes, which takes the weights' offset back.
#ifndef WARPLINE_OPERAND_H
#define WARPLINE_OPERAND_H

#include "panel.h"

namespace warpline::WL_LEVEL {

enum OperandKind { kFloats, kBrains, kCodes };

constexpr int kChunk = 256;
constexpr int kMostGroups = 32;  // of a chunk: kChunk words of 4 inputs in groups of 32

WL_INLINE constexpr int segment_words(OperandKind kind) {
  return kind == kCodes ? kChunk + 2 * kMostGroups + 16 : kChunk + 16;
}
WL_INLINE constexpr int inputs_per_word(OperandKind kind) { return kind == kCodes ? 4 : kind == kBrains ? 2 : 1; }

struct Operand {
  OperandKind kind;
  int group;   // kCodes: inputs a scale
  int offset;  // kCodes: of the weights' codes
  int64_t inputs;
  int64_t rows;

  WL_INLINE_MEMBER int64_t chunks() const { return divide_up(inputs, int64_t{kChunk} * inputs_per_word(kind)); }
  WL_INLINE_MEMBER int64_t bytes() const { return chunks() * rows * segment_words(kind) * 4; }
  WL_INLINE_MEMBER uint32_t* segment(void* memory, int64_t chunk, int64_t row) const {
    return static_cast<uint32_t*>(memory) + (chunk * rows + row) * segment_words(kind);
  }
};

// Converts rows first .. last of x [rows, inputs] into `memory`.
void convert_rows(const Operand& operand, const float* x, int64_t stride, int64_t first, int64_t last, void* memory);

}  // namespace warpline::WL_LEVEL
#endif
