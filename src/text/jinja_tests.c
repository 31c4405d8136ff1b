/* jinja_tests.c - the tests: what can stand behind "is". */
#include <string.h>

#include "text/jinja_ast.h"
#include "text/jinja_filters.h"

#define TEST(name)                                                                                           \
    static bool t_##name(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
/* A test that only looks at its value. */
#define SIMPLE_TEST(name, condition)                                                                         \
    TEST(name)                                                                                               \
    {                                                                                                        \
        (void)r, (void)args, (void)call;                                                                     \
        *out = wc_jbool(condition);                                                                          \
        return true;                                                                                         \
    }

SIMPLE_TEST(defined, self.type != WC_J_UNDEFINED)
SIMPLE_TEST(undefined, self.type == WC_J_UNDEFINED)
SIMPLE_TEST(none, self.type == WC_J_NONE)
SIMPLE_TEST(boolean, self.type == WC_J_BOOL)
SIMPLE_TEST(is_false, self.type == WC_J_BOOL && !self.u.boolean)
SIMPLE_TEST(is_true, self.type == WC_J_BOOL && self.u.boolean)
SIMPLE_TEST(integer, self.type == WC_J_INT || self.type == WC_J_BIGINT)
SIMPLE_TEST(float, self.type == WC_J_FLOAT)
SIMPLE_TEST(number, wc_jis_number(self))
SIMPLE_TEST(string, self.type == WC_J_STR)
SIMPLE_TEST(mapping, self.type == WC_J_DICT)
SIMPLE_TEST(sequence, wc_jhas_length(self) && self.type != WC_J_VIEW)
SIMPLE_TEST(iterable, wc_jiterable(self) || self.type == WC_J_LOOP)
SIMPLE_TEST(escaped, self.type == WC_J_STR && (self.flags & WC_J_MARKUP))
SIMPLE_TEST(sameas, wc_jsame(self, args[0]))
SIMPLE_TEST(callable, self.type == WC_J_MACRO || self.type == WC_J_FUNCTION || self.type == WC_J_METHOD ||
                          self.type == WC_J_LOOP || self.type == WC_J_JOINER || self.type == WC_J_BLOCK ||
                          self.type == WC_J_UNDEFINED)
SIMPLE_TEST(filter, self.type == WC_J_STR && wc_jfind_filter(self.u.str->s, self.u.str->n))
SIMPLE_TEST(test, self.type == WC_J_STR && wc_jfind_test(self.u.str->s, self.u.str->n))

/* Whether self modulo number is rest. */
static bool modulo_is(wc_jrun *r, wc_jv self, wc_jv number, int64_t rest, wc_jv *out)
{
    wc_jv modulo;
    bool equal;
    if (!wc_jbinary(r, WC_JT_MOD, self, number, &modulo) || !wc_jequal(r, modulo, wc_jint(rest), &equal))
        return false;
    *out = wc_jbool(equal);
    return true;
}

TEST(odd)
{
    (void)args, (void)call;
    return modulo_is(r, self, wc_jint(2), 1, out);
}

TEST(even)
{
    (void)args, (void)call;
    return modulo_is(r, self, wc_jint(2), 0, out);
}

TEST(divisibleby)
{
    (void)call;
    return modulo_is(r, self, args[0], 0, out);
}

static bool string_method(wc_jrun *r, wc_jv self, const char *name, wc_jv *out)
{
    const wc_jcall none = {0};
    wc_jv text;
    return wc_jto_str(r, self, &text) &&
           wc_jcall_function(r, wc_jfind_str_method(text, name, strlen(name)), text, &none, out);
}

TEST(lower)
{
    (void)args, (void)call;
    return string_method(r, self, "islower", out);
}

TEST(upper)
{
    (void)args, (void)call;
    return string_method(r, self, "isupper", out);
}

TEST(in)
{
    bool found;
    (void)call;
    if (!wc_jcontains(r, args[0], self, &found))
        return false;
    *out = wc_jbool(found);
    return true;
}

static bool equals(wc_jrun *r, wc_jv a, wc_jv b, bool wanted, wc_jv *out)
{
    bool equal;
    if (!wc_jequal(r, a, b, &equal))
        return false;
    *out = wc_jbool(equal == wanted);
    return true;
}

TEST(eq)
{
    (void)call;
    return equals(r, self, args[0], true, out);
}

TEST(ne)
{
    (void)call;
    return equals(r, self, args[0], false, out);
}

/* Whether the order of a and b is one of two. */
static bool ordered(wc_jrun *r, wc_jv a, wc_jv b, const char *op, int one, int other, wc_jv *out)
{
    int order;
    if (!wc_jorder(r, a, b, op, &order))
        return false;
    *out = wc_jbool(order == one || order == other);
    return true;
}

TEST(lt)
{
    (void)call;
    return ordered(r, self, args[0], "<", -1, -1, out);
}

TEST(le)
{
    (void)call;
    return ordered(r, self, args[0], "<=", -1, 0, out);
}

TEST(gt)
{
    (void)call;
    return ordered(r, self, args[0], ">", 1, 1, out);
}

TEST(ge)
{
    (void)call;
    return ordered(r, self, args[0], ">=", 1, 0, out);
}

static const wc_jfunction TESTS[] = {{"defined", "", t_defined},
                                     {"undefined", "", t_undefined},
                                     {"none", "", t_none},
                                     {"string", "", t_string},
                                     {"mapping", "", t_mapping},
                                     {"iterable", "", t_iterable},
                                     {"sequence", "", t_sequence},
                                     {"number", "", t_number},
                                     {"boolean", "", t_boolean},
                                     {"true", "", t_is_true},
                                     {"false", "", t_is_false},
                                     {"integer", "", t_integer},
                                     {"float", "", t_float},
                                     {"odd", "", t_odd},
                                     {"even", "", t_even},
                                     {"divisibleby", "num", t_divisibleby},
                                     {"lower", "", t_lower},
                                     {"upper", "", t_upper},
                                     {"in", "seq", t_in},
                                     {"callable", "/", t_callable},
                                     {"sameas", "other", t_sameas},
                                     {"escaped", "", t_escaped},
                                     {"filter", "", t_filter},
                                     {"test", "", t_test},
                                     {"==", "/b", t_eq},
                                     {"eq", "/b", t_eq},
                                     {"equalto", "/b", t_eq},
                                     {"!=", "/b", t_ne},
                                     {"ne", "/b", t_ne},
                                     {"<", "/b", t_lt},
                                     {"lt", "/b", t_lt},
                                     {"lessthan", "/b", t_lt},
                                     {"<=", "/b", t_le},
                                     {"le", "/b", t_le},
                                     {">", "/b", t_gt},
                                     {"gt", "/b", t_gt},
                                     {"greaterthan", "/b", t_gt},
                                     {">=", "/b", t_ge},
                                     {"ge", "/b", t_ge},
                                     {0}};

const wc_jfunction *wc_jfind_test(const char *name, size_t n)
{
    return wc_jfind(TESTS, name, n);
}
