/* jinja_urlize.c - the filter urlize: addresses in a text become links.
 *
 * The text is cut at white space; each word is parted into opening punctuation, an address and closing punctuation.
 * What counts as an address is what Jinja2's two regular expressions match, written out as functions. */
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "text/jinja_filters.h"

struct text {
    const char *s;
    size_t n;
};

static bool begins(struct text t, const char *with)
{
    size_t n = strlen(with);
    return t.n >= n && memcmp(t.s, with, n) == 0;
}

static bool begins_any_case(struct text t, const char *with)
{
    size_t n = strlen(with);
    return t.n >= n && strncasecmp(t.s, with, n) == 0;
}

static struct text behind(struct text t, size_t n)
{
    return (struct text){t.s + n, t.n - n};
}

static bool ends(struct text t, const char *with)
{
    size_t n = strlen(with);
    return t.n >= n && memcmp(t.s + t.n - n, with, n) == 0;
}

/* Whether all of t are word characters or among extra, and how many they are. */
static bool is_word(struct text t, const char *extra, size_t *points)
{
    *points = 0;
    for (size_t i = 0; i < t.n; ++*points) {
        uint32_t c;
        i += wc_utf8_decode(t.s + i, t.n - i, &c);
        if (!wc_jchar_word(c) && !(c && c < 0x80 && strchr(extra, (char)c)))
            return false;
    }
    return true;
}

/* "a.b.c": every label a word of at least least and at most most characters; the last one is left in *rest. */
static bool read_labels(struct text host, size_t least, size_t most, struct text *rest, size_t *n_labels)
{
    size_t points;
    const char *dot;
    *n_labels = 0;
    while ((dot = memchr(host.s, '.', host.n))) {
        struct text label = {host.s, (size_t)(dot - host.s)};
        if (!is_word(label, "%-", &points) || points < least || points > most)
            return false;
        host = behind(host, label.n + 1);
        ++*n_labels;
    }
    *rest = host;
    return true;
}

static bool is_country(struct text t)
{
    size_t points;
    if (begins_any_case(t, "xn--"))
        return is_word(behind(t, 4), "%", &points) && points >= 2 && points <= 59;
    for (size_t i = 0; i < t.n; i++)
        if ((t.s[i] | 0x20) < 'a' || (t.s[i] | 0x20) > 'z')
            return false;
    return t.n >= 2 && t.n <= 63;
}

static bool is_common_domain(struct text t)
{
    static const char *const names[] = {"com", "net", "int", "edu", "gov", "org", "info", "mil"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (t.n == strlen(names[i]) && strncasecmp(t.s, names[i], t.n) == 0)
            return true;
    return false;
}

static bool is_ipv4(struct text t)
{
    int parts = 0;
    size_t digits = 0;
    for (size_t i = 0; i <= t.n; i++) {
        bool end = i == t.n || t.s[i] == '.';
        if (end ? digits < 1 || digits > 3 : t.s[i] < '0' || t.s[i] > '9')
            return false;
        parts += end;
        digits = end ? 0 : digits + 1;
    }
    return parts == 4;
}

/* "[::1]": two colons at least, groups of at most four hexadecimal digits. */
static bool is_ipv6(struct text t)
{
    size_t colons = 0, digits = 0, groups = 0;
    if (t.n < 4 || t.s[0] != '[' || t.s[t.n - 1] != ']')
        return false;
    for (size_t i = 1; i + 1 < t.n; i++) {
        if (t.s[i] == ':') {
            colons++;
            groups++;
            digits = 0;
        } else if (!strchr("0123456789abcdefABCDEF", t.s[i]) || ++digits > 4) {
            return false;
        }
    }
    groups += digits > 0;
    return colons >= 2 && groups >= 2 && groups <= 8;
}

/* Port, path, query and fragment are cut off; false: what is there is none. */
static bool cut_tail(struct text *t)
{
    size_t n = 0;
    const char *bracket = t->n > 0 && t->s[0] == '[' ? memchr(t->s, ']', t->n) : NULL;
    if (bracket)
        n = (size_t)(bracket - t->s);
    while (n < t->n && !strchr(":/?#", t->s[n]))
        n++;
    struct text rest = behind(*t, n);
    t->n = n;
    if (rest.n > 0 && rest.s[0] == ':') {
        size_t digits = 1;
        while (digits < rest.n && rest.s[digits] >= '0' && rest.s[digits] <= '9')
            digits++;
        if (digits < 2 || digits > 6)
            return false;
        rest = behind(rest, digits);
    }
    return rest.n == 0 || strchr("/?#", rest.s[0]);
}

static bool is_url(struct text t)
{
    bool scheme = begins_any_case(t, "http://") || begins_any_case(t, "https://"),
         www = begins_any_case(t, "www.");
    struct text host = t, last;
    size_t labels;
    if (scheme)
        host = behind(t, begins_any_case(t, "https://") ? 8 : 7);
    if (!cut_tail(&host))
        return false;
    if (scheme && (is_ipv4(host) || is_ipv6(host)))
        return true;
    struct text named = www ? behind(host, 4) : host;
    if ((scheme || www) && read_labels(named, 1, SIZE_MAX, &last, &labels) && is_country(last))
        return true;
    return !scheme && read_labels(host, 2, 63, &last, &labels) && labels > 0 && is_common_domain(last);
}

static bool is_email(struct text t)
{
    const char *sign = memrchr(t.s, '@', t.n);
    size_t points;
    if (!sign || sign == t.s)
        return false;
    struct text host = behind(t, (size_t)(sign + 1 - t.s));
    const char *dot = memrchr(host.s, '.', host.n);
    if (!dot || dot == host.s)
        return false;
    struct text last = behind(host, (size_t)(dot + 1 - host.s)), first = {host.s, 1};
    while (first.n < host.n && ((unsigned char)host.s[first.n] & 0xc0) == 0x80)
        first.n++;
    return is_word(first, "", &points) && is_word(host, ".-", &points) && last.n > 0 &&
           is_word(last, "", &points);
}

/* ---- punctuation around an address ---- */

static struct text take_head(struct text *middle)
{
    struct text head = {middle->s, 0};
    for (;;) {
        size_t n = begins(*middle, "(") || begins(*middle, "<") ? 1 : begins(*middle, "&lt;") ? 4 : 0;
        if (n == 0)
            return head;
        head.n += n;
        *middle = behind(*middle, n);
    }
}

static struct text take_tail(struct text *middle)
{
    static const char *const closers[] = {"&gt;", ")", ">", ".", ",", "\n"};
    struct text tail = {middle->s + middle->n, 0};
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < sizeof closers / sizeof *closers && !more; i++)
            if (ends(*middle, closers[i])) {
                size_t n = strlen(closers[i]);
                tail.s -= n;
                tail.n += n;
                middle->n -= n;
                more = true;
            }
    }
    return tail;
}

static size_t count(struct text t, const char *what)
{
    size_t n = 0, len = strlen(what);
    const char *at = t.s, *end = t.s + t.n;
    while ((at = memmem(at, (size_t)(end - at), what, len))) {
        n++;
        at += len;
    }
    return n;
}

/* Brackets that are open in the address take their closing ones back from the tail. */
static void balance(struct text *middle, struct text *tail)
{
    static const char *const pairs[][2] = {{"(", ")"}, {"<", ">"}, {"&lt;", "&gt;"}};
    for (int i = 0; i < 3; i++) {
        size_t open = count(*middle, pairs[i][0]), closed = count(*tail, pairs[i][1]);
        if (open <= count(*middle, pairs[i][1]))
            continue;
        for (size_t k = 0; k < (open < closed ? open : closed); k++) {
            const char *end = memmem(tail->s, tail->n, pairs[i][1], strlen(pairs[i][1]));
            size_t n = (size_t)(end - tail->s) + strlen(pairs[i][1]);
            middle->n += n; /* the tail lies right behind */
            *tail = behind(*tail, n);
        }
    }
}

/* ---- links ---- */

struct links {
    wc_buf attributes; /* rel and target */
    int64_t limit;     /* of what is shown; negative: none */
    wc_jv schemes;     /* a list */
};

static void add_text(wc_buf *b, struct text t)
{
    wc_buf_add(b, t.s, t.n);
}

static void add_shown(wc_buf *b, const struct links *l, struct text t)
{
    size_t at = 0;
    for (int64_t points = 0; l->limit >= 0 && at < t.n; points++) {
        if (points == l->limit) {
            wc_buf_add(b, t.s, at);
            wc_buf_puts(b, "...");
            return;
        }
        do
            at++;
        while (at < t.n && ((unsigned char)t.s[at] & 0xc0) == 0x80);
    }
    add_text(b, t);
}

static void add_link(wc_buf *b, const char *prefix, struct text t, const wc_buf *attributes)
{
    wc_buf_printf(b, "<a href=\"%s", prefix);
    add_text(b, t);
    wc_buf_putc(b, '"');
    if (attributes)
        wc_buf_puts(b, wc_buf_str(attributes));
    wc_buf_putc(b, '>');
}

static void add_address(wc_buf *b, const struct links *l, struct text t)
{
    if (is_url(t)) {
        bool scheme = begins(t, "https://") || begins(t, "http://");
        add_link(b, scheme ? "" : "https://", t, &l->attributes);
        add_shown(b, l, t);
    } else if (begins(t, "mailto:") && is_email(behind(t, 7))) {
        add_link(b, "", t, NULL);
        add_text(b, behind(t, 7));
    } else if (memchr(t.s, '@', t.n) && !begins(t, "www.") && !begins(t, "@") && !memchr(t.s, ':', t.n) &&
               is_email(t)) {
        add_link(b, "mailto:", t, NULL);
        add_text(b, t);
    } else {
        for (size_t i = 0; i < l->schemes.u.list->n; i++) {
            const wc_jstr *scheme = l->schemes.u.list->items[i].u.str;
            if (t.n > scheme->n && memcmp(t.s, scheme->s, scheme->n) == 0) {
                add_link(b, "", t, &l->attributes);
                add_text(b, t);
                wc_buf_puts(b, "</a>");
                return;
            }
        }
        add_text(b, t);
        return;
    }
    wc_buf_puts(b, "</a>");
}

static void add_word(wc_buf *b, const struct links *l, struct text word)
{
    struct text middle = word, head = take_head(&middle), tail = take_tail(&middle);
    balance(&middle, &tail);
    add_text(b, head);
    add_address(b, l, middle);
    add_text(b, tail);
}

/* ---- arguments ---- */

static int order_words(wc_jv a, wc_jv b)
{
    size_t n = a.u.str->n < b.u.str->n ? a.u.str->n : b.u.str->n;
    int c = memcmp(a.u.str->s, b.u.str->s, n);
    return c ? c : (a.u.str->n > b.u.str->n) - (a.u.str->n < b.u.str->n);
}

/* rel: the words given, nofollow and noopener, each once and in order. */
static bool add_rel(wc_jrun *r, wc_buf *b, wc_jv rel, bool nofollow)
{
    wc_jv given, words, joined, word, space;
    const char *text = nofollow ? " nofollow noopener" : " noopener";
    if (rel.type != WC_J_STR && !wc_jstring_literal(r, "", &rel))
        return false;
    if (!wc_jstring_literal(r, text, &given) || !wc_jstring_literal(r, " ", &space) ||
        !wc_jconcat(r, rel, given, &joined) || !wc_jstr_split_space(r, joined, -1, &words))
        return false;
    size_t n = words.u.list->n, *order = wc_jalloc(r, n, sizeof *order);
    if (!order || !wc_jsort(r, words.u.list->items, n, false, order))
        return false;
    wc_buf_puts(b, " rel=\"");
    for (size_t i = 0; i < n; i++) {
        word = words.u.list->items[order[i]];
        if (i > 0 && order_words(word, words.u.list->items[order[i - 1]]) == 0)
            continue;
        if (i > 0)
            wc_buf_putc(b, ' ');
        wc_jescape_text(b, word.u.str->s, word.u.str->n);
    }
    wc_buf_putc(b, '"');
    return true;
}

/* "scheme:", "scheme:/" or "scheme://" */
static bool is_scheme(struct text t)
{
    size_t points;
    if (ends(t, "://"))
        t.n -= 2;
    else if (ends(t, ":/"))
        t.n--;
    if (!ends(t, ":"))
        return false;
    t.n--;
    return is_word(t, ".+-", &points) && points >= 2;
}

static bool check_schemes(wc_jrun *r, wc_jv schemes, struct links *l)
{
    if (schemes.type == WC_J_MISSING || schemes.type == WC_J_NONE)
        return wc_jlist_of(r, WC_J_LIST, NULL, 0, &l->schemes);
    if (!wc_jto_list(r, schemes, WC_J_LIST, &l->schemes))
        return false;
    for (size_t i = 0; i < l->schemes.u.list->n; i++) {
        wc_jv scheme = l->schemes.u.list->items[i];
        if (!wc_jarg_str(r, scheme, "urlize"))
            return false;
        if (!is_scheme((struct text){scheme.u.str->s, scheme.u.str->n}))
            return wc_jfail(r, WC_JINJA_RUNTIME, "'%.*s' is not a valid URI scheme prefix.",
                            (int)scheme.u.str->n, scheme.u.str->s);
    }
    return true;
}

static bool read_arguments(wc_jrun *r, const wc_jv *args, struct links *l)
{
    wc_jv limit = args[0].type == WC_J_NONE ? wc_jmissing() : args[0];
    if (!wc_jarg_int(r, limit, -1, &l->limit) ||
        !add_rel(r, &l->attributes, args[3], wc_jarg_bool(r, args[1], false)) ||
        !check_schemes(r, args[4], l))
        return false;
    if (args[2].type == WC_J_STR && args[2].u.str->n > 0) {
        wc_buf_puts(&l->attributes, " target=\"");
        wc_jescape_text(&l->attributes, args[2].u.str->s, args[2].u.str->n);
        wc_buf_putc(&l->attributes, '"');
    }
    return true;
}

WC_JFILTER(urlize)
{
    struct links l;
    wc_jv escaped;
    wc_buf b;
    (void)call;
    wc_jbuf(&l.attributes);
    wc_jbuf(&b);
    bool ok = read_arguments(r, args, &l) && wc_jescape(r, self, &escaped) &&
              wc_jsteps(r, escaped.u.str->n / 8);
    const char *s = ok ? escaped.u.str->s : "";
    size_t n = ok ? escaped.u.str->n : 0;
    for (size_t at = 0, end; at <= n && wc_buf_ok(&b); at = end) {
        size_t space = wc_jspace_front(s + at, n - at);
        wc_buf_add(&b, s + at, space);
        at += space;
        for (end = at; end < n && wc_jspace_front(s + end, n - end) == 0;)
            end++;
        if (end == at)
            break;
        add_word(&b, &l, (struct text){s + at, end - at});
    }
    wc_buf_release(&l.attributes);
    if (!ok) {
        wc_buf_release(&b);
        return false;
    }
    if (!wc_jstring_take(r, &b, out))
        return false;
    out->flags = r->autoescape ? WC_J_MARKUP : 0;
    return true;
}
