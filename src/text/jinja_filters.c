/* jinja_filters.c - the table of filters, and the filters of single values. */
#include "text/jinja_filters.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "text/jinja_ast.h"

/* ---- numbers from text ---- */

/* Text without white space around it, digits of all scripts as ASCII ones, without the underscores between digits;
 * false when it cannot be a number or is too long for one. */
static bool plain_number(const wc_jstr *text, char *room, size_t size)
{
    size_t begin = wc_jspace_front(text->s, text->n), end = wc_jspace_back(text->s, text->n), n = 0;
    bool after_digit = false;
    for (size_t i = begin; i < end;) {
        uint32_t c;
        i += wc_utf8_decode(text->s + i, end - i, &c);
        int digit = c < 0x80 ? -1 : wc_jchar_decimal_value(c);
        char plain = digit >= 0 ? (char)('0' + digit) : c < 0x80 ? (char)c : '\0';
        if (plain == '_') {
            if (!after_digit || i >= end ||
                (!isalnum((unsigned char)text->s[i]) && (unsigned char)text->s[i] < 0x80))
                return false;
            after_digit = false;
            continue;
        }
        if (plain == '\0' || n + 1 >= size)
            return false;
        room[n++] = plain;
        after_digit = isalnum((unsigned char)plain);
    }
    room[n] = '\0';
    return n > 0;
}

double wc_jparse_float(const wc_jstr *text, bool *valid)
{
    char room[800], *end;
    *valid = plain_number(text, room, sizeof room);
    if (!*valid)
        return 0;
    const char *p = room + (room[0] == '+' || room[0] == '-');
    bool word = strcasecmp(p, "inf") == 0 || strcasecmp(p, "infinity") == 0 || strcasecmp(p, "nan") == 0;
    *valid = word ||
             (strspn(p, "0123456789.eE+-") == strlen(p) && (isdigit((unsigned char)p[0]) || p[0] == '.'));
    if (!*valid)
        return 0;
    double x = strtod(room, &end);
    *valid = *end == '\0';
    return x;
}

bool wc_jparse_int(wc_jrun *r, const wc_jstr *text, int base, wc_jv *out, bool *valid)
{
    char room[4400] = "";
    *valid = false;
    if (base != 0 && (base < 2 || base > 36))
        return true;
    if (!plain_number(text, room, sizeof room))
        return true;
    const char *p = room + (room[0] == '+' || room[0] == '-');
    char mark = p[0] == '0' ? (char)tolower((unsigned char)p[1]) : '\0';
    int marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (marked && (base == 0 || base == marked)) {
        p += 2;
        base = marked;
    }
    if (base == 0) {
        if (p[0] == '0' && strspn(p, "0") != strlen(p))
            return true; /* as in Python's source: 010 is none */
        base = 10;
    }
    *valid = *p && wc_jint_from_digits(r, NULL, p, strlen(p), base, out);
    if (r->failed || !*valid)
        return !r->failed;
    return room[0] != '-' || wc_jint_negative(r, *out, out);
}

/* float(): *valid is false for what Python refuses with a type or value error. */
static bool to_float(wc_jrun *r, wc_jv v, double *x, bool *valid)
{
    *valid = true;
    *x = 0;
    if (v.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, v);
    if (v.type == WC_J_FLOAT)
        *x = v.u.number;
    else if (v.type == WC_J_STR)
        *x = wc_jparse_float(v.u.str, valid);
    else if (wc_jis_integer(v))
        *x = wc_jint_double(v);
    else
        *valid = false;
    if (wc_jis_integer(v) && isinf(*x))
        return wc_jfail(r, WC_JINJA_RUNTIME, "int too large to convert to float");
    return true;
}

static WC_JFILTER(float)
{
    double x;
    bool valid;
    (void)call;
    if (!to_float(r, self, &x, &valid))
        return false;
    *out = valid ? wc_jfloat(x) : args[0].type == WC_J_MISSING ? wc_jfloat(0) : args[0];
    return true;
}

static WC_JFILTER(int)
{
    int64_t base;
    double x;
    bool valid;
    (void)call;
    if (!wc_jarg_int(r, args[1], 10, &base))
        return false;
    if (wc_jis_integer(self)) {
        *out = self.type == WC_J_BOOL ? wc_jint(self.u.boolean) : self;
        return true;
    }
    if (self.type == WC_J_STR) {
        if (!wc_jparse_int(r, self.u.str, base < 0 || base > 36 ? -1 : (int)base, out, &valid) || valid)
            return valid;
    } else if (self.type == WC_J_FLOAT && isinf(self.u.number)) {
        return wc_jfail(r, WC_JINJA_RUNTIME, "cannot convert float infinity to integer");
    }
    if (!to_float(r, self, &x, &valid))
        return false;
    if (valid && isfinite(x))
        return wc_jint_from_double(r, x, out);
    *out = args[0].type == WC_J_MISSING ? wc_jint(0) : args[0];
    return true;
}

/* ---- rounding ---- */

/* An integer to a multiple of 10^digits, halves to the even one. */
static bool round_integer(wc_jrun *r, wc_jv v, int64_t digits, wc_jv *out)
{
    wc_jv ten, rest, twice, down;
    if (digits > 5000) {
        *out = wc_jint(0);
        return true;
    }
    if (!wc_jint_binary(r, WC_JT_POW, wc_jint(10), wc_jint(digits), &ten) ||
        !wc_jint_binary(r, WC_JT_MOD, v, ten, &rest) || !wc_jint_binary(r, WC_JT_SUB, v, rest, &down) ||
        !wc_jint_binary(r, WC_JT_MUL, rest, wc_jint(2), &twice))
        return false;
    int order = wc_jint_order(twice, ten);
    if (order == 0) {
        wc_jv quotient, odd;
        if (!wc_jint_binary(r, WC_JT_FLOORDIV, down, ten, &quotient) ||
            !wc_jint_binary(r, WC_JT_MOD, quotient, wc_jint(2), &odd))
            return false;
        order = odd.u.integer ? 1 : -1;
    }
    *out = down;
    return order < 0 || wc_jint_binary(r, WC_JT_ADD, down, ten, out);
}

static double round_float(double x, int64_t digits)
{
    char text[800];
    if (!isfinite(x) || digits > 330)
        return x;
    if (digits < -310)
        return copysign(0, x);
    if (digits >= 0) {
        snprintf(text, sizeof text, "%.*f", (int)digits, x); /* rounds the exact value, halves to even */
        return strtod(text, NULL);
    }
    double scale = pow(10, (double)-digits);
    return rint(x / scale) * scale;
}

static WC_JFILTER(round)
{
    int64_t digits = 0;
    bool common = args[1].type == WC_J_MISSING || wc_jstr_is(args[1], "common"),
         ceils = wc_jstr_is(args[1], "ceil");
    (void)call;
    if (!common && !ceils && !wc_jstr_is(args[1], "floor"))
        return wc_jfail(r, WC_JINJA_RUNTIME, "method must be common, ceil or floor");
    if (args[0].type != WC_J_NONE && !wc_jarg_int(r, args[0], 0, &digits))
        return false;
    if (!wc_jis_number(self))
        return wc_jfail_type(r, "type %s doesn't define __round__ method", wc_jtype_name(self));
    if (common && wc_jis_integer(self)) {
        *out = self.type == WC_J_BOOL ? wc_jint(self.u.boolean) : self;
        return digits >= 0 || round_integer(r, self, digits == INT64_MIN ? INT64_MAX : -digits, out);
    }
    double x = self.type == WC_J_FLOAT ? self.u.number : wc_jint_double(self);
    bool to_integer = common && args[0].type == WC_J_NONE;
    if (!isfinite(x) && (!common || to_integer))
        return wc_jfail(r, WC_JINJA_RUNTIME, "cannot convert float %s to integer",
                        isnan(x) ? "NaN" : "infinity");
    if (to_integer)
        return wc_jint_from_double(r, rint(x), out);
    double scale = pow(10, (double)digits);
    *out = wc_jfloat(common ? round_float(x, digits) : (ceils ? ceil(x * scale) : floor(x * scale)) / scale);
    return true;
}

static WC_JFILTER(abs)
{
    (void)args, (void)call;
    if (!wc_jis_number(self))
        return wc_jfail_type(r, "bad operand type for abs(): '%s'", wc_jtype_name(self));
    if (self.type == WC_J_FLOAT) {
        *out = wc_jfloat(fabs(self.u.number));
        return true;
    }
    *out = self.type == WC_J_BOOL ? wc_jint(self.u.boolean) : self;
    return wc_jint_order(self, wc_jint(0)) >= 0 || wc_jint_negative(r, self, out);
}

/* ---- values ---- */

static WC_JFILTER(default)
{
    (void)call;
    bool missing = self.type == WC_J_UNDEFINED || (wc_jarg_bool(r, args[1], false) && !wc_jtruth(r, self));
    *out = missing ? args[0] : self;
    return !missing || args[0].type != WC_J_MISSING || wc_jstring_literal(r, "", out);
}

static WC_JFILTER(length)
{
    int64_t n;
    (void)args, (void)call;
    if (!wc_jlength(r, self, &n))
        return false;
    *out = wc_jint(n);
    return true;
}

static WC_JFILTER(string)
{
    (void)args, (void)call;
    return wc_jsoft_str(r, self, out);
}

/* The attribute only, never the item of that name. */
static WC_JFILTER(attr)
{
    wc_jv name, item;
    (void)call;
    if (!wc_jto_str(r, args[0], &name))
        return false;
    const wc_jstr *s = name.u.str;
    bool internal = s->n >= 4 && memcmp(s->s, "__", 2) == 0 && memcmp(s->s + s->n - 2, "__", 2) == 0;
    if (self.type == WC_J_UNDEFINED && !internal)
        return wc_jfail_undefined(r, self);
    if (self.type == WC_J_UNDEFINED && strncmp(s->s, "__class__", s->n) != 0)
        return wc_jundefined_member(r, self, name, out);
    if (self.type == WC_J_DICT && !wc_jfind_method(self, name.u.str->s, name.u.str->n)) {
        const wc_jv *found;
        if (!wc_jdict_find(r, self.u.dict, name, &found))
            return false;
        if (found)
            return wc_jundefined_member(r, self, name, out);
    }
    if (!wc_jgetattr(r, self, name, &item))
        return false;
    *out = item;
    return true;
}

static WC_JFILTER(escape)
{
    (void)args, (void)call;
    return wc_jescape(r, self, out);
}

static WC_JFILTER(forceescape)
{
    wc_jv text;
    (void)args, (void)call;
    return wc_jto_str(r, self, &text) && wc_jescape(r, text, out);
}

static WC_JFILTER(safe)
{
    (void)args, (void)call;
    if (!wc_jto_str(r, self, out))
        return false;
    out->flags = WC_J_MARKUP;
    return true;
}

/* ---- tojson ---- */

/* indent: none, a number of spaces, or the text of a level. */
static bool json_indent(wc_jrun *r, wc_jv indent, struct wc_jjson_style *style)
{
    enum { MAX_INDENT = 4096 };
    int64_t n;
    if (indent.type == WC_J_MISSING || indent.type == WC_J_NONE)
        return true;
    if (indent.type == WC_J_STR) {
        style->indent = indent.u.str->s;
        style->n_indent = indent.u.str->n;
        return true;
    }
    if (!wc_jarg_int(r, indent, 0, &n))
        return false;
    if (n > MAX_INDENT)
        return wc_jfail(r, WC_JINJA_LIMIT, "tojson: indent is too large: more than the limit of %d",
                        MAX_INDENT);
    char *spaces = wc_jalloc(r, MAX_INDENT, 1);
    if (!spaces)
        return false;
    style->n_indent = n > 0 ? (size_t)n : 0;
    memset(spaces, ' ', style->n_indent);
    style->indent = spaces;
    return true;
}

static bool json_separators(wc_jrun *r, wc_jv pair, struct wc_jjson_style *style)
{
    wc_jv list;
    if (pair.type == WC_J_MISSING || pair.type == WC_J_NONE)
        return wc_jstring_literal(r, style->indent ? "," : ", ", &style->item_separator) &&
               wc_jstring_literal(r, ": ", &style->key_separator);
    if (!wc_jiterable(pair))
        return wc_jfail_type(r, "cannot unpack non-iterable %s object", wc_jtype_name(pair));
    if (!wc_jto_list(r, pair, WC_J_LIST, &list))
        return false;
    if (list.u.list->n != 2)
        return wc_jfail(r, WC_JINJA_RUNTIME, "%s values to unpack (expected 2, got %zu)",
                        list.u.list->n < 2 ? "not enough" : "too many", list.u.list->n);
    style->item_separator = list.u.list->items[0];
    style->key_separator = list.u.list->items[1];
    if (style->item_separator.type != WC_J_STR || style->key_separator.type != WC_J_STR)
        return wc_jfail_type(r, "separators must be strings");
    return true;
}

static WC_JFILTER(tojson)
{
    struct wc_jjson_style style = {.ascii = wc_jarg_bool(r, args[0], false),
                                   .sort_keys = wc_jarg_bool(r, args[3], false)};
    wc_buf b;
    (void)call;
    if (!json_indent(r, args[1], &style) || !json_separators(r, args[2], &style))
        return false;
    wc_jbuf(&b);
    wc_jjson(r, &b, self, &style);
    return wc_jstring_take(r, &b, out);
}

static const wc_jfunction FILTERS[] = {
    {"abs", "/", wc_jf_abs},
    {"attr", "name", wc_jf_attr},
    {"batch", "linecount,fill_with?", wc_jf_batch},
    {"capitalize", "", wc_jf_capitalize},
    {"center", "width?", wc_jf_center},
    {"count", "/", wc_jf_length},
    {"d", "default_value?,boolean?", wc_jf_default},
    {"default", "default_value?,boolean?", wc_jf_default},
    {"dictsort", "case_sensitive?,by?,reverse?", wc_jf_dictsort},
    {"e", "/", wc_jf_escape},
    {"escape", "/", wc_jf_escape},
    {"filesizeformat", "binary?", wc_jf_filesizeformat},
    {"first", "", wc_jf_first},
    {"float", "default?", wc_jf_float},
    {"forceescape", "", wc_jf_forceescape},
    {"format", "*", wc_jf_format},
    {"groupby", "attribute,default?,case_sensitive?", wc_jf_groupby},
    {"indent", "width?,first?,blank?", wc_jf_indent},
    {"int", "default?,base?", wc_jf_int},
    {"items", "", wc_jf_items},
    {"join", "d?,attribute?", wc_jf_join},
    {"last", "", wc_jf_last},
    {"length", "/", wc_jf_length},
    {"list", "", wc_jf_list},
    {"lower", "", wc_jf_lower},
    {"map", "*", wc_jf_map},
    {"max", "case_sensitive?,attribute?", wc_jf_max},
    {"min", "case_sensitive?,attribute?", wc_jf_min},
    {"pprint", "", wc_jf_pprint},
    {"random", "", wc_jf_random},
    {"reject", "*", wc_jf_reject},
    {"rejectattr", "*", wc_jf_rejectattr},
    {"replace", "old,new,count?", wc_jf_replace},
    {"reverse", "", wc_jf_reverse},
    {"round", "precision?,method?", wc_jf_round},
    {"safe", "", wc_jf_safe},
    {"select", "*", wc_jf_select},
    {"selectattr", "*", wc_jf_selectattr},
    {"slice", "slices,fill_with?", wc_jf_slice},
    {"sort", "reverse?,case_sensitive?,attribute?", wc_jf_sort},
    {"string", "", wc_jf_string},
    {"striptags", "", wc_jf_striptags},
    {"sum", "attribute?,start?", wc_jf_sum},
    {"title", "", wc_jf_title},
    {"tojson", "ensure_ascii?,indent?,separators?,sort_keys?", wc_jf_tojson},
    {"trim", "chars?", wc_jf_trim},
    {"truncate", "length?,killwords?,end?,leeway?", wc_jf_truncate},
    {"unique", "case_sensitive?,attribute?", wc_jf_unique},
    {"upper", "", wc_jf_upper},
    {"urlencode", "", wc_jf_urlencode},
    {"urlize", "trim_url_limit?,nofollow?,target?,rel?,extra_schemes?", wc_jf_urlize},
    {"wordcount", "", wc_jf_wordcount},
    {"wordwrap", "width?,break_long_words?,wrapstring?,break_on_hyphens?", wc_jf_wordwrap},
    {"xmlattr", "autospace?", wc_jf_xmlattr},
    {0}};

const wc_jfunction *wc_jfind_filter(const char *name, size_t n)
{
    return wc_jfind(FILTERS, name, n);
}
