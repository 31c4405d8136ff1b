/* bench.c - the rate of each kernel on one thread, beside what the bare instructions and the memory give. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

enum { N = 4096, ROWS = 96, K = WC_SPAN, ROUNDS = 5 };

struct bench {
    const wc_kernels *k;
    float *x, *y, *z, *panel;
    char *w; /* far larger than the caches */
    size_t w_bytes;
    int type;
    volatile float sink;
};

static void run_burn(struct bench *b)
{
    b->sink = b->k->burn(1 << 22);
}

static void run_read(struct bench *b)
{
    b->sink = (float)b->k->read(b->w, b->w_bytes);
}

static void run_tile(struct bench *b)
{
    b->k->tile(b->y, N, NULL, N, b->x, (size_t)b->k->tile_rows * K, b->panel, ROWS, (size_t)b->k->panel_cols,
               K);
}

static void run_unpack(struct bench *b)
{
    b->k->unpack[b->type](b->panel, b->w, K, (size_t)b->k->panel_cols, K);
}

static void run_dot(struct bench *b)
{
    const size_t width = 2048;
    b->k->dot[b->type](b->y, N, b->x, width, 1, b->w, width,
                       b->w_bytes / width / stored_size((wc_dtype)b->type), width);
}

static void run_dot_cached(struct bench *b)
{
    b->k->dot[b->type](b->y, N, b->x, 2048, 4, b->w, 2048, 16, 2048);
}

static wc_bytes bytes_of(const struct bench *b, size_t k)
{
    return (wc_bytes){(const int8_t *)b->z, b->x, (const wc_neg_sums *)b->x, k};
}

static void run_dot_bytes(struct bench *b)
{
    const size_t width = 2048, row = wc_dtype_offset((wc_dtype)b->type, width);
    const wc_bytes x = bytes_of(b, width);
    b->k->dot_bytes[b->type - WC_Q4_0](b->y, N, &x, 1, b->w, width, b->w_bytes / row, width);
}

static void run_tile_bytes(struct bench *b)
{
    const wc_bytes x = bytes_of(b, K);
    b->k->tile_bytes[b->type - WC_Q4_0](b->y, N, NULL, 0, &x, b->panel, ROWS, (size_t)b->k->bytes_cols, K);
}

static void run_unpack_bytes(struct bench *b)
{
    b->k->unpack_bytes[b->type - WC_Q4_0](b->panel, b->w, 2048, (size_t)b->k->bytes_cols, K);
}

static void run_quantize(struct bench *b)
{
    b->k->quantize((int8_t *)b->y, b->y + N, (wc_neg_sums *)(b->y + 2 * N), b->x, N);
}

static void run_mix(struct bench *b)
{
    b->k->mix(b->y, 64, b->z, b->x, 64, b->panel, 64, 60, 64, 64);
}

static void run_burn_pairs(struct bench *b)
{
    b->sink = b->k->burn_pairs(1 << 22);
}

static void run_tile_pairs(struct bench *b)
{
    b->k->tile_pairs(b->y, N, NULL, N, (uint16_t *)b->x, 2 * K, (uint16_t *)b->panel, ROWS,
                     (size_t)b->k->pair_cols, 2 * K);
}

static void run_unpack_pairs(struct bench *b)
{
    b->k->unpack_pairs((uint16_t *)b->y, (const uint16_t *)b->w, 2 * K, (size_t)b->k->pair_cols, 2 * K);
}

static void run_mix_pairs(struct bench *b)
{
    b->k->mix_pairs(b->y, 64, b->z, (uint16_t *)b->x, 128, (uint16_t *)b->panel, 128, 60, 64, 64);
}

static void run_dot_pairs(struct bench *b)
{
    const size_t width = 2048;
    b->k->dot_pairs(b->y, N, (uint16_t *)b->x, width, 1, (uint16_t *)b->w, width, b->w_bytes / width / 2,
                    width);
}

static void run_tile_parts(struct bench *b)
{
    const size_t block = K / WC_PART_STEP * WC_PARTS * 16 * WC_PART_WORDS;
    b->k->tile_parts[b->type](b->y, N, NULL, N, (uint32_t *)b->x, block, (uint32_t *)b->panel, ROWS,
                              (size_t)b->k->pair_cols, K);
}

static void run_unpack_parts(struct bench *b)
{
    b->k->unpack_parts[b->type]((uint32_t *)b->y, b->w, K, (size_t)b->k->pair_cols, K);
}

static void run_split(struct bench *b)
{
    b->k->split((uint32_t *)b->y, WC_PARTS * WC_PART_WORDS, WC_PART_WORDS, 1, b->x, N);
}

static void run_dot_parts(struct bench *b)
{
    const size_t width = 2048;
    b->k->dot_parts[b->type](b->y, N, (uint32_t *)b->x, 1, b->w, width,
                             b->w_bytes / width / stored_size((wc_dtype)b->type), width);
}

static void run_dot_parts_cached(struct bench *b)
{
    b->k->dot_parts[b->type](b->y, N, (uint32_t *)b->x, 4, b->w, 2048, 32, 2048);
}

static void run_act(struct bench *b)
{
    b->k->act[b->type](b->y, b->x, N);
}

static void run_exp_sum(struct bench *b)
{
    b->sink = b->k->exp_sum(b->y, b->x, 1, N);
}

static void run_maximum(struct bench *b)
{
    b->sink = b->k->maximum(b->x, N);
}

static void run_sum_squares(struct bench *b)
{
    b->sink = b->k->sum_squares(b->x, 0, N);
}

static void run_mul(struct bench *b)
{
    b->k->mul(b->y, b->x, b->z, N);
}

static void run_narrow(struct bench *b)
{
    b->k->narrow_bf16((uint16_t *)b->y, b->x, N);
}

/* Of this thread: others on the machine do not count. */
static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The best of some rounds, each of at least 20 ms: seconds a call. */
static double seconds_of(void (*run)(struct bench *b), struct bench *b)
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        int calls = 0;
        double start = cpu_seconds(), taken;
        do {
            run(b);
            calls++;
        } while ((taken = cpu_seconds() - start) < 0.02);
        best = taken / calls < best ? taken / calls : best;
    }
    return best;
}

void bench(const wc_kernels *k)
{
    static const char *const type_names[] = {"f32", "f16", "bf16"};
    static const char *const act_names[] = {"none", "relu", "gelu", "gelu_tanh", "silu", "tanh", "sigmoid"};
    struct bench b = {.k = k, .w_bytes = 128 << 20};
    b.w = aligned_alloc(64, b.w_bytes);
    b.x = aligned_alloc(64, ROWS * N * sizeof *b.x);
    b.y = aligned_alloc(64, ROWS * N * sizeof *b.y + b.w_bytes / 1024);
    b.z = aligned_alloc(64, ROWS * N * sizeof *b.z);
    b.panel = aligned_alloc(64, WC_MAX_PANEL * WC_SPAN * WC_PARTS / 2 * sizeof *b.panel);
    memset(b.w, 0, b.w_bytes);
    fill_random(b.x, ROWS * N);
    fill_random(b.z, ROWS * N);
    fill_random(b.panel, WC_MAX_PANEL * WC_SPAN * WC_PARTS / 2);
    double flops = 2.0 * (1 << 22) * k->lanes / seconds_of(run_burn, &b);
    const double bytes = (double)b.w_bytes / seconds_of(run_read, &b);
    printf("%-9s ceilings on one thread: %.1f Gflop/s, %.1f GB/s\n", k->level, flops * 1e-9, bytes * 1e-9);
#define FLOPS(name, work, run)                                                                               \
    do {                                                                                                     \
        const double done = (work) / seconds_of(run, &b);                                                    \
        printf("  %-22s %8.1f Gflop/s  %3.0f %%\n", name, done * 1e-9, 100 * done / flops);                  \
    } while (0)
#define ELEMENTS(name, n, run) printf("  %-22s %8.2f G elements/s\n", name, (n) / seconds_of(run, &b) * 1e-9)
    FLOPS("tile", 2.0 * ROWS * K * k->panel_cols, run_tile);
    FLOPS("mix", 2.0 * 60 * 64 * 64, run_mix);
    if (k->tile_pairs) {
        const double f32_flops = flops;
        flops = 4.0 * (1 << 22) * k->lanes / seconds_of(run_burn_pairs, &b);
        printf("  %-22s %8.1f Gflop/s\n", "ceiling of pairs", flops * 1e-9);
        FLOPS("tile_pairs", 4.0 * ROWS * K * k->pair_cols, run_tile_pairs);
        ELEMENTS("unpack_pairs", 2.0 * K * k->pair_cols, run_unpack_pairs);
        FLOPS("mix_pairs", 4.0 * 60 * 64 * 64, run_mix_pairs);
        flops = f32_flops;
        const double rate = (double)b.w_bytes / seconds_of(run_dot_pairs, &b);
        printf("  %-22s %8.1f GB/s      %3.0f %%\n", "dot_pairs", rate * 1e-9, 100 * rate / bytes);
    }
    for (b.type = 0; b.type < 3; b.type++) {
        char name[64];
        snprintf(name, sizeof name, "dot %s in cache", type_names[b.type]);
        FLOPS(name, 2.0 * 4 * 16 * 2048, run_dot_cached);
        double rate = (double)b.w_bytes / seconds_of(run_dot, &b);
        printf("  dot %-18s %8.1f GB/s      %3.0f %%\n", type_names[b.type], rate * 1e-9, 100 * rate / bytes);
        snprintf(name, sizeof name, "unpack %s", type_names[b.type]);
        ELEMENTS(name, (double)k->panel_cols * K, run_unpack);
        if (!k->split)
            continue;
        snprintf(name, sizeof name, "tile_parts %s", type_names[b.type]);
        FLOPS(name, 2.0 * ROWS * K * k->pair_cols, run_tile_parts);
        snprintf(name, sizeof name, "dot_parts %s in cache", type_names[b.type]);
        FLOPS(name, 2.0 * 4 * 32 * 2048, run_dot_parts_cached);
        rate = (double)b.w_bytes / seconds_of(run_dot_parts, &b);
        printf("  dot_parts %-12s %8.1f GB/s      %3.0f %%\n", type_names[b.type], rate * 1e-9,
               100 * rate / bytes);
        snprintf(name, sizeof name, "unpack_parts %s", type_names[b.type]);
        ELEMENTS(name, (double)k->pair_cols * K, run_unpack_parts);
    }
    for (b.type = WC_Q4_0; b.type <= WC_IQ4_XS; b.type++) {
        const char *name = wc_dtype_get((wc_dtype)b.type)->name;
        const double rate = (double)b.w_bytes / seconds_of(run_dot_bytes, &b);
        run_unpack_bytes(&b);
        printf("  %-7s dot_bytes %6.1f GB/s %3.0f %%   tile_bytes %6.1f Gop/s   unpack_bytes %6.2f G "
               "elements/s\n",
               name, rate * 1e-9, 100 * rate / bytes,
               2e-9 * ROWS * K * k->bytes_cols / seconds_of(run_tile_bytes, &b),
               1e-9 * k->bytes_cols * K / seconds_of(run_unpack_bytes, &b));
    }
    if (k->split)
        ELEMENTS("split", (double)N, run_split);
    ELEMENTS("quantize", (double)N, run_quantize);
    for (b.type = 0; b.type < WC_ACTS; b.type++)
        ELEMENTS(act_names[b.type], (double)N, run_act);
    ELEMENTS("exp_sum", (double)N, run_exp_sum);
    ELEMENTS("maximum", (double)N, run_maximum);
    ELEMENTS("sum_squares", (double)N, run_sum_squares);
    ELEMENTS("mul", (double)N, run_mul);
    ELEMENTS("narrow_bf16", (double)N, run_narrow);
    free(b.w);
    free(b.x);
    free(b.y);
    free(b.z);
    free(b.panel);
}
