// Exponentials by the special function unit, and angles that stay exact at any position.
#pragma once
#include "types.cuh"

constexpr float LOG2_E = 1.4426950408889634f;

/// 2 ** x, relative error 2 ** -22; 0 for minus infinity and for what would be denormal.
__device__ __forceinline__ float exp2_fast(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/// tanh with an absolute error below 2e-7: the hardware's own tanh errs by 5e-4, which a soft cap of 50 makes 2 % of a weight.
__device__ __forceinline__ float tanh_fast(float x) {
    return 1.f - __fdividef(2.f, 1.f + exp2_fast(fminf(2.f * LOG2_E * x, 126.f)));
}

/// Sine and cosine of an angle in radians. The angle is reduced to [-pi/4, pi/4] in double precision, where a single
/// precision angle loses 1e-16 of its size (2e-11 radians at position 131072); the polynomials (Cephes, sinf.c) then err by
/// less than 1e-7. Not sincosf: its path for angles beyond 105615 spills to local memory.
__device__ __forceinline__ void sine_cosine(float angle, float& sine, float& cosine) {
    const double quarters = rint(double(angle) * 0.63661977236758134);
    const float r = float(fma(quarters, -1.5707963267948966, double(angle)));
    const i32 quarter = i32(quarters);
    const float square = r * r;
    float s = fmaf(square, -1.9515295891e-4f, 8.3321608736e-3f);
    s = fmaf(s, square, -1.6666654611e-1f);
    s = fmaf(s * square, r, r);
    float c = fmaf(square, 2.443315711809948e-5f, -1.388731625493765e-3f);
    c = fmaf(c, square, 4.166664568298827e-2f);
    c = fmaf(c, square * square, fmaf(-0.5f, square, 1.f));
    const bool swapped = quarter & 1;
    sine = swapped ? c : s;
    cosine = swapped ? s : c;
    if (quarter & 2) sine = -sine;
    if ((quarter + 1) & 2) cosine = -cosine;
}
