// Packing: exact where the storage is exact, as accurate as GGUF's quantisation where it is not, and safe in parallel.
#include <cmath>
#include <cstring>
#include <thread>

#include "product.h"

namespace warpline::test {
namespace {

TEST("weights come back as they are stored, in any order of calls") {
  at_each_level([](const char* level) {
    for (int32_t storage = 0; storage < WL_STORAGES; storage++) {
      for (bool gated : {false, true}) {
        const int32_t outputs = 74, inputs = 131;
        const Matrix whole = make_matrix(storage, outputs, inputs, gated, 1);
        const Block memory(wl_packed_bytes(&whole.packed));
        wl_matrix pieces = whole.packed;
        pieces.data = memory.get();
        std::thread upper([&] { pack_floats(pieces, 37, 37, whole.given.data() + 37 * inputs); });
        for (int32_t row = 36; row >= 0; row--) pack_floats(pieces, row, 1, whole.given.data() + row * inputs);
        upper.join();
        std::vector<float> stored(whole.stored.size());
        wl_unpack(&pieces, 0, outputs, stored.data());
        CHECK(stored == whole.stored, "%s %s", level, kStorageNames[storage]);
        if (storage == WL_F32) CHECK(stored == whole.given, "f32 is exact");
      }
    }
  });
}

float from_f16(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const float fraction = static_cast<float>(half & 1023);
  const float size = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
  return half & 0x8000 ? -size : size;
}

// Rows of finite 16-bit patterns or of floats, with strides in both directions.
struct Stored {
  wl_rows rows;
  std::vector<uint16_t> halves;
  std::vector<float> floats;

  Stored(int32_t type, int64_t count, int64_t row_stride, int64_t inputs, int64_t input_stride, uint32_t seed) {
    const size_t size = static_cast<size_t>(count * row_stride + inputs * input_stride);
    floats = random_floats(size, seed, 0.1f);
    for (float value : floats) {
      uint32_t bits;
      std::memcpy(&bits, &value, 4);
      halves.push_back(type == WL_ROWS_BF16 ? bits >> 16 : bits % 0x7c00 | (bits >> 16 & 0x8000));
    }
    const void* data = type == WL_ROWS_F32 ? static_cast<const void*>(floats.data()) : halves.data();
    rows = {data, row_stride, input_stride, type, 0};
  }

  float at(int64_t row, int64_t input) const {
    const size_t i = static_cast<size_t>(row * rows.row_stride + input * rows.input_stride);
    if (rows.type == WL_ROWS_F32) return floats[i];
    if (rows.type == WL_ROWS_F16) return from_f16(halves[i]);
    const uint32_t bits = uint32_t{halves[i]} << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
  }
};

TEST("weights of every type and orientation pack as the same weights in rows of f32 do, on any threads") {
  at_each_level([](const char* level) {
    wl_pool* pool = wl_pool_create(3);
    for (int32_t storage = 0; storage < WL_STORAGES; storage++) {
      for (int32_t type = 0; type < WL_ROWS_TYPES; type++) {
        for (int orientation = 0; orientation < 3; orientation++) {
          for (bool gated : {false, true}) {
            const int64_t outputs = 202, inputs = 77;
            const int64_t row_stride = orientation == 0 ? inputs + 3 : orientation == 1 ? 1 : 2;
            const int64_t input_stride = orientation == 0 ? 1 : orientation == 1 ? outputs + 5 : 2 * outputs;
            const Stored stored(type, outputs, row_stride, inputs, input_stride, 11);
            std::vector<float> floats;
            for (int64_t r = 0; r < outputs; r++) {
              for (int64_t k = 0; k < inputs; k++) floats.push_back(stored.at(r, k));
            }
            wl_matrix expected{nullptr, static_cast<int32_t>(outputs), static_cast<int32_t>(inputs), storage, gated};
            const size_t bytes = wl_packed_bytes(&expected);
            const Block one(bytes), other(bytes);
            expected.data = one.get();
            wl_matrix found = expected;
            found.data = other.get();
            pack_floats(expected, 0, outputs, floats.data());
            const int32_t error = wl_pack(pool, &found, 0, outputs, &stored.rows);
            CHECK(error == WL_OK && std::memcmp(one.get(), other.get(), bytes) == 0, "%s %s from type %d, orientation %d",
                  level, kStorageNames[storage], type, orientation);
          }
        }
      }
    }
    wl_pool_destroy(pool);
  });
}

double relative_error(const Matrix& m) {
  double error = 0, size = 0;
  for (size_t i = 0; i < m.given.size(); i++) {
    error += std::pow(double{m.given[i]} - m.stored[i], 2);
    size += std::pow(double{m.given[i]}, 2);
  }
  return std::sqrt(error / size);
}

float round_to_f16(float x) {
  if (x == 0) return 0;
  const float unit = std::ldexp(1.0f, std::max(std::ilogb(x), -14) - 10);
  return std::nearbyint(x / unit) * unit;
}

// GGUF's Q8_0 (levels 127, scale = largest magnitude / 127) and Q4_0 (levels 8, scale = extreme / -8), scales in f16.
double gguf_error(const Matrix& m, int levels) {
  double error = 0, size = 0;
  const int64_t inputs = m.packed.inputs;
  for (size_t row = 0; row < m.given.size(); row += inputs) {
    for (int64_t k = 0; k < inputs; k += 32) {
      const float* w = m.given.data() + row + k;
      float extreme = 0;
      for (int i = 0; i < 32; i++) extreme = std::fabs(w[i]) > std::fabs(extreme) ? w[i] : extreme;
      const float exact = levels == 127 ? std::fabs(extreme) / 127 : extreme / -8;
      const float scale = round_to_f16(exact);
      for (int i = 0; i < 32; i++) {
        const double code =
            levels == 127 ? std::nearbyint(w[i] / exact) : std::min(15.0, std::floor(w[i] / exact + 8.5)) - 8;
        error += std::pow(code * scale - w[i], 2);
        size += std::pow(double{w[i]}, 2);
      }
    }
  }
  return std::sqrt(error / size);
}

TEST("groups of 32 are at least as accurate as GGUF's Q8_0 and Q4_0") {
  at_each_level([](const char* level) {
    const Matrix eight = make_matrix(WL_INT8_G32, 96, 1024, false, 2);
    const Matrix four = make_matrix(WL_INT4_G32, 96, 1024, false, 3);
    const double q8 = gguf_error(eight, 127), q4 = gguf_error(four, 8);
    if (std::strcmp(level, "portable") == 0) {
      std::printf(
          "  relative errors: int8 channel %.5f, group 32 %.5f (Q8_0 %.5f); int4 group 32 %.4f (Q4_0 %.4f), group 128 "
          "%.4f\n",
          relative_error(make_matrix(WL_INT8, 96, 1024, false, 4)), relative_error(eight), q8, relative_error(four), q4,
          relative_error(make_matrix(WL_INT4_G128, 96, 1024, false, 5)));
    }
    CHECK(relative_error(eight) <= q8, "%s: %g against %g", level, relative_error(eight), q8);
    CHECK(relative_error(four) <= q4, "%s: %g against %g", level, relative_error(four), q4);
  });
}

TEST("a matrix of zeros packs to zeros, and huge or tiny weights keep their precision") {
  at_each_level([](const char* level) {
    for (int32_t storage = WL_INT8; storage < WL_STORAGES; storage++) {
      for (float size : {0.0f, 1e-30f, 1e30f}) {
        Matrix m = make_matrix(storage, 3, 128, false, 6);
        for (float& w : m.given) w *= size;
        pack_floats(m.packed, 0, 3, m.given.data());
        wl_unpack(&m.packed, 0, 3, m.stored.data());
        double error = 0, total = 0;
        for (size_t i = 0; i < m.given.size(); i++) {
          error += std::fabs(double{m.given[i]} - m.stored[i]);
          total += std::fabs(double{m.given[i]});
        }
        CHECK(error <= 0.15 * total, "%s %s times %g: %g of %g", level, kStorageNames[storage], size, error, total);
      }
    }
  });
}

TEST("impossible matrices are refused") {
  const wl_matrix bad[] = {
      {nullptr, 0, 4, WL_F32, 0}, {nullptr, 4, -1, WL_F32, 0}, {nullptr, 4, 4, 99, 0}, {nullptr, 5, 4, WL_F32, 1}};
  for (const wl_matrix& m : bad) CHECK(wl_packed_bytes(&m) == 0, "%d x %d", m.outputs, m.inputs);
  const Matrix m = make_matrix(WL_F32, 4, 4, false, 7);
  CHECK(pack_floats(m.packed, 2, 3, m.given.data()) == WL_BAD_MATRIX, "rows past the end");
  const wl_rows odd{m.given.data(), 4, 1, WL_ROWS_TYPES, 0};
  CHECK(wl_pack(nullptr, &m.packed, 0, 4, &odd) == WL_BAD_MATRIX, "an unknown type of rows");
}

}  // namespace
}  // namespace warpline::test
