// The vector functions behind the activations, through a product with the identity: y = activation(1 * x).
#include <cmath>

#include "product.h"

namespace warpline::test {
namespace {

// Values from tiny to saturating, both signs, and the places where a function changes its formula.
std::vector<float> arguments() {
  std::vector<float> x = {0.0f, -0.0f, 0.625f, -0.625f, 0.62499994f, 88.0f, -88.0f, 103.0f, -103.0f, 200.0f, -200.0f};
  for (float size = 1e-30f; size < 1e3f; size *= 1.13f) x.insert(x.end(), {size, -size});
  for (float value : random_floats(4000, 1, 3)) x.push_back(value);
  return x;
}

std::vector<float> apply(int32_t activation, const std::vector<float>& x) {
  Matrix one = make_matrix(WL_F32, 1, 1, false, 1);
  one.given[0] = 1;
  pack_floats(one.packed, 0, 1, one.given.data());
  std::vector<float> y(x.size());
  wl_command command = linear_command(one, x.data(), y.data(), 1);
  command.linear.activation = activation;
  Pool(1).run(command, static_cast<int32_t>(x.size()));
  return y;
}

// What multiplies a rounding error on its way into an exponent. GELU puts the error of its square back where the level
// has fused multiply-adds; the tanh form's cubic and the quick form's product keep it.
double exponent_size(const std::string& level, int32_t activation, double x) {
  if (activation == WL_GELU) return level == "portable" ? 1 + x * x / 8 : 1;
  if (activation == WL_GELU_TANH) return 1 + std::fabs(x * x * x) / 50;
  if (activation == WL_GELU_QUICK) return 1 + std::fabs(x) / 10;
  return 1;
}

TEST("activations are accurate to a millionth of their value, tails included") {
  at_each_level([](const char* level) {
    const std::vector<float> x = arguments();
    for (int32_t activation = 0; activation < WL_ACTIVATIONS; activation++) {
      double worst = 0;
      float at = 0;
      const std::vector<float> y = apply(activation, x);
      for (size_t i = 0; i < x.size(); i++) {
        const double exact = activate(activation, x[i]);
        const double smallest = 1e-30;  // below it exp's argument is near its end
        const double error =
            std::fabs(y[i] - exact) / (std::fabs(exact) + smallest) / exponent_size(level, activation, x[i]);
        if (error > worst) worst = error, at = x[i];
      }
      CHECK(worst < 1e-6, "%s activation %d at %g: %g", level, activation, at, worst);
    }
  });
}

TEST("activations keep NaN and saturate at the infinities") {
  at_each_level([](const char* level) {
    const float infinity = std::numeric_limits<float>::infinity();
    for (int32_t activation = 0; activation < WL_ACTIVATIONS; activation++) {
      const std::vector<float> y = apply(activation, {std::nanf(""), infinity});
      CHECK(std::isnan(y[0]), "%s activation %d hides a NaN", level, activation);
      CHECK(y[1] == (activation == WL_TANH ? 1 : infinity), "%s activation %d of Infinity: %g", level, activation,
            y[1]);
    }
  });
}

}  // namespace
}  // namespace warpline::test
