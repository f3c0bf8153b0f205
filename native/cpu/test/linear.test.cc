// The matrix product against sums in double precision, at every level and storage, on odd shapes; and its promise that
// a row's bits depend on nothing but the row.
#include <cmath>
#include <cstring>

#include "product.h"

namespace warpline::test {
namespace {

constexpr float kPoison = std::numeric_limits<float>::quiet_NaN();
constexpr int kGap = 3;  // columns between rows of `out` that nobody may touch

struct Shape {
  int32_t rows, outputs, inputs;
};

const Shape kShapes[] = {{1, 1, 1},    {1, 33, 7},   {2, 31, 64},   {3, 65, 129},   {4, 96, 300},
                         {7, 17, 255}, {13, 40, 80}, {15, 70, 513}, {29, 50, 1031}, {63, 130, 100}};

// The rounding of f32 sums: a chain of n additions errs by at most n units of 2^-24, and far less on random signs.
double tolerance(const Sum& sum, int64_t inputs) {
  return sum.magnitude * std::sqrt(static_cast<double>(inputs) + 8) * 6e-8 * 4 + 1e-30;
}

void compare(const char* level, int32_t storage, const Shape& shape) {
  const Matrix m = make_matrix(storage, shape.outputs, shape.inputs, false, 1);
  const std::vector<float> x = random_floats(static_cast<size_t>(shape.rows) * shape.inputs, 2);
  const std::vector<float> seen = seen_by_kernel(m, x, shape.rows);
  const int64_t stride = shape.outputs + kGap;
  std::vector<float> out(static_cast<size_t>(shape.rows * stride), kPoison);
  const Pool pool(2);
  CHECK(pool.run(linear_command(m, x.data(), out.data(), stride), shape.rows) == WL_OK, "runs");
  for (int64_t r = 0; r < shape.rows; r++) {
    for (int64_t n = 0; n < shape.outputs; n++) {
      const Sum sum = dot(m, seen, r, n);
      const double y = out[r * stride + n];
      CHECK(std::fabs(y - sum.value) <= tolerance(sum, shape.inputs), "%s %s %dx%dx%d [%d, %d]: %g, not %g", level,
            kStorageNames[storage], shape.rows, shape.outputs, shape.inputs, static_cast<int>(r), static_cast<int>(n),
            y, sum.value);
    }
    for (int64_t n = shape.outputs; n < stride; n++) CHECK(std::isnan(out[r * stride + n]), "writes past its row");
  }
}

TEST("a product equals the sum in double precision, for every level, storage and odd shape") {
  at_each_level([](const char* level) {
    for (int32_t storage = 0; storage < WL_STORAGES; storage++) {
      for (const Shape& shape : kShapes) compare(level, storage, shape);
    }
  });
}

// All epilogues in one, on an output of `width` columns.
struct Operands {
  std::vector<float> x, bias, multiply, residual;
};

Operands make_operands(int64_t rows, int64_t outputs, int64_t inputs, int64_t width) {
  return {random_floats(rows * inputs, 3), random_floats(outputs, 4), random_floats(rows * width, 5),
          random_floats(rows * width, 6)};
}

wl_command with_epilogue(wl_command command, const Operands& operands, int64_t width, bool gated) {
  wl_linear& linear = command.linear;
  linear.bias = operands.bias.data();
  linear.residual = operands.residual.data();
  linear.residual_stride = width;
  if (!gated) {
    linear.multiply = operands.multiply.data();
    linear.multiply_stride = width;
  }
  return command;
}

TEST("bias, activation, gate, multiply and residual follow the product in their order") {
  const int64_t rows = 17, inputs = 70;
  at_each_level([&](const char* level) {
    for (int32_t activation = 0; activation < WL_ACTIVATIONS; activation++) {
      for (bool gated : {false, true}) {
        const int32_t width = 45, outputs = gated ? 2 * width : width;
        const Matrix m = make_matrix(WL_F32, outputs, inputs, gated, 7);
        const Operands operands = make_operands(rows, outputs, inputs, width);
        std::vector<float> out(rows * width, kPoison);
        wl_command command =
            with_epilogue(linear_command(m, operands.x.data(), out.data(), width), operands, width, gated);
        command.linear.activation = activation;
        CHECK(Pool(2).run(command, rows) == WL_OK, "runs");
        for (int64_t r = 0; r < rows; r++) {
          for (int64_t n = 0; n < width; n++) {
            double y = activate(activation, dot(m, operands.x, r, n).value + operands.bias[n]);
            y *= gated ? dot(m, operands.x, r, n + width).value + operands.bias[n + width]
                       : operands.multiply[r * width + n];
            y += operands.residual[r * width + n];
            CHECK(std::fabs(out[r * width + n] - y) <= 1e-5 * (1 + std::fabs(y)), "%s activation %d%s: %g, not %g",
                  level, activation, gated ? " gated" : "", out[r * width + n], y);
          }
        }
      }
    }
  });
}

TEST("logits are scaled and then capped") {
  const int32_t outputs = 37, inputs = 50;
  at_each_level([&](const char* level) {
    const Matrix m = make_matrix(WL_F32, outputs, inputs, false, 8);
    const std::vector<float> x = random_floats(inputs, 9, 20);
    std::vector<float> out(outputs, kPoison);
    wl_command command = linear_command(m, x.data(), out.data(), outputs);
    command.linear.scale = 0.5f;
    command.linear.soft_cap = 5;
    CHECK(Pool(1).run(command, 1) == WL_OK, "runs");
    for (int32_t n = 0; n < outputs; n++) {
      const double y = 5 * std::tanh(0.5 * dot(m, x, 0, n).value / 5);
      CHECK(std::fabs(out[n] - y) < 2e-5, "%s: %g, not %g", level, out[n], y);
    }
  });
}

// Runs rows first .. first + count alone and says whether they come out as in `all`, bit for bit.
bool same_alone(const Pool& pool, const wl_command& all, int64_t first, int32_t count, int64_t width) {
  std::vector<float> out(count * width, kPoison);
  wl_command part = all;
  part.linear.x += first * part.linear.x_stride;
  part.linear.residual += first * part.linear.residual_stride;
  part.linear.out = out.data();
  pool.run(part, count);
  return std::memcmp(out.data(), all.linear.out + first * width, out.size() * sizeof(float)) == 0;
}

void check_invariance(const char* level, int32_t storage, bool gated, int32_t inputs) {
  const int32_t rows = 67, width = 45, outputs = gated ? 90 : 45;
  const Matrix m = make_matrix(storage, outputs, inputs, gated, 10);
  const Operands operands = make_operands(rows, outputs, inputs, width);
  std::vector<float> out(rows * width, kPoison);
  wl_command command = with_epilogue(linear_command(m, operands.x.data(), out.data(), width), operands, width, true);
  command.linear.activation = WL_GELU_TANH;
  const Pool one(1), two(2), five(5);
  one.run(command, rows);
  for (const Pool* pool : {&one, &two, &five}) {
    for (int64_t r = 0; r < rows; r++) {
      CHECK(same_alone(*pool, command, r, 1, width), "%s %s: row %d alone differs", level, kStorageNames[storage],
            (int)r);
    }
    for (int32_t count : {2, 3, 8, 14, 15, 33, 64}) {
      CHECK(same_alone(*pool, command, 3, count, width), "%s %s: %d rows differ", level, kStorageNames[storage], count);
    }
  }
}

TEST("a row's bits do not depend on the rows beside it, nor on the threads") {
  at_each_level([](const char* level) {
    for (int32_t storage = 0; storage < WL_STORAGES; storage++) {
      for (int32_t inputs : {1, 45, 257, 1100}) check_invariance(level, storage, inputs == 45, inputs);
    }
  });
}

TEST("a NaN or Infinity in a row of x reaches all its outputs and no other row") {
  at_each_level([](const char* level) {
    for (int32_t storage = 0; storage < WL_STORAGES; storage++) {
      const Matrix m = make_matrix(storage, 40, 200, false, 11);
      std::vector<float> x = random_floats(3 * 200, 12), out(3 * 40, kPoison);
      x[200 + 150] = kPoison;
      x[400 + 7] = std::numeric_limits<float>::infinity();
      Pool(2).run(linear_command(m, x.data(), out.data(), 40), 3);
      for (int n = 0; n < 40; n++) {
        CHECK(std::isfinite(out[n]), "%s %s: spreads", level, kStorageNames[storage]);
        CHECK(!std::isfinite(out[40 + n]), "%s %s: hides a NaN", level, kStorageNames[storage]);
        CHECK(!std::isfinite(out[80 + n]), "%s %s: hides an Infinity", level, kStorageNames[storage]);
      }
    }
  });
}

}  // namespace
}  // namespace warpline::test
