// The activation functions of program/operation.ts, by the numbers of src/backend/cuda/codes.ts.
#pragma once
#include "types.cuh"

enum Activation : i32 { NONE = 0, RELU, RELU2, GELU, GELU_TANH, GELU_QUICK, SILU, TANH };

__device__ __forceinline__ float sigmoid(float x) { return 1.f / (1.f + __expf(-x)); }

__device__ __forceinline__ float activate(i32 kind, float x) {
    switch (kind) {
        case RELU: return fmaxf(x, 0.f);
        case RELU2: return fmaxf(x, 0.f) * fmaxf(x, 0.f);
        case GELU: return 0.5f * x * (1.f + erff(x * 0.70710678118654752f));
        case GELU_TANH: return 0.5f * x * (1.f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
        case GELU_QUICK: return x * sigmoid(1.702f * x);
        case SILU: return x * sigmoid(x);
        case TANH: return tanhf(x);
        default: return x;
    }
}
