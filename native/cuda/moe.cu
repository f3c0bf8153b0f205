// Mixture of experts (Shazeer et al. 2017; Jiang et al. 2024, "Mixtral of Experts"): p = softmax(x router^T); the top_k largest, of equal
// ones the first, renormalised if asked; out = sum over the chosen e, ascending, of p[e] * down_e(activation(up_e(x))).
// x, out: [tokens, hidden] of T; router: float [experts, hidden]; chosen, shares: [tokens, top_k], a token's experts ascending.
//
// route -> (sort picks by expert) -> up -> down -> combine. Few tokens, as in decoding, skip the sorting: see moe/few.cuh, bound by
// reading the chosen experts' weights. Many are grouped by expert, a counting sort in fixed order, and multiplied in tiles:
// moe/many.cuh. What neither takes goes to moe/plain.cuh. Nothing is added by atomics: the same launch gives the same bits.
#include "moe/few.cuh"
#include "moe/many.cuh"
#include "moe/plain.cuh"
#include "moe/route.cuh"

#define PRODUCT(FORM, THREADS, BLOCKS, NAME, T)                                                                                  \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) moe_up_##FORM##_##NAME(const __grid_constant__ MoeProductParams p) { \
        FORM##_product<T, false, T>(p);                                                                                  \
    }                                                                                                                    \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)                                                                \
        moe_gated_##FORM##_##NAME(const __grid_constant__ MoeProductParams p) {                                          \
        FORM##_product<T, true, T>(p);                                                                                   \
    }                                                                                                                    \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)                                                                \
        moe_down_##FORM##_##NAME(const __grid_constant__ MoeProductParams p) {                                           \
        FORM##_product<T, false, float>(p);                                                                              \
    }
PRODUCT(plain, 256, 2, f32, float)
PRODUCT(plain, 256, 2, f16, f16)
PRODUCT(plain, 256, 2, bf16, bf16)
PRODUCT(few, FEW_WARPS * WARP, 4, f16, f16)
PRODUCT(few, FEW_WARPS * WARP, 4, bf16, bf16)
PRODUCT(many, MANY_THREADS, 2, f16, f16)
PRODUCT(many, MANY_THREADS, 2, bf16, bf16)

#define ROUTE(NAME, T)                                                                                             \
    extern "C" __global__ void __launch_bounds__(256, 4) moe_route_##NAME(const __grid_constant__ MoeRouteParams p) { route<T>(p); } \
    extern "C" __global__ void __launch_bounds__(256, 4) moe_combine_##NAME(const __grid_constant__ MoeCombineParams p) { combine<T>(p); }
ROUTE(f32, float)
ROUTE(f16, f16)
ROUTE(bf16, bf16)

extern "C" __global__ void __launch_bounds__(1024, 1) moe_sort(const __grid_constant__ MoeSortParams p) { sort_picks(p); }
