/* product.h - matrix products: weights unpacked to panels for many rows, read in place for few.
 *
 * A panel holds COLS columns in the order in which tile reads them: for lane l and step m the COLS values of
 * k = m * L + l lie together at panel[(l * steps + m) * COLS].  tile runs one lane after the other, each in registers with
 * one accumulator a result, as an outer product of TILE_ROWS rows and COLS columns, and adds the lanes by halves: it visits
 * them in bit-reversed order, so that each new sum is added to the one waiting on a short stack. */

enum { COLS = 2 * L, LANE_BITS = L == 4 ? 2 : L == 8 ? 3 : 4 };

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef enum { LOAD_F32, LOAD_F16, LOAD_BF16 } loader;

ALWAYS_INLINE vec load_weights(const void *w, size_t i, loader type)
{
    if (type == LOAD_F32)
        return v_load((const float *)w + i);
    return type == LOAD_F16 ? v_load_f16((const uint16_t *)w + i) : v_load_bf16((const uint16_t *)w + i);
}

/* The n < L values from w[i] on, zeros behind them. */
ALWAYS_INLINE vec load_weights_tail(const void *w, size_t i, size_t n, loader type)
{
    uint32_t copy[L] = {0};
    size_t size = type == LOAD_F32 ? 4 : 2;
    memcpy(copy, (const char *)w + i * size, n * size);
    return load_weights(copy, 0, type);
}

ALWAYS_INLINE void unpack(float *panel, const void *w, size_t w_stride, size_t n_cols, size_t k, loader type)
{
    const size_t steps = (k + L - 1) / L;
    for (size_t half = 0; half < COLS; half += L)
        for (size_t m = 0; m < steps; m++) {
            vec r[L];
            size_t left = k - m * L;
            for (size_t j = 0; j < L; j++) {
                size_t at = (half + j) * w_stride + m * L;
                r[j] = half + j >= n_cols ? v_zero()
                       : left >= L        ? load_weights(w, at, type)
                                          : load_weights_tail(w, at, left, type);
            }
            v_transpose(r);
            for (size_t l = 0; l < L; l++)
                v_store(panel + (l * steps + m) * COLS + half, r[l]);
        }
}

/* The common case without its questions: a whole panel, k a multiple of L. */
ALWAYS_INLINE void unpack_whole(float *panel, const void *w, size_t w_stride, size_t k, loader type)
{
    const size_t steps = k / L;
    for (size_t half = 0; half < COLS; half += L)
        for (size_t m = 0; m < steps; m++) {
            vec r[L];
            for (size_t j = 0; j < L; j++)
                r[j] = load_weights(w, (half + j) * w_stride + m * L, type);
            v_transpose(r);
            for (size_t l = 0; l < L; l++)
                v_store(panel + (l * steps + m) * COLS + half, r[l]);
        }
}

#define UNPACK(name, type)                                                                                   \
    static void name(float *panel, const void *w, size_t w_stride, size_t n_cols, size_t k)                  \
    {                                                                                                        \
        if (n_cols == COLS && k % L == 0)                                                                    \
            unpack_whole(panel, w, w_stride, k, type);                                                       \
        else                                                                                                 \
            unpack(panel, w, w_stride, n_cols, k, type);                                                     \
    }
UNPACK(unpack_f32, LOAD_F32)
UNPACK(unpack_f16, LOAD_F16)
UNPACK(unpack_bf16, LOAD_BF16)

static inline size_t reversed(size_t n)
{
    size_t r = 0;
    for (int i = 0; i < LANE_BITS; i++)
        r |= (n >> i & 1) << (LANE_BITS - 1 - i);
    return r;
}

/* rows x COLS results in c. */
ALWAYS_INLINE void tile_rows(vec c[][2], const float *x, size_t x_stride, const float *panel, size_t k,
                             const int rows)
{
    const size_t steps = (k + L - 1) / L;
    vec waiting[LANE_BITS][TILE_ROWS][2];
    int depth = 0;
    for (size_t n = 0; n < L; n++) {
        const size_t lane = reversed(n), mine = k > lane ? (k - lane + L - 1) / L : 0;
        const float *p = panel + lane * steps * COLS, *q = x + lane;
        for (int r = 0; r < rows; r++)
            c[r][0] = c[r][1] = v_zero();
        for (size_t m = 0; m < mine; m++, p += COLS, q += L) {
            const vec b0 = v_load_aligned(p), b1 = v_load_aligned(p + L);
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                const vec a = v_all(q[(size_t)r * x_stride]);
                c[r][0] = v_fma(a, b0, c[r][0]);
                c[r][1] = v_fma(a, b1, c[r][1]);
            }
        }
        for (size_t done = n; done & 1; done >>= 1) {
            depth--;
            for (int r = 0; r < rows; r++) {
                c[r][0] = v_add(waiting[depth][r][0], c[r][0]);
                c[r][1] = v_add(waiting[depth][r][1], c[r][1]);
            }
        }
        if (n + 1 < L) {
            for (int r = 0; r < rows; r++) {
                waiting[depth][r][0] = c[r][0];
                waiting[depth][r][1] = c[r][1];
            }
            depth++;
        }
    }
}

ALWAYS_INLINE void store_tile(float *y, size_t y_stride, vec c[][2], size_t n_cols, bool add, const int rows)
{
    for (int r = 0; r < rows; r++) {
        float *out = y + (size_t)r * y_stride, part[COLS];
        float *to = n_cols == COLS ? out : part;
        if (to == part && add)
            memcpy(part, out, n_cols * sizeof *part);
        v_store(to, add ? v_add(v_load(to), c[r][0]) : c[r][0]);
        v_store(to + L, add ? v_add(v_load(to + L), c[r][1]) : c[r][1]);
        if (to == part)
            memcpy(out, part, n_cols * sizeof *part);
    }
}

#define TILE(rows)                                                                                           \
    static __attribute__((noinline)) void tile_##rows(float *y, size_t y_stride, const float *x,             \
                                                      size_t x_stride, const float *panel, size_t n_cols,    \
                                                      size_t k, bool add)                                    \
    {                                                                                                        \
        vec c[rows][2];                                                                                      \
        tile_rows(c, x, x_stride, panel, k, rows);                                                           \
        store_tile(y, y_stride, c, n_cols, add, rows);                                                       \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(6)
#if defined(__AVX512F__) || defined(__aarch64__)
TILE(12)
#endif

static void tile(float *y, size_t y_stride, const float *x, size_t x_stride, const float *panel,
                 size_t n_rows, size_t n_cols, size_t k, bool add)
{
    size_t r = 0;
#define RUN(rows)                                                                                            \
    for (; n_rows - r >= rows; r += rows)                                                                    \
        tile_##rows(y + r * y_stride, y_stride, x + r * x_stride, x_stride, panel, n_cols, k, add);
#if defined(__AVX512F__) || defined(__aarch64__)
    RUN(12)
#endif
    RUN(6)
    RUN(3)
    RUN(2)
    RUN(1)
#undef RUN
}

/* nx rows of x times nw rows of w. */
ALWAYS_INLINE void dot_block(float *y, size_t y_stride, const float *x, size_t x_stride, const void *w,
                             size_t w_stride, size_t k, loader type, const int nx, const int nw)
{
    for (size_t at = 0; at == 0 || at < k; at += WC_SPAN) {
        const size_t end = k - at < WC_SPAN ? k : at + WC_SPAN, whole = at + (end - at) / L * L;
        vec acc[4][4];
        for (int r = 0; r < nx; r++)
            for (int j = 0; j < nw; j++)
                acc[r][j] = v_zero();
        for (size_t i = at; i < whole; i += L) {
            vec b[4];
            for (int j = 0; j < nw; j++)
                b[j] = load_weights(w, (size_t)j * w_stride + i, type);
            for (int r = 0; r < nx; r++) {
                const vec a = v_load(x + (size_t)r * x_stride + i);
                for (int j = 0; j < nw; j++)
                    acc[r][j] = v_fma(a, b[j], acc[r][j]);
            }
        }
        if (whole < end)
            for (int r = 0; r < nx; r++) {
                const vec a = load_weights_tail(x, (size_t)r * x_stride + whole, end - whole, LOAD_F32);
                for (int j = 0; j < nw; j++)
                    acc[r][j] = v_fma(
                        a, load_weights_tail(w, (size_t)j * w_stride + whole, end - whole, type), acc[r][j]);
            }
        for (int r = 0; r < nx; r++)
            for (int j = 0; j < nw; j++) {
                float *out = &y[(size_t)r * y_stride + (size_t)j];
                *out = at == 0 ? v_sum(acc[r][j]) : *out + v_sum(acc[r][j]);
            }
    }
}

ALWAYS_INLINE void dot(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x, const void *w,
                       size_t w_stride, size_t n_w, size_t k, loader type)
{
    const size_t size = type == LOAD_F32 ? 4 : 2;
    for (size_t j = 0; j < n_w;) {
        const void *rows = (const char *)w + j * w_stride * size;
        const size_t some = n_w - j >= 4 ? 4 : 1;
        size_t r = 0;
#define BLOCK(nx, nw)                                                                                        \
    dot_block(y + r * y_stride + j, y_stride, x + r * x_stride, x_stride, rows, w_stride, k, type, nx, nw)
        if (some == 4) {
            for (; n_x - r >= 2; r += 2)
                BLOCK(2, 4);
            if (r < n_x)
                BLOCK(1, 4);
        } else {
            for (; r < n_x; r++)
                BLOCK(1, 1);
        }
#undef BLOCK
        j += some;
    }
}

#define DOT(name, type)                                                                                      \
    static void name(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x, const void *w,  \
                     size_t w_stride, size_t n_w, size_t k)                                                  \
    {                                                                                                        \
        dot(y, y_stride, x, x_stride, n_x, w, w_stride, n_w, k, type);                                       \
    }
DOT(dot_f32, LOAD_F32)
DOT(dot_f16, LOAD_F16)
DOT(dot_bf16, LOAD_BF16)

/* rows x 2L values of o from column i on. */
ALWAYS_INLINE void mix_block(float *o, size_t o_stride, const float *alpha, const float *p, size_t p_stride,
                             const float *v, size_t v_stride, size_t n_keys, const int rows)
{
    vec c[TILE_ROWS][2];
    for (int r = 0; r < rows; r++) {
        c[r][0] = v_mul(v_load(o + (size_t)r * o_stride), v_all(alpha[r]));
        c[r][1] = v_mul(v_load(o + (size_t)r * o_stride + L), v_all(alpha[r]));
    }
    for (size_t j = 0; j < n_keys; j++) {
        const vec b0 = v_load(v + j * v_stride), b1 = v_load(v + j * v_stride + L);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            const vec a = v_all(p[(size_t)r * p_stride + j]);
            c[r][0] = v_fma(a, b0, c[r][0]);
            c[r][1] = v_fma(a, b1, c[r][1]);
        }
    }
    for (int r = 0; r < rows; r++) {
        v_store(o + (size_t)r * o_stride, c[r][0]);
        v_store(o + (size_t)r * o_stride + L, c[r][1]);
    }
}

static void mix(float *o, size_t o_stride, const float *alpha, const float *p, size_t p_stride,
                const float *v, size_t v_stride, size_t n_rows, size_t n_keys, size_t d)
{
    size_t i = 0;
    for (; i + 2 * L <= d; i += 2 * L) {
        size_t r = 0;
#define RUN(rows)                                                                                            \
    for (; n_rows - r >= rows; r += rows)                                                                    \
        mix_block(o + r * o_stride + i, o_stride, alpha + r, p + r * p_stride, p_stride, v + i, v_stride,    \
                  n_keys, rows);
#if defined(__AVX512F__) || defined(__aarch64__)
        RUN(12)
#endif
        RUN(6)
        RUN(2)
        RUN(1)
#undef RUN
    }
    for (; i < d; i++) /* a last few columns, one by one, in the same order */
        for (size_t r = 0; r < n_rows; r++) {
            float sum = o[r * o_stride + i] * alpha[r];
            for (size_t j = 0; j < n_keys; j++)
                sum = fmaf(p[r * p_stride + j], v[j * v_stride + i], sum);
            o[r * o_stride + i] = sum;
        }
}
