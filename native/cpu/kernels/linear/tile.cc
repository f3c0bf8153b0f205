// Which tiles serve which storage at this level.
#include "tile-codes.h"
#include "tile-decoded.h"
#include "tile-float.h"

namespace warpline::WL_LEVEL {
namespace {

using WordTiles = FloatTiles<FloatProduct, WordWeights, 4>;
using HalfTiles = FloatTiles<FloatProduct, HalfWeights, 2>;

// Computed in f32: lone tiles read the panel, shared ones chunks that are expanded once for all.
WL_INLINE constexpr Tiling in_floats(const Tile* alone, Expand expand) {
  return {kFloats, alone, kTileRows, WordTiles::kByRows, kTileRows, expand};
}

#if defined(__AVX512BF16__)
using BrainTiles = FloatTiles<BrainProduct, WordWeights, 4>;
constexpr Tiling kBrainTiling = {kBrains, BrainTiles::kByRows, kTileRows, BrainTiles::kByRows, kTileRows, nullptr};
#else
using BrainTiles = FloatTiles<FloatProduct, BrainWeights, 4>;
constexpr Tiling kBrainTiling = in_floats(BrainTiles::kByRows, expand_bf16);
#endif

template <int Storage>
WL_INLINE constexpr Tiling in_codes() {
#if defined(__AVX512VNNI__)
  constexpr const Tile* kTiles = CodeTiles<Storage>::kByRows;
  return {kCodes, kTiles, kMostCodeTileRows, kTiles, kCodeTileRows, nullptr};
#else
  constexpr const Tile* kAlone = DecodedTiles<Storage>::kByRows;
  return {kFloats, kAlone, kDecodedTileRows, WordTiles::kByRows, kTileRows, kExpandCodes[Storage - WL_INT8]};
#endif
}

}  // namespace

extern const Tiling kTilings[WL_STORAGES];
const Tiling kTilings[WL_STORAGES] = {
    in_floats(WordTiles::kByRows, nullptr),
    kBrainTiling,
    in_floats(HalfTiles::kByRows, expand_f16),
    in_codes<WL_INT8>(),
    in_codes<WL_INT8_G32>(),
    in_codes<WL_INT4_G32>(),
    in_codes<WL_INT4_G128>(),
};

}  // namespace warpline::WL_LEVEL
