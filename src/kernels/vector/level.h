/* level.h - one level of vector kernels.  A level's file says in which vocabulary (simd_*.h) and under which name it is
 * compiled, and includes this: the loops of product.h and rows.h stand once, for every CPU. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/quants.h"

#if defined(__AVX512F__)
#include "kernels/vector/simd_avx512.h"
#elif defined(__AVX2__)
#include "kernels/vector/simd_avx2.h"
#else
#include "kernels/vector/simd_neon.h"
#endif
#ifdef __AVX512BF16__
#include "kernels/vector/simd_avx512bf16.h"
#ifndef BY_TILES
#define PAIRS_BY_VECTORS
#define PAIRS_GO_ON false
#endif
#else
#define v_pairs(a, b, c) v_fma(a, b, c) /* named, never run */
#endif
#if defined(__AVX2__)
#include "kernels/vector/bytes_x86.h"
#else
#include "kernels/vector/bytes_neon.h"
#endif
#include "kernels/vector/product.h"
#include "kernels/vector/rows.h"
#ifdef BY_TILES
#include "kernels/vector/amx.h"
#include "kernels/vector/amx_parts.h"
#else
enum { PAIR_COLS = COLS };
#endif
#include "kernels/vector/quants.h"

#ifdef __AVX512BF16__
#define LEVEL_PAIRS                                                                                          \
    , .pairs_go_on = PAIRS_GO_ON, .unpack_pairs = unpack_pairs, .tile_pairs = tile_pairs,                    \
      .dot_pairs = dot_pairs, .burn_pairs = burn_pairs, .mix_pairs = mix_pairs, .interleave = interleave,    \
      .interleave_bf16 = interleave_bf16, .weigh_pairs = weigh_pairs
#else
#define LEVEL_PAIRS
#endif

#ifdef BY_TILES
#define LEVEL_PARTS                                                                                          \
    , .split = split, .unpack_parts = {unpack_parts_f32, unpack_parts_f16, unpack_parts_bf16},               \
      .tile_parts = {tile_parts_f32, tile_parts_f16, tile_parts_bf16},                                       \
      .dot_parts = {dot_parts_f32, dot_parts_f16, dot_parts_bf16}
#else
#define LEVEL_PARTS
#endif

#define WIDEN_ENTRY(name, ...)        widen_##name,
#define UNPACK_ENTRY(name, ...)       unpack_##name,
#define DOT_ENTRY(name, ...)          dot_##name,
#define UNPACK_BYTES_ENTRY(name, ...) unpack_bytes_##name,
#define TILE_BYTES_ENTRY(name, ...)   tile_bytes_##name,
#define DOT_BYTES_ENTRY(name, ...)    dot_bytes_##name,

#define LEVEL_TABLE(level_name)                                                                              \
    {                                                                                                        \
        .level = level_name, .lanes = L, .tile_rows = TILE_ROWS, .panel_cols = COLS, .pair_cols = PAIR_COLS, \
        .bytes_cols = BYTES_COLS,                                                                            \
        .unpack = {unpack_f32, unpack_f16, unpack_bf16, WC_EACH_QUANT(UNPACK_ENTRY)}, .pack = pack,          \
        .tile = tile, .dot = {dot_f32, dot_f16, dot_bf16, WC_EACH_QUANT(DOT_ENTRY)}, .quantize = quantize,   \
        .unpack_bytes = {WC_EACH_QUANT(UNPACK_BYTES_ENTRY)},                                                 \
        .tile_bytes = {WC_EACH_QUANT(TILE_BYTES_ENTRY)}, .dot_bytes = {WC_EACH_QUANT(DOT_BYTES_ENTRY)},      \
        .mix = mix, .weigh = weigh, .widen = {widen_f32, widen_f16, widen_bf16, WC_EACH_QUANT(WIDEN_ENTRY)}, \
        .narrow_bf16 = narrow_bf16,                                                                          \
        .act = {act_none, act_relu, act_gelu, act_gelu_tanh, act_silu, act_tanh, act_sigmoid},               \
        .act_mul = {mul, relu_mul, gelu_mul, gelu_tanh_mul, silu_mul, tanh_mul, sigmoid_mul}, .add = add,    \
        .mul = mul, .scale = scale, .mul_add = mul_add, .axpy = axpy, .soft_cap = soft_cap, .sum = sum,      \
        .sum_squares = sum_squares, .maximum = maximum, .exp_sum = exp_sum, .shrink = shrink,                \
        .depthwise = depthwise, .burn = burn, .burn_bytes = burn_bytes,                                      \
        .read = read_all LEVEL_PAIRS LEVEL_PARTS                                                             \
    }
