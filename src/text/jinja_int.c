/* jinja_int.c - integers without bound, as Python's, up to a size that keeps every operation quick.
 *
 * A value that fits int64_t is WC_J_INT, always; only what does not fit is a big integer: a sign and digits of base
 * 2^32, the lowest first, without leading zeros.  Operations on small ones that do not overflow never come here twice:
 * all others are done on magnitudes.  Division rounds down, as Python's. */
#include <math.h>
#include <string.h>

#include "text/jinja_ast.h"
#include "text/jinja_value.h"

enum {
    MAX_LIMBS = 2048,         /* 65536 bits */
    MAX_DECIMAL_DIGITS = 4300 /* Python's own limit for printing and reading */
};

struct wc_jbig {
    bool negative;
    size_t n;
    uint32_t limbs[]; /* [n] */
};

/* A magnitude to compute with: borrowed limbs. */
struct magnitude {
    const uint32_t *limbs;
    size_t n;
    bool negative;
    uint32_t room[2];
};

static void magnitude_of(struct magnitude *m, wc_jv v)
{
    if (v.type == WC_J_BIGINT) {
        *m = (struct magnitude){.limbs = v.u.big->limbs, .n = v.u.big->n, .negative = v.u.big->negative};
        return;
    }
    int64_t i = v.type == WC_J_BOOL ? v.u.boolean : v.u.integer;
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    *m = (struct magnitude){.negative = i < 0, .room = {(uint32_t)u, (uint32_t)(u >> 32)}};
    m->limbs = m->room;
    m->n = u >> 32 ? 2 : u ? 1 : 0;
}

static int64_t small(wc_jv v)
{
    return v.type == WC_J_BOOL ? v.u.boolean : v.u.integer;
}

static bool too_large(wc_jrun *r)
{
    return wc_jfail(r, WC_JINJA_LIMIT, "an integer is too large: more than the limit of %d bits",
                    MAX_LIMBS * 32);
}

static struct wc_jbig *big_new(wc_jrun *r, size_t n)
{
    if (n > MAX_LIMBS) {
        too_large(r);
        return NULL;
    }
    return wc_jalloc(r, 1, sizeof(struct wc_jbig) + n * sizeof(uint32_t));
}

/* limbs [n] with a sign as a value: small when it fits. */
static bool finish(struct wc_jbig *big, size_t n, bool negative, wc_jv *out)
{
    while (n > 0 && big->limbs[n - 1] == 0)
        n--;
    if (n <= 2) {
        uint64_t u = n > 0 ? big->limbs[0] : 0;
        u |= n > 1 ? (uint64_t)big->limbs[1] << 32 : 0;
        if (u <= (uint64_t)INT64_MAX + negative) {
            *out = wc_jint(negative ? (int64_t)(0 - u) : (int64_t)u);
            return true;
        }
    }
    big->n = n;
    big->negative = negative;
    *out = (wc_jv){.type = WC_J_BIGINT, .u.big = big};
    return true;
}

static int compare_magnitudes(const struct magnitude *a, const struct magnitude *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    for (size_t i = a->n; i-- > 0;)
        if (a->limbs[i] != b->limbs[i])
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
    return 0;
}

int wc_jint_order(wc_jv a, wc_jv b)
{
    struct magnitude x, y;
    if (a.type != WC_J_BIGINT && b.type != WC_J_BIGINT)
        return small(a) < small(b) ? -1 : small(a) > small(b);
    magnitude_of(&x, a);
    magnitude_of(&y, b);
    if (x.negative != y.negative)
        return x.negative ? -1 : 1;
    int order = compare_magnitudes(&x, &y);
    return x.negative ? -order : order;
}

/* out [a.n + 1] = a + b, where a is not shorter. */
static void add_magnitudes(uint32_t *out, const struct magnitude *a, const struct magnitude *b)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < a->n; i++) {
        carry += (uint64_t)a->limbs[i] + (i < b->n ? b->limbs[i] : 0);
        out[i] = (uint32_t)carry;
        carry >>= 32;
    }
    out[a->n] = (uint32_t)carry;
}

/* out [a.n] = a - b, where a is not less. */
static void subtract_magnitudes(uint32_t *out, const struct magnitude *a, const struct magnitude *b)
{
    int64_t borrow = 0;
    for (size_t i = 0; i < a->n; i++) {
        int64_t d = (int64_t)a->limbs[i] - (i < b->n ? b->limbs[i] : 0) + borrow;
        out[i] = (uint32_t)d;
        borrow = d < 0 ? -1 : 0;
    }
}

static bool add(wc_jrun *r, const struct magnitude *a, const struct magnitude *b, wc_jv *out)
{
    const struct magnitude *large = a, *less = b;
    if (compare_magnitudes(a, b) < 0) {
        large = b;
        less = a;
    }
    struct wc_jbig *big = big_new(r, large->n + 1);
    if (!big)
        return false;
    if (a->negative == b->negative)
        add_magnitudes(big->limbs, large, less);
    else
        subtract_magnitudes(big->limbs, large, less);
    return finish(big, large->n + 1, large->negative, out);
}

static bool multiply(wc_jrun *r, const struct magnitude *a, const struct magnitude *b, wc_jv *out)
{
    struct wc_jbig *big = big_new(r, a->n + b->n);
    if (!big || !wc_jsteps(r, a->n * b->n / 16 + 1))
        return false;
    for (size_t i = 0; i < a->n; i++) {
        uint64_t carry = 0;
        for (size_t k = 0; k < b->n; k++) {
            carry += (uint64_t)a->limbs[i] * b->limbs[k] + big->limbs[i + k];
            big->limbs[i + k] = (uint32_t)carry;
            carry >>= 32;
        }
        big->limbs[i + b->n] = (uint32_t)carry;
    }
    return finish(big, a->n + b->n, a->negative != b->negative, out);
}

/* Divides limbs [n] by d in place; the remainder. */
static uint32_t divide_small(uint32_t *limbs, size_t n, uint32_t d)
{
    uint64_t rest = 0;
    for (size_t i = n; i-- > 0;) {
        rest = rest << 32 | limbs[i];
        limbs[i] = (uint32_t)(rest / d);
        rest %= d;
    }
    return (uint32_t)rest;
}

/* rest [n] -= b << (32 * shift); whether it stayed positive (if not, rest is as before). */
static bool subtract_shifted(uint32_t *rest, size_t n, const struct magnitude *b)
{
    const struct magnitude all = {.limbs = rest, .n = n};
    struct magnitude trimmed = all;
    while (trimmed.n > 0 && rest[trimmed.n - 1] == 0)
        trimmed.n--;
    if (compare_magnitudes(&trimmed, b) < 0)
        return false;
    subtract_magnitudes(rest, &all, b);
    return true;
}

/* Long division, a bit at a time: numbers are short, so plain is quick enough.  quotient [a.n], rest [b.n + 1]; both
 * start as zeros. */
static void divide_magnitudes(const struct magnitude *a, const struct magnitude *b, uint32_t *quotient,
                              uint32_t *rest)
{
    for (size_t bit = a->n * 32; bit-- > 0;) {
        for (size_t i = b->n + 1; i-- > 0;)
            rest[i] = rest[i] << 1 | (i > 0 ? rest[i - 1] >> 31 : 0);
        rest[0] |= a->limbs[bit / 32] >> (bit % 32) & 1;
        if (subtract_shifted(rest, b->n + 1, b))
            quotient[bit / 32] |= (uint32_t)1 << (bit % 32);
    }
}

/* Rounds down: the remainder has the sign of b. */
static bool divide(wc_jrun *r, wc_jv va, wc_jv vb, wc_jv *quotient, wc_jv *rest)
{
    struct magnitude a, b;
    magnitude_of(&a, va);
    magnitude_of(&b, vb);
    struct wc_jbig *q = big_new(r, a.n + 1), *m = big_new(r, b.n + 1);
    if (!q || !m || !wc_jsteps(r, a.n * b.n * 2 + a.n))
        return false;
    if (b.n == 1 && a.n > 0) {
        memcpy(q->limbs, a.limbs, a.n * sizeof *q->limbs);
        m->limbs[0] = divide_small(q->limbs, a.n, b.limbs[0]);
    } else {
        divide_magnitudes(&a, &b, q->limbs, m->limbs);
    }
    finish(q, a.n, a.negative != b.negative, quotient);
    finish(m, b.n + 1, a.negative, rest);
    bool zero = rest->type == WC_J_INT && rest->u.integer == 0;
    if (zero || a.negative == b.negative)
        return true;
    return wc_jint_binary(r, WC_JT_SUB, *quotient, wc_jint(1), quotient) &&
           wc_jint_binary(r, WC_JT_ADD, *rest, vb, rest);
}

static bool power(wc_jrun *r, wc_jv base, wc_jv exponent, wc_jv *out)
{
    int64_t n = exponent.type == WC_J_BIGINT ? INT64_MAX : small(exponent);
    struct magnitude b;
    magnitude_of(&b, base);
    if (n > MAX_LIMBS * 32 && (b.n > 1 || (b.n == 1 && b.limbs[0] > 1)))
        return too_large(r);
    if (exponent.type == WC_J_BIGINT)
        n = exponent.u.big->limbs[0] & 1 ? 3 : 2; /* of 0, 1, -1: only its parity counts */
    wc_jv result = wc_jint(1), square = base;
    while (n > 0) {
        if ((n & 1) && !wc_jint_binary(r, WC_JT_MUL, result, square, &result))
            return false;
        n >>= 1;
        if (n > 0 && !wc_jint_binary(r, WC_JT_MUL, square, square, &square))
            return false;
    }
    *out = result;
    return true;
}

/* The operations on two small integers; false when the result does not fit. */
static bool small_binary(int op, int64_t a, int64_t b, wc_jv *out)
{
    int64_t c;
    switch (op) {
    case WC_JT_ADD:
        if (__builtin_add_overflow(a, b, &c))
            return false;
        break;
    case WC_JT_SUB:
        if (__builtin_sub_overflow(a, b, &c))
            return false;
        break;
    case WC_JT_MUL:
        if (__builtin_mul_overflow(a, b, &c))
            return false;
        break;
    case WC_JT_FLOORDIV:
    case WC_JT_MOD:
        if (a == INT64_MIN && b == -1)
            return false;
        c = op == WC_JT_MOD ? a % b : a / b;
        if (a % b != 0 && (a < 0) != (b < 0))
            c += op == WC_JT_MOD ? b : -1;
        break;
    default:
        return false;
    }
    *out = wc_jint(c);
    return true;
}

bool wc_jint_binary(wc_jrun *r, int op, wc_jv a, wc_jv b, wc_jv *out)
{
    struct magnitude x, y;
    wc_jv rest;
    bool by_zero = b.type != WC_J_BIGINT && small(b) == 0;
    if (op == WC_JT_FLOORDIV && by_zero)
        return wc_jfail(r, WC_JINJA_RUNTIME, "integer division or modulo by zero");
    if (op == WC_JT_MOD && by_zero)
        return wc_jfail(r, WC_JINJA_RUNTIME, "integer modulo by zero");
    if (a.type != WC_J_BIGINT && b.type != WC_J_BIGINT && small_binary(op, small(a), small(b), out))
        return true;
    magnitude_of(&x, a);
    magnitude_of(&y, b);
    switch (op) {
    case WC_JT_SUB:
        y.negative = !y.negative;
        return add(r, &x, &y, out);
    case WC_JT_ADD:
        return add(r, &x, &y, out);
    case WC_JT_MUL:
        return multiply(r, &x, &y, out);
    case WC_JT_FLOORDIV:
        return divide(r, a, b, out, &rest);
    case WC_JT_MOD:
        return divide(r, a, b, &rest, out);
    default:
        return power(r, a, b, out);
    }
}

bool wc_jint_negative(wc_jrun *r, wc_jv a, wc_jv *out)
{
    return wc_jint_binary(r, WC_JT_SUB, wc_jint(0), a, out);
}

double wc_jint_double(wc_jv a)
{
    if (a.type != WC_J_BIGINT)
        return (double)small(a);
    const struct wc_jbig *big = a.u.big;
    /* The top 64 bits, the lowest of which collects whether anything was below: rounds as the whole number would. */
    size_t top = big->n * 32 - (size_t)__builtin_clz(big->limbs[big->n - 1]);
    uint64_t bits = 0;
    bool below = false;
    for (size_t i = 0; i < top; i++) {
        size_t bit = top - 1 - i;
        bool set = big->limbs[bit / 32] >> (bit % 32) & 1;
        if (i < 64)
            bits = bits << 1 | set;
        else
            below |= set;
    }
    double x = ldexp((double)(bits | below), (int)(top > 64 ? top - 64 : 0));
    return big->negative ? -x : x;
}

bool wc_jint_from_double(wc_jrun *r, double x, wc_jv *out)
{
    int exponent;
    double fraction = frexp(fabs(trunc(x)), &exponent);
    if (exponent <= 63) {
        *out = wc_jint((int64_t)x);
        return true;
    }
    uint64_t bits = (uint64_t)ldexp(fraction, 64); /* the number is bits << shift */
    size_t shift = (size_t)exponent - 64, low = shift / 32, s = shift % 32;
    struct wc_jbig *big = big_new(r, low + 3);
    if (!big)
        return false;
    big->limbs[low] = (uint32_t)(bits << s);
    big->limbs[low + 1] = (uint32_t)(bits << s >> 32);
    big->limbs[low + 2] = s > 0 ? (uint32_t)(bits >> (64 - s)) : 0;
    return finish(big, low + 3, x < 0, out);
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char letter = c | 0x20;
    return letter >= 'a' && letter <= 'z' ? letter - 'a' + 10 : 99;
}

/* limbs [n] = limbs * factor + plus */
static void multiply_add(uint32_t *limbs, size_t n, uint32_t factor, uint32_t plus)
{
    uint64_t carry = plus;
    for (size_t i = 0; i < n; i++) {
        carry += (uint64_t)limbs[i] * factor;
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

bool wc_jint_from_digits(wc_jrun *r, wc_arena *a, const char *digits, size_t n, int base, wc_jv *out)
{
    size_t limbs = n / 5 + 2; /* base 36 needs a little more than 5 bits a digit */
    if (n > MAX_DECIMAL_DIGITS)
        return r ? wc_jfail(r, WC_JINJA_RUNTIME,
                            "Exceeds the limit (%d digits) for integer string conversion", MAX_DECIMAL_DIGITS)
                 : false;
    struct wc_jbig *big = a ? wc_arena_zalloc(a, 1, sizeof *big + limbs * sizeof(uint32_t))
                            : big_new(r, limbs);
    uint32_t factor = 1, plus = 0; /* of the digits since the last multiplication */
    if (!big)
        return false;
    for (size_t i = 0; i < n; i++) {
        int digit = digit_value(digits[i]);
        if (digit >= base)
            return false;
        plus = plus * (uint32_t)base + (uint32_t)digit;
        factor *= (uint32_t)base;
        if (factor > UINT32_MAX / 36 / 36 || i + 1 == n) {
            multiply_add(big->limbs, limbs, factor, plus);
            factor = 1;
            plus = 0;
        }
    }
    return finish(big, limbs, false, out);
}

bool wc_jint_print(wc_jrun *r, wc_buf *b, wc_jv v, int base)
{
    static const char digits[] = "0123456789abcdef";
    struct magnitude m;
    char text[80];
    magnitude_of(&m, v);
    if (m.negative)
        wc_buf_putc(b, '-');
    struct wc_jbig *rest = big_new(r, m.n + 1);
    size_t per_limb = base == 2 ? 32 : base == 8 ? 11 : 10, room = m.n * per_limb + 2;
    char *all = room <= sizeof text ? text : wc_jalloc(r, room, 1);
    if (!rest || !all || !wc_jsteps(r, m.n * m.n / 4 + 1))
        return false;
    memcpy(rest->limbs, m.limbs, m.n * sizeof *rest->limbs);
    size_t n = m.n, at = room;
    do {
        all[--at] = digits[divide_small(rest->limbs, n, (uint32_t)base)];
        while (n > 0 && rest->limbs[n - 1] == 0)
            n--;
    } while (n > 0);
    if (base == 10 && room - at > MAX_DECIMAL_DIGITS)
        return wc_jfail(r, WC_JINJA_RUNTIME, "Exceeds the limit (%d digits) for integer string conversion",
                        MAX_DECIMAL_DIGITS);
    wc_buf_add(b, all + at, room - at);
    return true;
}

uint64_t wc_jint_hash(wc_jv v)
{
    uint64_t h = v.u.big->negative;
    for (size_t i = 0; i < v.u.big->n; i++)
        h = (h ^ v.u.big->limbs[i]) * 0x9e3779b97f4a7c15u;
    return h;
}
