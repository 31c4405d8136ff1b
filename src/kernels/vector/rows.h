/* rows.h - elementwise functions and reductions of rows.
 *
 * exp is 2^n * p(r) with r = x - n ln 2 in two parts and a polynomial of degree 6 (coefficients of Cephes' expf), within
 * 2 units in the last place; tanh is an odd polynomial below 0.625 and 1 - 2 / (exp(2x) + 1) above (Cephes' tanhf);
 * gelu_tanh is x / (1 + exp(-2u)), the same value as 0.5 x (1 + tanh(u)) without its cancellation; gelu is max(x, 0) -
 * |x| erfc(t) / 2 with t = |x| / sqrt 2, where erfc(t) exp(t^2) is a polynomial in 1 / (1 + 0.45 t), fitted for this file to a
 * relative error of 2e-9. */

#define LOG2_E 1.44269504088896341f
/* exp(t) / 2^n */
ALWAYS_INLINE vec v_exp_part(vec t, vec n)
{
    vec r = v_fma(n, v_all(-0.693359375f), t);
    r = v_fma(n, v_all(2.12194440e-4f), r);
    vec p = v_all(1.9875691500e-4f);
    p = v_fma(p, r, v_all(1.3981999507e-3f));
    p = v_fma(p, r, v_all(8.3334519073e-3f));
    p = v_fma(p, r, v_all(4.1665795894e-2f));
    p = v_fma(p, r, v_all(1.6666665459e-1f));
    p = v_fma(p, r, v_all(5.0000001201e-1f));
    return v_add(v_fma(p, v_mul(r, r), r), v_all(1.0f));
}

ALWAYS_INLINE vec v_exp(vec x)
{
    const vec low = v_all(-87.33654f), high = v_all(88.3762626647949f);
    vec t = v_min(high, v_max(low, x)); /* in this order NaN stays NaN */
    vec n = v_round(v_mul(t, v_all(LOG2_E)));
    vec p = v_exp_part(t, n);
    return v_if_less(x, low, v_zero(), v_mul(p, v_pow2(n)));
}

ALWAYS_INLINE vec v_tanh(vec x)
{
    const vec a = v_abs(x), z = v_mul(x, x);
    vec p = v_all(-5.70498872745e-3f);
    p = v_fma(p, z, v_all(2.06390887954e-2f));
    p = v_fma(p, z, v_all(-5.37397155531e-2f));
    p = v_fma(p, z, v_all(1.33314422036e-1f));
    p = v_fma(p, z, v_all(-3.33332819422e-1f));
    const vec small = v_fma(v_mul(p, z), x, x);
    const vec e = v_exp(v_add(a, a));
    const vec large = v_sub(v_all(1.0f), v_div(v_all(2.0f), v_add(e, v_all(1.0f))));
    return v_if_nan(x, x, v_if_less(a, v_all(0.625f), small, v_sign_of(large, x)));
}

ALWAYS_INLINE vec v_sigmoid_of(vec x, vec u) /* x / (1 + exp(-u)) */
{
    return v_div(x, v_add(v_all(1.0f), v_exp(v_sub(v_zero(), u))));
}

ALWAYS_INLINE vec v_gelu_tanh(vec x)
{
    const vec u = v_mul(v_all(2 * 0.7978845608028654f), v_fma(v_mul(v_mul(x, x), x), v_all(0.044715f), x));
    return v_sigmoid_of(x, u);
}

ALWAYS_INLINE vec v_gelu(vec x)
{
    const vec a = v_min(v_all(30.0f), v_abs(x)); /* in this order NaN stays NaN */
    const vec u = v_div(v_all(1.0f), v_fma(v_all(0.45f * 0.70710678118654752f), a, v_all(1.0f)));
    vec p = v_all(-5.089204274e-2f);
    p = v_fma(p, u, v_all(3.186105782e-1f));
    p = v_fma(p, u, v_all(-7.746167670e-1f));
    p = v_fma(p, u, v_all(8.461846471e-1f));
    p = v_fma(p, u, v_all(-4.296889861e-1f));
    p = v_fma(p, u, v_all(4.106921178e-1f));
    p = v_fma(p, u, v_all(1.608080393e-1f));
    p = v_fma(p, u, v_all(2.662745021e-1f));
    p = v_fma(p, u, v_all(2.525659904e-1f));
    p = v_fma(p, u, v_all(6.192297223e-5f));
    const vec erfc = v_mul(p, v_exp(v_mul(v_all(-0.5f), v_mul(a, a))));
    return v_sub(v_max(v_zero(), x), v_mul(v_mul(v_all(0.5f), a), erfc));
}

/* y[i] = f(...) for all i; the last few through padded copies, so that every element is computed alike. */
#define EACH_1(name, expression)                                                                             \
    static void name(float *y, const float *x, size_t n)                                                     \
    {                                                                                                        \
        size_t i = 0;                                                                                        \
        for (; i + L <= n; i += L) {                                                                         \
            const vec a = v_load(x + i);                                                                     \
            v_store(y + i, expression);                                                                      \
        }                                                                                                    \
        if (i < n) {                                                                                         \
            float t[L] = {0};                                                                                \
            memcpy(t, x + i, (n - i) * sizeof *t);                                                           \
            const vec a = v_load(t);                                                                         \
            v_store(t, expression);                                                                          \
            memcpy(y + i, t, (n - i) * sizeof *t);                                                           \
        }                                                                                                    \
    }

#define EACH_2(name, expression)                                                                             \
    static void name(float *y, const float *x, const float *z, size_t n)                                     \
    {                                                                                                        \
        size_t i = 0;                                                                                        \
        for (; i + L <= n; i += L) {                                                                         \
            const vec a = v_load(x + i), b = v_load(z + i);                                                  \
            v_store(y + i, expression);                                                                      \
        }                                                                                                    \
        if (i < n) {                                                                                         \
            float t[L] = {0}, u[L] = {0};                                                                    \
            memcpy(t, x + i, (n - i) * sizeof *t);                                                           \
            memcpy(u, z + i, (n - i) * sizeof *u);                                                           \
            const vec a = v_load(t), b = v_load(u);                                                          \
            v_store(t, expression);                                                                          \
            memcpy(y + i, t, (n - i) * sizeof *t);                                                           \
        }                                                                                                    \
    }

EACH_1(act_none, a)
EACH_1(act_relu, v_if_nan(a, a, v_max(a, v_zero())))
EACH_1(act_gelu, v_gelu(a))
EACH_1(act_gelu_tanh, v_gelu_tanh(a))
EACH_1(act_silu, v_sigmoid_of(a, a))
EACH_1(act_tanh, v_tanh(a))
EACH_1(act_sigmoid, v_sigmoid_of(v_all(1.0f), a))
EACH_2(mul, v_mul(a, b))
EACH_2(relu_mul, v_mul(v_if_nan(a, a, v_max(a, v_zero())), b))
EACH_2(gelu_mul, v_mul(v_gelu(a), b))
EACH_2(gelu_tanh_mul, v_mul(v_gelu_tanh(a), b))
EACH_2(silu_mul, v_mul(v_sigmoid_of(a, a), b))
EACH_2(tanh_mul, v_mul(v_tanh(a), b))
EACH_2(sigmoid_mul, v_mul(v_sigmoid_of(v_all(1.0f), a), b))

/* These are exact in any order, so plain loops do: the compiler makes vectors of them. */
static void add(float *y, const float *x, const float *z, float s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] + z[i]) * s;
}

static void scale(float *y, const float *x, float s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * s;
}

static void mul_add(float *y, const float *x, const float *z, const float *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * z[i] + a[i];
}

static void axpy(float *y, float s, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = fmaf(s, x[i], y[i]);
}

static void shrink(float *y, const float *x, float floor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] > floor ? x[i] - floor : x[i] != x[i] ? x[i] : 0.0f;
}

static void soft_cap(float *y, const float *x, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] / cap;
    act_tanh(y, y, n);
    scale(y, y, cap, n);
}

/* Sums of a row have as many lanes at every level, and so the same bits: so many vectors of partial sums. */
enum { SUMS = 32 / L, EXP_SUMS = 16 / L };

/* The sum of all lanes by halves: 0 + 16, 1 + 17 ... */
ALWAYS_INLINE float sum_lanes(vec *s, int n)
{
    for (n /= 2; n > 0; n /= 2)
        for (int j = 0; j < n; j++)
            s[j] = v_add(s[j], s[j + n]);
    return v_sum(s[0]);
}

#define REDUCE(term)                                                                                         \
    vec s[SUMS];                                                                                             \
    size_t i = 0;                                                                                            \
    for (int j = 0; j < SUMS; j++)                                                                           \
        s[j] = v_zero();                                                                                     \
    for (; i + SUMS * L <= n; i += SUMS * L)                                                                 \
        for (int j = 0; j < SUMS; j++) {                                                                     \
            const vec a = v_load(x + i + (size_t)j * L);                                                     \
            s[j] = term(a, s[j]);                                                                            \
        }                                                                                                    \
    for (int j = 0; i < n; i += L, j++) {                                                                    \
        const vec a = n - i >= L ? v_load(x + i) : load_weights_tail(x, i, n - i, LOAD_F32);                 \
        s[j] = term(a, s[j]);                                                                                \
    }

#define PLUS(a, s) v_add(s, a)
static float sum(const float *x, size_t n)
{
    REDUCE(PLUS)
    return sum_lanes(s, SUMS);
}

static float sum_squares(const float *x, float shift, size_t n)
{
    const vec c = v_all(shift);
#define SQUARE(a, s) v_fma(v_sub(a, c), v_sub(a, c), s)
    const size_t whole = n / 16 * 16, rest = n - whole; /* padding would count as (0 - shift)^2 */
    float tail = 0;
    for (size_t k = whole; k < whole + rest; k++)
        tail = fmaf(x[k] - shift, x[k] - shift, tail);
    n = whole;
    REDUCE(SQUARE)
    return sum_lanes(s, SUMS) + tail;
}

static float maximum(const float *x, size_t n)
{
    vec top = v_all(-INFINITY);
    size_t i = 0;
    for (; i + L <= n; i += L)
        top = v_max(v_load(x + i), top);
    float m = v_top(top);
    for (; i < n; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

static float exp_sum(float *y, const float *x, float shift, size_t n)
{
    const vec c = v_all(shift);
    vec total[EXP_SUMS];
    size_t i = 0, which = 0;
    for (int j = 0; j < EXP_SUMS; j++)
        total[j] = v_zero();
    for (; i + L <= n; i += L, which = (which + 1) % EXP_SUMS) {
        const vec e = v_exp(v_sub(v_load(x + i), c));
        v_store(y + i, e);
        total[which] = v_add(total[which], e);
    }
    if (i < n) {
        float t[L];
        for (size_t j = 0; j < L; j++)
            t[j] = i + j < n ? x[i + j] - shift : -INFINITY;
        const vec e = v_exp(v_load(t));
        v_store(t, e);
        memcpy(y + i, t, (n - i) * sizeof *t);
        total[which] = v_add(total[which], e);
    }
    return sum_lanes(total, EXP_SUMS);
}

/* exp(m - top), what of the sums so far is left under a new largest score; mostly there is no new one. */
static float left_of(float m, float top)
{
    float lanes[L];
    if (m == top)
        return 1;
    v_store(lanes, v_exp(v_all(m - top)));
    return lanes[0];
}

static float weigh(float *s, size_t n, float factor, float cap, float *m, float *z)
{
    const vec by = v_all(factor);
    vec highest = v_all(-INFINITY);
    float top = *m;
    size_t i = 0;
    for (; i + L <= n; i += L) {
        const vec t = v_mul(v_load(s + i), by);
        v_store(s + i, t);
        highest = v_max(t, highest);
    }
    for (; i < n; i++)
        s[i] *= factor;
    if (cap > 0)
        soft_cap(s, s, cap, n);
    const float now = cap > 0 || n % L != 0 ? maximum(s, n) : v_top(highest);
    top = now > top ? now : top;
    const float alpha = left_of(*m, top);
    *z = *z * alpha + exp_sum(s, s, top, n);
    *m = top;
    return alpha;
}

static void widen_f32(float *y, const void *x, size_t n)
{
    memcpy(y, x, n * sizeof *y);
}

#define WIDEN(name, type)                                                                                    \
    static void name(float *y, const void *x, size_t n)                                                      \
    {                                                                                                        \
        size_t i = 0;                                                                                        \
        for (; i + L <= n; i += L)                                                                           \
            v_store(y + i, load_weights(x, i, type));                                                        \
        if (i < n) {                                                                                         \
            float t[L];                                                                                      \
            v_store(t, load_weights_tail(x, i, n - i, type));                                                \
            memcpy(y + i, t, (n - i) * sizeof *t);                                                           \
        }                                                                                                    \
    }
WIDEN(widen_f16, LOAD_F16)
WIDEN(widen_bf16, LOAD_BF16)

ALWAYS_INLINE uint16_t to_bf16(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16, nan = u >> 16 | 0x40;
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

static void narrow_bf16(uint16_t *y, const float *x, size_t n)
{
    size_t i = 0;
#ifdef __AVX512BF16__
    for (; i + 2 * L <= n; i += 2 * L) {
        const vec a = v_load(x + i), b = v_load(x + i + L);
        if (v_has_tiny(a) || v_has_tiny(b))
            for (size_t j = i; j < i + 2 * L; j++)
                y[j] = to_bf16(x[j]);
        else
            v_store_pairs(y + i, a, b);
    }
#endif
    for (; i < n; i++)
        y[i] = to_bf16(x[i]);
}

#ifdef __AVX512BF16__
/* exp of what is not above 0, or by a rounding. */
ALWAYS_INLINE vec v_exp_below(vec x)
{
    const vec t = v_max(v_all(-104.0f), x); /* below, there is no float but 0; in this order NaN stays NaN */
    const vec n = v_round(v_mul(t, v_all(LOG2_E)));
    return v_times_pow2(v_exp_part(t, n), n);
}

static float weigh_pairs(uint16_t *p, float *s, size_t n, float factor, float cap, float *m, float *z)
{
    if (cap > 0 || n % (2 * L) != 0) {
        const float alpha = weigh(s, n, factor, cap, m, z);
        narrow_bf16(p, s, n);
        return alpha;
    }
    const vec by = v_all(factor);
    vec highest = v_all(-INFINITY), total = v_zero();
    for (size_t i = 0; i < n; i += L)
        highest = v_max(v_load(s + i), highest);
    const float now = v_top(highest) * factor, top = now > *m ? now : *m, alpha = left_of(*m, top);
    const vec shift = v_all(top);
    for (size_t i = 0; i < n; i += 2 * L) {
        const vec a = v_exp_below(v_sub(v_mul(v_load(s + i), by), shift));
        const vec b = v_exp_below(v_sub(v_mul(v_load(s + i + L), by), shift));
        v_store_pairs(p + i, a, b);
        total = v_add(v_add(total, a), b);
    }
    *z = *z * alpha + v_sum(total);
    *m = top;
    return alpha;
}

static void interleave(uint16_t *to, const float *a, const float *b, size_t n)
{
    uint32_t *words = (uint32_t *)to;
    for (size_t i = 0; i < n; i++)
        words[i] = to_bf16(a[i]) | (uint32_t)to_bf16(b[i]) << 16;
}

static void interleave_bf16(uint16_t *to, const uint16_t *a, const uint16_t *b, size_t n)
{
    uint32_t *words = (uint32_t *)to;
    for (size_t i = 0; i < n; i++)
        words[i] = a[i] | (uint32_t)b[i] << 16;
}
#endif

/* 2L channels of some pixels: a tap's weights are loaded once for all of them. */
ALWAYS_INLINE void depthwise_block(float *y, size_t y_stride, const float *const *x, size_t x_step,
                                   const float *w, size_t w_stride, size_t n_taps, size_t c, const int pixels)
{
    vec s[4][2];
    UNROLL
    for (int p = 0; p < pixels; p++)
        s[p][0] = s[p][1] = v_zero();
    for (size_t t = 0; t < n_taps; t++) {
        if (!x[t])
            continue;
        const vec a = v_load(w + t * w_stride + c), b = v_load(w + t * w_stride + c + L);
        UNROLL
        for (int p = 0; p < pixels; p++) {
            s[p][0] = v_fma(v_load(x[t] + (size_t)p * x_step + c), a, s[p][0]);
            s[p][1] = v_fma(v_load(x[t] + (size_t)p * x_step + c + L), b, s[p][1]);
        }
    }
    UNROLL
    for (int p = 0; p < pixels; p++) {
        v_store(y + (size_t)p * y_stride + c, s[p][0]);
        v_store(y + (size_t)p * y_stride + c + L, s[p][1]);
    }
}

static void depthwise(float *y, size_t y_stride, const float *const *x, size_t x_step, const float *w,
                      size_t w_stride, size_t n_taps, size_t n_pixels, size_t channels)
{
    const size_t whole = channels / (2 * L) * (2 * L);
    for (size_t p = 0; p < n_pixels;) {
        const float *from[WC_MAX_TAPS];
        const size_t some = n_pixels - p >= 4 ? 4 : 1;
        for (size_t t = 0; t < n_taps; t++)
            from[t] = x[t] ? x[t] + p * x_step : NULL;
        float *to = y + p * y_stride;
        for (size_t c = 0; c < whole; c += 2 * L) {
            if (some == 4)
                depthwise_block(to, y_stride, from, x_step, w, w_stride, n_taps, c, 4);
            else
                depthwise_block(to, y_stride, from, x_step, w, w_stride, n_taps, c, 1);
        }
        for (size_t c = whole; c < channels; c++)
            for (size_t i = 0; i < some; i++) {
                float sum = 0;
                for (size_t t = 0; t < n_taps; t++)
                    if (from[t])
                        sum = fmaf(from[t][i * x_step + c], w[t * w_stride + c], sum);
                to[i * y_stride + c] = sum;
            }
        p += some;
    }
}

ALWAYS_INLINE float burn_stream(size_t n, const loader type)
{
    vec c[MIX_ROWS][2];
    for (int r = 0; r < MIX_ROWS; r++)
        c[r][0] = c[r][1] = v_all((float)r * 1e-3f);
    const vec a = v_all(0.999f), b = v_all(1e-3f);
    for (size_t i = 0; i < n; i += 2 * MIX_ROWS)
        UNROLL
    for (int r = 0; r < MIX_ROWS; r++) {
        c[r][0] = MUL_ADD(a, b, c[r][0], type);
        c[r][1] = MUL_ADD(a, b, c[r][1], type);
    }
    vec total = v_zero();
    for (int r = 0; r < MIX_ROWS; r++)
        total = v_add(total, v_add(c[r][0], c[r][1]));
    return v_sum(total);
}

static float burn(size_t n)
{
    return burn_stream(n, LOAD_F32);
}

#ifdef PAIRS_BY_VECTORS
static float burn_pairs(size_t n)
{
    return burn_stream(n, LOAD_PAIRS);
}
#endif

/* From as many places at once as products with few rows take weights from. */
static uint64_t read_all(const void *p, size_t n)
{
    enum { EACH = 8 / STREAMS };
    const float *x = p;
    const size_t share = n / sizeof *x / STREAMS;
    vec s[8];
    for (int j = 0; j < 8; j++)
        s[j] = v_zero();
    for (size_t i = 0; i + EACH * L <= share; i += EACH * L)
        UNROLL
    for (int j = 0; j < 8; j++)
        s[j] = v_add(s[j], v_load(x + (size_t)(j / EACH) * share + i + (size_t)(j % EACH) * L));
    for (int j = 1; j < 8; j++)
        s[0] = v_add(s[0], s[j]);
    return (uint64_t)(v_sum(s[0]) != 0.5f);
}
