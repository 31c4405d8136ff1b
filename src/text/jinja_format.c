/* jinja_format.c - Python's two ways of formatting: "%5.2f" % x and "{:>5}".format(x).
 *
 * Both are read into one struct spec and written by the same functions. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_ast.h"
#include "text/jinja_chars.h"
#include "text/jinja_value.h"

enum { MAX_WIDTH = 10 << 20, MAX_PRECISION = 1000 };

struct spec {
    uint32_t fill;
    char align; /* < > ^ = or 0 */
    char sign;  /* + - space or 0 */
    bool alternative, zero;
    int64_t width, precision; /* precision -1: not given */
    char grouping;            /* , _ or 0 */
    char type;                /* 0: not given */
};

static bool error(wc_jrun *r, const char *what)
{
    return wc_jfail(r, WC_JINJA_RUNTIME, "%s", what);
}

static void add_fill(wc_buf *b, uint32_t c, int64_t n)
{
    char utf8[4];
    size_t len = wc_utf8_encode(c, utf8);
    for (int64_t i = 0; i < n; i++)
        wc_buf_add(b, utf8, len);
}

/* text [n] in its field; the sign and prefix of a number [n_prefix] stay in front of what '=' fills in. */
static bool pad(wc_jrun *r, wc_buf *b, const struct spec *s, const char *text, size_t n, size_t n_prefix,
                char normal)
{
    int64_t points = (int64_t)wc_utf8_count(text, n), missing = s->width > points ? s->width - points : 0;
    char align = s->align ? s->align : normal;
    if (s->width > MAX_WIDTH)
        return wc_jfail(r, WC_JINJA_LIMIT, "a format width is too large: more than the limit of %d",
                        MAX_WIDTH);
    int64_t before = align == '>' ? missing : align == '^' ? missing / 2 : 0;
    add_fill(b, s->fill, before);
    if (align == '=') {
        wc_buf_add(b, text, n_prefix);
        add_fill(b, s->fill, missing);
        wc_buf_add(b, text + n_prefix, n - n_prefix);
        return wc_jsteps(r, (size_t)missing / 256);
    }
    wc_buf_add(b, text, n);
    if (align != '>')
        add_fill(b, s->fill, missing - before);
    return wc_jsteps(r, (size_t)missing / 256);
}

static bool format_string(wc_jrun *r, wc_buf *b, const struct spec *s, const char *text, size_t n)
{
    if (s->precision >= 0) {
        size_t at = 0;
        for (int64_t i = 0; i < s->precision && at < n; i++)
            do
                at++;
            while (at < n && ((unsigned char)text[at] & 0xc0) == 0x80);
        n = at;
    }
    return pad(r, b, s, text, n, 0, '<');
}

/* Digits with separators, and as many zeros in front as fill width when the zeros are grouped, too. */
static void group_digits(wc_buf *b, const char *digits, size_t n, char separator, size_t per_group,
                         int64_t width)
{
    size_t total = n;
    while ((int64_t)(total + (total - 1) / per_group) < width)
        total++;
    if (total > n && (int64_t)(total + (total - 1) / per_group) > width && (total - 1) % per_group == 0)
        total++; /* the field would begin with a separator */
    for (size_t i = 0; i < total; i++) {
        wc_buf_putc(b, i < total - n ? '0' : digits[i - (total - n)]);
        if ((total - 1 - i) % per_group == 0 && i + 1 < total)
            wc_buf_putc(b, separator);
    }
}

/* A number: sign and prefix, then digits, of which the first n_whole may be grouped. */
static bool format_number(wc_jrun *r, wc_buf *b, const struct spec *s, bool negative, const char *prefix,
                          const char *digits, size_t n, size_t n_whole)
{
    wc_buf text;
    wc_buf_init(&text, 32 << 20);
    if (negative)
        wc_buf_putc(&text, '-');
    else if (s->sign == '+' || s->sign == ' ')
        wc_buf_putc(&text, s->sign);
    wc_buf_puts(&text, prefix);
    size_t n_prefix = text.size;
    if (s->grouping && n_whole > 0) {
        bool zeros = s->fill == '0' && s->align == '=' && s->width <= MAX_WIDTH;
        int64_t width = zeros ? s->width - (int64_t)n_prefix - (int64_t)(n - n_whole) : 0;
        size_t per_group = s->type == 'b' || s->type == 'o' || s->type == 'x' || s->type == 'X' ? 4 : 3;
        group_digits(&text, digits, n_whole, s->grouping, per_group, width);
    } else {
        wc_buf_add(&text, digits, n_whole);
    }
    wc_buf_add(&text, digits + n_whole, n - n_whole);
    bool ok = wc_buf_ok(&text) ? pad(r, b, s, wc_buf_str(&text), text.size, n_prefix, '>')
                               : wc_jfail(r, WC_JINJA_LIMIT, "a formatted number is too long");
    wc_buf_release(&text);
    return ok;
}

static bool format_integer(wc_jrun *r, wc_buf *b, const struct spec *s, wc_jv v)
{
    wc_buf digits;
    char type = s->type ? s->type : 'd';
    int base = type == 'b' ? 2 : type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
    const char *prefix = !s->alternative ? ""
                         : type == 'b'   ? "0b"
                         : type == 'o'   ? "0o"
                         : type == 'x'   ? "0x"
                                         : "";
    if (s->alternative && type == 'X')
        prefix = "0X";
    wc_jbuf(&digits);
    bool ok = wc_jint_print(r, &digits, v, base);
    if (ok && type == 'X')
        for (size_t i = 0; i < digits.size; i++)
            digits.data[i] = (char)toupper((unsigned char)digits.data[i]);
    const char *text = wc_buf_str(&digits);
    bool negative = text[0] == '-';
    size_t n = digits.size - negative;
    if (ok)
        ok = format_number(r, b, s, negative, prefix, text + negative, n, n);
    wc_buf_release(&digits);
    return ok;
}

/* Takes zeros off the end of a fraction, and the point when nothing is left of it; before an exponent, too. */
static void strip_zeros(char *text)
{
    char *point = strchr(text, '.'), *exponent = strchr(text, 'e');
    char *end = exponent ? exponent : text + strlen(text);
    if (!point)
        return;
    char *p = end;
    while (p[-1] == '0')
        p--;
    if (p[-1] == '.')
        p--;
    memmove(p, end, strlen(end) + 1);
}

static void append(char *text, size_t room, const char *end)
{
    const size_t n = strlen(text);
    snprintf(text + n, room - n, "%s", end);
}

/* No type but a precision: like g, with a digit behind the point, and exponents one earlier. */
static void print_general(char *text, size_t room, double x, int precision)
{
    precision = precision > 0 ? precision : 1;
    snprintf(text, room, "%.*e", precision - 1, x);
    int exponent = atoi(strchr(text, 'e') + 1);
    if (exponent < -4 || exponent >= precision - 1) {
        strip_zeros(text);
        return;
    }
    snprintf(text, room, "%.*f", precision - 1 - exponent, x);
    strip_zeros(text);
    if (!strchr(text, '.'))
        append(text, room, ".0");
}

static void print_float(char *text, size_t room, const struct spec *s, double x)
{
    int precision = s->precision < 0 ? 6 : (int)s->precision;
    char type = (char)tolower((unsigned char)s->type), format[8] = "%.*f";
    if (!isfinite(x)) {
        snprintf(text, room, "%s", isnan(x) ? "nan" : "inf");
        return;
    }
    if (type == 0 && s->precision >= 0) {
        print_general(text, room, x, precision);
        return;
    }
    if (type == 'n')
        type = 'g';
    if (type == '%') {
        x *= 100;
        type = 'f';
    }
    snprintf(format, sizeof format, "%%%s.*%c", s->alternative ? "#" : "", type);
    /* the format is made of a literal and one of e f g */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, room, format, precision, x);
#pragma GCC diagnostic pop
}

static bool format_float(wc_jrun *r, wc_buf *b, const struct spec *s, double x)
{
    char text[MAX_PRECISION + 400];
    bool negative = signbit(x) && !isnan(x);
    if (s->precision > MAX_PRECISION)
        return wc_jfail(r, WC_JINJA_LIMIT, "a format precision is too large: more than the limit of %d",
                        MAX_PRECISION);
    if (s->type == 0 && s->precision < 0) {
        wc_buf repr;
        wc_jbuf(&repr);
        wc_jfloat_print(&repr, fabs(x));
        snprintf(text, sizeof text, "%s", wc_buf_str(&repr));
        wc_buf_release(&repr);
    } else {
        print_float(text, sizeof text - 1, s, fabs(x));
    }
    if (s->type == '%')
        append(text, sizeof text, "%");
    if (isupper((unsigned char)s->type))
        for (char *p = text; *p; p++)
            *p = (char)toupper((unsigned char)*p);
    size_t whole = strspn(text, "0123456789");
    return format_number(r, b, s, negative, "", text, strlen(text), whole);
}

static bool as_double(wc_jrun *r, wc_jv v, double *x)
{
    *x = v.type == WC_J_FLOAT ? v.u.number : wc_jint_double(v);
    return v.type == WC_J_FLOAT || isfinite(*x) || error(r, "int too large to convert to float");
}

static bool format_char(wc_jrun *r, wc_buf *b, const struct spec *s, wc_jv v, char normal)
{
    char utf8[4];
    if (wc_jint_order(v, wc_jint(0)) < 0 || wc_jint_order(v, wc_jint(0x10ffff)) > 0)
        return error(r, "%c arg not in range(0x110000)");
    uint32_t c = (uint32_t)(v.type == WC_J_BOOL ? v.u.boolean : v.u.integer);
    return pad(r, b, s, utf8, wc_utf8_encode(c >= 0xd800 && c < 0xe000 ? 0xfffd : c, utf8), 0, normal);
}

/* ---- "%" ---- */

struct percent {
    wc_jv args;
    bool tuple;
    size_t next; /* of the arguments */
    bool markup;
};

static bool is_mapping(wc_jv v)
{
    return v.type == WC_J_DICT || v.type == WC_J_LIST || v.type == WC_J_UNDEFINED || v.type == WC_J_RANGE;
}

static bool next_argument(wc_jrun *r, struct percent *p, wc_jv *out)
{
    if (p->tuple ? p->next < p->args.u.list->n : p->next == 0) {
        *out = p->tuple ? p->args.u.list->items[p->next] : p->args;
        p->next++;
        return true;
    }
    return wc_jfail_type(r, "not enough arguments for format string");
}

/* A number or "*" of a width or precision. */
static bool percent_number(wc_jrun *r, struct percent *p, const char **at, const char *end, int64_t *n)
{
    if (*at < end && **at == '*') {
        wc_jv v;
        ++*at;
        if (!next_argument(r, p, &v))
            return false;
        if (!wc_jis_integer(v))
            return wc_jfail_type(r, "* wants int");
        return wc_jarg_int(r, v, 0, n);
    }
    for (*n = 0; *at < end && isdigit((unsigned char)**at); ++*at)
        if (*n < INT64_MAX / 16)
            *n = *n * 10 + (**at - '0');
    return true;
}

/* "(name)" at *at: looked up in the mapping. */
static bool percent_key(wc_jrun *r, struct percent *p, const char **at, const char *end, wc_jv *value)
{
    wc_jv key;
    int depth = 1;
    const char *begin = ++*at;
    if (p->args.type != WC_J_DICT && !is_mapping(p->args))
        return wc_jfail_type(r, "format requires a mapping");
    while (*at < end && depth > 0) {
        depth += **at == '(' ? 1 : **at == ')' ? -1 : 0;
        ++*at;
    }
    if (depth > 0)
        return error(r, "incomplete format key");
    if (!wc_jstring(r, begin, (size_t)(*at - 1 - begin), &key))
        return false;
    if (p->args.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, p->args);
    if (p->args.type != WC_J_DICT)
        return wc_jfail_type(r, "%s indices must be integers or slices, not str", wc_jtype_name(p->args));
    const wc_jv *found;
    if (!wc_jdict_find(r, p->args.u.dict, key, &found))
        return false;
    if (!found)
        return wc_jfail(r, WC_JINJA_RUNTIME, "'%.*s'", (int)key.u.str->n, key.u.str->s);
    *value = *found;
    return true;
}

/* s, r, a: the text of a value. */
static bool percent_text(wc_jrun *r, wc_buf *b, const struct percent *p, const struct spec *s, wc_jv v)
{
    wc_buf text;
    wc_jbuf(&text);
    bool ok = s->type == 's' ? wc_jprint(r, &text, v) : wc_jrepr(r, &text, v);
    if (ok && p->markup && !(v.type == WC_J_STR && (v.flags & WC_J_MARKUP))) {
        wc_buf plain = text;
        wc_jbuf(&text);
        wc_jescape_text(&text, wc_buf_str(&plain), plain.size);
        wc_buf_release(&plain);
    }
    ok = ok && format_string(r, b, s, wc_buf_str(&text), text.size);
    wc_buf_release(&text);
    return ok;
}

static bool percent_integer(wc_jrun *r, wc_buf *b, struct spec *s, wc_jv v)
{
    bool decimal = s->type == 'd' || s->type == 'i' || s->type == 'u';
    if (v.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, v);
    if (v.type == WC_J_FLOAT && decimal) {
        if (!isfinite(v.u.number))
            return error(r, isnan(v.u.number) ? "cannot convert float NaN to integer"
                                              : "cannot convert float infinity to integer");
        if (!wc_jint_from_double(r, v.u.number, &v))
            return false;
    }
    if (!wc_jis_integer(v))
        return wc_jfail_type(r, "%%%c format: %s is required, not %s", s->type,
                             decimal ? "a real number" : "an integer", wc_jtype_name(v));
    if (decimal)
        s->type = 'd';
    if (s->precision <= 0)
        return format_integer(r, b, s, v);
    /* A precision is the least number of digits. */
    if (s->precision > MAX_PRECISION)
        return wc_jfail(r, WC_JINJA_LIMIT, "a format precision is too large: more than the limit of %d",
                        MAX_PRECISION);
    wc_buf digits, padded;
    wc_jbuf(&digits);
    wc_jbuf(&padded);
    bool negative = wc_jint_order(v, wc_jint(0)) < 0;
    bool ok = wc_jint_print(r, &digits, v, s->type == 'o' ? 8 : s->type == 'x' || s->type == 'X' ? 16 : 10);
    if (ok) {
        add_fill(&padded, '0', s->precision - (int64_t)(digits.size - negative));
        wc_buf_puts(&padded, wc_buf_str(&digits) + negative);
        ok = format_number(r, b, s, negative, "", wc_buf_str(&padded), padded.size, padded.size);
    }
    wc_buf_release(&digits);
    wc_buf_release(&padded);
    return ok;
}

static bool percent_value(wc_jrun *r, wc_buf *b, const struct percent *p, struct spec *s, wc_jv v)
{
    double x;
    switch (s->type) {
    case 's':
    case 'r':
    case 'a':
        s->align = s->align == '<' ? '<' : '>';
        s->fill = ' ';
        return percent_text(r, b, p, s, v);
    case 'c':
        s->align = s->align == '<' ? '<' : '>';
        s->fill = ' ';
        if (v.type == WC_J_STR && wc_jpoints(v) == 1)
            return pad(r, b, s, v.u.str->s, v.u.str->n, 0, '>');
        return wc_jis_integer(v) ? format_char(r, b, s, v, '>')
                                 : wc_jfail_type(r, "%%c requires int or char");
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        return percent_integer(r, b, s, v);
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        if (v.type == WC_J_UNDEFINED)
            return wc_jfail_undefined(r, v);
        if (!wc_jis_number(v))
            return wc_jfail_type(r, "must be real number, not %s", wc_jtype_name(v));
        return as_double(r, v, &x) && format_float(r, b, s, x);
    default:
        return wc_jfail(r, WC_JINJA_RUNTIME, "unsupported format character '%c'", s->type);
    }
}

/* One conversion; *at points behind the "%". */
static bool percent_item(wc_jrun *r, wc_buf *b, struct percent *p, const char **at, const char *end)
{
    struct spec s = {.fill = ' ', .precision = -1};
    wc_jv value = wc_jmissing();
    if (*at < end && **at == '(' && !percent_key(r, p, at, end, &value))
        return false;
    for (; *at < end && strchr("-+ #0", **at) && **at; ++*at) {
        char c = **at;
        if (c == '-')
            s.align = '<';
        else if (c == '0')
            s.zero = true;
        else if (c == '#')
            s.alternative = true;
        else if (s.sign != '+')
            s.sign = c;
    }
    if (!percent_number(r, p, at, end, &s.width))
        return false;
    if (s.width < 0) {
        s.align = '<';
        s.width = s.width == INT64_MIN ? INT64_MAX : -s.width;
    }
    if (*at < end && **at == '.') {
        ++*at;
        if (!percent_number(r, p, at, end, &s.precision))
            return false;
        s.precision = s.precision < 0 ? 0 : s.precision;
    }
    while (*at < end && (**at == 'l' || **at == 'h' || **at == 'L'))
        ++*at;
    if (*at == end)
        return error(r, "incomplete format");
    s.type = *(*at)++;
    if (s.type == '%') {
        wc_buf_putc(b, '%');
        return true;
    }
    if (s.zero && s.align != '<') {
        s.fill = '0';
        s.align = '=';
    }
    if (value.type == WC_J_MISSING && !next_argument(r, p, &value))
        return false;
    return percent_value(r, b, p, &s, value);
}

bool wc_jformat_percent(wc_jrun *r, wc_jv format, wc_jv args, wc_jv *out)
{
    struct percent p = {.args = args, .tuple = args.type == WC_J_TUPLE, .markup = format.flags & WC_J_MARKUP};
    const char *at = format.u.str->s, *end = at + format.u.str->n;
    bool ok = true;
    wc_buf b;
    wc_jbuf(&b);
    while (ok && at < end) {
        const char *percent = memchr(at, '%', (size_t)(end - at));
        wc_buf_add(&b, at, (size_t)((percent ? percent : end) - at));
        at = percent ? percent + 1 : end;
        ok = !percent || (wc_jsteps(r, 1) && percent_item(r, &b, &p, &at, end));
    }
    size_t n = p.tuple ? args.u.list->n : 1;
    if (ok && p.next < n && !is_mapping(args))
        ok = wc_jfail_type(r, "not all arguments converted during string formatting");
    if (!ok)
        wc_buf_release(&b);
    ok = ok && wc_jstring_take(r, &b, out);
    if (ok)
        out->flags = format.flags;
    return ok;
}

/* ---- "{}" ---- */

/* [[fill]align][sign][#][0][width][grouping][.precision][type] */
static bool parse_spec(wc_jrun *r, const char *at, const char *end, struct spec *s)
{
    uint32_t c;
    bool filled = false;
    *s = (struct spec){.fill = ' ', .precision = -1};
    size_t n = at < end ? wc_utf8_decode(at, (size_t)(end - at), &c) : 0;
    if (n > 0 && (size_t)(end - at) > n && strchr("<>=^", at[n]) && at[n]) {
        s->fill = c;
        s->align = at[n];
        filled = true;
        at += n + 1;
    } else if (at < end && strchr("<>=^", *at) && *at) {
        s->align = *at++;
    }
    if (at < end && strchr("+- ", *at) && *at)
        s->sign = *at++;
    if (at < end && *at == 'z')
        at++;
    if (at < end && *at == '#') {
        s->alternative = true;
        at++;
    }
    if (at < end && *at == '0') {
        s->zero = !s->align;
        if (!filled)
            s->fill = '0';
        if (!s->align)
            s->align = '=';
        at++;
    }
    for (; at < end && isdigit((unsigned char)*at); at++)
        if (s->width < INT64_MAX / 16)
            s->width = s->width * 10 + (*at - '0');
    if (at < end && (*at == ',' || *at == '_'))
        s->grouping = *at++;
    if (at < end && *at == '.') {
        if (++at == end || !isdigit((unsigned char)*at))
            return error(r, "Format specifier missing precision");
        for (s->precision = 0; at < end && isdigit((unsigned char)*at); at++)
            if (s->precision < INT64_MAX / 16)
                s->precision = s->precision * 10 + (*at - '0');
    }
    if (at < end)
        s->type = *at++;
    return at == end || error(r, "Invalid format specifier");
}

static bool unknown_code(wc_jrun *r, const struct spec *s, wc_jv v)
{
    return wc_jfail(r, WC_JINJA_RUNTIME, "Unknown format code '%c' for object of type '%s'", s->type,
                    wc_jtype_name(v));
}

/* format(v, spec) */
static bool format_value(wc_jrun *r, wc_buf *b, wc_jv v, const char *text, size_t n)
{
    struct spec s;
    double x;
    if (n == 0)
        return wc_jprint(r, b, v);
    if (v.type != WC_J_STR && !wc_jis_number(v))
        return wc_jfail_type(r, "unsupported format string passed to %s.__format__", wc_jtype_name(v));
    if (!parse_spec(r, text, text + n, &s))
        return false;
    if (v.type == WC_J_STR) {
        if (s.type && s.type != 's')
            return unknown_code(r, &s, v);
        if (s.sign || s.alternative || s.grouping || (s.align == '=' && !s.zero))
            return error(r, "this format specifier is not allowed in string format");
        if (s.align == '=')
            s.align = '<';
        return format_string(r, b, &s, v.u.str->s, v.u.str->n);
    }
    bool whole = v.type != WC_J_FLOAT && (!s.type || strchr("bcdoxXn", s.type));
    if (!whole && s.type && !strchr("eEfFgGn%", s.type))
        return unknown_code(r, &s, v);
    if (!whole)
        return as_double(r, v, &x) && format_float(r, b, &s, x);
    if (s.precision >= 0)
        return error(r, "Precision not allowed in integer format specifier");
    if (s.type == 'n')
        s.type = 'd';
    return s.type == 'c' ? format_char(r, b, &s, v, '<') : format_integer(r, b, &s, v);
}

struct braces {
    const wc_jcall *call;
    bool markup; /* the format is Markup: what it shows is escaped */
    int next;    /* argument of the next "{}" */
    bool manual, automatic;
};

static bool brace_argument(wc_jrun *r, struct braces *f, const char *name, size_t n, wc_jv *out)
{
    bool digits = n > 0;
    int64_t index = 0;
    for (size_t i = 0; i < n; i++) {
        digits = digits && isdigit((unsigned char)name[i]);
        if (digits && index < INT32_MAX / 16)
            index = index * 10 + (name[i] - '0');
    }
    if (digits) {
        if (index >= f->call->n_positional)
            return wc_jfail(r, WC_JINJA_RUNTIME,
                            "Replacement index %lld out of range for positional args tuple",
                            (long long)index);
        *out = f->call->positional[index];
        return true;
    }
    for (int i = 0; i < f->call->n_keywords; i++) {
        const wc_jstr *key = f->call->keywords[i].u.str;
        if (key->n == n && memcmp(key->s, name, n) == 0) {
            *out = f->call->values[i];
            return true;
        }
    }
    return wc_jfail(r, WC_JINJA_RUNTIME, "'%.*s'", (int)n, name);
}

/* ".attr" and "[key]" behind the name of an argument. */
static bool brace_path(wc_jrun *r, const char *at, const char *end, wc_jv *v)
{
    while (at < end) {
        wc_jv key;
        bool dot = *at++ == '.';
        const char *begin = at;
        while (at < end && (dot ? *at != '.' && *at != '[' : *at != ']'))
            at++;
        size_t n = (size_t)(at - begin);
        if (n == 0)
            return error(r, "Empty attribute in format string");
        if (!dot && at == end)
            return error(r, "Missing ']' in format string");
        bool digits = !dot;
        for (size_t i = 0; i < n; i++)
            digits = digits && isdigit((unsigned char)begin[i]);
        if (digits && n <= 18)
            key = wc_jint(strtoll(begin, NULL, 10));
        else if (!wc_jstring(r, begin, n, &key))
            return false;
        if (!(dot ? wc_jgetattr(r, *v, key, v) : wc_jgetitem(r, *v, key, v)))
            return false;
        if (!dot && ++at < end && *at != '.' && *at != '[')
            return error(r, "Only '.' or '[' may follow ']' in format field specifier");
    }
    return true;
}

static bool brace_field(wc_jrun *r, struct braces *f, const char *name, size_t n, wc_jv *out)
{
    char number[16];
    size_t first = 0;
    bool digits = n > 0;
    for (size_t i = 0; i < n; i++)
        digits = digits && isdigit((unsigned char)name[i]);
    if ((n == 0 && f->manual) || (digits && f->automatic))
        return error(r, "cannot switch between manual field specification and automatic field numbering");
    f->manual |= digits;
    if (n == 0) {
        f->automatic = true;
        n = (size_t)snprintf(number, sizeof number, "%d", f->next++);
        name = number;
    }
    while (first < n && name[first] != '.' && name[first] != '[')
        first++;
    return brace_argument(r, f, name, first, out) && brace_path(r, name + first, name + n, out);
}

/* A value as its specification wants it, escaped when the format is Markup and the value is not. */
static bool add_formatted(wc_jrun *r, wc_buf *b, const struct braces *f, wc_jv v, const wc_buf *spec)
{
    if (!f->markup)
        return format_value(r, b, v, wc_buf_str(spec), spec->size);
    if (v.type == WC_J_STR && (v.flags & WC_J_MARKUP))
        return spec->size == 0 ? wc_jprint(r, b, v)
                               : error(r, "Format specifier given, but Markup does not take one");
    wc_buf text;
    wc_jbuf(&text);
    bool ok = format_value(r, &text, v, wc_buf_str(spec), spec->size);
    wc_jescape_text(b, wc_buf_str(&text), text.size);
    wc_buf_release(&text);
    return ok;
}

static bool format_braces(wc_jrun *r, wc_buf *b, struct braces *f, const char *at, const char *end,
                          int depth);

/* "name!r:spec", without its braces. */
static bool brace_item(wc_jrun *r, wc_buf *b, struct braces *f, const char *at, const char *end, int depth)
{
    const char *name = at, *spec;
    wc_jv v;
    int brackets = 0;
    while (at < end && (brackets > 0 || (*at != '!' && *at != ':'))) {
        brackets += *at == '[' ? 1 : *at == ']' ? -1 : 0;
        at++;
    }
    if (!brace_field(r, f, name, (size_t)(at - name), &v))
        return false;
    if (at < end && *at == '!') {
        char conversion = at + 1 < end ? at[1] : '\0';
        if (!conversion || !strchr("sra", conversion) || (at + 2 < end && at[2] != ':'))
            return error(r, "expected ':' after conversion specifier, which is one of s, r and a");
        wc_buf text;
        wc_jbuf(&text);
        if (conversion == 's' ? !wc_jprint(r, &text, v) : !wc_jrepr(r, &text, v)) {
            wc_buf_release(&text);
            return false;
        }
        if (!wc_jstring_take(r, &text, &v))
            return false;
        at += 2;
    }
    spec = at < end ? at + 1 : end;
    wc_buf expanded;
    wc_jbuf(&expanded);
    bool ok = format_braces(r, &expanded, f, spec, end, depth - 1) && add_formatted(r, b, f, v, &expanded);
    wc_buf_release(&expanded);
    return ok;
}

/* The closing brace of a field that begins at at; NULL: there is none. */
static const char *field_end(const char *at, const char *end)
{
    int depth = 1;
    for (; at < end; at++) {
        depth += *at == '{' ? 1 : *at == '}' ? -1 : 0;
        if (depth == 0)
            return at;
    }
    return NULL;
}

static bool format_braces(wc_jrun *r, wc_buf *b, struct braces *f, const char *at, const char *end, int depth)
{
    if (depth < 0)
        return error(r, "Max string recursion exceeded");
    while (at < end) {
        if (!wc_jsteps(r, 1))
            return false;
        if ((*at == '{' || *at == '}') && at + 1 < end && at[1] == *at) {
            wc_buf_putc(b, *at);
            at += 2;
        } else if (*at == '{') {
            const char *close = field_end(at + 1, end);
            if (!close)
                return error(r, at + 1 == end ? "Single '{' encountered in format string"
                                              : "expected '}' before end of string");
            if (!brace_item(r, b, f, at + 1, close, depth))
                return false;
            at = close + 1;
        } else if (*at == '}') {
            return error(r, "Single '}' encountered in format string");
        } else {
            wc_buf_putc(b, *at++);
        }
    }
    return true;
}

bool wc_jformat_braces(wc_jrun *r, wc_jv format, const wc_jcall *call, wc_jv *out)
{
    struct braces f = {.call = call, .markup = format.flags & WC_J_MARKUP};
    const char *at = format.u.str->s;
    wc_buf b;
    wc_jbuf(&b);
    if (!format_braces(r, &b, &f, at, at + format.u.str->n, 2)) {
        wc_buf_release(&b);
        return false;
    }
    if (!wc_jstring_take(r, &b, out))
        return false;
    out->flags = format.flags;
    return true;
}
