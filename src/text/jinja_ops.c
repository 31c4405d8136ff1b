/* jinja_ops.c - the arithmetic operators on whatever types they take. */
#include <math.h>
#include <string.h>

#include "text/jinja_ast.h"
#include "text/jinja_value.h"

static const char *operator_text(int op)
{
    return op == WC_JT_POW ? "** or pow()" : wc_jtoken_name((enum wc_jtoken_type)op);
}

static bool unsupported(wc_jrun *r, int op, wc_jv a, wc_jv b)
{
    if (a.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, a);
    if (b.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, b);
    if (op == WC_JT_ADD && (a.type == WC_J_STR || a.type == WC_J_LIST || a.type == WC_J_TUPLE)) {
        const char *name = wc_jtype_name(a);
        if (a.type == WC_J_STR)
            name = "str";
        return wc_jfail_type(r, "can only concatenate %s (not \"%s\") to %s", name, wc_jtype_name(b), name);
    }
    bool sequence_a = a.type == WC_J_STR || a.type == WC_J_LIST || a.type == WC_J_TUPLE;
    bool sequence_b = b.type == WC_J_STR || b.type == WC_J_LIST || b.type == WC_J_TUPLE;
    if (op == WC_JT_MUL && (sequence_a || sequence_b))
        return wc_jfail_type(r, "can't multiply sequence by non-int of type '%s'",
                             wc_jtype_name(sequence_a ? b : a));
    return wc_jfail_type(r, "unsupported operand type(s) for %s: '%s' and '%s'", operator_text(op),
                         wc_jtype_name(a), wc_jtype_name(b));
}

/* Python's floor division and modulo of floats. */
static double float_modulo(double a, double b, double *quotient)
{
    double rest = fmod(a, b), whole = (a - rest) / b;
    if (rest != 0) {
        if ((b < 0) != (rest < 0)) {
            rest += b;
            whole -= 1;
        }
    } else {
        rest = copysign(0, b);
    }
    if (whole != 0) {
        double rounded = floor(whole);
        *quotient = whole - rounded > 0.5 ? rounded + 1 : rounded;
    } else {
        *quotient = copysign(0, a / b);
    }
    return rest;
}

static bool float_power(wc_jrun *r, double a, double b, wc_jv *out)
{
    if (a == 0 && b < 0)
        return wc_jfail(r, WC_JINJA_RUNTIME, "0.0 cannot be raised to a negative power");
    if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b))
        return wc_jfail(r, WC_JINJA_RUNTIME, "complex numbers are not supported");
    double x = pow(a, b);
    if (isinf(x) && isfinite(a) && isfinite(b))
        return wc_jfail(r, WC_JINJA_RUNTIME, "(34, 'Numerical result out of range')");
    *out = wc_jfloat(x);
    return true;
}

static bool to_double(wc_jrun *r, wc_jv v, double *x)
{
    *x = v.type == WC_J_FLOAT ? v.u.number : wc_jint_double(v);
    if (isinf(*x) && v.type != WC_J_FLOAT)
        return wc_jfail(r, WC_JINJA_RUNTIME, "int too large to convert to float");
    return true;
}

static bool float_binary(wc_jrun *r, int op, wc_jv va, wc_jv vb, wc_jv *out)
{
    double a, b, quotient, rest;
    bool floats = va.type == WC_J_FLOAT || vb.type == WC_J_FLOAT;
    if (!to_double(r, va, &a) || !to_double(r, vb, &b))
        return false;
    switch (op) {
    case WC_JT_ADD:
        *out = wc_jfloat(a + b);
        return true;
    case WC_JT_SUB:
        *out = wc_jfloat(a - b);
        return true;
    case WC_JT_MUL:
        *out = wc_jfloat(a * b);
        return true;
    case WC_JT_POW:
        return float_power(r, a, b, out);
    default:
        break;
    }
    if (b == 0)
        return wc_jfail(r, WC_JINJA_RUNTIME, "%s",
                        op == WC_JT_MOD        ? "float modulo"
                        : op == WC_JT_FLOORDIV ? "float floor division by zero"
                        : floats               ? "float division by zero"
                                               : "division by zero");
    if (op == WC_JT_DIV) {
        *out = wc_jfloat(a / b);
        return true;
    }
    rest = float_modulo(a, b, &quotient);
    *out = wc_jfloat(op == WC_JT_MOD ? rest : quotient);
    return true;
}

static bool number_binary(wc_jrun *r, int op, wc_jv a, wc_jv b, wc_jv *out)
{
    bool floats = a.type == WC_J_FLOAT || b.type == WC_J_FLOAT;
    bool negative_power = op == WC_JT_POW && !floats && wc_jint_order(b, wc_jint(0)) < 0;
    if (floats || op == WC_JT_DIV || negative_power)
        return float_binary(r, op, a, b, out);
    return wc_jint_binary(r, op, a, b, out);
}

/* A string, list or tuple n times. */
static bool repeat(wc_jrun *r, wc_jv v, wc_jv times, wc_jv *out)
{
    int64_t n;
    if (!wc_jarg_int(r, times, 0, &n))
        return false;
    n = n < 0 ? 0 : n;
    bool text = v.type == WC_J_STR;
    size_t part = text ? v.u.str->n : v.u.list->n * sizeof(wc_jv);
    if (part == 0 || n == 0) {
        if (text)
            return wc_jstring_part(r, v, 0, 0, out);
        return wc_jlist_of(r, (enum wc_jtype)v.type, NULL, 0, out);
    }
    if ((uint64_t)n > (uint64_t)WC_JINJA_MEMORY / part)
        return wc_jfail(r, WC_JINJA_LIMIT, "a repeated %s is too large: more than the limit of %d MiB",
                        wc_jtype_name(v), WC_JINJA_MEMORY >> 20);
    char *data = wc_jalloc(r, (size_t)n, part);
    if (!data || !wc_jsteps(r, (size_t)n * part / 256 + 1))
        return false;
    const void *from = text ? (const void *)v.u.str->s : v.u.list->items;
    for (int64_t i = 0; i < n; i++)
        memcpy(data + (size_t)i * part, from, part);
    if (!text)
        return wc_jlist_of(r, (enum wc_jtype)v.type, (const wc_jv *)(void *)data, v.u.list->n * (size_t)n,
                           out);
    if (!wc_jstring_view(r, data, part * (size_t)n, out))
        return false;
    out->flags = v.flags;
    return true;
}

static bool add_strings(wc_jrun *r, wc_jv a, wc_jv b, wc_jv *out)
{
    bool markup = (a.flags | b.flags) & WC_J_MARKUP;
    if (markup && (!wc_jescape(r, a, &a) || !wc_jescape(r, b, &b)))
        return false;
    return wc_jconcat(r, a, b, out);
}

bool wc_jbinary(wc_jrun *r, int op, wc_jv a, wc_jv b, wc_jv *out)
{
    if (wc_jis_number(a) && wc_jis_number(b))
        return number_binary(r, op, a, b, out);
    if (op == WC_JT_MOD && a.type == WC_J_STR)
        return wc_jformat_percent(r, a, b, out);
    if (op == WC_JT_ADD && a.type == b.type) {
        if (a.type == WC_J_STR)
            return add_strings(r, a, b, out);
        if (a.type == WC_J_LIST || a.type == WC_J_TUPLE)
            return wc_jlist_concat(r, a, b, out);
    }
    bool sequence_a = a.type == WC_J_STR || a.type == WC_J_LIST || a.type == WC_J_TUPLE;
    bool sequence_b = b.type == WC_J_STR || b.type == WC_J_LIST || b.type == WC_J_TUPLE;
    if (op == WC_JT_MUL && sequence_a && wc_jis_integer(b))
        return repeat(r, a, b, out);
    if (op == WC_JT_MUL && sequence_b && wc_jis_integer(a))
        return repeat(r, b, a, out);
    return unsupported(r, op, a, b);
}

bool wc_jnegative(wc_jrun *r, wc_jv a, wc_jv *out)
{
    if (a.type == WC_J_FLOAT) {
        *out = wc_jfloat(-a.u.number);
        return true;
    }
    if (wc_jis_integer(a))
        return wc_jint_negative(r, a, out);
    if (a.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, a);
    return wc_jfail_type(r, "bad operand type for unary -: '%s'", wc_jtype_name(a));
}

/* ---- arguments ---- */

bool wc_jarg_int(wc_jrun *r, wc_jv v, int64_t fallback, int64_t *out)
{
    *out = fallback;
    switch (v.type) {
    case WC_J_MISSING:
        return true;
    case WC_J_BOOL:
        *out = v.u.boolean;
        return true;
    case WC_J_INT:
        *out = v.u.integer;
        return true;
    case WC_J_BIGINT:
        *out = wc_jint_order(v, wc_jint(0)) < 0 ? INT64_MIN : INT64_MAX;
        return true;
    case WC_J_UNDEFINED:
        return wc_jfail_undefined(r, v);
    default:
        return wc_jfail_type(r, "'%s' object cannot be interpreted as an integer", wc_jtype_name(v));
    }
}

bool wc_jarg_bool(wc_jrun *r, wc_jv v, bool fallback)
{
    return v.type == WC_J_MISSING ? fallback : wc_jtruth(r, v);
}

bool wc_jarg_str(wc_jrun *r, wc_jv v, const char *function)
{
    return v.type == WC_J_STR ||
           wc_jfail_type(r, "%s() argument must be str, not %s", function, wc_jtype_name(v));
}
