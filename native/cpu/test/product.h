// A packed matrix with what it was made of, and the product in double precision that kernels are compared with.
#ifndef WARPLINE_TEST_PRODUCT_H
#define WARPLINE_TEST_PRODUCT_H

#include <memory>

#include "check.h"

namespace warpline::test {

inline const char* const kStorageNames[WL_STORAGES] = {"f32",      "bf16",     "f16",      "int8",
                                                       "int8-g32", "int4-g32", "int4-g128"};

struct Matrix {
  wl_matrix packed;
  std::vector<float> given;   // [outputs, inputs]
  std::vector<float> stored;  // as unpacked again
  std::shared_ptr<Block> memory;
};

Matrix make_matrix(int32_t storage, int32_t outputs, int32_t inputs, bool gated, uint32_t seed);

// Packs rows that stand one behind the other, in f32, on this thread.
int32_t pack_floats(const wl_matrix& matrix, int64_t first, int64_t count, const float* rows);

// What the level in use multiplies instead of x [rows, inputs]: bf16 or codes times their scale, or x itself.
std::vector<float> seen_by_kernel(const Matrix& matrix, const std::vector<float>& x, int64_t rows);

// Activation in double precision.
double activate(int32_t activation, double x);

// Sums in double precision of what the kernel sees, and of their magnitudes, which bound the rounding errors.
struct Sum {
  double value;
  double magnitude;
};
Sum dot(const Matrix& matrix, const std::vector<float>& seen, int64_t row, int64_t output);

// A command for x [rows, inputs] -> out [rows, width], all with the given strides; no bias and so on.
wl_command linear_command(const Matrix& matrix, const float* x, float* out, int64_t out_stride);

}  // namespace warpline::test
#endif
