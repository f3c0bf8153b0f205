#include "product.h"

#include <cmath>
#include <cstring>

namespace warpline::test {
namespace {

bool level_is(const char* name) { return std::strcmp(wl_level_name(wl_level()), name) == 0; }

float round_to_bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  std::memcpy(&x, &bits, 4);
  return x;
}

void quantise_row(float* x, int64_t inputs, int64_t group) {
  for (int64_t k = 0; k < inputs; k += group) {
    const int64_t end = std::min(k + group, inputs);
    float most = 0;
    for (int64_t i = k; i < end; i++) most = std::max(most, std::fabs(x[i]));
    const float inverse = most > 0 ? 127 / most : 0, scale = most / 127;
    for (int64_t i = k; i < end; i++) x[i] = std::nearbyint(x[i] * inverse) * scale;
  }
}

}  // namespace

Matrix make_matrix(int32_t storage, int32_t outputs, int32_t inputs, bool gated, uint32_t seed) {
  Matrix m;
  m.packed = {nullptr, outputs, inputs, storage, gated};
  const size_t bytes = wl_packed_bytes(&m.packed);
  m.memory = std::make_shared<Block>(bytes);
  std::memset(m.memory->get(), 0xff, bytes);  // a kernel that reads padding sees NaN
  m.packed.data = m.memory->get();
  const size_t count = static_cast<size_t>(outputs) * inputs;
  m.given = random_floats(count, seed, 0.1f);
  m.stored.resize(count);
  CHECK(pack_floats(m.packed, 0, outputs, m.given.data()) == WL_OK, "packs %s", kStorageNames[storage]);
  CHECK(wl_unpack(&m.packed, 0, outputs, m.stored.data()) == WL_OK, "unpacks %s", kStorageNames[storage]);
  return m;
}

int32_t pack_floats(const wl_matrix& matrix, int64_t first, int64_t count, const float* rows) {
  const wl_rows given{rows, matrix.inputs, 1, WL_ROWS_F32, 0};
  return wl_pack(nullptr, &matrix, first, count, &given);
}

std::vector<float> seen_by_kernel(const Matrix& matrix, const std::vector<float>& x, int64_t rows) {
  std::vector<float> seen = x;
  const int32_t storage = matrix.packed.storage;
  const int64_t inputs = matrix.packed.inputs;
  if (storage == WL_BF16 && level_is("avx512bf16")) {
    for (float& value : seen) value = round_to_bf16(value);
  }
  if (storage >= WL_INT8 && (level_is("avx512") || level_is("avx512bf16"))) {
    const bool small = storage == WL_INT8_G32 || storage == WL_INT4_G32;
    for (int64_t r = 0; r < rows; r++) quantise_row(seen.data() + r * inputs, inputs, small ? 32 : 128);
  }
  return seen;
}

double activate(int32_t activation, double x) {
  const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  switch (activation) {
    case WL_RELU:
      return std::max(x, 0.0);
    case WL_RELU2:
      return x > 0 ? x * x : 0;
    case WL_GELU:
      return 0.5 * x * std::erfc(-x * std::sqrt(0.5));
    case WL_GELU_TANH:
      return x * sigmoid(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
    case WL_GELU_QUICK:
      return x * sigmoid(1.702 * x);
    case WL_SILU:
      return x * sigmoid(x);
    case WL_TANH:
      return std::tanh(x);
    default:
      return x;
  }
}

Sum dot(const Matrix& matrix, const std::vector<float>& seen, int64_t row, int64_t output) {
  const int64_t inputs = matrix.packed.inputs;
  Sum sum{0, 0};
  for (int64_t k = 0; k < inputs; k++) {
    const double product = double{seen[row * inputs + k]} * matrix.stored[output * inputs + k];
    sum.value += product;
    sum.magnitude += std::fabs(product);
  }
  return sum;
}

wl_command linear_command(const Matrix& matrix, const float* x, float* out, int64_t out_stride) {
  wl_command command{};
  command.opcode = WL_OP_LINEAR;
  command.rows = WL_TOKENS;
  command.linear.weight = matrix.packed;
  command.linear.x = x;
  command.linear.x_stride = matrix.packed.inputs;
  command.linear.out = out;
  command.linear.out_stride = out_stride;
  command.linear.scale = 1;
  return command;
}

}  // namespace warpline::test
