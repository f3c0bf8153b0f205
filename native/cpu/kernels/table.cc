// What this level provides: one line an operation.
#include "../core/kernels.h"

namespace warpline::WL_LEVEL {

extern const Operation kLinear;
extern const Operation kEmbed;
extern const Operation kNorm;
extern const Operation kAdd;
extern const Operation kTurns;
extern const Operation kQkvToCache;
extern const Operation kAttention;
extern const Operation kMoe;
extern const Operation kGatherRows;
extern const Operation kCopyBlocks;
extern const Operation kSample;

size_t packed_bytes(const wl_matrix& matrix);
int32_t pack(const wl_matrix& matrix, int64_t first, int64_t count, const wl_rows& rows);
int32_t unpack(const wl_matrix& matrix, int64_t first, int64_t count, float* rows);

namespace {

constexpr Operation kNone = {nullptr, nullptr};

}  // namespace

extern const Kernels kKernels;
const Kernels kKernels = {
    {
        kNone,
        kLinear,      // WL_OP_LINEAR
        kEmbed,       // WL_OP_EMBED
        kNorm,        // WL_OP_NORM
        kAdd,         // WL_OP_ADD
        kTurns,       // WL_OP_TURNS
        kQkvToCache,  // WL_OP_QKV_TO_CACHE
        kAttention,   // WL_OP_ATTENTION
        kMoe,         // WL_OP_MOE
        kGatherRows,  // WL_OP_GATHER_ROWS
        kCopyBlocks,  // WL_OP_COPY_BLOCKS
        kSample,      // WL_OP_SAMPLE
    },
    packed_bytes,
    pack,
    unpack,
};

}  // namespace warpline::WL_LEVEL
