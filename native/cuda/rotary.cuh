// Rotary embedding (Su et al. 2021): pair (a, b) of a head at a position turns by position * frequency, the product rounded to
// single precision as the checkpoints' own code rounds it.
#pragma once
#include "common/math.cuh"

/// What a token's angles follow from. `dynamic`: bloc97's scaling (2023), a larger base for a longer text.
struct Turning {
    float position;
    float scale;
    bool dynamic;
    /// log(theta * (factor * length / original - (factor - 1)) ** (dim / (dim - 2))) * -2 / dim
    double step;
};

__device__ __forceinline__ Turning turning_of(i32 position, float scale, i32 length, float theta, float factor,
                                              i32 original, i32 dim) {
    Turning turn{float(position), scale, length > original && original > 0, 0};
    if (turn.dynamic) {
        const double growth = double(factor) * length / original - (double(factor) - 1);
        turn.step = (log(double(theta)) + log(growth) * (double(dim) / (dim - 2))) * (-2.0 / dim);
    }
    return turn;
}

/// Scaled cosine and sine of pair `pair`.
__device__ __forceinline__ void turn_of(const Turning& turn, const float* frequencies, i32 pair, float& cosine, float& sine) {
    const float frequency = turn.dynamic ? float(exp(turn.step * pair)) : frequencies[pair];
    sine_cosine(turn.position * frequency, sine, cosine);
    cosine *= turn.scale;
    sine *= turn.scale;
}
